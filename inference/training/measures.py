"""The few figures that training itself needs: to choose an epoch, and for the card. ``ecgd evaluate`` says the rest."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from domain.finding import Output

CUTS = (2.5, 3.5, 5.5, 6.5)
"""mmol/L, ECG12Net's classes: <= 2.5, <= 3.5, < 5.5, < 6.5, >= 6.5."""

Values = NDArray[np.float64]


def classes(truth: ArrayLike, output: Output) -> NDArray[np.intp]:
    """The class of each truth: the label, or one of the five of potassium."""
    values = np.asarray(truth, np.float64).round(6)  # 3.5 that came through float32 is 3.5
    if output is Output.ARREST:
        return values.astype(np.intp)
    low, high = CUTS[:2], CUTS[2:]
    return (values[:, None] > low).sum(1) + (values[:, None] >= high).sum(1)  # type: ignore[no-any-return]


def auroc(label: NDArray[np.bool_], score: Values) -> float:
    """Mann and Whitney's; NaN where one class is missing."""
    positive = int(label.sum())
    negative = label.size - positive
    if not positive or not negative:
        return float("nan")
    ranks = rankdata(score)
    return float((ranks[label].sum() - positive * (positive + 1) / 2) / (positive * negative))


def auprc(label: NDArray[np.bool_], score: Values) -> float:
    """Average precision: the sum of precision times the step in recall, ties together; NaN without positives."""
    if not label.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    hits, ordered = np.cumsum(label[order]), score[order]
    last = np.flatnonzero(np.append(np.diff(ordered) != 0, True))
    precision, found = hits[last] / (last + 1), hits[last]
    return float(np.sum(np.diff(found, prepend=0) * precision) / label.sum())


def cut_aurocs(truth: Values, estimate: Values) -> dict[float, float]:
    """How well the estimate ranks each cut: who is at or beyond it."""
    known = classes(truth, Output.POTASSIUM)
    return {cut: auroc(known > number, estimate) for number, cut in enumerate(CUTS)}


def measured(name: str, output: Output, truth: Values, raw: Values) -> float:
    """One of ``recipe.METRICS`` but ``loss``; ``raw`` is a logit or mmol/L. NaN where it cannot be told."""
    if name == "mae":
        return float(np.abs(truth - raw).mean())
    if output is Output.POTASSIUM:
        known = [value for value in cut_aurocs(truth, raw).values() if not np.isnan(value)]
        return float(np.mean(known)) if known else float("nan")
    return (auroc if name == "auroc" else auprc)(truth > 0.5, raw)
