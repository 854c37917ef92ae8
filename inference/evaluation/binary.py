"""Every figure of a model that says yes or no (cardiac arrest), with its interval."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from inference.evaluation import metrics
from inference.evaluation.bootstrap import Counts, Estimates, Floats, Statistic, estimate, together
from inference.evaluation.calibration import Calibration
from inference.evaluation.predictions import Predictions
from inference.evaluation.ranking import rank
from inference.evaluation.thresholds import Threshold

PROBABILITY_ONLY = (
    "brier",
    "observed_by_expected",
    "calibration_slope",
    "calibration_intercept",
    "calibration_in_the_large",
)


class Discrimination:
    """How well the score tells the classes apart: areas, the two by two table at ``threshold``, PPV and NPV."""

    def __init__(self, predictions: Predictions, threshold: Threshold, prevalences: Sequence[float] = ()) -> None:
        self._prevalences = tuple(prevalences)
        self._ranking = rank(predictions.truth == 1, predictions.score, predictions.patient)
        self._totals = metrics.sums(_cells(predictions, threshold), predictions.patient)[1]

    def __call__(self, counts: Counts) -> Mapping[str, Floats]:
        """Each figure ``[b]`` for ``counts [b, patients]``."""
        found = {**self._ranking.areas(counts), **metrics.confusion(*(counts.astype(float) @ self._totals).T)}
        for prevalence in self._prevalences:
            ppv, npv = metrics.predictive_values(found["recall"], found["specificity"], prevalence)
            found |= {f"ppv_at_{prevalence:g}": ppv, f"npv_at_{prevalence:g}": npv}
        return found


class Trust:
    """Whether the probabilities hold on the whole: Brier score, and positives observed by positives expected."""

    def __init__(self, predictions: Predictions) -> None:
        truth, score = predictions.truth, predictions.score
        columns = {"error": (score - truth) ** 2, "n": np.ones_like(truth), "seen": truth, "expected": score}
        self._totals = metrics.sums(columns, predictions.patient)[1]

    def __call__(self, counts: Counts) -> Mapping[str, Floats]:
        """Each figure ``[b]`` for ``counts [b, patients]``."""
        error, n, seen, expected = (counts.astype(float) @ self._totals).T
        return {"brier": metrics.ratio(error, n), "observed_by_expected": metrics.ratio(seen, expected)}


def discrimination(predictions: Predictions, threshold: Threshold, resamples: int, seed: int) -> Estimates:
    """Areas, the figures at the threshold (the same in all resamples), and trust where the scores are probabilities."""
    trust = [Trust(predictions)] if predictions.probabilities else []
    statistic = together(Discrimination(predictions, threshold), *trust)
    return _estimated(statistic, predictions, resamples, seed)


def everything(
    predictions: Predictions, threshold: Threshold, prevalences: Sequence[float], resamples: int, seed: int
) -> Estimates:
    """Discrimination, and where the scores can be probabilities, calibration."""
    parts: list[Statistic] = [Discrimination(predictions, threshold, prevalences)]
    if predictions.probabilities:
        calibration = Calibration(predictions.truth, predictions.score, predictions.patient)
        parts += [Trust(predictions), calibration.figures]
    return _estimated(together(*parts), predictions, resamples, seed)


def counts_of(predictions: Predictions, threshold: Threshold) -> dict[str, int]:
    """The two by two table."""
    return {name: int(np.count_nonzero(cell)) for name, cell in _cells(predictions, threshold).items()}


def _estimated(statistic: Statistic, predictions: Predictions, resamples: int, seed: int) -> Estimates:
    return estimate(statistic, predictions.patients, len(predictions.truth), resamples, seed)


def _cells(predictions: Predictions, threshold: Threshold) -> dict[str, NDArray[np.bool_]]:
    ill, called = predictions.truth == 1, predictions.score >= threshold.value
    return {"tp": ill & called, "fp": ~ill & called, "fn": ill & ~called, "tn": ~ill & ~called}
