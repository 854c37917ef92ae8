"""Where traces begin that were drawn in one line with their calibration pulses: a column before the second one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adapters.pages.grid import Pulse
from adapters.pages.scale import SPEEDS
from adapters.pages.timing import COLUMN_S
from adapters.raster.columns import Breaks
from adapters.raster.shape import Curve

_NEAR_PX = 3.0
_MOST_MM = 30.0  # between a pulse and its trace
_LEAST_MM = 2.0
_STRAIGHT_MM = 0.6  # by which the line between them bends at most
_SIDE_MM = 0.5
_NAMES_MM = 1.5  # names are set as far into each column, give or take
_SHARE = 0.5  # of the rows, in which a column's beginning shows


@dataclass(frozen=True, slots=True, eq=False)
class JoinedRow:
    """A row whose pulse was drawn with its trace; ``names``: where its leads' names begin, px."""

    curve: Curve
    breaks: Breaks
    pulse: Pulse
    names: Sequence[float]


def beginning(rows: Sequence[JoinedRow], px_mm: float) -> float | None:
    """Return where the first column begins, px; ``None`` where nothing tells, or more than one place would do.

    Columns of one page are equally long: from the right edge back, customary ones must begin where traces break off in
    half of the rows or stand as far apart as their names do in all, and the first behind the pulses, with a straight
    line between.
    """
    columns = max(len(row.names) for row in rows)
    right = float(np.median([row.curve.x1 for row in rows]))
    found = [
        right - columns * width
        for width in (px_mm * speed * COLUMN_S.get(columns, 0.0) for speed in SPEEDS)
        if columns > 1 and (_begun(rows, right, width, columns) or _named(rows, width, columns, px_mm))
    ]
    found = [left for left in found if all(_behind(row, left, px_mm) for row in rows)]
    return found[0] if len(found) == 1 else None


def _begun(rows: Sequence[JoinedRow], right: float, width: float, columns: int) -> bool:
    places = [right - column * width for column in range(1, columns)]
    begun = [sum(bool((np.abs(row.breaks.x - place) < _NEAR_PX).any()) for row in rows) for place in places]
    return min(begun) >= max(2, _SHARE * len(rows))


def _named(rows: Sequence[JoinedRow], width: float, columns: int, px_mm: float) -> bool:
    apart = [np.diff(sorted(row.names)) - width for row in rows]
    return all(its.size == columns - 1 and bool((np.abs(its) < _NAMES_MM * px_mm).all()) for its in apart)


def _behind(row: JoinedRow, left: float, px_mm: float) -> bool:
    """Tell whether a straight line, not too long, leads from the row's pulse to ``left``."""
    side = _SIDE_MM * px_mm
    y = row.curve.y[int(row.pulse.x1 + side) : max(int(left - side), 0)]
    x = np.flatnonzero(np.isfinite(y))
    if not _LEAST_MM < (left - row.pulse.x1) / px_mm < _MOST_MM or x.size < y.size / 2:
        return False
    return bool(np.ptp(y[x] - np.polyval(np.polyfit(x, y[x], 1), x)) < _STRAIGHT_MM * px_mm)
