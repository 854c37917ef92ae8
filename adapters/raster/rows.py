"""At what heights a page's rows lie."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from adapters.raster.strokes import Runs

_BLUR_MM = 1.5
_NEAR_MM = 6.0  # a row's own ink lies mostly within
_LEAST_SHARE = 0.12  # of the widest row's columns
_TOGETHER = 0.3  # share of columns in which two levels must both have ink to be two rows


def row_levels(runs: Runs, height: int, px_mm: float) -> NDArray[np.float64]:
    """Return the level (y, px) of each row, from the top, by where the short runs gather."""
    short = (runs.bottom - runs.top) < 0.8 * px_mm
    y, column = runs.middle[short], runs.column[short]
    density = gaussian_filter1d(
        np.bincount(np.clip(y.astype(int), 0, height - 1), minlength=height).astype(float), _BLUR_MM * px_mm
    )
    peaks, _ = find_peaks(density, height=0.02 * density.max(), distance=max(int(2 * px_mm), 1))
    covered = {float(peak): _columns(y, column, float(peak), px_mm) for peak in peaks}
    most = max((len(columns) for columns in covered.values()), default=0)
    rows: list[tuple[float, set[int]]] = []
    for level in sorted(covered, key=lambda level: -density[int(level)]):
        columns = covered[level]
        if all(_apart(columns, level, other, its, px_mm) for its, other in rows):
            rows.append((level, columns))
    return np.array(sorted(level for level, columns in rows if len(columns) > _LEAST_SHARE * most))


def _columns(y: NDArray[np.float64], column: NDArray[np.int64], level: float, px_mm: float) -> set[int]:
    return set(column[np.abs(y - level) < _NEAR_MM / 2 * px_mm].tolist())


def _apart(columns: set[int], level: float, other: set[int], its: float, px_mm: float) -> bool:
    if abs(level - its) > 2.5 * _NEAR_MM * px_mm:
        return True
    return len(columns & other) > _TOGETHER * min(len(columns), len(other)) and abs(level - its) > _NEAR_MM / 2 * px_mm
