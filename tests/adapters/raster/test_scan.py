"""A picture's header states a resolution, or none that can be believed."""

import struct
import zlib

import cv2
import numpy as np
import pytest

from adapters.raster.scan import decoded

PAPER = np.full((40, 60, 3), 255, np.uint8)


def jpeg(unit: int, across: int, down: int) -> bytes:
    coded = bytes(cv2.imencode(".jpg", PAPER)[1].tobytes())
    assert coded[6:11] == b"JFIF\0"
    return coded[:13] + struct.pack(">BHH", unit, across, down) + coded[18:]


def png(across: int, down: int, unit: int) -> bytes:
    coded = bytes(cv2.imencode(".png", PAPER)[1].tobytes())
    body = b"pHYs" + struct.pack(">IIB", across, down, unit)
    at = coded.index(b"IDAT") - 4
    return coded[:at] + struct.pack(">I", 9) + body + struct.pack(">I", zlib.crc32(body)) + coded[at:]


@pytest.mark.parametrize("picture", [jpeg(1, 200, 200), jpeg(2, 79, 79), png(7874, 7874, 1)])
def test_200_an_inch_are_7_9_a_millimetre(picture: bytes) -> None:
    assert decoded(picture).stated_px_mm == pytest.approx(7.874, rel=0.01)


@pytest.mark.parametrize(
    "picture",
    [jpeg(0, 200, 200), jpeg(1, 200, 100), jpeg(1, 96, 96), jpeg(1, 72, 72), png(7874, 7874, 0), png(2835, 2835, 1)],
)
def test_a_ratio_or_what_programs_make_up_states_nothing(picture: bytes) -> None:
    assert decoded(picture).stated_px_mm is None


def test_a_picture_made_smaller_states_as_much_less() -> None:
    large = bytes(cv2.imencode(".jpg", np.full((60, 7200), 255, np.uint8))[1].tobytes())
    large = large[:13] + struct.pack(">BHH", 1, 400, 400) + large[18:]
    assert decoded(large).stated_px_mm == pytest.approx(200 / 25.4)
