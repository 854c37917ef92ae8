"""Where the columns of a page begin: at the places where traces break off and start anew, evenly apart."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from adapters.raster.shape import Curve
from adapters.raster.strokes import Runs

Index = NDArray[np.int64]

_STEP_PX = 0.3  # between the ends of two runs that the pen did not join
_NEAR_PX = 3.0
_LEAST_STEP = 0.2  # mean weight at the breaks
_UNEVEN = 0.012
_PLAIN = 1.0  # what a plain break weighs against steps of the curve
_REACH = 40


def pieces_of(runs: Runs, path: Index) -> tuple[Index, NDArray[np.float64]]:
    """Return the path with every line followed back to its first column, and the columns in which a new line begins.

    Where a line begins beneath the end of the one before, or the path cut a corner, the new line's own ink counts.
    """
    path = path.copy()
    taken = np.flatnonzero(path >= 0)
    pen = float(np.median(runs.bottom[path[taken]] - runs.top[path[taken]]))
    found = [_begin(runs, int(path[x]), x, pen) for x in [_follow_back(runs, path, int(taken[0]))]]
    for left, right in zip(taken[:-1].tolist(), taken[1:].tolist(), strict=True):
        one, other = int(path[left]), int(path[right])
        apart = max(runs.top[other] - runs.bottom[one], runs.top[one] - runs.bottom[other])
        if right - left > 1 or apart > _STEP_PX:
            x = _follow_back(runs, path, right)
            found.append(_begin(runs, int(path[x]), x, pen))
    return path, np.array(found, dtype=np.float64)


def _begin(runs: Runs, run: int, x: int, pen: float) -> float:
    """Return where in its first column a line begins: as far in as it is dark; half a pen in, where it is steep."""
    if runs.bottom[run] - runs.top[run] > 1.7 * pen:
        return x - 0.5 + pen / 2
    return x + 0.5 - float(runs.full[run])


def _follow_back(runs: Runs, path: Index, x: int) -> int:
    """Take a line's ink before column ``x`` into the path while there is one way to go; return where it begins."""
    taken = set(path[max(x - _REACH, 0) : x].tolist())
    for _ in range(_REACH):
        run = path[x]
        here = np.arange(runs.first[x - 1], runs.first[x]) if x else np.empty(0, np.int64)
        touching = here[(runs.top[here] < runs.bottom[run] + 0.5) & (runs.bottom[here] > runs.top[run] - 0.5)]
        if touching.size != 1 or int(touching[0]) in taken:
            break
        x -= 1
        path[x] = touching[0]
    return x


def column_starts(
    curves: Sequence[Curve], breaks: Sequence[NDArray[np.float64]], columns: int
) -> tuple[float, ...] | None:
    """Return where ``columns`` columns begin, ``None`` where no row shows it.

    ``curves``: the rows that hold columns; ``breaks``: of each. Even parts of their width, moved to where the rows step
    most; plain breaks there make it exact.
    """
    left = float(np.median([_nearest(its, curve.x0) for curve, its in zip(curves, breaks, strict=True)]))
    right = float(np.median([curve.x1 for curve in curves]))
    steps = np.sum([_steps(curve) for curve in curves], axis=0)
    usual = (right + 1 - left) / columns
    k = np.arange(1, columns)
    pitches = usual * (1 + np.arange(-_UNEVEN, _UNEVEN, 0.2 / usual / columns))
    places = left + np.outer(pitches, k)
    found = steps[np.clip(np.rint(places).astype(int), 0, steps.size - 1)].sum(axis=1) / 3
    for its in breaks:
        found += _PLAIN * sum(np.abs(places - b).min(axis=1) < _NEAR_PX / 2 for b in its.tolist())
    if found.max() < _LEAST_STEP * len(curves) * k.size:
        return None
    pitch = float(np.median(pitches[found > 0.95 * found.max()]))
    plain = [
        (b - left) / i
        for its in breaks
        for b in its
        for i in k
        if abs(b - left - i * pitch) < _NEAR_PX
        for _ in range(i)
    ]
    if plain:
        pitch = float(np.median(plain))
    return tuple(left + i * pitch for i in range(columns))


def _nearest(places: NDArray[np.float64], x: float) -> float:
    return float(places[np.abs(places - x).argmin()]) if places.size else x


def _steps(curve: Curve) -> NDArray[np.float64]:
    """Return how far the curve steps at each column within three, in its pen's widths, at most three for a QRS."""
    y = curve.y
    step = np.zeros(y.size)
    step[2:-2] = np.abs(y[3:-1] + y[4:] - y[:-4] - y[1:-3])[: y.size - 4] / 2
    pen = float(np.nanmedian(curve.bottom - curve.top))
    return np.clip(np.nan_to_num(step, nan=3 * pen) / pen, 0.0, 3.0)
