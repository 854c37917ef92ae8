"""Subgroups, readers, tables and pictures on small sets whose answers can be counted by hand."""

import json

import numpy as np
import pytest

from inference.evaluation import document, plots, predictions, readers, subgroups, tables, thresholds
from inference.evaluation.report import Wanted, report, threshold_of
from inference.evaluation.sheet import Unusable

RNG = np.random.default_rng(2)
QUICK = Wanted(resamples=50, prevalences=(0.0006,), note="made-up numbers")


def _arrest(tmp_path, n=300):
    path = tmp_path / "arrest.csv"
    lines = ["truth,score,patient,file,age,sex,device,door"]
    for row in range(n):
        truth = int(RNG.random() < 0.3)
        score = np.clip(RNG.normal(0.3 + 0.3 * truth, 0.15), 0.01, 0.99)
        sex, device = ("male", "female")[row % 2], ("A", "B")[row >= n - 5]
        lines.append(f"{truth},{score:.4f},p{row // 2},e{row}.dcm,{20 + row % 70},{sex},{device},dicom")
    path.write_text("\n".join(lines))
    return predictions.read(path)


def _potassium(tmp_path, n=300):
    path = tmp_path / "potassium.csv"
    lines = ["truth,score,patient,case,age,sex"]
    for row in range(n):
        truth = (2.2, 3.0, 4.2, 5.9, 7.1)[row % 5]
        lines.append(f"{truth},{truth + RNG.normal(0, 0.8):.2f},p{row},c{row},{30 + row % 40},male")
    path.write_text("\n".join(lines))
    return predictions.read(path)


def test_a_report_is_flat_json_with_the_interval_beside_the_figure(tmp_path):
    found = report(_arrest(tmp_path), QUICK)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for name in ("auroc", "auprc", "f1", "recall", "calibration_slope", "brier", "ppv_at_0.0006"):
        low, high = found[f"{name}_ci"]
        assert low <= found[name] <= high
    assert (found["n"], found["patients"], found["note"]) == (300, 150, "made-up numbers")
    assert [entry["ratio"] for entry in found["imbalance"]] == [0.1, 0.2]
    assert found["bootstrap"]["unit"] == "patient"


def test_scores_that_are_no_probabilities_are_ranked_and_not_calibrated(tmp_path):
    data = _arrest(tmp_path)
    logits = data.scored(10 * data.score - 5)
    found = report(logits, QUICK)
    assert found["auroc"] == pytest.approx(report(data, QUICK)["auroc"])
    assert "brier" not in found
    assert any("between 0 and 1" in note for note in found["notes"])


@pytest.mark.parametrize("wanted", ["", "high", "nan", "sensitivity=", "sensitivity=0", "sensitivity=1.1", "f1=0.5"])
def test_a_threshold_that_names_none_is_refused_in_words(tmp_path, wanted):
    with pytest.raises(ValueError, match="a threshold is a number"):
        threshold_of(_arrest(tmp_path), wanted)


def test_a_threshold_says_where_it_comes_from(tmp_path):
    data = _arrest(tmp_path)
    assert threshold_of(data, "0.25") == thresholds.Threshold(value=0.25, rule="given")
    assert "optimistic" in threshold_of(data, "youden").rule
    assert threshold_of(data, "sensitivity=0.9").rule.startswith("sensitivity 0.9")


@pytest.mark.parametrize(
    ("age", "band"),
    [("17.9", "under 18"), ("18", "18 to 39"), ("64", "40 to 64"), ("65", "65 to 79"), ("80", "80 and over")]
    + [(odd, "not known") for odd in ("", "old", "nan", "-1", "300")],
)
def test_ages_fall_into_bands(age, band):
    assert subgroups.band(age) == band


def test_subgroups_count_every_ecg_once_and_score_only_what_is_large_enough(tmp_path):
    data = _arrest(tmp_path)
    entries = subgroups.subgroups(data, thresholds.given(0.5), 20, 0)
    for column in subgroups.COLUMNS:
        assert sum(entry["n"] for entry in entries if entry["column"] == column) == 300
    sizes = {entry["group"]: (entry["n"], entry["scored"]) for entry in entries if entry["column"] == "device"}
    assert sizes == {"A": (295, True), "B": (5, False)}
    women = next(entry for entry in entries if entry["group"] == "female")
    rows = np.array(data.columns["sex"]) == "female"
    assert women["recall"] == pytest.approx((data.score[rows & (data.truth == 1)] >= 0.5).mean())


