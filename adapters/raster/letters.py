"""Lead names on a picture: pieces of ink into words, words against the names set in common fonts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from adapters.pages.ink import Word
from adapters.raster.crossed import Names, with_crossed
from adapters.raster.fonts import NAMES, pictures
from adapters.raster.likeness import Piece, aspect, cut, fitted, level
from adapters.raster.writing import words_of
from domain.ecg import LEADS

Dark = NDArray[np.float32]
Vector = NDArray[np.float32]

_HIGH_MM = (1.2, 6.0)
_WIDE_MM = 14.0
_GAP = 0.55  # of a letter's height: further apart is another word
_MARGIN_SHARE = 0.2  # of its height
_AROUND = 2  # px of paper, so that ink at the edge has an outer side
_SHAPE = (40, 24)  # width and height names are compared at
_ALIKE = 0.72
_MARGIN = 0.04  # by which a name is liker than the next
_SAME_SIZE = 0.15
_NAMES = 3  # that tell their size
_STRANGE = "?"  # what else is written; a name beside it labels nothing
_DASH_MM = (0.12, 0.4)  # height and width of the least that is a minus sign


@dataclass(frozen=True, slots=True, eq=False)
class Fonts:
    """``shape`` ``[font, name, pixel]``, of zero mean and unit length; ``aspect`` ``[font, name]``: width/height."""

    shape: Vector
    aspect: Vector


def lead_names(dark: Dark, boxes: NDArray[np.int32], px_mm: float) -> Names:
    """Read the words among ``boxes`` (``[n, 4]``: left, top, width, height of pieces of ink, px).

    A word that is surely a lead's name, in the one font and size of the page's others, has it; any other is ``?``.
    """
    low, high = (size * px_mm for size in _HIGH_MM)
    fit = (boxes[:, 3] < high) & (boxes[:, 2] < _WIDE_MM * px_mm)
    letters = boxes[fit & ((boxes[:, 3] > 0.25 * low) | _dashes(boxes, px_mm))]
    words = [box for box in words_of(letters, _GAP) if low <= box[3] - box[1]]
    if not words:
        return Names((), ())
    score = _scores(dark, words)
    font = _font(score)
    best = score[font]
    height = np.array([box[3] - box[1] for box in words], dtype=np.float64)
    sure = _sure(best, height)
    taken = np.unique(best[sure].argmax(axis=1))
    best[np.ix_(~sure, taken)] = -1.0  # a name that surely stands elsewhere is not the doubtful word's
    sure |= _sure(best, height)
    known = sure & (best.argmax(axis=1) < len(LEADS))
    names = [NAMES[int(name)] if plain else _STRANGE for name, plain in zip(best.argmax(axis=1), known, strict=True)]
    read = [Word(name, *map(float, box)) for name, box in zip(names, words, strict=True)]
    return with_crossed(dark, read, font, px_mm)


def _dashes(boxes: NDArray[np.int32], px_mm: float) -> NDArray[np.bool_]:
    """Tell what may be a minus sign: -aVR is not aVR."""
    high, wide = (size * px_mm for size in _DASH_MM)
    return np.asarray((boxes[:, 3] > high) & (boxes[:, 2] > wide) & (boxes[:, 2] > 1.5 * boxes[:, 3]))


def _scores(dark: Dark, words: Sequence[tuple[int, int, int, int]]) -> Vector:
    """Return ``[font, word, name]``: how alike, 1 at most."""
    fonts = _fonts()
    seen = [_shape(dark[top:bottom, left:right]) for left, top, right, bottom in words]
    aspect = np.log([its for _, its in seen]).astype(np.float32)
    alike = np.einsum("fnp,wp->fwn", fonts.shape, np.stack([shape for shape, _ in seen]))
    return np.asarray(alike - np.abs(np.log(fonts.aspect)[:, None, :] - aspect[None, :, None]))


def _font(score: Vector) -> int:
    """Choose the font in which the page's words are likest to names."""
    best = score.max(axis=2)
    return int(np.where(best > _ALIKE, best - _ALIKE / 2, 0.0).sum(axis=1).argmax())


def _sure(best: Vector, height: NDArray[np.float64]) -> NDArray[np.bool_]:
    order = np.sort(best, axis=1)
    plain = (order[:, -1] > _ALIKE) & (order[:, -1] - order[:, -2] > _MARGIN)
    return np.asarray(plain & _of_one_size(height, plain, best.argmax(axis=1)))


def _of_one_size(height: NDArray[np.float64], sure: NDArray[np.bool_], name: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which words are as high as the page's plainest names; strokes that look like I, II or III abound.

    Of plain names three are enough, or one and I, II and III, or two of them, as high as it.
    """
    plain = sure & (name >= LEADS.index("aVR"))
    if not plain.any():
        return plain
    usual = float(np.median(height[plain]))
    alike = np.abs(height / usual - 1) < _SAME_SIZE
    return np.asarray(alike & (plain.sum() >= _NAMES or np.unique(name[alike & sure]).size >= _NAMES))


def _shape(word: Dark) -> tuple[Vector, float]:
    """Return a word at the size names are compared at, and its width/height.

    Its box is where its ink is half dark, between pixels: letters of a dozen pixels are else half a stroke off. Paper
    is left around it: without, an I would be a patch of nothing but ink.
    """
    piece = cut(np.pad(word, _AROUND).astype(np.float32))
    left, right, top, bottom = piece.box
    margin = _MARGIN_SHARE * (bottom - top)
    whole = Piece(piece.picture, (left - margin, right + margin, top - margin, bottom + margin))
    return level(fitted(whole, _SHAPE)), aspect(whole.box)


@lru_cache(maxsize=1)
def _fonts() -> Fonts:
    seen = [[_shape(picture) for picture in font] for font in pictures()]
    shape = np.stack([np.stack([name for name, _ in font]) for font in seen])
    aspect = np.array([[its for _, its in font] for font in seen], dtype=np.float32)
    return Fonts(shape, aspect)
