"""The learning rate as a pure function of where training stands: nothing to save, nothing to restore."""

import math
from collections.abc import Sequence

from inference.training.recipe import Training

LAST = 0.01  # of the learning rate, where cosine ends
DROP, WAIT = 0.3, 5  # plateau: after so many epochs without a better loss


def factor(how: Training, epoch: float, losses: Sequence[float]) -> float:
    """Of the recipe's learning rate, at ``epoch`` (from 0, with its fraction) after these validation losses."""
    if how.schedule == "plateau":
        return DROP ** plateaus(losses)
    if epoch < how.warmup:
        return (epoch + 0.02) / (how.warmup + 0.02)
    if how.schedule == "constant":
        return 1.0
    done = (epoch - how.warmup) / max(1e-9, how.epochs - how.warmup)
    return LAST + (1 - LAST) * (1 + math.cos(math.pi * min(1.0, done))) / 2


def plateaus(losses: Sequence[float]) -> int:
    """How often ``WAIT`` epochs went by without a better loss."""
    best, waited, count = math.inf, 0, 0
    for loss in losses:
        waited = 0 if loss < best else waited + 1
        best = min(best, loss)
        if waited == WAIT:
            waited, count = 0, count + 1
    return count
