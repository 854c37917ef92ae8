"""A page without a ruling: turned upright by its pulses' sides and its rows, measured by a pulse of a printed gain."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from adapters.pages.ink import Word
from adapters.pages.labels import printed
from adapters.pages.text import lines_of
from adapters.pages.timing import COLUMN_S
from adapters.raster.lattice import MOST_SKEW, turned
from adapters.raster.printed import printed_words
from adapters.raster.strokes import Colour, Dark, darkness, mask_of

_GAINS = (10.0, 5.0, 20.0)  # mm/mV
_FEWEST = 3  # pulses, one below the other
_HIGH_PX = (15, 250)  # of a pulse
_WIDE = (0.2, 3.0)  # with its feet, of its height
_SAME_PX = 3
_SIDE = 0.8  # of a box's height, in one column of ink; of the way between sides, in its topmost lines
_LEAN = 0.01  # at first
_ALONG = 11  # px of ink in one line: a pulse's side, a level trace
_MOST_POINTS = 60_000
_CUSTOMARY = 0.004  # by which a row may be longer or shorter
_AGREE = np.deg2rad(0.4)  # sides and rows on the page's turn


@dataclass(frozen=True, slots=True, eq=False)
class Unruled:
    """``picture``: turned upright; ``px_mm``: by the height of its pulses and the gain it prints."""

    picture: Colour
    px_mm: float


def unruled(picture: Colour) -> Unruled | None:
    """Turn and measure a page that shows no ruling; ``None`` where pulses or one printed gain are missing."""
    dark = darkness(picture) if min(picture.shape[:2]) > _HIGH_PX[1] else None
    angle = _angle(mask_of(dark)) if dark is not None else None
    if angle is None:
        return None
    rough = _upright(picture, angle)
    page = _upright(picture, angle + _lean(rough)) if rough is not None else None
    if page is None:
        return None
    high = float(np.median([_rise(page.dark, *box) for box in page.pulses.tolist()]))
    for gain in _GAINS:
        words = printed_words(page.dark, page.boxes, high / gain)
        if printed(lines_of(words)).gains == ((gain, gain),):
            return Unruled(page.picture, high / gain)
    return None


@dataclass(frozen=True, slots=True, eq=False)
class _Turned:
    """``boxes``, ``pulses``: ``[n, 4]``, left, top, width, height of pieces of ink and of the pulses among them."""

    picture: Colour
    dark: Dark
    boxes: NDArray[np.int32]
    pulses: NDArray[np.int64]


def _upright(picture: Colour, angle: float) -> _Turned | None:
    straight = np.asarray(turned(picture, -angle, (255, 255, 255)), dtype=np.uint8)
    dark = darkness(straight)
    if dark is None:
        return None
    _, _, boxes, _ = cv2.connectedComponentsWithStats(mask_of(dark), connectivity=8)
    pulses = _pulses(dark, boxes[1:, :4])
    return _Turned(straight, dark, boxes[1:, :4], pulses) if len(pulses) >= _FEWEST else None


def _lean(page: _Turned) -> float:
    """Return by how much the pulses' sides, one below the other, still lean: waves and wander have no part in it."""
    terms, places = [], []
    for left, top, width, height in page.pulses.tolist():
        y = np.arange(top + height // 4, top + 3 * height // 4)
        for side, x in enumerate((slice(left, left + width // 2), slice(left + width // 2, left + width))):
            ink = page.dark[y[0] : y[-1] + 1, x]
            places.append(ink @ np.arange(x.start, x.stop) / np.maximum(ink.sum(axis=1), 1e-6))
            terms.append(np.column_stack((y, np.full(y.size, 1 - side), np.full(y.size, side))))
    slope = np.linalg.lstsq(np.concatenate(terms).astype(np.float64), np.concatenate(places), rcond=None)[0][0]
    return -float(np.arctan(slope))


@dataclass(frozen=True, slots=True)
class Width:
    """``px_mm``: px a millimetre across; ``stretch``: by how much that is less than a pulse's height says."""

    px_mm: float
    stretch: float


def by_custom(width_px: float, columns: int, pulse_px: float, words: Sequence[Word]) -> Width | None:
    """Measure a page across by its columns, where at its print they last what they do by custom; else ``None``.

    A pulse, 0.1 px of 60 uncertain, leaves the end of a row of 10 s uncertain by 15 ms.
    """
    stated = printed(lines_of(words))
    if len(stated.speeds) != 1 or len(stated.gains) != 1 or columns not in COLUMN_S:
        return None
    px_mm = width_px / (columns * COLUMN_S[columns] * stated.speeds[0])
    stretch = pulse_px / stated.gains[0][0] / px_mm
    return Width(px_mm, stretch) if abs(stretch - 1) < _CUSTOMARY else None


def _angle(mask: Colour) -> float | None:
    """Find the turn, radians clockwise, under which upright ink falls into the fewest columns; rows must agree."""
    sides = np.argwhere(cv2.erode(mask, np.ones((_ALONG, 1), np.uint8)))
    level = np.argwhere(cv2.erode(mask, np.ones((1, _ALONG), np.uint8)))
    if not sides.size or not level.size:
        return None
    sides, level = (points[:: len(points) // _MOST_POINTS + 1] for points in (sides, level))
    upright = _sharpest(sides[:, 1], sides[:, 0])
    rows = _sharpest(level[:, 0], -level[:, 1])
    return (upright + rows) / 2 if abs(upright - rows) < _AGREE else None


def _sharpest(across: NDArray[np.int64], along: NDArray[np.int64]) -> float:
    angles = np.arange(-MOST_SKEW, MOST_SKEW, np.deg2rad(0.1))
    for step in (0.1, 0.02, 0.005):
        best = float(angles[int(np.argmax([_sharp(across, along, angle) for angle in angles]))])
        angles = best + np.deg2rad(step) * np.arange(-5, 6) / 5
    return float(angles[5])


def _sharp(across: NDArray[np.int64], along: NDArray[np.int64], angle: float) -> float:
    place = across * np.cos(angle) + along * np.sin(angle)
    count = np.bincount(np.rint(place - place.min()).astype(np.int64))
    return float((np.convolve(count, (0.5, 1.0, 0.5)) ** 2).sum())


def _pulses(dark: Dark, boxes: NDArray[np.int32]) -> NDArray[np.int64]:
    """Find the pulses: pieces of ink of one size, one below the other, that rise, stay and fall."""
    high = boxes[:, 3]
    likely = boxes[(high > _HIGH_PX[0]) & (high < _HIGH_PX[1])]
    likely = likely[(likely[:, 2] > _WIDE[0] * likely[:, 3]) & (likely[:, 2] < _WIDE[1] * likely[:, 3])]
    pulses = np.array([box for box in likely.tolist() if _is_pulse(dark, *box)], dtype=np.int64).reshape(-1, 4)
    even = len(pulses) > 0 and np.ptp(pulses[:, (2, 3)], axis=0).max() <= _SAME_PX
    return pulses if even and np.ptp(pulses[:, 0]) <= _SAME_PX + _LEAN * np.ptp(pulses[:, 1]) else pulses[:0]


def _is_pulse(dark: Dark, left: int, top: int, width: int, height: int) -> bool:
    """Tell whether a box holds two upright sides, a level top between them, and nothing else but their feet."""
    box = dark[top : top + height, left : left + width] > 0.5
    sides = np.flatnonzero(box.sum(axis=0) > _SIDE * height)
    apart = np.flatnonzero(np.diff(sides) > 1)
    if apart.size != 1:
        return False
    inner = slice(int(sides[apart[0]]) + 2, int(sides[apart[0] + 1]) - 1)
    between = box[:, inner]
    lines = max(height // 8, 3)
    return bool(
        between.shape[1] >= 3
        and between[:lines].any(axis=0).mean() > _SIDE
        and not between[lines:].any()
        and box[:-lines, : max(int(sides[0]) - 1, 0)].sum() + box[:-lines, int(sides[-1]) + 2 :].sum() == 0
    )


def _rise(dark: Dark, left: int, top: int, width: int, height: int) -> float:
    """Return how far a pulse's top lies above its feet, by the ink in its outermost columns."""
    box = dark[top : top + height, left : left + width]
    middle = box[: height // 4, width // 2]
    ends = np.concatenate((box[-height // 4 :, :2], box[-height // 4 :, -2:]), axis=1).sum(axis=1)
    y = np.arange(height)
    return float(y[-height // 4 :] @ ends / max(ends.sum(), 1e-6) - y[: height // 4] @ middle / max(middle.sum(), 1e-6))
