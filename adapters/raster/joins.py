"""A row's path cut where a column begins: the ink of the lead that ends there told from that of the one that begins."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from adapters.raster.strokes import Runs

Index = NDArray[np.int64]

_NEAR_MM = 0.5  # about a cut, within which the path may have taken the other lead's ink
_CAP_PX = 1.2  # before a cut, where the pen of the lead to come may have begun
_TOUCH_PX = 0.5


def parted(runs: Runs, path: Index, starts: Sequence[float], px_mm: float) -> list[Index]:
    """Return one path a column, -1 outside it. ``starts``: where columns begin, px.

    Carts draw the last points of a lead under the first of the next: up to the cut, ink must go on from the lead's own;
    from the cut on, ink that begins there comes before ink that goes on from the lead before.
    """
    near = max(round(_NEAR_MM * px_mm), 3)
    x = np.arange(path.size)
    pieces = []
    for first, last in pairwise([-np.inf, *starts[1:], np.inf]):
        piece = np.where((x >= first - 0.5) & (x < last - _CAP_PX), path, -1)
        if np.isfinite(last):
            _go_on(runs, piece, int(last) - near, int(np.ceil(last - _CAP_PX)))
        if np.isfinite(first):
            before = int(first - _CAP_PX)
            _go_back(runs, piece, round(first) + near, int(np.ceil(first - 0.5)), _ink_after(runs, path, before, near))
        pieces.append(piece)
    return pieces


def _go_on(runs: Runs, piece: Index, x: int, end: int) -> None:
    """Keep to ink that touches what came before it, from ``x`` up to ``end``."""
    for at in range(max(x, 1), min(end, piece.size)):
        here = _touching(runs, int(piece[at - 1]), at)
        if piece[at - 1] >= 0 and piece[at] not in here:
            piece[at] = _nearest(runs, here, int(piece[at - 1]))


def _go_back(runs: Runs, piece: Index, x: int, end: int, other: set[int]) -> None:
    """Follow a lead back from ``x`` to ``end``, where it can by ink that is not the ``other`` lead's."""
    for at in range(min(x, piece.size - 1) - 1, max(end, 0) - 1, -1):
        here = [run for run in _touching(runs, int(piece[at + 1]), at) if run not in other]
        if here and piece[at] not in here:
            piece[at] = _nearest(runs, here, int(piece[at + 1]))


def _ink_after(runs: Runs, path: Index, x: int, near: int) -> set[int]:
    """Return the runs that ink goes on to from where the path is in column ``x``."""
    found = {int(path[x])} - {-1} if 0 <= x < path.size else set()
    last = set(found)
    for at in range(x + 1, min(x + 2 * near, path.size)):
        last = {run for before in last for run in _touching(runs, before, at)}
        found |= last
    return found


def _touching(runs: Runs, run: int, column: int) -> list[int]:
    """Return the runs of a column that ``run``, of a column beside it, touches."""
    if run < 0:
        return []
    here = np.arange(runs.first[column], runs.first[column + 1])
    overlap = np.minimum(runs.bottom[here], runs.bottom[run]) - np.maximum(runs.top[here], runs.top[run])
    return [int(its) for its in here[overlap > -_TOUCH_PX]]


def _nearest(runs: Runs, here: Sequence[int], run: int) -> int:
    return min(here, key=lambda its: abs(float(runs.middle[its] - runs.middle[run])), default=-1)