def _answers(tmp_path, text):
    path = tmp_path / "readers.csv"
    path.write_text(text)
    return path


def test_readers_stand_beside_the_model_on_the_cases_they_read(tmp_path):
    data = predictions.read(
        _answers(tmp_path, "truth,score,file\n1,0.9,a\n1,0.8,b\n1,0.2,c\n0,0.1,d\n0,0.3,e\n0,0.7,f\n")
    )
    path = _answers(
        tmp_path,
        "file,reader,answer\na,Ann,1\nb,Ann,0\nc,Ann,1\nd,Ann,0\ne,Ann,1\nf,Ann,1\na,Ben,1\nd,Ben,0\nz,Ben,1\n",
    )
    readings, strangers = readers.read(path, data)
    assert strangers == 1
    found = readers.compare(data, readings, thresholds.given(0.5), 20, 0)
    ann, ben = found["readers"]
    assert (ann["recall"], ann["specificity"]) == pytest.approx((2 / 3, 1 / 3))
    assert (ann["model"]["recall"], ann["model"]["specificity"]) == pytest.approx((2 / 3, 2 / 3))
    # the model alone is right on b and e, Ann alone on c: two-sided binomial of 1 in 3
    assert ann["mcnemar"]["all"] == {"only_model_right": 2, "only_reader_right": 1, "p": 1.0}
    assert (ben["cases"], ben["recall"], ben["model"]["recall"]) == (2, 1.0, 1.0)
    assert found["model"]["cases"] == 6


def test_readers_of_potassium_choose_among_three_as_in_the_paper(tmp_path):
    data = _potassium(tmp_path, 10)
    lines = [f"c{row},Ann,{('hypokalemia', 'Normokalemia', 'hyperkalaemia')[row % 3]}" for row in range(10)]
    readings, _ = readers.read(_answers(tmp_path, "case,reader,answer\n" + "\n".join(lines)), data)
    (ann,) = readers.compare(data, readings, None, 20, 0)["readers"]
    said = np.array([row % 3 for row in range(10)])
    assert ann["sensitivity_hypokalemia"] == pytest.approx((said[data.truth <= 3.5] == 0).mean())
    assert ann["sensitivity_severe_hypokalemia"] == pytest.approx((said[data.truth <= 2.5] == 0).mean())
    assert ann["specificity_hyperkalemia"] == pytest.approx((said[data.truth < 5.5] != 2).mean())


def test_mistakes_in_the_readers_file_are_said_at_once(tmp_path):
    data = predictions.read(_answers(tmp_path, "truth,score,file\n1,0.9,a\n0,0.1,b\n"))
    path = _answers(tmp_path, "file,reader,answer\na,Ann,perhaps\nb,Ann,0\nb,Ann,1\n")
    with pytest.raises(Unusable) as error:
        readers.read(path, data)
    assert error.value.mistakes == (
        "line 2, answer: write 0 or 1",
        "line 4, case: this reader has answered it before; keep one line",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("case,reader,answer\na,Ann,1\n", "no column case or file that the predictions have too"),
        ("file,reader,answer\nz,Ann,1\n", "no answer is to a case of the predictions"),
        ("file,who\na,Ann\n", "no header with the columns reader, answer"),
    ],
)
def test_a_readers_file_that_cannot_be_joined_says_why(tmp_path, text, said):
    data = predictions.read(_answers(tmp_path, "truth,score,file\n1,0.9,a\n0,0.1,b\n"))
    with pytest.raises(Unusable, match=said):
        readers.read(_answers(tmp_path, text), data)


def _header(text, title):
    return text.split(f"## {title}")[1].split("\n\n")[1].splitlines()[0]


def test_tables_have_the_papers_columns_in_their_order(tmp_path):
    data = _arrest(tmp_path)
    text = document.document({name: report(data, QUICK) for name in ("None", "SA only")})
    assert _header(text, "Performance") == "| Modules | Accuracy | Recall | Precision | F1-score | AUROC | AUPRC |"
    assert _header(text, "Comparison") == (
        "| Method | Positive rate | Accuracy | Recall | Precision | Specificity | AUROC |"
    )
    assert _header(text, "Varying") == "| Modules | Accuracy | Recall | Precision | F1-score | AUROC | AUPRC |"
    assert text.index("**Positive ratio of 0.1**") < text.index("**Positive ratio of 0.2**")


