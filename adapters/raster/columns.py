"""Where the columns of a page begin: at the places where traces break off and start anew, evenly apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.pages.scale import SPEEDS
from adapters.pages.timing import COLUMN_S
from adapters.raster.shape import Curve
from adapters.raster.strokes import Runs

Index = NDArray[np.int64]
Places = NDArray[np.float64]

_LASTS_S = {**COLUMN_S, 3: 10 / 3}  # no custom to tell a speed by, but where the width fits it to a pixel
_STEP_PX = 0.3  # between the ends of two runs that the pen did not join
_NEAR_PX = 3.0
_LEAST_STEP = 0.2  # mean weight at the breaks
_UNEVEN = 0.012
_PLAIN = 1.0  # what a plain break weighs against steps of the curve
_REACH = 40
_LEAD_IN = 4  # columns by whose ink a line's beginning is told
_SHOWS = 6  # columns that show how steep it begins
_CLIMB = 0.42  # of the ink higher than the pen, which is the way up, or there and back again: a fit
_STEEP = 1.4  # of its way across
_DOUBTFUL = 0.5  # what the beginning of a steep line weighs
_CUSTOM = 4.0  # what the customary pitch weighs
_OFF_PX = 0.4  # scale of Cauchy's weights: twice what beginnings usually are off


@dataclass(frozen=True, slots=True, eq=False)
class Breaks:
    """Where new lines begin in a row, px, and how far each is to be believed."""

    x: Places
    weight: Places

    def between(self, first: float, last: float) -> "Breaks":
        """Keep those after ``first`` and before ``last``."""
        inside = (self.x > first) & (self.x < last)
        return Breaks(self.x[inside], self.weight[inside])


def pieces_of(runs: Runs, path: Index, pen: float) -> tuple[Index, Breaks]:
    """Return the path with every line followed back to its first column, and where new lines begin.

    Where a line begins beneath the end of the one before, or the path cut a corner, the new line's own ink counts.
    """
    path = path.copy()
    taken = np.flatnonzero(path >= 0)
    found = [_begin(runs, path, _follow_back(runs, path, int(taken[0])), pen)]
    for left, right in zip(taken[:-1].tolist(), taken[1:].tolist(), strict=True):
        one, other = int(path[left]), int(path[right])
        apart = max(runs.top[other] - runs.bottom[one], runs.top[one] - runs.bottom[other])
        if right - left > 1 or apart > _STEP_PX:
            found.append(_begin(runs, path, _follow_back(runs, path, right), pen))
    return path, Breaks(*np.array(found, dtype=np.float64).T)


def _begin(runs: Runs, path: Index, x: int, pen: float) -> tuple[float, float]:
    """Return where a line begins, and its weight: by the ink of its first columns, less a steep pen's cap.

    How steep is told by how much higher its ink is than the pen is thick.
    """
    own = path[x : x + _LEAD_IN]
    own = own[own >= 0]
    inked = runs.full[own]
    after = path[x + 2 : x + _SHOWS]
    after = after[after >= 0]
    high = float(np.median(runs.bottom[after] - runs.top[after])) if after.size else pen
    along = np.hypot(1.0, max(high - pen, 0.0) * _CLIMB)
    cap = (pen / 2 - 0.5 / along) * np.sqrt(along**2 - 1) / along
    return x + own.size - 0.5 - float((inked / inked[-2:].mean()).sum()) + cap, 1.0 if along < _STEEP else _DOUBTFUL


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


def common_start(curves: Sequence[Curve], breaks: Sequence[Breaks]) -> float:
    """Return where rows of one column begin: the median, for each alone may be half a pixel off."""
    return float(np.median([_nearest(its.x, curve.x0) for curve, its in zip(curves, breaks, strict=True)]))


def column_starts(
    curves: Sequence[Curve], breaks: Sequence[Breaks], columns: int, px_mm: float, strips: Sequence[Breaks] = ()
) -> tuple[float, ...]:
    """Return where ``columns`` columns begin.

    ``curves``: the rows that hold columns; ``breaks``: of each; of ``strips`` only where they begin counts. Even parts
    of their width, moved to where the rows step most, if they do; plain breaks there make it exact.
    """
    left, usual = _even(curves, breaks, columns, px_mm)
    told = [*breaks, *(its.between(left - _NEAR_PX, left + _NEAR_PX) for its in strips)]
    x, weight = (np.concatenate(values) for values in zip(*((its.x, its.weight) for its in told), strict=True))
    if not _customary(
        usual, columns, px_mm
    ).size:  # else steps would only be QRS complexes that happen to be so far apart
        usual = _stepped(curves, x, left, usual, columns)
    left, pitch = _fitted(x, weight, (left, usual), columns, px_mm)
    return tuple(left + pitch * column for column in range(columns))


def _stepped(curves: Sequence[Curve], x: Places, left: float, usual: float, columns: int) -> float:
    """Return the pitch, near the ``usual`` one, at which the rows step or break most, if they do."""
    steps = np.sum([_steps(curve) for curve in curves], axis=0)
    pitches = usual * (1 + np.arange(-_UNEVEN, _UNEVEN, 0.2 / usual / columns))
    places = left + np.outer(pitches, np.arange(1, columns))
    found = steps[np.clip(np.rint(places).astype(int), 0, steps.size - 1)].sum(axis=1) / 3
    for place in x.tolist():
        found += _PLAIN * (np.abs(places - place).min(axis=1) < _NEAR_PX / 2)
    plain = found.max() >= _LEAST_STEP * len(curves) * (columns - 1)
    return float(np.median(pitches[found > 0.95 * found.max()])) if plain else usual


def _even(curves: Sequence[Curve], breaks: Sequence[Breaks], columns: int, px_mm: float) -> tuple[float, float]:
    """Return where the rows begin, and an even part of their width.

    A row that begins in a QRS may be followed from behind it only: rows that make customary columns come first.
    """
    left = np.array([_nearest(its.x, curve.x0) for curve, its in zip(curves, breaks, strict=True)])
    right = float(np.median([curve.x1 for curve in curves]))
    blur = left - np.array([curve.x0 for curve in curves])  # a trace's ends are as blurred on the right as on the left
    usual = (right - blur - left) / columns
    fit = np.array([_customary(width, columns, px_mm).size > 0 for width in usual])
    chosen = fit if fit.any() else np.ones(left.size, np.bool_)
    return float(np.median(left[chosen])), float(np.median(usual[chosen]))


def _customary(pitch: float, columns: int, px_mm: float) -> Places:
    """Return the customary width of a column, px, where the page's comes within three pixels of it in all."""
    usual = px_mm * _LASTS_S.get(columns, 0.0) * np.array(SPEEDS)
    return np.asarray(usual[np.abs(usual - pitch) * columns < _NEAR_PX])


