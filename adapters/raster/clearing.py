"""The ink of names taken off the traces that cross them."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Dark = NDArray[np.float32]
Patch = tuple[int, int, NDArray[np.bool_]]
"""Left, top, px, and where there is ink."""

_ALONG = 0.5  # of the height of a name's picture: as far as a steep wave may run along a letter's stroke
_ACROSS = 0.1
_PLAIN = 0.5  # darker than the blurred edge of a letter


def cleared(dark: Dark, names: Sequence[Patch]) -> Dark:
    """Return ``dark`` without the names' ink, but for what lies between the two ends of a wave that crosses it."""
    if not names:
        return dark
    paper = dark.copy()
    for left, top, ink in names:
        _clear(paper, left, top, ink)
    return paper


def _clear(paper: Dark, left: int, top: int, ink: NDArray[np.bool_]) -> None:
    first, begin = max(-top, 0), max(-left, 0)
    seen = paper[max(top, 0) : max(top + ink.shape[0], 0), max(left, 0) : max(left + ink.shape[1], 0)]
    ink = ink[first : first + seen.shape[0], begin : begin + seen.shape[1]]
    if ink.size:
        seen[ink & ~_wave(((seen > _PLAIN) & ~ink).astype(np.uint8), ink.shape[0])] = 0.0


def _wave(other: NDArray[np.uint8], height: int) -> NDArray[np.bool_]:
    """Return the ink that is not the name's, gone on through it: near upright, or level but not between two flanks."""
    tall, wide = (max(round(share * height), 3) for share in (_ALONG, _ACROSS))
    flanks = cv2.morphologyEx(other, cv2.MORPH_OPEN, np.ones((wide + 2, 1), np.uint8))
    found = cv2.morphologyEx(other & ~flanks, cv2.MORPH_CLOSE, np.ones((1, wide), np.uint8)) | other
    for element in _uprights(tall):
        found |= cv2.morphologyEx(other, cv2.MORPH_CLOSE, element)
    return np.asarray(found > 0)


def _uprights(tall: int) -> Iterator[NDArray[np.uint8]]:
    """Yield lines to close gaps along: upright and up to a quarter off it."""
    off = max(tall // 20, 1)
    for lean in range(-off, off + 1):
        line = np.zeros((tall, 2 * off + 1), np.uint8)
        yield np.asarray(cv2.line(line, (off + lean, 0), (off - lean, tall - 1), 1), dtype=np.uint8)
