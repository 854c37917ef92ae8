"""Names that a wave crosses: looked for where the names that stand free say they must be."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from adapters.pages.ink import Word
from adapters.pages.labels import find_labels
from adapters.raster.clearing import Patch
from adapters.raster.fonts import ORIGIN, extent, pictures
from adapters.raster.lone import column_of
from adapters.raster.order import Order, Written, orders_of
from adapters.raster.stencil import Found, Stencil, box, inked, read_at, stencil
from domain.ecg import LEADS

Dark = NDArray[np.float32]

_REACH_MM = 0.6
_PLAIN = LEADS.index("aVR")  # names from here on tell their size best
_STRANGE = "?"
_LETTER = 0.55  # of a name's height
_INKED = 0.5
_AROUND = 2  # px of paper about a word


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """A page's words, and the ink of those that waves cross."""

    words: tuple[Word, ...]
    ink: tuple[Patch, ...]


def with_crossed(dark: Dark, words: Sequence[Word], font: int, px_mm: float) -> Names:
    """Return ``words`` and the names that stand, under a wave, where a customary place is left without one.

    ``font``: of ``fonts.pictures``, in which the words are set. Pieces of a name that is found are no words.
    """
    alone = {(label.x0, label.y) for label in find_labels(words)}
    names = [word for word in words if (word.x0, word.y) in alone]
    doubted = {word for word in names if _beside_ink(dark, word) and not _borne_out(dark, word, names, font)}
    words = [replace(word, text=_STRANGE) if word in doubted else word for word in words]
    names = [word for word in names if word not in doubted]
    cut, found = _missing(dark, names, font, px_mm) or column_of(dark, words, px_mm) or (None, ())
    added = [Word(LEADS[its.name], *box(cut, its)) for its in found] if cut else []
    ink = tuple(inked(cut, its) for its in found) if cut else ()
    return Names((*(word for word in words if not any(_part_of(word, its) for its in added)), *added), ink)


def _missing(dark: Dark, names: Sequence[Word], font: int, px_mm: float) -> tuple[Stencil, tuple[Found, ...]] | None:
    """Read the places left without a name, ``None`` where the names stand in no customary order."""
    size = _usual_size(dark, names, font)
    written = [_written(dark, word, font, size or 1.0) for word in names]
    orders = orders_of(written, px_mm) if size else ()
    if not size or not orders:
        return None
    cut = stencil(font, size)
    return cut, tuple(_found(dark, cut, orders, written, px_mm))


def _beside_ink(dark: Dark, word: Word) -> bool:
    """Tell whether there is ink as near to a word as its next letter would be: part of the name may be in a trace."""
    room = round(_LETTER * (word.y1 - word.y0))
    beside = dark[int(word.y0) : int(word.y1), max(int(word.x0) - room, 0) : int(word.x1) + room].copy()
    begin = min(room, int(word.x0))
    beside[:, begin : begin + int(word.x1) - int(word.x0)] = 0.0
    return bool((beside > _INKED).any())


def _borne_out(dark: Dark, word: Word, names: Sequence[Word], font: int) -> bool:
    """Tell whether it is the whole name that stands where a word was read: II may be what is free of III."""
    size = _usual_size(dark, names, font)
    if size is None:
        return False
    its = _written(dark, word, font, size)
    found = read_at(dark, stencil(font, size), (its.x, its.y), word.y1 - word.y0)
    return found is not None and found.name == its.name


def _usual_size(dark: Dark, names: Sequence[Word], font: int) -> float | None:
    sizes = [_size(dark, word, font) for word in names if LEADS.index(word.text) >= _PLAIN]
    return float(np.median(sizes)) if sizes else None


def _found(
    dark: Dark, cut: Stencil, orders: Sequence[Order], written: Sequence[Written], px_mm: float
) -> Iterator[Found]:
    """Read the places that no name of ``written`` has; the columns' must hold what is customary there."""
    reach = _REACH_MM * px_mm
    places = [(order.place(name), {name}) for order in orders for name in range(len(LEADS))]
    places += [(place, set(range(len(LEADS)))) for order in orders for place in order.strips()]
    taken = [(one.x, one.y) for one in written]
    for place, names in places:
        found = None if _near(taken, place, 2 * reach) else read_at(dark, cut, place, reach)
        if found is not None and found.name in names:
            taken.append((found.x, found.y))
            yield found


def _near(taken: Sequence[tuple[float, float]], place: tuple[float, float], reach: float) -> bool:
    return any(np.hypot(x - place[0], y - place[1]) < reach for x, y in taken)


def _extents(picture: Dark) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of the ink."""
    padded = np.pad(picture, _AROUND)
    (left, right), (top, bottom) = (extent(padded.max(axis=axis)) for axis in (0, 1))
    return left - _AROUND, top - _AROUND, right - _AROUND, bottom - _AROUND


def _cropped(dark: Dark, word: Word) -> Dark:
    return dark[int(word.y0) : int(word.y1), int(word.x0) : int(word.x1)]


def _size(dark: Dark, word: Word, font: int) -> float:
    """Return px a px of the font's picture."""
    _, top, _, bottom = _extents(_cropped(dark, word))
    _, high, _, low = _extents(pictures()[font][LEADS.index(word.text)])
    return (bottom - top) / (low - high)


def _written(dark: Dark, word: Word, font: int, size: float) -> Written:
    """Return where a word's pen began."""
    name = LEADS.index(word.text)
    left, _, _, bottom = _extents(_cropped(dark, word))
    begin, _, _, low = _extents(pictures()[font][name])
    return Written(name, word.x0 + left - size * (begin - ORIGIN[0]), word.y0 + bottom - size * (low - ORIGIN[1]))


def _part_of(word: Word, name: Word) -> bool:
    """Tell whether most of a word lies within a name's box, whose edges are half dark: a word's are at its palest."""
    across = min(word.x1, name.x1 + _AROUND) - max(word.x0, name.x0 - _AROUND)
    down = min(word.y1, name.y1 + _AROUND) - max(word.y0, name.y0 - _AROUND)
    return across > 0.5 * (word.x1 - word.x0) and down > 0.5 * (word.y1 - word.y0)
