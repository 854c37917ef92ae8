"""The same model where the ill are rarer: EIANet's table 7."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from inference.evaluation.binary import Discrimination
from inference.evaluation.bootstrap import Counts
from inference.evaluation.predictions import Predictions
from inference.evaluation.thresholds import Threshold

RATIOS = (0.1, 0.2)
TIMES = 30
FIGURES = ("accuracy", "recall", "precision", "f1", "auroc", "auprc")


def imbalance(
    predictions: Predictions, threshold: Threshold, seed: int, ratios: Sequence[float] = RATIOS, times: int = TIMES
) -> list[dict[str, Any]]:
    """Mean (and ``_sd``) of table 7's figures over ``times`` samples, per share of positives.

    Each sample keeps the rarer side whole, as far as the ratio lets it, and draws from the other without replacement;
    the paper does not say how it drew. ``None`` figures where no sample of that ratio can be made.
    """
    figures = Discrimination(predictions.by_row(), threshold)
    rng = np.random.default_rng(seed)
    found = []
    for ratio in ratios:
        positives, negatives = sizes(int(predictions.truth.sum()), len(predictions.truth), ratio)
        entry: dict[str, Any] = {"ratio": ratio, "times": times, "positives": positives, "negatives": negatives}
        if positives and negatives:
            values = figures(_drawn(predictions, positives, negatives, times, rng))
            for name in FIGURES:
                defined = values[name][np.isfinite(values[name])]
                entry[name] = float(defined.mean()) if len(defined) else None
                entry[f"{name}_sd"] = float(defined.std(ddof=1)) if len(defined) > 1 else None
        else:
            entry |= dict.fromkeys(FIGURES)
        found.append(entry)
    return found


def sizes(positives: int, rows: int, ratio: float) -> tuple[int, int]:
    """The most positives and negatives at which the share of positives is ``ratio``."""
    negatives = rows - positives
    wanted = round(negatives * ratio / (1 - ratio))
    return (wanted, negatives) if wanted <= positives else (positives, round(positives * (1 - ratio) / ratio))


def _drawn(predictions: Predictions, positives: int, negatives: int, times: int, rng: np.random.Generator) -> Counts:
    counts = np.zeros((times, len(predictions.truth)), np.int32)
    ill, well = np.flatnonzero(predictions.truth == 1), np.flatnonzero(predictions.truth == 0)
    for sample in counts:
        sample[rng.choice(ill, positives, replace=False)] = 1
        sample[rng.choice(well, negatives, replace=False)] = 1
    return counts
