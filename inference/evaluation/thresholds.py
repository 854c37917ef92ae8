"""At which score the answer becomes yes, and by which rule that was chosen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.evaluation.predictions import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """``score >= value`` is called positive; ``rule`` says in words where the value comes from."""

    value: float
    rule: str


def given(value: float) -> Threshold:
    """A threshold fixed beforehand."""
    return Threshold(value=value, rule="given")


def youden(positive: NDArray[np.bool_], score: Floats) -> Threshold:
    """The score with the largest sensitivity + specificity - 1; the highest of them when several tie."""
    values, sensitivity, specificity = curve(positive, score)
    best = int(np.argmax(sensitivity + specificity))
    return Threshold(value=float(values[best]), rule="Youden's J, chosen on these same data (optimistic)")


def at_sensitivity(positive: NDArray[np.bool_], score: Floats, wanted: float) -> Threshold:
    """The highest score at which the sensitivity is at least ``wanted``."""
    values, sensitivity, _ = curve(positive, score)
    first = int(np.argmax(sensitivity >= wanted - 1e-12))
    return Threshold(value=float(values[first]), rule=f"sensitivity {wanted:g}, chosen on these same data (optimistic)")


def curve(positive: NDArray[np.bool_], score: Floats) -> tuple[Floats, Floats, Floats]:
    """Distinct scores falling, and sensitivity and specificity of ``score >= value`` at each."""
    values = np.unique(score)[::-1]
    ill, well = np.sort(score[positive]), np.sort(score[~positive])
    sensitivity = 1 - np.searchsorted(ill, values, "left") / len(ill)
    specificity = np.searchsorted(well, values, "left") / len(well)
    return values, sensitivity, specificity
