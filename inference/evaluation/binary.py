"""Every figure of a model that says yes or no (cardiac arrest), with its interval."""

from collections.abc import Mapping, Sequence

import numpy as np

from inference.evaluation import metrics
from inference.evaluation.bootstrap import Counts, Estimates, Floats, estimate
from inference.evaluation.calibration import Calibration
from inference.evaluation.predictions import Predictions
from inference.evaluation.ranking import rank
from inference.evaluation.thresholds import Threshold

PROBABILITY_ONLY = ("brier", "calibration_slope", "calibration_intercept", "calibration_in_the_large")


class Binary:
    """The figures of ``predictions`` at ``threshold``, for any weighting of patients."""

    def __init__(self, predictions: Predictions, threshold: Threshold, prevalences: Sequence[float] = ()) -> None:
        truth, score = predictions.truth, predictions.score
        ill, called = truth == 1, score >= threshold.value
        columns = {"tp": ill & called, "fp": ~ill & called, "fn": ill & ~called, "tn": ~ill & ~called}
        self._prevalences = tuple(prevalences)
        self._ranking = rank(ill, score, predictions.patient)
        self._calibration: Calibration | None = None
        if predictions.probabilities:
            columns["brier"] = (score - truth) ** 2
            self._calibration = Calibration(truth, score, predictions.patient)
        self._names, self._totals = metrics.sums(columns, predictions.patient)

    def __call__(self, counts: Counts) -> Mapping[str, Floats]:
        """Each figure ``[b]`` for ``counts [b, patients]``."""
        total = dict(zip(self._names, (counts.astype(float) @ self._totals).T, strict=True))
        tp, fp, fn, tn = (total[name] for name in ("tp", "fp", "fn", "tn"))
        found = {**self._ranking.areas(counts), **metrics.confusion(tp, fp, fn, tn)}
        for prevalence in self._prevalences:
            ppv, npv = metrics.predictive_values(found["recall"], found["specificity"], prevalence)
            found |= {f"ppv_at_{prevalence:g}": ppv, f"npv_at_{prevalence:g}": npv}
        if self._calibration is not None:
            found["brier"] = metrics.ratio(total["brier"], tp + fp + fn + tn)
            found |= self._calibration.figures(counts)
        return found


def estimates(
    predictions: Predictions, threshold: Threshold, prevalences: Sequence[float], resamples: int, seed: int
) -> Estimates:
    """Every figure with its interval; the threshold stays the same in all resamples."""
    figures = Binary(predictions, threshold, prevalences)
    return estimate(figures, predictions.patients, len(predictions.truth), resamples, seed)


def counts_of(predictions: Predictions, threshold: Threshold) -> dict[str, int]:
    """The two by two table."""
    ill, called = predictions.truth == 1, predictions.score >= threshold.value
    cells = {"tp": ill & called, "fp": ~ill & called, "fn": ill & ~called, "tn": ~ill & ~called}
    return {name: int(np.count_nonzero(cell)) for name, cell in cells.items()}
