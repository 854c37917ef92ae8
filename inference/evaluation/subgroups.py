"""Whether a model is as good for the old, for women, on another cart."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from inference.evaluation import binary, potassium
from inference.evaluation.bootstrap import Estimates
from inference.evaluation.predictions import Places, Predictions
from inference.evaluation.thresholds import Threshold

COLUMNS = ("age", "sex", "device", "door")
BANDS = ("under 18", "18 to 39", "40 to 64", "65 to 79", "80 and over")
_EDGES = (18, 40, 65, 80)
UNKNOWN = "not known"

FEWEST = 10
"""Of either class (arrest), a third of the rows (potassium): below, a figure says more of chance than of the group."""

RESAMPLES = 1_000
ARREST = ("auroc", "auprc", "recall", "specificity", "precision", "observed_by_expected")
POTASSIUM = (
    "mae",
    "bias",
    "auroc_hypokalemia",
    "auroc_hyperkalemia",
    "sensitivity_hypokalemia",
    "sensitivity_hyperkalemia",
)


def subgroups(
    predictions: Predictions, threshold: Threshold | None, resamples: int, seed: int, columns: Sequence[str] = COLUMNS
) -> list[dict[str, Any]]:
    """Per group its size and, where it is large enough, its figures; at most 1,000 resamples a group."""
    return [
        _group(predictions.take(rows), threshold, min(resamples, RESAMPLES), seed) | {"column": column, "group": group}
        for column in columns
        if column in predictions.columns
        for group, rows in members(column, predictions.columns[column])
    ]


def members(column: str, cells: Sequence[str]) -> list[tuple[str, Places]]:
    """The rows of each group: ages in bands and in their order, other groups the largest first, unknown last."""
    groups = np.array([band(cell) if column == "age" else cell or UNKNOWN for cell in cells])
    names, counts = np.unique(groups, return_counts=True)
    size = dict(zip(names.tolist(), counts.tolist(), strict=True))
    order = BANDS if column == "age" else sorted(size, key=lambda name: (-size[name], name))
    listed = [name for name in order if name in size and name != UNKNOWN] + [UNKNOWN] * (UNKNOWN in size)
    return [(name, np.flatnonzero(groups == name)) for name in listed]


def band(age: str) -> str:
    """The age band of a cell in years; ``not known`` when it is not one."""
    try:
        years = float(age)
    except ValueError:
        return UNKNOWN
    return BANDS[int(np.searchsorted(_EDGES, years, "right"))] if 0 <= years < 130 else UNKNOWN


def _group(part: Predictions, threshold: Threshold | None, resamples: int, seed: int) -> dict[str, Any]:
    found: dict[str, Any] = {"n": len(part.truth), "patients": part.patients}
    if threshold is None:
        return found | {
            "hypokalemia": int(potassium.beyond(part.truth, "hypokalemia").sum()),
            "hyperkalemia": int(potassium.beyond(part.truth, "hyperkalemia").sum()),
            **_scored(len(part.truth) >= 3 * FEWEST, POTASSIUM, lambda: potassium.estimates(part, {}, resamples, seed)),
        }
    ill = int(part.truth.sum())
    enough = min(ill, len(part.truth) - ill) >= FEWEST
    return found | {
        "positives": ill,
        **_scored(enough, ARREST, lambda: binary.discrimination(part, threshold, resamples, seed)),
    }


def _scored(enough: bool, names: Sequence[str], measure: Callable[[], Estimates]) -> dict[str, Any]:
    if not enough:
        return {"scored": False}
    return {"scored": True, **measure().named(names)}
