"""Lead names on a picture: pieces of ink into words, words against the names set in common fonts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pymupdf
from numpy.typing import NDArray

from adapters.pages.ink import Word
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
_STRANGE = "?"  # what else is written; a name beside it labels nothing
_BUILT_IN = ("helv", "hebo", "tiro", "tibo", "cour", "cobo")
_SHIPPED = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSansMono-Bold")
_DRAWN = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX)


@dataclass(frozen=True, slots=True, eq=False)
class Fonts:
    """``shape`` ``[font, name, pixel]``, of zero mean and unit length; ``aspect`` ``[font, name]``: width/height."""

    shape: Vector
    aspect: Vector


def lead_words(dark: Dark, boxes: NDArray[np.int32], px_mm: float) -> tuple[Word, ...]:
    """Read the words among ``boxes`` (``[n, 4]``: left, top, width, height of pieces of ink, px).

    A word that is surely a lead's name, in the one font and size of the page's others, has it; any other is ``?``.
    """
    low, high = (size * px_mm for size in _HIGH_MM)
    letters = boxes[(boxes[:, 3] > 0.25 * low) & (boxes[:, 3] < high) & (boxes[:, 2] < _WIDE_MM * px_mm)]
    words = [box for box in _words(letters) if low <= box[3] - box[1]]
    if not words:
        return ()
    score = _scores(dark, words)
    best = score[_font(score)]
    height = np.array([box[3] - box[1] for box in words], dtype=np.float64)
    sure = _sure(best, height)
    taken = np.unique(best[sure].argmax(axis=1))
    best[np.ix_(~sure, taken)] = -1.0  # a name that surely stands elsewhere is not the doubtful word's
    sure |= _sure(best, height)
    names = [LEADS[int(name)] if known else _STRANGE for name, known in zip(best.argmax(axis=1), sure, strict=True)]
    return tuple(Word(name, *map(float, box)) for name, box in zip(names, words, strict=True))


def _words(letters: NDArray[np.int32]) -> list[tuple[int, int, int, int]]:
    """Put letters side by side together: left, top, right, bottom."""
    words: list[list[int]] = []
    for left, top, width, height in letters[np.argsort(letters[:, 0])].tolist():
        for word in reversed(words[-40:]):
            tall = max(word[3] - word[1], height)
            shared = min(word[3], top + height) - max(word[1], top)
            if left - word[2] < _GAP * tall and shared > 0.6 * min(height, word[3] - word[1]) and left >= word[0]:
                word[:] = [word[0], min(word[1], top), max(word[2], left + width), max(word[3], top + height)]
                break
        else:
            words.append([left, top, left + width, top + height])
    return [(word[0], word[1], word[2], word[3]) for word in words]


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
    """Tell which words are as high as the page's plainest names; strokes that look like I, II or III abound."""
    plain = sure & (name >= LEADS.index("aVR"))
    usual = np.median(height[plain]) if plain.sum() >= 3 else np.inf
    return np.asarray(np.abs(height / usual - 1) < _SAME_SIZE)


def _shape(word: Dark) -> tuple[Vector, float]:
    """Return a word at the size names are compared at, and its width/height.

    Its box is where its ink is half dark, between pixels: letters of a dozen pixels are else half a stroke off. Paper
    is left around it: without, an I would be a patch of nothing but ink.
    """
    word = np.pad(word, _AROUND).astype(np.float32)
    left, right = _extent(word.max(axis=0))
    top, bottom = _extent(word.max(axis=1))
    margin = _MARGIN_SHARE * (bottom - top)
    across, down = (right - left + 2 * margin) / _SHAPE[0], (bottom - top + 2 * margin) / _SHAPE[1]
    if max(across, down) > 1.0:
        word = np.asarray(cv2.GaussianBlur(word, (0, 0), max(across, down) / 2), dtype=np.float32)
    place = np.array([[across, 0, left - margin + across / 2], [0, down, top - margin + down / 2]])
    seen = cv2.warpAffine(word, place, _SHAPE, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP).ravel()
    seen = seen - seen.mean()
    return np.asarray(seen / (np.linalg.norm(seen) + 1e-6), dtype=np.float32), float(
        across * _SHAPE[0] / (down * _SHAPE[1])
    )


def _extent(profile: Vector) -> tuple[float, float]:
    """Return where a profile first and last passes half its greatest value."""
    half = float(profile.max()) / 2
    inked = np.flatnonzero(profile > half)
    if not inked.size:
        return 0.0, float(profile.size - 1)
    first, last = int(inked[0]), int(inked[-1])
    rise, fall = profile[first] - profile[first - 1], profile[last] - profile[last + 1]
    return first - float((profile[first] - half) / rise), last + float((profile[last] - half) / fall)


@lru_cache(maxsize=1)
def _fonts() -> Fonts:
    seen = [[_shape(picture) for picture in font] for font in _set()]
    shape = np.stack([np.stack([name for name, _ in font]) for font in seen])
    aspect = np.array([[its for _, its in font] for font in seen], dtype=np.float32)
    return Fonts(shape, aspect)


def _set() -> Iterator[list[Dark]]:
    """Set every name in every font."""
    found = find_spec("matplotlib")
    folder = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" if found and found.origin else Path()
    files = [folder / f"{name}.ttf" for name in _SHIPPED]
    fonts = [pymupdf.Font(name) for name in _BUILT_IN]
    fonts += [pymupdf.Font(fontfile=str(file)) for file in files if file.is_file()]
    for font in fonts:
        yield [_typeset(font, name) for name in LEADS]
    for face in _DRAWN:
        yield [_written(face, name) for name in LEADS]


def _typeset(font: pymupdf.Font, name: str) -> Dark:
    with pymupdf.open() as document:
        page = document.new_page(width=240, height=100)
        writer = pymupdf.TextWriter(page.rect)
        writer.append((20, 70), name, font=font, fontsize=48)
        writer.write_text(page)
        pixels = page.get_pixmap(colorspace=pymupdf.csGRAY, alpha=False)
        grey = np.frombuffer(pixels.samples, np.uint8).reshape(pixels.height, pixels.stride)
    return np.asarray(1 - grey.astype(np.float32) / 255, dtype=np.float32)


def _written(face: int, name: str) -> Dark:
    paper = np.zeros((120, 320), np.uint8)
    cv2.putText(paper, name, (20, 80), face, 2.0, 255, 4, cv2.LINE_AA)
    return np.asarray(paper, dtype=np.float32) / np.float32(255)
