"""The names that may stand at a trace, set in common fonts."""

from collections.abc import Iterator
from functools import lru_cache
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


@lru_cache(maxsize=1)
def pictures() -> tuple[tuple[Dark, ...], ...]:
    """Return ``[font][name]``: each of ``NAMES`` in each font, 0 (paper) to 1 (ink)."""
    return tuple(_every())


def extent(profile: Dark) -> tuple[float, float]:
    """Return where a profile first and last passes half its greatest value."""
    half = float(profile.max()) / 2
    inked = np.flatnonzero(profile > half)
    if not inked.size:
        return 0.0, float(profile.size - 1)
    first, last = int(inked[0]), int(inked[-1])
    rise, fall = profile[first] - profile[first - 1], profile[last] - profile[last + 1]
    return first - float((profile[first] - half) / rise), last + float((profile[last] - half) / fall)


def _every() -> Iterator[tuple[Dark, ...]]:
    found = find_spec("matplotlib")
    folder = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" if found and found.origin else Path()
    files = [folder / f"{name}.ttf" for name in _SHIPPED]
    fonts = [pymupdf.Font(name) for name in _BUILT_IN]
    fonts += [pymupdf.Font(fontfile=str(file)) for file in files if file.is_file()]
    for font in fonts:
        yield tuple(_typeset(font, name) for name in NAMES)
    for face in _DRAWN:
        yield tuple(_written(face, name) for name in NAMES)


def _typeset(font: pymupdf.Font, name: str) -> Dark:
    with pymupdf.open() as document:
        page = document.new_page(width=240, height=100)
        writer = pymupdf.TextWriter(page.rect)
        writer.append(ORIGIN, name, font=font, fontsize=_SIZE)
        writer.write_text(page)
        pixels = page.get_pixmap(colorspace=pymupdf.csGRAY, alpha=False)
        grey = np.frombuffer(pixels.samples, np.uint8).reshape(pixels.height, pixels.stride)
    return np.asarray(1 - grey.astype(np.float32) / 255, dtype=np.float32)


def _written(face: int, name: str) -> Dark:
    paper = np.zeros((120, 320), np.uint8)
    cv2.putText(paper, name, (round(ORIGIN[0]), round(ORIGIN[1])), face, 2.0, 255, 4, cv2.LINE_AA)
    return np.asarray(paper, dtype=np.float32) / np.float32(255)
