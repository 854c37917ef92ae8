import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference import picture
from inference.picture import clean, equalised, inked, opened, prepare, smoothed, traces, unprocessed

INK, PAPER, GRID = (0, 0, 0), (255, 250, 250), (240, 170, 170)


def page() -> np.ndarray:
    paper = np.full((400, 600, 3), PAPER, np.uint8)
    paper[::20], paper[:, ::20] = GRID, GRID
    return paper


def trace_on(paper: np.ndarray, *, y: int, x0: int = 60, x1: int = 540) -> np.ndarray:
    points = [(x, round(y + 12 * np.sin(x / 9))) for x in range(x0, x1)]
    cv2.polylines(paper, [np.array(points, np.int32)], False, INK, 2, cv2.LINE_AA)
    return paper


def test_ruling_goes_and_ink_stays():
    ink = inked(trace_on(page(), y=200))
    assert set(np.unique(ink)) == {0, 255}
    assert ink[:150].max() == 0
    assert ink[180:220].max() == 255


@pytest.mark.parametrize(
    ("name", "y", "x0", "x1", "kept"),
    [
        ("a lead", 100, 60, 200, True),
        ("a calibration pulse's width", 100, 60, 82, False),
        ("a row of four leads", 100, 30, 580, True),
    ],
)
def test_components_are_kept_by_their_width(name, y, x0, x1, kept):
    assert bool(traces(inked(trace_on(page(), y=y, x0=x0, x1=x1))).any()) is kept, name


def test_labels_and_frames_are_dropped():
    paper = page()
    cv2.putText(paper, "aVR", (100, 100), cv2.FONT_HERSHEY_SIMPLEX, 0.6, INK, 1, cv2.LINE_AA)
    cv2.rectangle(paper, (5, 5), (594, 394), INK, 2)
    assert inked(paper).max() == 255
    assert traces(inked(paper)).max() == 0


def test_a_flat_line_is_a_trace():
    paper = page()
    cv2.line(paper, (60, 210), (540, 210), INK, 2)  # asystole looks like this
    assert clean(paper)[205:215].max() == 255


def test_opening_removes_what_is_thinner_than_three_pixels():
    ink = np.zeros((20, 40), np.uint8)
    ink[5, :], ink[12:15, :] = 255, 255
    result = opened(ink)
    assert result[:10].max() == 0
    assert result[13, 1:-1].min() == 255


@pytest.mark.parametrize("value", [0, 255])
def test_an_even_picture_stays_even(value):
    even = np.full((30, 40), value, np.uint8)
    assert np.unique(equalised(smoothed(even))).size == 1


def test_the_steps_run_in_the_paper_s_order(monkeypatch):
    steps = ("inked", "traces", "opened", "smoothed", "equalised", "binary")
    ran = []
    for name in steps:
        step = getattr(picture, name)
        monkeypatch.setattr(picture, name, lambda x, name=name, step=step: ran.append(name) or step(x))
    clean(page())
    assert tuple(ran) == steps


def test_an_empty_page_is_all_ground():
    assert prepare(page(), 64, 96).max() == 0


def test_the_result_has_the_bundle_s_size_and_lies_between_ground_and_trace():
    small = prepare(trace_on(page(), y=200), 128, 192)
    assert (small.shape, small.dtype) == ((1, 128, 192), np.float32)
    assert small.min() == 0
    assert 0.5 < small.max() <= 1


def test_the_standard_picture_keeps_its_traces_and_loses_everything_else(make_ecg):
    standard = make_ecg().picture
    kept = clean(standard)
    assert kept[:, :115].max() == 0  # pulses stand left of time 0, at 30 mm of 4 pixels
    assert kept[750:].max() == 0  # speed and gain
    for y_mm in (40, 85, 130, 175):
        row = kept[4 * y_mm - 70 : 4 * y_mm + 70, 120:1120]
        assert (row.max(axis=0) == 255).mean() > 0.99, "a trace without gaps"


def test_the_same_picture_gives_the_same_pixels(make_ecg):
    standard = make_ecg().picture
    np.testing.assert_array_equal(prepare(standard, 512, 768), prepare(standard, 512, 768))


def test_the_picture_is_left_as_it_was(make_ecg):
    standard = make_ecg().picture
    before = standard.copy()
    clean(standard)
    np.testing.assert_array_equal(standard, before)


@pytest.mark.parametrize(
    ("name", "rows"),
    [("pdf/cardiosoft_testmann.pdf", 6), ("pdf/schiller_1282423.pdf", 6), ("ptbxl_pdf/00132_hr.pdf", 4)],
)
def test_pages_of_several_vendors_keep_every_row_without_gaps(name, rows):
    root = os.environ.get("ECGD_SAMPLES")
    if not root:
        assert not os.environ.get("CI"), "CI sets ECGD_SAMPLES"
        pytest.skip("ECGD_SAMPLES is not set: no real pages")
    pymupdf = pytest.importorskip("pymupdf")
    sheet = pymupdf.open(Path(root) / name)[0]
    zoom = 1200 / sheet.rect.width
    pixels = sheet.get_pixmap(matrix=pymupdf.Matrix(zoom, zoom), alpha=False)
    rgb = np.frombuffer(pixels.samples, np.uint8).reshape(pixels.height, pixels.width, 3)
    _, _, stats, _ = cv2.connectedComponentsWithStats(clean(rgb), connectivity=8)
    covered = [s for s in stats[1:] if s[cv2.CC_STAT_HEIGHT] > 10]
    assert sum(s[cv2.CC_STAT_WIDTH] for s in covered) > 0.8 * rows * 1200
    assert len(covered) <= 4 * rows


def test_the_raw_picture_is_gray_and_inverted_so_that_paper_is_near_zero_and_ink_near_one(make_ecg):
    standard = make_ecg().picture
    raw = unprocessed(standard, 800, 1200)
    assert (raw.shape, raw.dtype) == ((1, 800, 1200), np.float32)
    expected = 1 - standard.astype(np.float64) @ [0.299, 0.587, 0.114] / 255  # ITU-R BT.601
    np.testing.assert_allclose(raw[0], expected, atol=1.01 / 255)
    assert np.median(raw) < 0.05
    assert raw.max() == 1
