"""Where a model looked, as arrays small enough to travel with its score."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

SHOWN = 0.4
"""Heat below this share of its maximum is not drawn: EIANet's paper, figures 3 to 6."""

Array = NDArray[np.float32]
Positions = NDArray[np.floating] | NDArray[np.integer]


class Direction(StrEnum):
    """What the heat speaks for."""

    ARREST = "arrest"
    HIGH = "high potassium"
    LOW = "low potassium"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PictureHeat:
    """Heat on the standard picture: ``cells`` ``[h, w]``, at least 2 x 2, 0 to 1.

    ``first_px`` is the centre of ``cells[0, 0]`` and ``step_px`` the distance between centres, both ``(y, x)`` in
    pixels of the standard picture, 0 being the centre of the first pixel.
    """

    cells: Array
    first_px: tuple[float, float]
    step_px: tuple[float, float]
    direction: Direction = Direction.ARREST

    def pixels(self, height: int, width: int) -> Array:
        """Interpolate to ``[height, width]``, bilinear, level beyond the outermost centres."""
        (top, down), (left, right) = (self._between(axis, np.arange(size)) for axis, size in enumerate((height, width)))
        rows = self.cells[top] * (1 - down[:, None]) + self.cells[top + 1] * down[:, None]
        return np.asarray(rows[:, left] * (1 - right) + rows[:, left + 1] * right)

    def at(self, y_px: Positions, x_px: Positions) -> Array:
        """The same at points ``[n]``; NaN where a position is NaN."""
        known: NDArray[np.bool_] = np.isfinite(y_px) & np.isfinite(x_px)
        heat: Array = np.full(known.shape, np.nan, np.float32)
        (top, down), (left, right) = self._between(0, y_px[known]), self._between(1, x_px[known])
        above = self.cells[top, left] * (1 - right) + self.cells[top, left + 1] * right
        below = self.cells[top + 1, left] * (1 - right) + self.cells[top + 1, left + 1] * right
        heat[known] = above * (1 - down) + below * down
        return heat

    def _between(self, axis: int, px: Positions) -> tuple[NDArray[np.intp], Array]:
        """The cell before each position, and how far on the way to the next it lies."""
        last = self.cells.shape[axis] - 1
        place = np.clip((np.asarray(px, float) - self.first_px[axis]) / self.step_px[axis], 0, last)
        before = np.minimum(place.astype(np.intp), last - 1)
        return before, (place - before).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LeadHeat:
    """Heat on the recording: ``cells`` ``[12, m]``, 0 to 1, NaN where the model did not look.

    Cell ``i`` covers ``step`` samples from sample ``i * step`` on; the model's own places are ``resolution`` samples
    apart, what lies between them is interpolated. ``attention`` ``[12]``: the leads' weights, summing to 1; ``None``
    for a model without.
    """

    cells: Array
    step: int
    resolution: int
    direction: Direction
    attention: Array | None = None

    def samples(self, count: int) -> Array:
        """``[12, count]``: the heat of each sample."""
        return np.repeat(self.cells, self.step, axis=1)[:, :count]


Explanation = PictureHeat | LeadHeat
