"""Printed speed and gain are read where every character is sure, and nothing else is taken for them."""

from collections.abc import Sequence

import cv2
import numpy as np
import pymupdf
import pytest

from adapters.raster.printed import printed_words
from adapters.raster.strokes import darkness, mask_of

DPI = 200


def written(texts: Sequence[str], font: str, dpi: int = DPI, size: float = 9.0) -> np.ndarray:
    """The texts one below the other on pink ruling, as a scan turned upright and coded twice (BGR)."""
    with pymupdf.open() as document:
        page = document.new_page(width=300, height=30 + 20 * len(texts))
        for k in range(0, int(page.rect.height), 3):
            page.draw_line((0, k), (300, k), color=(1, 0.75, 0.75), width=0.3)
        for number, text in enumerate(texts):
            page.insert_text((25, 25 + 20 * number), text, fontname=font, fontsize=size)
        drawn = page.get_pixmap(dpi=dpi, alpha=False)
    pixels = np.frombuffer(drawn.samples, np.uint8).reshape(drawn.height, drawn.width, 3)[:, :, ::-1]
    height, width = pixels.shape[:2]
    for degrees in (1.3, -1.3):
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
        pixels = cv2.warpAffine(pixels, turn, (width, height), flags=cv2.INTER_CUBIC, borderValue=(255, 255, 255))
        coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 50])[1]
        pixels = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), dtype=np.uint8)
    return np.asarray(pixels)


def read(picture: np.ndarray, dpi: int = DPI) -> list[str]:
    dark = darkness(picture)
    assert dark is not None
    boxes = cv2.connectedComponentsWithStats(mask_of(dark), connectivity=8)[2]
    words = printed_words(dark, boxes[1:, :4], dpi / 25.4)
    return [word.text for word in sorted(words, key=lambda word: (round(word.y / dpi * 72 / 20), word.x0))]


@pytest.mark.parametrize(("font", "least"), [("helv", 7), ("cour", 7), ("hebo", 6), ("tiro", 4)])
def test_what_carts_print_is_read_in_common_fonts(font: str, least: int) -> None:
    texts = ("25 mm/s", "50mm/s", "12.5 mm/s", "12,5 mm/s", "10 mm/mV", "5 mm/mV", "20 mm/mV")
    found = read(written(texts, font))
    assert set(found) <= set(texts)
    assert len(found) >= least


def test_they_are_read_in_the_midst_of_a_line_and_before_a_comma() -> None:
    lines = ("Rhythm 10 s, 25 mm/s, 2 p", "50mm/s  10mm/mV  0.01-20 Hz  50 Hz")
    assert read(written(lines, "helv")) == ["25 mm/s", "50mm/s", "10mm/mV"]


def test_at_150_dpi() -> None:
    assert read(written(("25 mm/s  10 mm/mV",), "helv", 150), 150) == ["25 mm/s", "10 mm/mV"]


@pytest.mark.parametrize("font", ["helv", "cour"])
@pytest.mark.parametrize("dpi", [150, 200])
def test_no_other_number_is_taken_for_a_customary_one(font: str, dpi: int) -> None:
    others = ("26 mm/s", "35 mm/s", "15 mm/s", "125 mm/s", "22.5 mm/s", "2.5 mm/s", "25.5 mm/s", "52 mm/s", "20 mm/s")
    gains = ("40 mm/mV", "12 mm/mV", "1.25 mm/mV", "0.5 mm/mV", "15 mm/mV", "10/5 mm/mV", "50 mm/mV", "60 mm/mV")
    assert read(written(others + gains, font, dpi), dpi) == []


def test_dates_names_and_other_units_say_nothing() -> None:
    lines = ("Date: 2024-05-01 10:20:30", "ID: SIM0000025", "25 kg/m2", "25 Hz", "PR 125 ms", "25 cm/s", "10 mV/mm")
    assert read(written(lines, "helv")) == []


def test_a_line_cut_by_the_page_s_edge_is_not_read() -> None:
    whole = written(("25 mm/s  10 mm/mV",), "helv")
    assert read(whole) == ["25 mm/s", "10 mm/mV"]
    foot = round(25 / 72 * DPI)
    assert read(whole[: foot - 6]) == []


def test_a_line_that_is_struck_through_is_not_read() -> None:
    whole = written(("25 mm/s  10 mm/mV",), "helv")
    middle = round(22 / 72 * DPI)
    whole[middle - 1 : middle + 2, :] = 0
    assert read(whole) == []
