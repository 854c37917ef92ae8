"""In which customary order a page's names stand: 3x4, 4x3, 6x2 or 12x1, filled column by column."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.ecg import LEADS

_ROWS = (3, 4, 6, 12)
_LEAST_NAMES = 4
_OFF_MM = 1.0
_LEAST_MM = (15.0, 4.0)  # between columns, and rows
_STRIPS = 3


@dataclass(frozen=True, slots=True)
class Written:
    """A name (of ``LEADS``) and where its pen began, px."""

    name: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Order:
    """``rows`` leads a column; the first name's place and the steps to the next, px."""

    rows: int
    x: float
    y: float
    across: float
    down: float

    def place(self, name: int) -> tuple[float, float]:
        """Return where a name's pen begins."""
        return self.x + name // self.rows * self.across, self.y + name % self.rows * self.down

    @property
    def bottom(self) -> float:
        """Return a height between the names of the last row and of the first strip."""
        return self.y + (self.rows - 0.5) * self.down

    def strips(self) -> list[tuple[float, float]]:
        """Return where rhythm strips below the columns would be named."""
        below = range(self.rows, self.rows + _STRIPS) if self.rows < _ROWS[-1] else ()
        return [(self.x, self.y + row * self.down) for row in below]


def orders_of(names: Sequence[Written], px_mm: float) -> tuple[Order, ...]:
    """Find the orders in which all names stand but those of strips, which are the lowest and at the left.

    More than one where names are few: I to III over V1 to V3 are half of a page of 6x2, or of 3x4.
    """
    left = min((name.x for name in names), default=0.0)
    shown, strips = sorted(names, key=lambda name: name.y), list[Written]()
    while shown and len(strips) <= _STRIPS:
        fitting = [order for order in (_fitted(shown, rows, px_mm) for rows in _ROWS) if order is not None]
        if fitting:
            return tuple(order for order in fitting if all(name.y > order.bottom for name in strips))
        if shown[-1].x > left + _OFF_MM * px_mm:
            break
        strips.append(shown.pop())
    return ()


def _fitted(names: Sequence[Written], rows: int, px_mm: float) -> Order | None:
    column = np.array([name.name // rows for name in names])
    row = np.array([name.name % rows for name in names])
    columns = len(LEADS) // rows
    if len(names) < _LEAST_NAMES or np.unique(row).size < 2 or np.unique(column).size < min(2, columns):
        return None
    x, across, off_x = _line(column, np.array([name.x for name in names]))
    y, down, off_y = _line(row, np.array([name.y for name in names]))
    wide = columns == 1 or across > _LEAST_MM[0] * px_mm
    if not wide or down < _LEAST_MM[1] * px_mm or max(off_x, off_y) > _OFF_MM * px_mm:
        return None
    return Order(rows, x, y, across, down)


def _line(number: NDArray[np.int64], place: NDArray[np.float64]) -> tuple[float, float, float]:
    """Fit even steps: where they begin, how long they are, how far off the farthest is."""
    terms = np.column_stack((np.ones(number.size), number))
    (first, step), *_ = np.linalg.lstsq(terms, place, rcond=None)
    return float(first), float(step), float(np.abs(first + step * number - place).max())
