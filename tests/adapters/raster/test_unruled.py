"""A page without a ruling is read by its pulses and its print, or refused."""

import cv2
import numpy as np
import pymupdf
import pytest

from adapters import image
from adapters.recording import Recording
from config.schema import Reading
from domain.ecg import LEADS
from domain.errors import Rejected
from domain.reason import Reason
from simulator.heart import ecg, varied
from simulator.page import Look, write_pdf

RATE = 500


def _heart(seed: int) -> np.ndarray:
    return np.asarray(ecg(varied(seed), seed), dtype=np.float64)


def _scanned(page: bytes, degrees: float) -> bytes:
    """Scan a page on a bed larger than it is, so that nothing written is lost; clockwise by ``degrees``."""
    with pymupdf.open(stream=page, filetype="pdf") as document:
        shown = document[0].get_pixmap(dpi=200, alpha=False, colorspace=pymupdf.csGRAY)
    paper = np.frombuffer(shown.samples, np.uint8).reshape(shown.height, shown.stride)[:, : shown.width]
    bed = cv2.copyMakeBorder(paper, 90, 90, 40, 40, cv2.BORDER_CONSTANT, value=255)
    turn = cv2.getRotationMatrix2D((bed.shape[1] / 2, bed.shape[0] / 2), -degrees, 1.0)
    turned = cv2.warpAffine(bed, turn, bed.shape[::-1], flags=cv2.INTER_CUBIC, borderValue=255)
    return bytes(cv2.imencode(".jpg", turned, [cv2.IMWRITE_JPEG_QUALITY, 50])[1].tobytes())


def _read(picture: bytes) -> Recording:
    (recording,) = image.read(picture, "folder:test", Reading())
    return recording


def _snr_db(found: np.ndarray, truth: np.ndarray) -> float:
    both = np.isfinite(found[: truth.size])
    wanted, got = truth[: found.size][both], found[: truth.size][both]
    return float(10 * np.log10(np.var(wanted) / np.var(got - wanted)))


@pytest.mark.parametrize(
    ("layout", "speed", "seed", "degrees", "floor_db"),
    [("12x1/2", 50.0, 1, -1.3, 19), ("12x1/2", 50.0, 0, 2.0, 18), ("3x4+1", 25.0, 0, 0.6, 13)],
)
def test_pulses_and_print_stand_for_a_ruling(
    layout: str, speed: float, seed: int, degrees: float, floor_db: float
) -> None:
    heart = _heart(seed)
    recording = _read(_scanned(write_pdf(heart, RATE, layout=layout, speed=speed, look=Look(grid="none")), degrees))
    assert recording.speed_mm_s == pytest.approx(speed, rel=0.01)
    assert recording.gain_mm_mv == pytest.approx(10, rel=0.01)
    assert set(recording.leads) >= {"I", "II", "III", "aVR", "aVL", "aVF"}
    snr = {lead: _snr_db(found, heart[LEADS.index(lead)]) for lead, found in recording.leads.items()}
    assert np.median(list(snr.values())) > floor_db, snr
    assert min(snr.values()) > 6, snr


@pytest.mark.parametrize(
    "look",
    [
        Look(grid="none", printed=""),
        Look(grid="none", printed="50 mm/s"),
        Look(grid="none", printed="10 mm/mV"),
        Look(grid="none", pulse=False),
        Look(grid="none", joined_pulse=True),
        Look(grid="none", printed="25 mm/s  10 mm/mV"),
        Look(grid="none", printed="50 mm/s  5 mm/mV"),
        Look(grid="none", printed="50 mm/s  20 mm/mV"),
        Look(grid="none", printed="50 mm/s  10 mm/mV  5 mm/mV"),
    ],
    ids=str,
)
def test_without_a_pulse_or_a_print_that_it_bears_out_nothing_is_read(look: Look) -> None:
    page = write_pdf(_heart(1), RATE, layout="12x1/2", speed=50.0, look=look)
    with pytest.raises(Rejected) as refusal:
        _read(_scanned(page, 1.3))
    assert refusal.value.reason in (Reason.PAGE_NOT_UNDERSTOOD, Reason.PAGE_NOT_CALIBRATED)
