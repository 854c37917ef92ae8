"""Printed speed and gain: lines of writing against the phrases carts print, then each character against its own."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from adapters.pages.ink import Word
from adapters.raster.fonts import Dark
from adapters.raster.likeness import Piece, aspect, cut, fitted, level
from adapters.raster.phrases import DIGITS, Phrase, coarse, phrases
from adapters.raster.writing import Span, writing

_LIKELY = 0.55  # coarsely
_TRIED = 6
_ALIKE = 0.85
_CHARACTER = 0.8
_DIGIT, _MARGIN = 0.8, 0.1  # a digit's likeness, and by how much it is liker than the next
_ALONE = 0.85  # of a blank: a 1 leaves most of one before the digit after it
_INK = 0.35


def printed_words(dark: Dark, boxes: NDArray[np.int32], px_mm: float) -> tuple[Word, ...]:
    """Read the speeds and gains among ``boxes`` (``[n, 4]``: left, top, width, height of pieces of ink, px).

    Only what stands alone between blanks and is surely one of the phrases: a doubtful digit makes it nothing.
    """
    spans = list(writing(boxes, px_mm))
    if not spans:
        return ()
    pieces = [_cut(dark, span) for span in spans]
    likely = _likely(pieces)
    found = ((span, _phrase(piece, tried)) for span, piece, tried in zip(spans, pieces, likely, strict=True))
    return tuple(
        Word(phrase.text, *map(float, span)) for span, phrase in found if phrase and _alone(dark, span, phrase)
    )


def _cut(dark: Dark, span: Span) -> Piece:
    left, top, right, bottom = span
    return cut(np.pad(dark[top:bottom, left:right], 2).astype(np.float32))


def _likely(pieces: Sequence[Piece]) -> list[list[Phrase]]:
    """Return the phrases each piece is coarsely likest to, if any."""
    every = phrases()
    wide = np.log([max(aspect(piece.box), 1e-3) for piece in pieces])
    likeness = np.stack([coarse(piece) for piece in pieces]) @ every.coarse.T
    likeness -= np.abs(wide[:, None] - every.aspect)
    return [[every.all[int(one)] for one in np.argsort(row)[-_TRIED:] if row[one] > _LIKELY] for row in likeness]


def _phrase(piece: Piece, tried: Sequence[Phrase]) -> Phrase | None:
    """Return the phrase a piece surely is."""
    alike = [float(level(phrase.shape(phrase.text)) @ level(fitted(piece, phrase.size))) for phrase in tried]
    if max(alike, default=0.0) < _ALIKE:
        return None
    phrase = tried[alike.index(max(alike))]
    return phrase if _borne_out(piece, phrase) else None


def _borne_out(piece: Piece, phrase: Phrase) -> bool:
    """Tell whether each character is what it should be, and each digit no other."""
    seen, own = fitted(piece, phrase.size), phrase.shape(phrase.text)
    for number, character in enumerate(phrase.text):
        cell = phrase.cell(number)
        alike = _alike(seen, own, cell)
        if character in DIGITS:
            others = (
                phrase.text[:number] + digit + phrase.text[number + 1 :] for digit in DIGITS if digit != character
            )
            next_best = max(_alike(seen, phrase.shape(other), cell) for other in others)
            if alike < _DIGIT or alike - next_best < _MARGIN:
                return False
        elif character != " " and alike < _CHARACTER:
            return False
    return True


def _alike(seen: Dark, template: Dark, cell: slice) -> float:
    """Return how alike two are within a cell, moved by a column at most."""
    width = seen.shape[1]
    best = 0.0
    for move in (-1, 0, 1):
        here = slice(max(cell.start + move, 0), min(cell.stop + move, width))
        there = slice(here.start - move, here.stop - move)
        if there.start >= 0 and there.stop <= width:
            best = max(best, float(level(seen[:, here]) @ level(template[:, there])))
    return best


def _alone(dark: Dark, span: Span, phrase: Phrase) -> bool:
    """Tell whether a blank stands on either side; what only lies on the line after it (a comma) is none of it."""
    left, top, right, bottom = span
    scale = (right - left) / (phrase.box[1] - phrase.box[0])
    gap = max(round(_ALONE * phrase.glyphs.blank * scale), 2)
    before = dark[top:bottom, max(left - gap, 0) : max(left - 1, 0)]
    after = dark[top : top + round(0.65 * (bottom - top)), right + 1 : right + gap]
    return float(max(before.max(initial=0.0), after.max(initial=0.0))) < _INK
