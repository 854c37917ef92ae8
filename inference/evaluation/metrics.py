"""The papers' figures from sums over rows, for one weighting or for thousands at once.

All arrays are float64 ``[b]``, one element a resample; a ratio without a denominator is NaN.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


def sums(columns: Mapping[str, NDArray[np.generic]], patient: Places) -> tuple[tuple[str, ...], Floats]:
    """Names, and each column's sum per patient ``[patients, k]``: a resample's sum is then one product."""
    totals = [np.bincount(patient, np.asarray(column, float)) for column in columns.values()]
    return tuple(columns), np.stack(totals, axis=1)


def ratio(above: Floats, below: Floats) -> Floats:
    """``above / below``, NaN where there is nothing below."""
    found: Floats = np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below != 0)
    return found


def confusion(tp: Floats, fp: Floats, fn: Floats, tn: Floats) -> dict[str, Floats]:
    """The figures of a two by two table; precision is NaN, F1 is 0 when nothing is called positive."""
    recall, specificity = ratio(tp, tp + fn), ratio(tn, tn + fp)
    return {
        "accuracy": ratio(tp + tn, tp + fp + fn + tn),
        "recall": recall,
        "precision": ratio(tp, tp + fp),
        "f1": ratio(2 * tp, 2 * tp + fp + fn),
        "specificity": specificity,
        "npv": ratio(tn, tn + fn),
        "balanced_accuracy": (recall + specificity) / 2,
    }


def predictive_values(sensitivity: Floats, specificity: Floats, prevalence: float) -> tuple[Floats, Floats]:
    """PPV and NPV that a test has where ``prevalence`` of those tested are ill (Bayes)."""
    ill, well = prevalence, 1 - prevalence
    ppv = ratio(sensitivity * ill, sensitivity * ill + (1 - specificity) * well)
    npv = ratio(specificity * well, specificity * well + (1 - sensitivity) * ill)
    return ppv, npv


def weighted_kappa(table: Floats) -> Floats:
    """Cohen's kappa with squared weights of ``table [b, k, k]`` (truth, prediction)."""
    classes = table.shape[-1]
    cost = np.subtract.outer(np.arange(classes), np.arange(classes)) ** 2.0
    total = table.sum((1, 2))
    chance = np.einsum("bi,bj,ij->b", table.sum(2), table.sum(1), cost)
    return 1 - ratio(np.einsum("bij,ij->b", table, cost) * total, chance)