def test_potassium_has_ecg12net_s_tables(tmp_path):
    text = document.document({"ECG12Net-1": report(_potassium(tmp_path), QUICK)})
    assert _header(text, "Sensitivity per severity") == (
        "| Type of dyskalemia | Sensitivity, overall | Sensitivity, severe | Sensitivity, mild to moderate "
        "| Specificity | Balance accuracy |"
    )
    assert "MAE of the constant" in text


@pytest.mark.parametrize("make", [_arrest, _potassium])
def test_every_table_is_rectangular_and_every_heading_carries_the_note(tmp_path, make):
    text = document.document({"one | two": report(make(tmp_path), QUICK)})
    for block in text.split("\n\n"):
        if block.startswith("|"):
            assert len({line.replace("\\|", "").count("|") for line in block.splitlines()}) == 1
    headings = [line for line in text.splitlines() if line.startswith("#") and line != "## Notes"]
    assert all("made-up numbers" in line for line in headings)


@pytest.mark.parametrize(
    ("report_", "said"),
    [
        ({"x": None, "x_ci": None}, "–"),
        ({"x": 0.8431, "x_ci": [0.801, 0.88]}, "0.843 (0.801-0.880)"),
        ({"x": 0.0022, "x_ci": None}, "0.0022"),
        ({"x": -0.5, "x_ci": [-1, 0]}, "-0.500 (-1.000 to 0.000)"),
    ],
)
def test_a_cell_reads_as_the_paper_writes_it(report_, said):
    assert tables.cell(report_, "x") == said


def test_pictures_are_drawn_for_either_kind(tmp_path):
    arrest, potassium = _arrest(tmp_path), _potassium(tmp_path)
    drawn = plots.plots({"$a": (arrest, report(arrest, QUICK))}, tmp_path, "made-up numbers")
    drawn |= plots.plots({"_k": (potassium, report(potassium, QUICK))}, tmp_path)
    assert set(drawn.values()) == {"roc.png", "pr.png", "calibration.png", "potassium.png", "cuts.png"}
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in drawn.values())


@pytest.mark.parametrize(
    ("truth", "score"),
    [([0, 1], [0.5, 0.5]), ([0, 0, 1, 1], [0, 1, 0, 1]), ([0, 1, 0], [-3, 1e300, 2]), ([4.1, 4.1], [4, 4.2])],
    ids=["two rows, one score", "certain and wrong", "no probabilities", "one potassium"],
)
def test_small_and_odd_sets_have_tables_and_pictures_too(tmp_path, truth, score):
    data = predictions.of(truth, score)
    found = report(data, QUICK)
    json.dumps(found, allow_nan=False)
    assert any("so few" in note for note in found["notes"])
    drawn = plots.plots({"a": (data, found)}, tmp_path)
    assert all(name in document.document({"a": found}, drawn) for name in drawn.values())


def test_the_text_sets_the_readers_above_the_model_and_says_who_was_right(tmp_path):
    data = _potassium(tmp_path, 60)
    lines = [f"c{row},Cardiologist 1,{('hypokalemia', 'normokalemia')[row % 2]}" for row in range(60)]
    path = _answers(tmp_path, "case,reader,answer\nelse,Cardiologist 1,hyperkalemia\n" + "\n".join(lines))
    text = document.document({"ECG12Net-1": report(data, Wanted(resamples=20, readers=path))})
    table = text.split("## Readers beside ECG12Net-1")[1].split("\n\n")[1].splitlines()
    assert [line.split(" | ")[0].strip("| *") for line in table[2:]] == [
        "Hypokalemia (K+ ≤ 3.5 mmol/L)",
        "Cardiologist 1",
        "ECG12Net-1",
        "Hyperkalemia (K+ ≥ 5.5 mmol/L)",
        "Cardiologist 1",
        "ECG12Net-1",
    ]
    assert "## Disagreements with ECG12Net-1 (McNemar)" in text
    assert "1 answer(s) to cases that the predictions lack" in text
