"""Where two rows' ink runs together: the steeper trace keeps it, the other is bridged or left open."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from adapters.raster.strokes import Runs

_MOST_LOST = 0.01  # of the rows' columns; 0.005 on a page that is read well, 0.017 where QRS change rows
_MOST_OF_ROW = 0.02  # of one row's, likewise 0.018 and 0.023; its neighbours then have what it lost
_NEAR = 4  # columns before and after by which a trace's steepness is told

Index = NDArray[np.int64]


def settled(paths: Sequence[Index], runs: Runs) -> list[Index]:
    """Return the paths (a run a column, -1 for none) without the ink that another row has the better claim to.

    A wave that reaches into its neighbour's row comes and goes steeply, the neighbour is level: ink they share is the
    wave's. What the other loses is bridged later where it is short, and not recorded where it is not.
    """
    paths = [path.copy() for path in paths]
    for upper in range(len(paths)):
        for lower in range(upper + 1, len(paths)):
            shared = np.flatnonzero((paths[upper] == paths[lower]) & (paths[upper] >= 0))
            for stretch in np.split(shared, np.flatnonzero(np.diff(shared) > 1) + 1) if shared.size else ():
                steep = [
                    _steepness(path, runs, int(stretch[0]), int(stretch[-1])) for path in (paths[upper], paths[lower])
                ]
                paths[lower if steep[0] >= steep[1] else upper][stretch] = -1
    return paths


def entangled(paths: Sequence[Index], settled_paths: Sequence[Index], strips: Sequence[bool]) -> bool:
    """Tell whether rows lost so much ink to one another that what is left may be any row's.

    It is the QRS complexes, a tenth of a trace, that reach into other rows. What rhythm strips take from one another
    does not count: each must repeat a column of its lead.
    """
    columns = [path for path, strip in zip(paths, strips, strict=True) if not strip]
    lost = []
    for its, left, strip in zip(paths, settled_paths, strips, strict=True):
        gone = (its >= 0) & (left < 0)
        if strip:
            gone &= np.any([path == its for path in columns], axis=0)
        lost.append(float(gone.sum()) / max(int((its >= 0).sum()), 1))
    return bool(lost) and (float(np.mean(lost)) > _MOST_LOST or max(lost) > _MOST_OF_ROW)


def _steepness(path: Index, runs: Runs, first: int, last: int) -> float:
    """Return how far a trace moves, px, in the columns just before and after a stretch."""
    total = 0.0
    for columns in (path[max(first - _NEAR, 0) : first], path[last + 1 : last + 1 + _NEAR]):
        own = columns[columns >= 0]
        if own.size:
            total += float(runs.bottom[own].max() - runs.top[own].min())
    return total
