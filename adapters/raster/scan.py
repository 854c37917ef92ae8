"""The pixels of a scan, in bounded size: a PNG or JPEG file, or a PDF page that is one picture."""

import struct
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pymupdf
from numpy.typing import NDArray

from domain.errors import Rejected
from domain.reason import Reason

Colour = NDArray[np.uint8]

MOST_PIXELS = 120_000_000  # A4 at 1,000 dpi is 97 million
_WORKING_PX = 3600  # of the longer side: 300 dpi of A4; more shows no more of a pen 0.2 mm wide
_MOST_DPI = 300
_COARSEST_DPI = 97.0  # 72 and 96 are what programs write that do not know
_COVERS = 0.5  # of the page, by one picture: a scan, not a logo


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """``picture``: BGR. ``pt_px``: pt a pixel, where the page's true size is known.

    ``stated_px_mm``: pixels a mm as a picture's header says, which is often made up.
    """

    picture: Colour
    pt_px: float | None
    stated_px_mm: float | None = None


def decoded(payload: bytes) -> Scan:
    """Decode a PNG or JPEG. Raises ``Rejected``: ``UNDECODABLE``, ``TOO_LARGE`` (by its header, before decoding)."""
    if _pixels(payload) > MOST_PIXELS:
        raise Rejected(Reason.TOO_LARGE, f"a picture of more than {MOST_PIXELS // 1_000_000} million pixels")
    try:
        pixels = cv2.imdecode(np.frombuffer(payload, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise Rejected(Reason.UNDECODABLE, "not a picture that can be decoded") from error
    if pixels is None:
        raise Rejected(Reason.UNDECODABLE, "not a picture that can be decoded")
    picture = _working(pixels)  # made smaller first: the largest is held once
    stated = _stated(payload)
    return Scan(_on_paper(picture), None, stated and stated * picture.shape[1] / pixels.shape[1])


def _pixels(payload: bytes) -> int:
    """Return how many pixels a header states: PNG's IHDR (W3C PNG 11.2.2), JPEG's frame header (T.81 B.2.2)."""
    if payload.startswith(b"\x89PNG"):
        width, height = struct.unpack(">II", payload[16:24].ljust(8, b"\0"))
        return int(width * height)
    at = 2
    while at + 9 <= len(payload) and payload[at] == 0xFF:
        marker, length = payload[at + 1], int.from_bytes(payload[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", payload[at + 5 : at + 9])
            return int(width * height)
        at += 1 if marker == 0xFF else 2 + length
    raise Rejected(Reason.UNDECODABLE, "not a picture that can be decoded")


def _stated(payload: bytes) -> float | None:
    """Return the pixels a mm that a header states: PNG's pHYs (W3C PNG 11.3.5.3), JPEG's JFIF (T.871 10.1).

    None for unequal ones, for no unit, and for what programs write that know none (72 and 96 an inch).
    """
    if payload.startswith(b"\x89PNG"):
        at = payload.find(b"pHYs", 0, max(payload.find(b"IDAT"), 0))
        across, down, unit = struct.unpack(">IIB", payload[at + 4 : at + 13].ljust(9, b"\0")) if at > 0 else (0, 0, 0)
        an_inch = across * 0.0254 if unit == 1 else 0.0
    elif payload[6:11] == b"JFIF\0":
        unit, across, down = struct.unpack(">BHH", payload[13:18].ljust(5, b"\0"))
        an_inch = across * {1: 1.0, 2: 2.54}.get(unit, 0.0)
    else:
        return None
    made_up = across != down or an_inch < _COARSEST_DPI
    return None if made_up else an_inch / 25.4


def is_picture(page: pymupdf.Page) -> bool:
    """Tell whether pictures cover most of a page."""
    return _dots_an_inch(page) is not None


def rendered(page: pymupdf.Page) -> Scan:
    """Draw a page that is a picture, about as fine as the picture is."""
    dpi = min(_dots_an_inch(page) or _MOST_DPI, _MOST_DPI)
    longest = max(page.rect.width, page.rect.height, 1.0)
    dpi = max(min(dpi, int(_WORKING_PX * 72 / longest)), 1)
    drawn = page.get_pixmap(dpi=dpi, alpha=False, colorspace=pymupdf.csRGB)
    rows = np.frombuffer(drawn.samples, np.uint8).reshape(drawn.height, drawn.stride)
    rgb = rows[:, : drawn.width * 3].reshape(drawn.height, drawn.width, 3)
    return Scan(np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)), 72 / dpi)


def _dots_an_inch(page: pymupdf.Page) -> int | None:
    """Return how fine the pictures that cover a page are, ``None`` where they do not cover most of it."""
    whole, covered, finest = abs(page.rect), 0.0, 0.0
    for info in _pictures(page):
        box = pymupdf.Rect(info["bbox"]) & page.rect
        if not box.is_empty:
            covered += abs(box)
            finest = max(finest, info["width"] / max(abs(pymupdf.Rect(info["bbox"]).width), 1) * 72)
    return max(round(finest), 1) if whole and covered > _COVERS * whole else None


def _pictures(page: pymupdf.Page) -> list[dict[str, Any]]:
    try:
        return list(page.get_image_info())
    except (RuntimeError, ValueError) as error:
        raise Rejected(Reason.UNDECODABLE, "a page cannot be decoded") from error


def _on_paper(pixels: NDArray[Any]) -> Colour:
    """Return BGR of 8 bits, what is transparent as white paper."""
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise Rejected(Reason.UNDECODABLE, "not a picture of 8 or 16 bits")
    if pixels.ndim == 2:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), dtype=np.uint8)
    if pixels.shape[2] == 4:
        alpha = pixels[:, :, 3:].astype(np.uint16)
        return np.asarray((pixels[:, :, :3] * alpha + 255 * (255 - alpha)) // 255, dtype=np.uint8)
    return np.asarray(pixels, dtype=np.uint8)


def _working(picture: NDArray[Any]) -> NDArray[Any]:
    longest = max(picture.shape[:2])
    if longest <= _WORKING_PX:
        return picture
    scale = _WORKING_PX / longest
    size = [max(round(side * scale), 1) for side in picture.shape[1::-1]]
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
