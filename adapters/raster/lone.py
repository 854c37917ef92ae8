"""A column of twelve names all but the first of which touch the traces: 12x1, whose rows are close."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from adapters.pages.ink import Word
from adapters.raster.fonts import extent, pictures
from adapters.raster.order import Order
from adapters.raster.stencil import FINE, Found, Stencil, read_at, stencil
from domain.ecg import LEADS

Dark = NDArray[np.float32]

_UPRIGHT = 0.4  # width/height of an I at most
_HIGH_MM = (1.5, 4.0)
_ANCHORS = 3
_ROWS_MM = (6.0, 25.0)
_STEP_MM = 0.1
_LACKS = 0.15
_LONGEST = (3, 4, 5)  # aVR, aVL, aVF: by these the font and the rows' distance are found
_ENOUGH = 6
_REACH_MM, _CLOSE_MM = 0.6, 0.25


def column_of(dark: Dark, words: Sequence[Word], px_mm: float) -> tuple[Stencil, tuple[Found, ...]] | None:
    """Read the names beneath an I that stands free, set in one font and evenly apart; ``None`` for fewer than six.

    A name at a place where another is due is not read.
    """
    found = [trial for anchor in _anchors(words, px_mm) for trial in _trials(dark, anchor, px_mm)]
    if not found:
        return None
    _, cut, order = min(found, key=lambda trial: trial[0])
    names = _names(dark, cut, order, px_mm)
    return (cut, names) if names else None


def _anchors(words: Sequence[Word], px_mm: float) -> list[Word]:
    low, high = (size * px_mm for size in _HIGH_MM)
    upright = [word for word in words if word.x1 - word.x0 < _UPRIGHT * (word.y1 - word.y0)]
    return sorted((word for word in upright if low < word.y1 - word.y0 < high), key=lambda word: word.y)[:_ANCHORS]


def _trials(dark: Dark, anchor: Word, px_mm: float) -> Iterator[tuple[float, Stencil, Order]]:
    """Yield, for each font in which rows are found, how much ink its names lack, and their order."""
    for font, names in enumerate(pictures()):
        (left, right), (top, bottom) = (extent(names[0].max(axis=axis)) for axis in (0, 1))
        if right - left > _UPRIGHT * (bottom - top):
            continue  # an I with serifs
        ink = dark[int(anchor.y0) : int(anchor.y1), int(anchor.x0) : int(anchor.x1)]
        upper, lower = extent(np.pad(ink.max(axis=1), 2))
        cut = stencil(font, (lower - upper) / (bottom - top))
        first = read_at(dark, cut, _pen(cut, anchor), _REACH_MM * px_mm)
        if first is not None and first.name == 0:
            lacks, down = _rows(dark, cut, first, px_mm)
            if lacks < _LACKS:
                yield lacks, cut, Order(len(LEADS), first.x, first.y, 0.0, down)


def _pen(cut: Stencil, anchor: Word) -> tuple[float, float]:
    """Return about where the pen of the name I began."""
    inked = np.argwhere(cut.core[0] > 0)
    left, bottom = inked[:, 1].min(), inked[:, 0].max()
    return anchor.x0 + (cut.x - left) / FINE, anchor.y1 - (bottom - cut.y) / FINE


def _rows(dark: Dark, cut: Stencil, first: Found, px_mm: float) -> tuple[float, float]:
    """Return the least ink that aVR, aVL and aVF lack evenly below the first name, and the step between names, px."""
    steps = np.arange(_ROWS_MM[0], _ROWS_MM[1], _STEP_MM) * px_mm
    total = np.zeros(steps.size)
    for name in _LONGEST:
        lacks = _lacking_below(dark, cut, name, first)
        at = np.rint(name * steps).astype(int)
        total += np.where(at < lacks.size, lacks[np.minimum(at, lacks.size - 1)], 1.0) / len(_LONGEST)
    return float(total.min()), float(steps[int(total.argmin())])


def _lacking_below(dark: Dark, cut: Stencil, name: int, first: Found) -> NDArray[np.float64]:
    """Return the share of a name's ink that is missing, for each px that its base line lies below the first name's."""
    inked = np.argwhere(cut.core[name] > 0)
    (top, left), (bottom, right) = inked.min(axis=0), inked.max(axis=0) + 1
    core = cv2.resize(cut.core[name, top:bottom, left:right], None, fx=1 / FINE, fy=1 / FINE)
    core = np.asarray(core, dtype=np.float32)
    x, y = round(first.x + (left - cut.x) / FINE), round(first.y + (top - cut.y) / FINE)
    strip = np.clip(dark[max(y, 0) :, max(x - 2, 0) : x + core.shape[1] + 2] / 0.7, 0, 1)
    if strip.shape[0] <= core.shape[0] or strip.shape[1] <= core.shape[1]:
        return np.ones(1)
    share = cv2.matchTemplate(strip.astype(np.float32), core, cv2.TM_CCORR).max(axis=1) / float(core.sum())
    near = cv2.dilate(share.reshape(-1, 1), np.ones((5, 1), np.uint8)).ravel()
    return np.asarray(1 - near, dtype=np.float64)


def _names(dark: Dark, cut: Stencil, order: Order, px_mm: float) -> tuple[Found, ...]:
    """Read the names, then again at the places that all found so far agree on."""
    for reach in (_REACH_MM, _CLOSE_MM):
        found = tuple(_read(dark, cut, order, reach * px_mm))
        if len(found) < _ENOUGH:
            return ()
        down, y = np.polyfit([its.name for its in found], [its.y for its in found], 1)
        order = Order(order.rows, float(np.median([its.x for its in found])), float(y), 0.0, float(down))
    return found


def _read(dark: Dark, cut: Stencil, order: Order, reach: float) -> Iterator[Found]:
    for name in range(len(LEADS)):
        found = read_at(dark, cut, order.place(name), reach)
        if found is not None and found.name == name:
            yield found
