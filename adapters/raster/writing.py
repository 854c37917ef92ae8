"""Where a few words may stand: pieces of ink side by side on one line."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Span = tuple[int, int, int, int]
"""Left, top, right, bottom, px."""

_HIGH_MM = (1.2, 6.0)
_LEAST_MM, _WIDE_MM = 0.9, 14.0  # of a piece: what is lower (dots, a ruling's remains) is no letter
_MOST_PIECES = 4000
_GAP = 0.33  # of a word's height: further apart begins another
_LOW = 0.4  # likewise: a comma, which ends none
_NEXT = 1.8  # likewise: further apart is another field
_WORDS = 4  # at most: "12 5 mm/s", where the point is left out and type is spaced widely
_ASPECT = (2.0, 11.0)


def writing(boxes: NDArray[np.int32], px_mm: float) -> Iterator[Span]:
    """Yield one to four words that follow one another, as wide for their height as a number and its unit may be.

    ``boxes``: ``[n, 4]``: left, top, width, height of pieces of ink, px. Nothing on a page all strewn with pieces.
    """
    fit = (boxes[:, 3] > _LEAST_MM * px_mm) & (boxes[:, 3] < _HIGH_MM[1] * px_mm) & (boxes[:, 2] < _WIDE_MM * px_mm)
    if fit.sum() > _MOST_PIECES:
        return
    words = sorted(words_of(boxes[fit], _GAP, _LOW))
    for number in range(len(words)):
        for left, top, right, bottom in _beginning(words, number):
            high = bottom - top
            in_size = _HIGH_MM[0] <= high / px_mm <= _HIGH_MM[1]
            if in_size and _ASPECT[0] <= (right - left) / high <= _ASPECT[1]:
                yield left, top, right, bottom


def words_of(boxes: NDArray[np.int32], gap: float, low: float = 0.0) -> list[Span]:
    """Put pieces side by side together, in the order they begin. ``boxes``: as ``writing``'s.

    ``gap``: of a word's height, further apart begins another; ``low``: likewise, a lower piece does not widen a word.
    """
    words: list[Span] = []
    for left, top, width, height in boxes[np.argsort(boxes[:, 0])].tolist():
        piece = (left, top, left + width, top + height)
        for number in range(len(words) - 1, max(len(words) - 41, -1), -1):
            word = words[number]
            if piece[0] - word[2] < gap * max(word[3] - word[1], height) and _level(word, piece):
                words[number] = word if height < low * (word[3] - word[1]) else _around(word, piece)
                break
        else:
            words.append(piece)
    return words


def _beginning(words: Sequence[Span], number: int) -> Iterator[Span]:
    """Yield the word, and with one, two, three more of those that follow it on its line."""
    whole = last = words[number]
    yield whole
    for _ in range(_WORDS - 1):
        room = _NEXT * (last[3] - last[1])
        first, end = (bisect_left(words, (x,)) for x in (last[2], last[2] + room))
        following = next((word for word in words[first:end] if _level(last, word)), None)
        if following is None:
            return
        whole, last = _around(whole, following), following
        yield whole


def _level(word: Span, other: Span) -> bool:
    """Tell whether two stand at one height."""
    shared = min(word[3], other[3]) - max(word[1], other[1])
    return shared > 0.6 * min(word[3] - word[1], other[3] - other[1])


def _around(word: Span, other: Span) -> Span:
    return min(word[0], other[0]), min(word[1], other[1]), max(word[2], other[2]), max(word[3], other[3])
