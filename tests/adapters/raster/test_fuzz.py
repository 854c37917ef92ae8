"""Damaged and odd pictures: read, or refused with a reason; nothing else, and in bounded time and memory.

60 damaged copies and 40 odd pictures. By hand: ECGD_FUZZ=2000.
"""

import contextlib
import os
import time
import tracemalloc

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters import image
from config.schema import Reading
from domain.errors import Rejected
from domain.reason import Reason
from simulator.heart import ecg, varied
from simulator.page import write_pdf
from tests.adapters.raster.scans import scanned

CASES = int(os.environ.get("ECGD_FUZZ", "0"))
PAGE = write_pdf(ecg(varied(3), 3), 500, layout="3x4+1")
COARSE = scanned(PAGE, dpi=60, degrees=0.5)
FILES = (COARSE, bytes(cv2.imencode(".png", cv2.imdecode(np.frombuffer(COARSE, np.uint8), 0))[1].tobytes()))
BOUNDED = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def read(payload: bytes) -> None:
    with contextlib.suppress(Rejected):
        image.read(payload, "folder:test", Reading())


def coded(pixels: np.ndarray, ending: str = ".png") -> bytes:
    return bytes(cv2.imencode(ending, pixels)[1].tobytes())


@settings(BOUNDED, max_examples=CASES or 60)
@given(
    st.sampled_from(FILES),
    st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=12), st.sampled_from(("put", "cut", "end"))), max_size=4),
)
def test_a_damaged_file_is_read_or_refused(payload: bytes, changes: list[tuple[float, bytes, str]]) -> None:
    whole = bytearray(payload)
    for where, content, how in changes:
        at = int(where * len(whole))
        if how == "put":
            whole[at : at + len(content)] = content
        elif how == "cut":
            del whole[at : at + 40]
        else:
            del whole[at:]
    read(bytes(whole))


@settings(BOUNDED, max_examples=CASES or 40)
@given(
    st.sampled_from([1, 2, 17, 599, 700, 1500]),
    st.sampled_from([1, 2, 17, 601, 900]),
    st.sampled_from([0, 1, 3, 4]),
    st.sampled_from([np.uint8, np.uint16]),
    st.sampled_from(["white", "black", "noise", "lines", "page"]),
)
def test_an_odd_picture_is_read_or_refused(width: int, height: int, channels: int, kind: type, what: str) -> None:
    largest = np.iinfo(kind).max
    paper = np.full((height, width), largest if what != "black" else 0, kind)
    if what == "noise":
        paper = np.random.default_rng(width).integers(0, largest, paper.shape, dtype=kind)
    elif what == "lines":
        paper[::7] = paper[:, ::7] = largest // 2
        paper[height // 2] = 0
    elif what == "page":
        page = cv2.imdecode(np.frombuffer(COARSE, np.uint8), cv2.IMREAD_GRAYSCALE)
        paper = cv2.resize(page, (width, height)).astype(kind) * kind(largest // 255)
    read(coded(np.dstack([paper] * channels) if channels else paper))


def test_a_600_dpi_scan_takes_seconds_and_bounded_memory() -> None:
    scan = scanned(PAGE, dpi=600)
    tracemalloc.start()
    began = time.process_time()
    (recording,) = image.read(scan, "folder:test", Reading())
    seconds, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(recording.leads) == 12
    assert seconds < 30  # with every allocation traced; a few without
    assert peak < 1.5e9


def test_alpha_and_16_bits_are_the_same_page() -> None:
    grey = cv2.imdecode(np.frombuffer(scanned(PAGE, dpi=150), np.uint8), cv2.IMREAD_GRAYSCALE)
    clear = np.dstack([np.zeros_like(grey)] * 3 + [255 - grey])  # black ink on transparent paper
    for pixels in (grey.astype(np.uint16) * 257, clear):
        (recording,) = image.read(coded(pixels), "folder:test", Reading())
        assert len(recording.leads) == 12


@pytest.mark.parametrize("turn", [cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE])
def test_a_scan_on_its_side_or_head_is_refused(turn: int) -> None:
    page = cv2.imdecode(np.frombuffer(scanned(PAGE, dpi=150), np.uint8), cv2.IMREAD_COLOR)
    with pytest.raises(Rejected) as refusal:
        image.read(coded(cv2.rotate(page, turn), ".jpg"), "folder:test", Reading())
    assert refusal.value.reason in (Reason.PAGE_NOT_UNDERSTOOD, Reason.PAGE_NOT_CALIBRATED)


def test_black_and_white_paper_whose_ruling_is_as_dark_as_the_trace_is_refused() -> None:
    grey = cv2.imdecode(np.frombuffer(scanned(PAGE, degrees=0.3), np.uint8), cv2.IMREAD_GRAYSCALE)
    fax = np.where(grey < 235, 0, 255).astype(np.uint8)
    with pytest.raises(Rejected):
        image.read(coded(fax), "folder:test", Reading())