def _fitted(x: Places, weight: Places, about: tuple[float, float], columns: int, px_mm: float) -> tuple[float, float]:
    """Fit left edge and pitch to the breaks near them, those most that agree (iterated, by Cauchy's weights).

    A customary pitch counts as one more of them: with one break or two, a pixel decides.
    """
    left, pitch = about
    number = np.clip(np.rint((x - left) / pitch), 0, columns - 1)
    near = np.abs(x - left - number * pitch) < _NEAR_PX
    usual = _customary(pitch, columns, px_mm)
    terms = np.concatenate((np.column_stack((np.ones(near.sum()), number[near])), np.tile((0.0, 1.0), (usual.size, 1))))
    if np.linalg.matrix_rank(terms) < 2:
        return about
    x, weight = np.append(x[near], usual), np.append(weight[near], np.full(usual.size, _CUSTOM))
    found = np.array(about)
    for _ in range(20):
        off = (x - terms @ found) / _OFF_PX
        root = np.sqrt(weight / (1 + off**2))
        found = np.linalg.lstsq(terms * root[:, None], x * root, rcond=None)[0]
    return float(found[0]), float(found[1])


def _nearest(places: Places, x: float) -> float:
    near = places[np.abs(places - x) < _NEAR_PX]
    return float(near[np.abs(near - x).argmin()]) if near.size else x


def _steps(curve: Curve) -> Places:
    """Return how far the curve steps at each column within three, in its pen's widths, at most three for a QRS."""
    y = curve.y
    step = np.zeros(y.size)
    step[2:-2] = np.abs(y[3:-1] + y[4:] - y[:-4] - y[1:-3])[: y.size - 4] / 2
    pen = float(np.nanmedian(curve.bottom - curve.top))
    return np.clip(np.nan_to_num(step, nan=3 * pen) / pen, 0.0, 3.0)
