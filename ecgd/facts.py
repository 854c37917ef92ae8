"""An Ecg without its arrays, as JSON, and back: for the reader's pipe and for ``ecgd read``."""

import typing
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from domain.ecg import Ecg
from domain.finding import Abstention, Score

ARRAYS = ("signal", "picture", "page")
_FIELDS: dict[str, TypeAdapter[Any]] = {
    name: TypeAdapter(hint) for name, hint in typing.get_type_hints(Ecg).items() if name not in ARRAYS
}


def dump(ecg: Ecg) -> dict[str, Any]:
    """Every field but the arrays, as JSON types."""
    return {name: adapter.dump_python(getattr(ecg, name), mode="json") for name, adapter in _FIELDS.items()}


def load(facts: dict[str, Any], arrays: dict[str, Any]) -> Ecg:
    """The inverse of ``dump``, validating; raises ValueError on anything that is not an Ecg."""
    values: dict[str, Any] = {name: adapter.validate_python(facts[name]) for name, adapter in _FIELDS.items()}
    return Ecg(**values, **arrays)


def shown(ecg: Ecg) -> dict[str, Any]:
    """What ``ecgd read`` prints: the facts under the names an operator knows."""
    facts = dump(ecg)
    origin = facts.pop("origin")
    return {
        "format": origin["format"],
        "acquired_at": facts["acquired_at"],
        "seconds": ecg.seconds,
        "rate_hz": ecg.rate_hz,
        "leads": list(ecg.recorded_leads),
        "lead_seconds": {
            name: round(float(np.count_nonzero(~np.isnan(row))) / ecg.rate_hz, 3)
            for name, row in zip(ecg.recorded_leads, _recorded(ecg), strict=True)
        },
        "origin": {name: value for name, value in origin.items() if name not in {"format", "warnings"}},
        **{name: facts[name] for name in ("patient", "order", "device", "reported", "measured", "statements")},
        "quality": {"fit": not ecg.unfit, "defects": facts["unfit"]},
        "warnings": origin["warnings"],
    }


def shown_answers(answers: tuple[Score | Abstention, ...]) -> dict[str, Any]:
    """The ``scores`` and ``abstentions`` of ``ecgd score``."""
    return {
        "scores": [shown_answer(a) for a in answers if isinstance(a, Score)],
        "abstentions": [shown_answer(a) for a in answers if isinstance(a, Abstention)],
    }


def shown_answer(answer: Score | Abstention) -> dict[str, Any]:
    """An answer as JSON types, without its explanation: that is for drawing."""
    names = [one.name for one in fields(answer) if one.name != "explanation"]
    return {name: to_jsonable_python(getattr(answer, name)) for name in names}


def _recorded(ecg: Ecg) -> NDArray[np.float32]:
    return ecg.signal[~np.isnan(ecg.signal).all(axis=1)]
