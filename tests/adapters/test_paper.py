"""The standard picture: deterministic, to scale, honest about what was not recorded."""

import cv2
import numpy as np
import pymupdf
import pytest

from adapters import paper
from domain.ecg import LEADS

RATE = 500
INK = 120  # darker than any grid line


def _signal() -> np.ndarray:
    time = np.arange(5000) / RATE
    beat = np.exp(-(((time % 0.8) - 0.4) ** 2) / (2 * 0.012**2))
    return (np.outer(np.linspace(0.3, 1.5, 12), beat)).astype(np.float32)


def _dark(picture: np.ndarray) -> np.ndarray:
    return picture.max(axis=2) < INK


def _box(x0_mm: float, y0_mm: float, x1_mm: float, y1_mm: float) -> tuple[slice, slice]:
    px = paper.PX_MM
    return slice(round(y0_mm * px), round(y1_mm * px)), slice(round(x0_mm * px), round(x1_mm * px))


def test_identical_input_gives_identical_pixels_and_bytes() -> None:
    one, other = paper.draw(_signal(), RATE), paper.draw(_signal(), RATE)
    assert one.shape == (800, 1200, 3)
    assert one.dtype == np.uint8
    assert np.array_equal(one, other)
    assert paper.png(one) == paper.png(other)


def test_png_gives_back_the_same_pixels() -> None:
    picture = paper.draw(_signal(), RATE)
    decoded = cv2.imdecode(np.frombuffer(paper.png(picture), np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(decoded[:, :, ::-1], picture)


def test_a_millivolt_is_ten_millimetres_high() -> None:
    signal = np.zeros((12, 5000), np.float32)
    signal[LEADS.index("II"), 500:1000] = 1.0  # from 1 s to 2 s in the rhythm strip too
    column = _dark(paper.draw(signal, RATE))[_box(30 + 1.5 * 25 - 0.5, 160, 30 + 1.5 * 25 + 0.5, 178)].any(axis=1)
    height_mm = 175 - (160 + float(np.flatnonzero(column).mean()) / paper.PX_MM)
    assert height_mm == pytest.approx(10, abs=0.3)


def test_a_second_is_twenty_five_millimetres_long() -> None:
    signal = np.zeros((12, 5000), np.float32)
    signal[LEADS.index("II"), [1500, 2500]] = 2.0
    strip = _dark(paper.draw(signal, RATE))[_box(95, 156, 290, 168)].any(axis=0)
    peaks = np.flatnonzero(strip) / paper.PX_MM
    assert peaks.max() - peaks.min() == pytest.approx(2 * 25, abs=1.5)


def test_the_calibration_pulse_is_a_millivolt_for_a_fifth_of_a_second() -> None:
    dark = _dark(paper.draw(np.zeros((12, 5000), np.float32), RATE))[_box(10, 25, 28, 42)]
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark[: 5 * paper.PX_MM + 10].any(axis=0))
    assert np.ptp(rows) / paper.PX_MM == pytest.approx(10, abs=0.8)
    assert np.ptp(columns) / paper.PX_MM == pytest.approx(5, abs=0.8)


@pytest.mark.parametrize(
    ("lead", "x_mm", "y_mm"), [("I", 30, 40), ("aVL", 92.5, 85), ("V3", 155, 130), ("V6", 217.5, 130)]
)
def test_every_lead_has_its_own_place(lead: str, x_mm: float, y_mm: float) -> None:
    blank = paper.draw(np.zeros((12, 5000), np.float32), RATE)
    signal = np.zeros((12, 5000), np.float32)
    signal[LEADS.index(lead)] = _signal()[11]
    changed = (paper.draw(signal, RATE) != blank).any(axis=2)
    inside = np.zeros_like(changed)
    inside[_box(x_mm - 1, y_mm - 25, x_mm + 63.5, y_mm + 10)] = True
    assert changed.any()
    assert not (changed & ~inside).any()


def test_a_column_recorded_only_in_its_own_time_is_drawn_as_if_all_were_there() -> None:
    whole = _signal()
    columns = np.full_like(whole, np.nan)
    for row in range(12):
        columns[row, 1250 * (row // 3) : 1250 * (row // 3 + 1)] = whole[row, 1250 * (row // 3) : 1250 * (row // 3 + 1)]
    columns[1] = whole[1]
    assert np.array_equal(paper.draw(columns, RATE), paper.draw(whole, RATE))


def test_a_lead_not_recorded_is_named_so_and_not_drawn_flat() -> None:
    signal = _signal()
    signal[LEADS.index("V2")] = np.nan
    dark = _dark(paper.draw(signal, RATE))
    assert not dark[_box(157, 80, 216, 90)].any()  # no line at its baseline
    assert dark[_box(165, 66, 190, 72)].any()  # the words


def test_a_lead_recorded_at_another_time_is_drawn_and_says_so() -> None:
    signal = _signal()
    signal[LEADS.index("V5"), 1250:] = np.nan
    dark = _dark(paper.draw(signal, RATE))
    assert dark[_box(219, 80, 279, 90)].any()
    assert dark[_box(226, 66, 250, 72)].any()


def test_a_huge_deflection_stays_within_three_millivolts_of_its_row() -> None:
    signal = np.zeros((12, 5000), np.float32)
    signal[LEADS.index("aVF"), 2000:2010] = 400.0
    changed = (paper.draw(signal, RATE) != paper.draw(np.zeros_like(signal), RATE)).any(axis=2)
    assert np.flatnonzero(changed.any(axis=1)).min() >= (130 - 31) * paper.PX_MM


@pytest.mark.parametrize("rate", [100.0, 250.0, 1000.0])
def test_other_rates_and_lengths_are_drawn(rate: float) -> None:
    assert paper.draw(_signal()[:, : int(rate * 3)], rate).shape == (800, 1200, 3)


def test_nothing_recorded_at_all_is_a_picture_too() -> None:
    assert paper.draw(np.full((12, 100), np.nan, np.float32), RATE).shape == (800, 1200, 3)


def test_a_shape_that_is_no_ecg_is_refused() -> None:
    with pytest.raises(ValueError, match="12"):
        paper.draw(np.zeros((8, 100), np.float32), RATE)


def test_a_page_is_rendered_upright_and_bounded() -> None:
    with pymupdf.open() as document:
        page = document.new_page(width=14_000, height=7_000)
        picture = paper.page_picture(page)
        assert picture.shape[1] <= 2001
        assert paper.page_picture(page, quarter_turns=1).shape[:2] == picture.shape[1::-1]
