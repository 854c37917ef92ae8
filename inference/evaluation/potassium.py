"""Every figure of a model that estimates potassium in mmol/L, as ECG12Net's paper counts them."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from inference.evaluation import metrics
from inference.evaluation.bootstrap import Counts, Estimates, Floats, estimate
from inference.evaluation.predictions import Predictions
from inference.evaluation.ranking import rank

FIVE = (
    "severe hypokalemia",
    "mild to moderate hypokalemia",
    "normokalemia",
    "mild to moderate hyperkalemia",
    "severe hyperkalemia",
)
BOUNDS = ("K+ <= 2.5", "2.5 < K+ <= 3.5", "3.5 < K+ < 5.5", "5.5 <= K+ < 6.5", "K+ >= 6.5")
THREE = ("hypokalemia", "normokalemia", "hyperkalemia")
CUTS = ("severe_hypokalemia", "hypokalemia", "hyperkalemia", "severe_hyperkalemia")
_TO_THREE = np.array([0, 0, 1, 2, 2])


def five(mmol_l: Floats) -> NDArray[np.intp]:
    """Class 0..4: <= 2.5, <= 3.5, < 5.5, < 6.5, >= 6.5 mmol/L."""
    return np.searchsorted([2.5, 3.5], mmol_l, "left") + np.searchsorted([5.5, 6.5], mmol_l, "right")


def three(mmol_l: Floats) -> NDArray[np.intp]:
    """Class 0..2: hypokalemia, normokalemia, hyperkalemia."""
    found: NDArray[np.intp] = _TO_THREE[five(mmol_l)]
    return found


def beyond(mmol_l: Floats, cut: str) -> NDArray[np.bool_]:
    """Whether each value lies beyond one of the four ``CUTS``."""
    classes = five(mmol_l)
    inside = {"severe_hypokalemia": (0,), "hypokalemia": (0, 1), "hyperkalemia": (3, 4), "severe_hyperkalemia": (4,)}
    return np.isin(classes, inside[cut])


def class_table(predictions: Predictions) -> NDArray[np.intp]:
    """Counts ``[5, 5]``: row the true class, column the predicted."""
    flat = five(predictions.truth) * 5 + five(predictions.score)
    return np.bincount(flat, minlength=25).reshape(5, 5)


class Potassium:
    """The figures of ``predictions`` for any weighting of patients.

    ``constant``: the median of the truth, the constant whose mean absolute error is least; it stays the same in all
    resamples.
    """

    def __init__(self, predictions: Predictions, prevalences: Mapping[str, Sequence[float]] | None = None) -> None:
        truth, score, patient = predictions.truth, predictions.score, predictions.patient
        self.constant = float(np.median(truth))
        self._prevalences = prevalences or {}
        t, s = truth - truth.mean(), score - truth.mean()  # centred: squares of 4 mmol/L would cost digits
        self._names, self._totals = metrics.sums(
            {"n": np.ones_like(t), "t": t, "s": s, "tt": t * t, "ss": s * s, "ts": t * s}
            | {"error": np.abs(s - t), "constant_error": np.abs(truth - self.constant)},
            patient,
        )
        cells = five(truth) * 5 + five(score)
        self._cells = metrics.sums({str(cell): cells == cell for cell in range(25)}, patient)[1]
        self._rankings = {cut: rank(beyond(truth, cut), -score if "hypo" in cut else score, patient) for cut in CUTS}

    def __call__(self, counts: Counts) -> Mapping[str, Floats]:
        """Each figure ``[b]`` for ``counts [b, patients]``."""
        weights = counts.astype(float)
        total = dict(zip(self._names, (weights @ self._totals).T, strict=True))
        table = (weights @ self._cells).reshape(-1, 5, 5)
        found = _continuous(total)
        found |= {"kappa_three": metrics.weighted_kappa(_three(table)), "kappa_five": metrics.weighted_kappa(table)}
        for cut, ranking in self._rankings.items():
            areas = ranking.areas(counts)
            found |= {f"auroc_{cut}": areas["auroc"], f"auprc_{cut}": areas["auprc"]}
        for side in ("hypokalemia", "hyperkalemia"):
            found |= self._side(table, side)
        return found

    def _side(self, table: Floats, side: str) -> dict[str, Floats]:
        """ECG12Net table 2: a severe case counts as found when called hypokalemia (or hyperkalemia) of any degree."""
        severe, mild, others, ours = (
            (0, 1, slice(2, 5), slice(0, 2)) if side == "hypokalemia" else (4, 3, slice(0, 3), slice(3, 5))
        )
        called, all_true = table[:, :, ours].sum(2), table.sum(2)
        tp, fp = called[:, ours].sum(1), called[:, others].sum(1)
        fn, tn = all_true[:, ours].sum(1) - tp, all_true[:, others].sum(1) - fp
        figures = metrics.confusion(tp, fp, fn, tn)
        found = {
            f"sensitivity_{side}": figures["recall"],
            f"sensitivity_severe_{side}": metrics.ratio(called[:, severe], all_true[:, severe]),
            f"sensitivity_mild_to_moderate_{side}": metrics.ratio(called[:, mild], all_true[:, mild]),
            f"specificity_{side}": figures["specificity"],
            f"balanced_accuracy_{side}": figures["balanced_accuracy"],
            f"ppv_{side}": figures["precision"],
            f"npv_{side}": figures["npv"],
        }
        for prevalence in self._prevalences.get(side, ()):
            ppv, npv = metrics.predictive_values(figures["recall"], figures["specificity"], prevalence)
            found |= {f"ppv_{side}_at_{prevalence:g}": ppv, f"npv_{side}_at_{prevalence:g}": npv}
        return found


def estimates(
    predictions: Predictions, prevalences: Mapping[str, Sequence[float]], resamples: int, seed: int
) -> Estimates:
    """Every figure with its interval."""
    figures = Potassium(predictions, prevalences)
    return estimate(figures, predictions.patients, len(predictions.truth), resamples, seed)


def _continuous(total: Mapping[str, Floats]) -> dict[str, Floats]:
    n = total["n"]
    squares = np.maximum(total["tt"] - 2 * total["ts"] + total["ss"], 0)
    spread_t = total["tt"] - total["t"] ** 2 / n
    spread_s = total["ss"] - total["s"] ** 2 / n
    common = total["ts"] - total["t"] * total["s"] / n
    product = np.sqrt(np.where((spread_t > 1e-12) & (spread_s > 1e-12), spread_t * spread_s, 0))
    return {
        "mae": total["error"] / n,
        "mae_constant": total["constant_error"] / n,
        "bias": (total["s"] - total["t"]) / n,
        "rmse": np.sqrt(squares / n),
        "r2": 1 - metrics.ratio(squares, np.where(spread_t > 1e-12, spread_t, 0)),
        "pearson": metrics.ratio(common, product),
    }


def _three(table: Floats) -> Floats:
    merge = np.eye(3)[_TO_THREE]  # [5, 3]
    found: Floats = np.einsum("bij,ik,jl->bkl", table, merge, merge)
    return found
