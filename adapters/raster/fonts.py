"""The names that may stand at a trace, set in common fonts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pymupdf
from numpy.typing import NDArray

from domain.ecg import LEADS

Dark = NDArray[np.float32]

OTHERS = ("V7", "V8", "V9", "V3R", "V4R", "V5R", "V6R")
"""Names of leads that are none of the twelve, lest they be taken for one."""
NAMES = (*LEADS, *OTHERS)
ORIGIN = (20.0, 70.0)
"""Where the pen stands on each picture at a name's beginning, on its base line, px."""

_SIZE = 48
_BUILT_IN = ("helv", "hebo", "tiro", "tibo", "cour", "cobo")
_SHIPPED = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSansMono-Bold")
_DRAWN = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX)


@dataclass(frozen=True, slots=True)
class Face:
    """A font: ``put`` sets a text at ``ORIGIN``, 0 (paper) to 1 (ink); ``advance``: how far, px, the pen goes on."""

    put: Callable[[str], Dark]
    advance: Callable[[str], float]


@lru_cache(maxsize=1)
def pictures() -> tuple[tuple[Dark, ...], ...]:
    """Return ``[font][name]``: each of ``NAMES`` in each font, 0 (paper) to 1 (ink)."""
    return tuple(tuple(face.put(name) for name in NAMES) for face in faces())


def extent(profile: Dark) -> tuple[float, float]:
    """Return where a profile first and last passes half its greatest value."""
    half = float(profile.max()) / 2
    inked = np.flatnonzero(profile > half)
    if not inked.size:
        return 0.0, float(profile.size - 1)
    first, last = int(inked[0]), int(inked[-1])
    rise, fall = profile[first] - profile[first - 1], profile[last] - profile[last + 1]
    return first - float((profile[first] - half) / rise), last + float((profile[last] - half) / fall)


def faces() -> Iterator[Face]:
    """Yield the fonts, in the order of ``pictures``."""
    found = find_spec("matplotlib")
    folder = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" if found and found.origin else Path()
    files = [folder / f"{name}.ttf" for name in _SHIPPED]
    fonts = [pymupdf.Font(name) for name in _BUILT_IN]
    fonts += [pymupdf.Font(fontfile=str(file)) for file in files if file.is_file()]
    for font in fonts:
        yield Face(partial(_typeset, font), partial(font.text_length, fontsize=_SIZE))
    for drawn in _DRAWN:
        yield Face(partial(_written, drawn), partial(_advance, drawn))


def _typeset(font: pymupdf.Font, text: str) -> Dark:
    with pymupdf.open() as document:
        page = document.new_page(width=max(font.text_length(text, _SIZE) + 2 * ORIGIN[0], 240), height=100)
        writer = pymupdf.TextWriter(page.rect)
        writer.append(ORIGIN, text, font=font, fontsize=_SIZE)
        writer.write_text(page)
        pixels = page.get_pixmap(colorspace=pymupdf.csGRAY, alpha=False)
        grey = np.frombuffer(pixels.samples, np.uint8).reshape(pixels.height, pixels.stride)
    return np.asarray(1 - grey.astype(np.float32) / 255, dtype=np.float32)


def _written(drawn: int, text: str) -> Dark:
    paper = np.zeros((120, max(round(_advance(drawn, text) + 2 * ORIGIN[0]), 320)), np.uint8)
    cv2.putText(paper, text, (round(ORIGIN[0]), round(ORIGIN[1])), drawn, 2.0, 255, 4, cv2.LINE_AA)
    return np.asarray(paper, dtype=np.float32) / np.float32(255)


def _advance(drawn: int, text: str) -> float:
    return float(cv2.getTextSize(text, drawn, 2.0, 4)[0][0]) if text else 0.0
