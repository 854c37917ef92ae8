"""Paper speeds and gains as carts print them, set in common fonts from single characters."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from adapters.raster.fonts import ORIGIN, Dark, Face, faces
from adapters.raster.likeness import Box, Piece, Vector, aspect, cut, fitted, level

_SPEEDS = ("12.5", "12,5", "25", "25.0", "25,0", "50", "50.0", "50,0", "100", "100.0")
_GAINS = ("2.5", "2,5", "5", "5.0", "5,0", "10", "10.0", "10,0", "20", "20.0", "20,0")
TEXTS = tuple(
    number + apart + unit
    for numbers, units in ((_SPEEDS, ("mm/s", "mm/sec")), (_GAINS, ("mm/mV",)))
    for number, apart, unit in product(numbers, ("", " "), units)
)
DIGITS = "0123456789"
ROWS = 24  # a phrase is compared at this height, its width in proportion
_COARSE = (72, 12)
_SOFT = 1.1  # rows: a template is as blurred as print of 20 px that was coded
_EM = 48.0


@dataclass(frozen=True, slots=True, eq=False)
class Glyphs:
    """A font's characters on one base line, ``[height, pen's advance]`` px each."""

    picture: dict[str, Dark]
    advance: dict[str, float]

    def set(self, text: str) -> Dark:
        """Set ``text``, the pen starting at ``ORIGIN``'s x."""
        height = next(iter(self.picture.values())).shape[0]
        paper = np.zeros((height, int(self.width(text) + 2 * ORIGIN[0])), np.float32)
        for number, character in enumerate(text):
            x = round(self.width(text[:number]))
            glyph = self.picture[character]
            place = paper[:, x : x + glyph.shape[1]]
            np.maximum(place, glyph[:, : place.shape[1]], out=place)
        return paper

    def width(self, text: str) -> float:
        """Return how far the pen goes on, px."""
        return sum(self.advance[character] for character in text)

    @property
    def blank(self) -> float:
        """Return the gap a blank leaves between two characters, px."""
        return self.advance[" "] + 0.08 * _EM


@dataclass(frozen=True, slots=True, eq=False)
class Phrase:
    """A text in a font, and the box of its ink there."""

    text: str
    glyphs: Glyphs
    box: Box

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows it is compared at."""
        return max(round(ROWS * aspect(self.box)), 1), ROWS

    def shape(self, text: str) -> Dark:
        """Return ``text``, as long as its own, at the size it is compared at."""
        other = Piece(self.glyphs.set(text), self.box)
        return np.asarray(cv2.GaussianBlur(fitted(other, self.size), (0, 0), _SOFT), dtype=np.float32)

    def cell(self, number: int) -> slice:
        """Return the columns of its character ``number``."""
        first, last, _, _ = self.box
        scale = self.size[0] / (last - first)
        left, right = (ORIGIN[0] + self.glyphs.width(self.text[: number + end]) - first for end in (0, 1))
        return slice(max(round(left * scale) - 1, 0), round(right * scale) + 1)


@dataclass(frozen=True, slots=True, eq=False)
class Phrases:
    """``coarse`` ``[phrase, pixel]``, of zero mean and unit length; ``aspect``: log of width by height."""

    all: tuple[Phrase, ...]
    coarse: Vector
    aspect: NDArray[np.float64]


@lru_cache(maxsize=1)
def phrases() -> Phrases:
    """Set every phrase in every font."""
    every, seen = [], []
    for glyphs in map(_glyphs, faces()):
        for text in TEXTS:
            piece = cut(glyphs.set(text))
            every.append(Phrase(text, glyphs, piece.box))
            seen.append(coarse(piece))
    return Phrases(tuple(every), np.stack(seen), np.log([aspect(phrase.box) for phrase in every]))


def coarse(piece: Piece) -> Vector:
    """Return a piece at the size that all phrases are first compared at."""
    return level(fitted(piece, _COARSE))


def _glyphs(face: Face) -> Glyphs:
    """Cut the characters out of one picture of all."""
    characters = sorted(set("".join(TEXTS)) | set(DIGITS))
    row = face.put("".join(f"{character}  " for character in characters))
    picture, advance, x = {}, {}, ORIGIN[0]
    for character in characters:
        advance[character] = face.advance(character)
        first = round(x - ORIGIN[0])
        picture[character] = row[:, max(first, 0) : round(x + advance[character] + face.advance(" ") / 2)].copy()
        picture[character][:, : round(ORIGIN[0] - face.advance(" ") / 2)] = 0.0
        x += face.advance(f"{character}  ")
    return Glyphs(picture, advance)
