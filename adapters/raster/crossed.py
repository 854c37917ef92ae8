"""Names that a wave crosses: looked for where the names that stand free say they must be."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.pages.ink import Word
from adapters.pages.labels import find_labels
from adapters.raster.clearing import Ink
from adapters.raster.fonts import ORIGIN, extent, pictures
from adapters.raster.lone import column_of
from adapters.raster.order import Order, Written, orders_of
from adapters.raster.stencil import Found, Stencil, box, inked, read_at, stencil
from domain.ecg import LEADS

Dark = NDArray[np.float32]

_REACH_MM = 0.6
_PLAIN = LEADS.index("aVR")  # names from here on tell their size best
_AROUND = 2  # px of paper about a word


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """A page's words, and the ink of those that waves cross."""

    words: tuple[Word, ...]
    ink: tuple[Ink, ...]


def with_crossed(dark: Dark, words: Sequence[Word], font: int, px_mm: float) -> Names:
    """Return ``words`` and the names that stand, under a wave, where a customary place is left without one.

    ``font``: of ``fonts.pictures``, in which the words are set. Pieces of a name that is found are no words.
    """
    alone = {(label.x0, label.y) for label in find_labels(words)}
    names = [word for word in words if (word.x0, word.y) in alone]
    cut, found = _missing(dark, names, font, px_mm) or column_of(dark, words, px_mm) or (None, ())
    added = [Word(LEADS[its.name], *box(cut, its)) for its in found] if cut else []
    ink = tuple(inked(cut, its) for its in found) if cut else ()
    return Names((*(word for word in words if not any(_part_of(word, its) for its in added)), *added), ink)


def _missing(dark: Dark, names: Sequence[Word], font: int, px_mm: float) -> tuple[Stencil, tuple[Found, ...]] | None:
    """Read the places left without a name, ``None`` where the names stand in no customary order."""
    sizes = [_size(dark, word, font) for word in names if LEADS.index(word.text) >= _PLAIN]
    size = float(np.median(sizes)) if sizes else 1.0
    written = [_written(dark, word, font, size) for word in names]
    orders = orders_of(written, px_mm) if sizes else ()
    if not orders:
        return None
    cut = stencil(font, size)
    return cut, tuple(_found(dark, cut, orders, written, px_mm))


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
    """Tell whether most of a word lies within a name's box."""
    across = min(word.x1, name.x1) - max(word.x0, name.x0)
    down = min(word.y1, name.y1) - max(word.y0, name.y0)
    return across > 0.5 * (word.x1 - word.x0) and down > 0.5 * (word.y1 - word.y0)
