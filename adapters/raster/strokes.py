"""What is inked on a page: how dark each pixel is against its paper, and the runs of ink in each column."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Colour = NDArray[np.uint8]
Dark = NDArray[np.float32]
Index = NDArray[np.int64]

_INKED = 0.2  # of the ink's full darkness: a pixel partly under the pen counts, a coder's ripples do not
_HALF = 0.5
_LEAST_CONTRAST = 60  # levels between paper and ink


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Unbroken ink in one column: ``top``, ``middle`` (its centre of darkness), ``bottom``, px; ``first``: by column.

    ``part``: the number of the connected piece of ink a run belongs to. ``full``: its darkest pixel.
    """

    top: NDArray[np.float64]
    middle: NDArray[np.float64]
    bottom: NDArray[np.float64]
    column: NDArray[np.int64]
    part: NDArray[np.int32]
    full: NDArray[np.float64]
    first: NDArray[np.int64]

    def of(self, parts: NDArray[np.bool_]) -> "Runs":
        """Keep the runs of some of the pieces."""
        return self.of_runs(parts[self.part])

    def of_runs(self, kept: NDArray[np.bool_]) -> "Runs":
        """Keep some of the runs."""
        count = np.bincount(self.column[kept], minlength=self.first.size - 1)
        first = np.concatenate(([0], np.cumsum(count)))
        return Runs(
            self.top[kept],
            self.middle[kept],
            self.bottom[kept],
            self.column[kept],
            self.part[kept],
            self.full[kept],
            first,
        )


def darkness(page: Colour) -> Dark | None:
    """Return 0 (paper) to 1 (ink) for a BGR page; ``None`` where nothing is dark enough to be ink.

    The brightest of a pixel's three colours counts: a ruling in any one colour is light in that, ink in none.
    """
    light = page.max(axis=2)
    small = cv2.resize(light, None, fx=1 / 8, fy=1 / 8, interpolation=cv2.INTER_AREA)
    paper = cv2.blur(cv2.dilate(small, np.ones((7, 7), np.uint8)), (9, 9))
    paper = cv2.resize(paper, (light.shape[1], light.shape[0]), interpolation=cv2.INTER_LINEAR)
    missing = cv2.subtract(paper, light)
    inked = missing[missing > _LEAST_CONTRAST]
    if inked.size < 500:
        return None
    full = float(np.percentile(inked, 85))
    return np.asarray(np.clip(missing.astype(np.float32) / full, 0.0, 1.0), dtype=np.float32)


def mask_of(dark: Dark) -> Colour:
    """Return where there is ink, as 0 and 1."""
    return np.asarray(dark > _INKED, dtype=np.uint8)


def runs_of(dark: Dark, mask: Colour, parts: NDArray[np.int32]) -> Runs:
    """Measure the runs of ``mask``; ``parts``: the number of each pixel's connected piece."""
    upright = np.ascontiguousarray(mask.T)
    width, height = upright.shape
    inked = np.flatnonzero(upright.ravel())
    column, y = np.divmod(inked, height)
    begins = np.flatnonzero(np.concatenate(([True], (np.diff(inked) != 1) | (np.diff(column) != 0))))
    weight = dark[y, column].astype(np.float64)
    middle = np.add.reduceat(weight * y, begins) / np.add.reduceat(weight, begins)
    top, bottom = _edges(dark, column, y, weight, begins, middle)
    first = np.searchsorted(column[begins], np.arange(width + 1))
    part = np.maximum.reduceat(parts[y, column], begins)
    full = np.maximum.reduceat(weight, begins)
    return Runs(top, middle, bottom, column[begins], part.astype(np.int32), full, first)


def _edges(
    dark: Dark, column: Index, y: Index, weight: NDArray[np.float64], begins: Index, middle: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where darkness passes one half at either end of each run; its middle where it never does."""
    plain = weight >= _HALF
    none = np.iinfo(np.int64).max
    first = np.minimum.reduceat(np.where(plain, y, none), begins)
    last = np.maximum.reduceat(np.where(plain, y, -1), begins)
    x = column[begins]
    found = last >= 0
    ends = []
    for end, beyond in ((np.where(found, first, 0), -1), (np.where(found, last, 0), 1)):
        inner = dark[end, x].astype(np.float64)
        outer = dark[np.clip(end + beyond, 0, dark.shape[0] - 1), x].astype(np.float64)
        ends.append(end + beyond * np.clip((inner - _HALF) / np.maximum(inner - outer, 1e-6), 0.0, 1.0))
    return np.where(found, ends[0], middle), np.where(found, ends[1], middle)
