"""Whatever a page draws, it is read or refused, in seconds."""

import time

import numpy as np
import pymupdf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters import pdf
from config.schema import Reading
from domain.errors import Rejected
from domain.reason import Reason
from simulator.heart import ecg, varied
from simulator.page import Look, write_pdf

HEART = np.asarray(ecg(varied(2), 2), dtype=np.float64)
SECONDS = 30  # of processor time, on a busy machine; 1.5 alone


def _page(drawing: bytes) -> bytes:
    with pymupdf.open() as document:
        page, stream = document.new_page(), document.get_new_xref()
        document.update_object(stream, "<<>>")
        document.update_stream(stream, drawing)
        document.xref_set_key(page.xref, "Contents", f"{stream} 0 R")
        return bytes(document.tobytes())


def test_a_page_of_120_000_paths_is_read_in_seconds() -> None:
    page = write_pdf(np.repeat(HEART, 2, axis=1), 1000, layout="12x1", look=Look(trace="segment", grid="rectangles"))
    start = time.process_time()
    (recording,) = pdf.read(page, "test", Reading())
    assert time.process_time() - start < SECONDS
    assert len(recording.leads) == 12


CROWDED = {
    "curves": b"".join(
        b"0 %d m " % (i % 800) + b"".join(b"%d %d l " % (k * 10, i * k % 700) for k in range(1, 45)) + b"S\n"
        for i in range(1500)
    ),
    "pieces that never meet": b"".join(
        b"%.2f %d m %.2f %d l %.2f %d l S\n" % (i / 10, i % 700, i / 10 + 0.02, i % 700, i / 10 + 0.04, i % 700)
        for i in range(5000)
    ),
    "pieces that all meet": b"".join(
        b"%d %.2f m %d %.2f l %d %.2f l S\n" % (x, i / 5, x + 1, i / 5, x + 2, i / 5)
        for x in (100, 102)
        for i in range(3000)
    ),
}


@pytest.mark.parametrize("crowd", CROWDED)
def test_a_crowded_page_is_refused_in_seconds(crowd: str) -> None:
    start = time.process_time()
    with pytest.raises(Rejected) as refusal:
        pdf.read(_page(CROWDED[crowd]), "test", Reading())
    assert refusal.value.reason is Reason.TOO_LARGE
    assert time.process_time() - start < SECONDS


def test_a_sheet_ruled_by_the_tenth_of_a_millimetre_takes_no_memory() -> None:
    lines = b"".join(b"%.1f 0 m %.1f 9000 l S 0 %.1f m 9000 %.1f l S\n" % ((i / 2,) * 4) for i in range(20_000))
    with pytest.raises(Rejected):
        pdf.read(_page(lines), "test", Reading())


NUMBERS = st.sampled_from([b"0", b"-1", b"1e9", b"999999999", b"0.0001", b"-72.5", b"NaN", b"./", b"12 0 R", b""])
OPERATORS = st.sampled_from([b"m", b"l", b"c", b"re", b"S", b"f", b"q", b"Q", b"cm", b"BT", b"ET", b"Tj", b"w", b"Do"])
EDITS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), NUMBERS | OPERATORS), min_size=1, max_size=12)
LAYOUTS = st.sampled_from(["3x4+1", "6x2", "12x1"])


def _report(layout: str) -> bytes:
    return write_pdf(HEART[:, ::8], 62.5, layout=layout, look=Look(grid="text"))


REPORTS = {layout: _report(layout) for layout in ("3x4+1", "6x2", "12x1")}


def _garbled(report: bytes, edits: list[tuple[float, bytes]], cut: float) -> bytes:
    with pymupdf.open(stream=report, filetype="pdf") as document:
        (stream,) = document[0].get_contents()
        tokens = bytes(document.xref_stream(stream)).split(b" ")
        for place, token in edits:
            tokens[int(place * len(tokens))] = token
        document.update_stream(stream, b" ".join(tokens[: int(cut * len(tokens))]))
        return bytes(document.tobytes())


@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(layout=LAYOUTS, edits=EDITS, cut=st.just(1.0) | st.floats(0.3, 1))
def test_120_garbled_drawings_are_read_or_refused(layout: str, edits: list[tuple[float, bytes]], cut: float) -> None:
    try:
        recordings = pdf.read(_garbled(REPORTS[layout], edits, cut), "test", Reading())
    except Rejected:
        return
    assert all(recording.samples <= 120 * recording.rate_hz for recording in recordings)
