import pytest

from ecgd.demo import _answer

MODEL = {"output": "potassium", "status": "stand-in", "reason": None, "comparator": None}


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ({"level": "normal", "value": 4.05, "unit": "mmol/L"}, "potassium: 4.05 mmol/L normal (stand-in)"),
        (
            {"level": "severe_high", "value": 7.5, "unit": "mmol/L", "comparator": ">"},
            "potassium: >7.5 mmol/L severe_high (stand-in)",
        ),
        ({"output": "arrest", "level": "high", "value": 0.25, "unit": "1"}, "arrest: 0.25 high (stand-in)"),
        ({"reason": "lead_flat"}, "potassium: no estimate, lead_flat (stand-in)"),
    ],
)
def test_an_answer_names_its_models_status(answer: dict[str, object], line: str) -> None:
    assert _answer(MODEL | answer) == line
