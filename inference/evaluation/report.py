"""One object per model that says everything that was measured, flat enough to read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inference.evaluation import binary, potassium, readers, thresholds
from inference.evaluation.bootstrap import RESAMPLES, Estimates
from inference.evaluation.calibration import EDGE
from inference.evaluation.imbalance import imbalance
from inference.evaluation.predictions import Predictions
from inference.evaluation.subgroups import FEWEST, subgroups
from inference.evaluation.thresholds import Threshold

YOUDEN = "youden"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to measure. ``threshold``: a score, ``youden``, or ``sensitivity=0.9``; ``note`` heads every output."""

    threshold: str = YOUDEN
    prevalences: tuple[float, ...] = ()
    resamples: int = RESAMPLES
    seed: int = 0
    note: str = ""
    readers: Path | None = None


def report(predictions: Predictions, wanted: Wanted) -> dict[str, Any]:
    """Figures by name, each beside its ``_ci`` ``[low, high]``; ``None`` where a figure is undefined.

    Raises ``ValueError`` in words when ``wanted.threshold`` names none, ``Unusable`` for the readers' file.
    """
    threshold = threshold_of(predictions, wanted.threshold) if predictions.binary else None
    found: dict[str, Any] = {"note": wanted.note} if wanted.note else {}
    found |= _arrest(predictions, threshold, wanted) if threshold else _potassium(predictions, wanted)
    found["subgroups"] = subgroups(predictions, threshold, wanted.resamples, wanted.seed)
    if wanted.readers:
        readings, strangers = readers.read(wanted.readers, predictions)
        found["readers"] = readers.compare(predictions, readings, threshold, wanted.resamples, wanted.seed)
        if strangers:
            found["notes"].append(f"readers: {strangers} answer(s) to cases that the predictions lack were left out")
    return found


def threshold_of(predictions: Predictions, wanted: str) -> Threshold:
    """The threshold that ``wanted`` names; ``ValueError`` in words when it names none."""
    ill = predictions.truth == 1
    if wanted == YOUDEN:
        return thresholds.youden(ill, predictions.score)
    name, equals, number = wanted.partition("=")
    try:
        value = float(number if equals else wanted)
    except ValueError:
        value = np.nan
    if equals and name == "sensitivity" and 0 < value <= 1:
        return thresholds.at_sensitivity(ill, predictions.score, value)
    if equals or not np.isfinite(value):
        raise ValueError("a threshold is a number, youden, or sensitivity=0.9")
    return thresholds.given(value)


def _arrest(predictions: Predictions, threshold: Threshold, wanted: Wanted) -> dict[str, Any]:
    found = binary.everything(predictions, threshold, wanted.prevalences, wanted.resamples, wanted.seed)
    positives = int(predictions.truth.sum())
    notes = [] if predictions.probabilities else [_left_out(binary.PROBABILITY_ONLY)]
    notes += _few({"positives": positives, "negatives": len(predictions.truth) - positives})
    if found.value.get("calibration_slope", 0.0) is None:
        notes.append("calibration_slope: undefined, the score separates the classes or does not vary")
    if predictions.probabilities and ((predictions.score < EDGE) | (predictions.score > 1 - EDGE)).any():
        notes.append(f"calibration: scores are held to {EDGE:g} .. 1 - {EDGE:g}, 0 and 1 have no logit")
    return {
        "output": "arrest",
        **_size(predictions),
        "positives": positives,
        "positive_rate": positives / len(predictions.truth),
        **found.named(found.value),
        "threshold": threshold.value,
        "threshold_rule": threshold.rule,
        "confusion": binary.counts_of(predictions, threshold),
        "imbalance": imbalance(predictions, threshold, wanted.seed),
        **_closing(predictions, wanted, found, notes),
    }


def _potassium(predictions: Predictions, wanted: Wanted) -> dict[str, Any]:
    sides = dict.fromkeys(("hypokalemia", "hyperkalemia"), wanted.prevalences)
    found = potassium.estimates(predictions, sides, wanted.resamples, wanted.seed)
    table = potassium.class_table(predictions)
    cases = {cut.replace("_", " "): int(potassium.beyond(predictions.truth, cut).sum()) for cut in potassium.CUTS}
    return {
        "output": "potassium",
        "unit": "mmol/L",
        **_size(predictions),
        **found.named(found.value),
        "constant": float(np.median(predictions.truth)),
        "constant_rule": "median of the truth",
        "classes": list(potassium.BOUNDS),
        "class_counts": table.sum(1).tolist(),
        "class_table": table.tolist(),
        **_closing(predictions, wanted, found, _few(cases)),
    }


def _size(predictions: Predictions) -> dict[str, int]:
    return {"n": len(predictions.truth), "patients": predictions.patients}


def _closing(predictions: Predictions, wanted: Wanted, found: Estimates, notes: Sequence[str]) -> Mapping[str, Any]:
    unit = "patient" if predictions.by_patient else "row"
    without = [] if predictions.by_patient else ["no patient column: every row is resampled as a patient of its own"]
    return {
        "bootstrap": {
            "resamples": wanted.resamples,
            "unit": unit,
            "interval": "95 % percentile",
            "seed": wanted.seed,
            "left_out": {
                name: count for name, count in found.left_out.items() if count and found.value[name] is not None
            },
        },
        "notes": [*notes, *without],
    }


def _few(cases: Mapping[str, int]) -> list[str]:
    """A bootstrap cannot draw what was not seen: with few cases its intervals are too narrow."""
    return [
        f"{count} {name}: intervals that rest on so few are too narrow"
        for name, count in cases.items()
        if count < FEWEST
    ]


def _left_out(names: Sequence[str]) -> str:
    return f"left out, since not every score lies between 0 and 1: {', '.join(names)}"
