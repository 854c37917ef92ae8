"""AUROC and average precision under many weightings at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int32]
Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ranking:
    """Rows sorted once by falling score, so that a resample costs two running sums.

    ``positives``, ``negatives``: the patients of the rows of either class. Per distinct score that a positive has:
    how many positive rows lie at or above it, and how many negative rows lie above, and at or above.
    """

    positives: Places
    negatives: Places
    at_or_above: Places
    negatives_above: Places
    negatives_at_or_above: Places

    def areas(self, counts: Counts) -> dict[str, Floats]:
        """``auroc`` and ``auprc`` ``[b]`` for ``counts [b, patients]``; NaN where a class is missing.

        AUROC counts a tie as half. AUPRC is average precision, the sum of (R_k - R_k-1) P_k: no interpolation.
        """
        true = _running(counts, self.positives)
        false = _running(counts, self.negatives)
        all_true, all_false = true[:, -1].astype(float), false[:, -1].astype(float)
        hits = true[:, self.at_or_above].astype(float)
        gained = np.diff(hits, axis=1, prepend=0)
        above, reached = false[:, self.negatives_above], false[:, self.negatives_at_or_above]
        with np.errstate(invalid="ignore", divide="ignore"):
            beaten = all_false[:, None] - (above + reached) / 2
            auroc = np.einsum("bk,bk->b", gained, beaten) / (all_true * all_false)
            precision = hits / np.maximum(hits + reached, 1)
            auprc = np.einsum("bk,bk->b", gained, precision) / all_true
        return {"auroc": auroc, "auprc": np.where(all_false > 0, auprc, np.nan)}


def rank(positive: NDArray[np.bool_], score: Floats, patient: Places) -> Ranking:
    """Sort ``score [n]`` once; higher means more likely ``positive``."""
    order = np.argsort(-score, kind="stable")
    positive, falling, patient = positive[order], -score[order], patient[order]
    above, below = falling[positive], falling[~positive]
    distinct = np.unique(above)
    return Ranking(
        positives=patient[positive],
        negatives=patient[~positive],
        at_or_above=np.searchsorted(above, distinct, "right"),
        negatives_above=np.searchsorted(below, distinct, "left"),
        negatives_at_or_above=np.searchsorted(below, distinct, "right"),
    )


def _running(counts: Counts, patients: Places) -> Counts:
    """``[b, rows + 1]``: how many draws the first k rows have."""
    running = np.zeros((len(counts), len(patients) + 1), np.int32)
    np.cumsum(np.take(counts, patients, axis=1), axis=1, out=running[:, 1:])
    return running
