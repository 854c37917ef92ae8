import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from adapters import formats
from adapters.paper import draw, page_picture
from config.schema import Reading
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


def test_a_beat_that_the_edge_of_the_page_cuts_off_is_kept_and_an_upright_rule_is_not():
    ink = np.zeros((800, 1200), np.uint8)
    ink[650:, 100:106], ink[650:656, 100:140] = 255, 255
    ink[20:780, 600:606] = 255
    left = traces(ink)
    assert left[:, :200].any()
    assert not left[:, 200:].any()


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


def samples() -> Path:
    root = os.environ.get("ECGD_SAMPLES")
    if not root:
        assert not os.environ.get("CI"), "CI sets ECGD_SAMPLES"
        pytest.skip("ECGD_SAMPLES is not set: no real ECGs")
    return Path(root)


def polyline(mask: np.ndarray, points: np.ndarray) -> None:
    cv2.polylines(mask, [np.rint(points * 16).astype(np.int32)], False, 1, 1, cv2.LINE_8, 4)


def kept_and_foreign(rgb: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Share of the true trace that is white, and share of what is white farther than 4 pixels from it."""
    white, near = clean(rgb) > 0, cv2.dilate(truth, np.ones((9, 9))) > 0
    return (white & (truth > 0)).sum() / truth.sum(), (white & ~near).sum() / white.sum()


@pytest.mark.parametrize(
    ("name", "foreign"),
    [
        ("pdf/cardiosoft_testmann.pdf", 0.01),  # labels that touch a trace
        ("pdf/schiller_1282423.pdf", 0.04),  # and a word of 31 mm
        ("ptbxl_pdf/00132_hr.pdf", 0.001),
        ("ptbxl_pdf/00201_hr.pdf", 0.001),
    ],
)
def test_pages_of_several_vendors_keep_their_traces_and_little_else(name, foreign):
    """The truth is in the PDF: a path of more than 60 lines is a trace, whatever surrounds it."""
    pymupdf = pytest.importorskip("pymupdf")
    sheet = pymupdf.open(samples() / name)[0]
    rgb = page_picture(sheet)
    truth, scale = np.zeros(rgb.shape[:2], np.uint8), rgb.shape[1] / sheet.rect.width
    for path in sheet.get_drawings():
        lines = [item for item in path["items"] if item[0] == "l"]
        breaks = [i for i, (a, b) in enumerate(pairwise(lines), start=1) if abs(a[2] - b[1]) > 1e-3]
        for start, stop in pairwise([0, *breaks, len(lines)]):
            if stop - start > 60:
                on_page = [item[1] * sheet.rotation_matrix for item in lines[start:stop]]
                polyline(truth, np.array([(point.x, point.y) for point in on_page]) * scale)
    kept, others = kept_and_foreign(rgb, truth)
    assert kept > 0.97
    assert others < foreign


def distortions() -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    seconds, draw = np.arange(5000) / 500, np.random.default_rng(0)
    return {
        "as recorded": lambda signal: signal,
        "low voltage": lambda signal: 0.1 * signal,
        "tall": lambda signal: 3 * signal,
        "mains": lambda signal: signal + 0.15 * np.sin(2 * np.pi * 50 * seconds),
        "wander": lambda signal: signal + np.sin(2 * np.pi * 0.3 * seconds + np.arange(12)[:, None]),
        "muscle": lambda signal: signal + draw.normal(0, 0.15, signal.shape),
    }


@pytest.mark.parametrize("name", distortions())
def test_the_standard_picture_of_real_ecgs_keeps_the_signal_whatever_lies_on_it(name):
    for record in ("00051_hr", "00101_hr", "00190_hr"):
        (path,) = samples().glob(f"ptbxl/records500/**/{record}.hea")
        (ecg,) = formats.read_file(path, Reading())
        signal = distortions()[name](ecg.signal).astype(np.float32)
        kept, foreign = kept_and_foreign(draw(signal, 500), drawn(signal))
        assert kept > 0.999
        assert foreign < 0.015  # the ticks between columns, where little else is on the page


def drawn(signal: np.ndarray) -> np.ndarray:
    """The traces alone, one pixel wide: 25 mm/s, 10 mm/mV, 4 pixels a mm, three rows of four leads and lead II."""
    mask = np.zeros((800, 1200), np.uint8)
    places = [(lead, 30 + 62.5 * (lead // 3), (40, 85, 130)[lead % 3], 1250 * (lead // 3), 1250) for lead in range(12)]
    for lead, x_mm, y_mm, first, count in (*places, (1, 30, 175, 0, 5000)):
        window = signal[lead, first : first + count].astype(float)
        height_mm = np.clip((window - np.median(window)) * 10, -30, 30)
        polyline(mask, 4 * np.column_stack((x_mm + np.arange(count) * 0.05, y_mm - height_mm)))
    return mask


def test_a_rule_across_the_page_goes_and_the_word_that_stands_on_it():
    ink = np.zeros((100, 600), np.uint8)
    ink[20:25, 20:580] = 255  # the rule
    ink[8:20, 300:330] = 255  # the word
    ink[60:66, 50:550] = 255  # a trace as long as the standard picture's
    left = traces(ink)
    assert left[:50].max() == 0
    assert left[60:66, 50:550].min() == 255


def test_the_raw_picture_is_gray_and_inverted_so_that_paper_is_near_zero_and_ink_near_one(make_ecg):
    standard = make_ecg().picture
    raw = unprocessed(standard, 800, 1200)
    assert (raw.shape, raw.dtype) == ((1, 800, 1200), np.float32)
    expected = 1 - standard.astype(np.float64) @ [0.299, 0.587, 0.114] / 255  # ITU-R BT.601
    np.testing.assert_allclose(raw[0], expected, atol=1.01 / 255)
    assert np.median(raw) < 0.05
    assert raw.max() == 1
