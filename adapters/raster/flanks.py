"""Faint specks beside steep ink: the blurred edge of a flank where it meets the ruling, no line of their own."""

import numpy as np
from numpy.typing import NDArray

from adapters.raster.strokes import Runs

_TALL_MM = 2.0
_FAINT = 0.5
_TOUCH_PX = 1.0


def without_specks(runs: Runs, px_mm: float) -> Runs:
    """Leave out faint runs that stand beside a tall one: a trace that took one would leave its wave for it."""
    tall = runs.bottom - runs.top > _TALL_MM * px_mm
    beside = _beside(runs, tall, -1) | _beside(runs, tall, 1)
    return runs.of_runs(~(beside & (runs.full < _FAINT)))


def _beside(runs: Runs, tall: NDArray[np.bool_], step: int) -> NDArray[np.bool_]:
    """Tell which runs stand at the height of a tall one, ``step`` columns on."""
    if not runs.middle.size:
        return tall
    high = float(runs.bottom.max()) + 10.0
    begins = runs.column * high + runs.top  # ascending: runs are sorted by column, then downwards
    at = np.searchsorted(begins, (runs.column + step) * high + runs.middle + _TOUCH_PX) - 1
    there = (at >= 0) & (runs.column[at] == runs.column + step) & tall[at]
    return np.asarray(there & (runs.bottom[at] + _TOUCH_PX >= runs.middle))
