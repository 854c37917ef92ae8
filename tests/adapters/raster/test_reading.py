"""A picture of a page gives back what was drawn, under the names that stand there, or a reason."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from adapters import image, pdf
from adapters.recording import Recording
from config.schema import Reading
from domain.arrival import Format, sniff
from domain.ecg import LEADS, Patient, ReadWarning
from domain.errors import Rejected
from domain.reason import Reason
from simulator.page import Look, write_pdf
from simulator.patient import SyntheticPatient
from tests.adapters.objects import samples_folder
from tests.adapters.raster.scans import as_page, scanned

RATE = 500


def _signal() -> np.ndarray:
    """Eight leads no two of which are alike, and the four made of two, with no two beats equally far apart."""
    chance = np.random.default_rng(7)
    time = np.arange(5000) / RATE
    beats = np.cumsum(chance.uniform(0.6, 1.0, 16)) - 0.4
    leads = np.zeros((12, 5000))
    for offset, width, low, high in ((-0.16, 0.02, 0.05, 0.2), (0.0, 0.012, -1.0, 1.5), (0.25, 0.05, -0.2, 0.5)):
        size = chance.uniform(low, high, 12)
        leads += np.outer(size, np.exp(-((time - beats[:, None] - offset) ** 2) / (2 * width**2)).sum(axis=0))
    one, two = leads[:2]
    leads[2:6] = two - one, -(one + two) / 2, one - two / 2, two - one / 2
    return np.asarray(leads, dtype=np.float32)


SIGNAL = _signal()


def _read(picture: bytes) -> Recording:
    (recording,) = image.read(picture, "folder:test", Reading())
    return recording


def _refused(picture: bytes) -> Rejected:
    with pytest.raises(Rejected) as refusal:
        image.read(picture, "folder:test", Reading())
    return refusal.value


def _snr_db(found: np.ndarray, truth: np.ndarray) -> float:
    both = np.isfinite(found[: truth.size]) & np.isfinite(truth[: found.size])
    error = found[: truth.size][both] - truth[: found.size][both]
    return float(10 * np.log10(np.var(truth[: found.size][both]) / max(np.var(error), 1e-12)))


def _check(recording: Recording, floor_db: float) -> None:
    assert recording.digitised
    assert recording.patient == Patient()
    assert recording.gain_mm_mv == pytest.approx(10, rel=0.01)
    assert recording.speed_mm_s == pytest.approx(25, rel=0.005)
    snr = {lead: _snr_db(found, SIGNAL[LEADS.index(lead)]) for lead, found in recording.leads.items()}
    assert min(snr.values()) > 10, snr  # under another lead's name it would be below 0
    assert np.median(list(snr.values())) > floor_db, snr


def test_a_skewed_scan_is_read_lead_by_lead() -> None:
    recording = _read(scanned(write_pdf(SIGNAL, RATE, layout="3x4+1"), degrees=-2.4))
    assert set(recording.leads) == set(LEADS)
    _check(recording, 20)
    assert recording.page is not None
    for number, lead in enumerate(LEADS):
        if lead != "II":
            seen = np.flatnonzero(np.isfinite(recording.leads[lead]))
            assert seen[0] == pytest.approx(1250 * (number // 3), abs=2)


def test_pictures_are_told_by_their_first_bytes() -> None:
    paper = np.full((20, 20), 255, np.uint8)
    assert all(sniff(cv2.imencode(ending, paper)[1].tobytes()) is Format.IMAGE for ending in (".png", ".jpg"))


def test_two_columns_at_150_dpi() -> None:
    _check(_read(scanned(write_pdf(SIGNAL, RATE, layout="6x2"), dpi=150)), 15)


def test_a_page_of_540_mm_is_calibrated_by_its_heavier_fifths() -> None:
    page = scanned(write_pdf(SIGNAL, RATE, layout="3x4+1", speed=50, look=Look(simultaneous=True)))
    recording = _read(page)
    assert recording.speed_mm_s == pytest.approx(50, rel=0.005)
    assert set(recording.leads) == set(LEADS)
    assert all(np.flatnonzero(np.isfinite(found))[0] < 2 for found in recording.leads.values())
    assert np.median([_snr_db(found, SIGNAL[LEADS.index(lead)]) for lead, found in recording.leads.items()]) > 20


def test_a_pdf_page_that_is_a_picture_is_read_and_names_nobody() -> None:
    page = write_pdf(SIGNAL, RATE, layout="3x4+1", patient=SyntheticPatient.seeded(3))
    (recording,) = pdf.read(as_page(scanned(page, degrees=0.4)), "folder:test", Reading())
    assert recording.patient == Patient()
    assert np.median([_snr_db(found, SIGNAL[LEADS.index(lead)]) for lead, found in recording.leads.items()]) > 20


def test_a_page_without_a_pulse_is_not_calibrated_by_guess() -> None:
    page = write_pdf(SIGNAL, RATE, layout="3x4+1", look=Look(pulse=False))
    assert _refused(scanned(page)).reason is Reason.PAGE_NOT_CALIBRATED


def test_a_page_of_three_columns_is_read_by_its_printed_speed() -> None:
    _check(_read(scanned(write_pdf(SIGNAL, RATE, layout="4x3"))), 20)


@pytest.mark.parametrize("said", ["50 mm/s  10 mm/mV", "10 mm/mV", "27 mm/s"])
def test_three_columns_without_a_speed_that_the_pulse_bears_out_are_refused(said: str) -> None:
    refusal = _refused(scanned(write_pdf(SIGNAL, RATE, layout="4x3", look=Look(printed=said))))
    assert refusal.reason is Reason.PAGE_NOT_CALIBRATED


def test_columns_and_pulse_are_believed_against_a_false_print() -> None:
    page = write_pdf(SIGNAL, RATE, layout="6x2", look=Look(printed="50 mm/s  20 mm/mV"))
    recording = _read(scanned(page))
    _check(recording, 20)
    assert ReadWarning.LABEL_DISAGREES_WITH_GRID in recording.warnings


def test_no_ruling_and_no_print_no_reading() -> None:
    refusal = _refused(scanned(write_pdf(SIGNAL, RATE, layout="3x4+1", look=Look(grid="none", printed=""))))
    assert refusal.reason is Reason.PAGE_NOT_UNDERSTOOD
    assert "DICOM" in refusal.detail


@pytest.mark.parametrize("shape", [(900, 1300, 3), (40, 40, 3)])
def test_an_empty_picture_is_refused(shape: tuple[int, int, int]) -> None:
    blank = bytes(cv2.imencode(".png", np.full(shape, 255, np.uint8))[1].tobytes())
    assert _refused(blank).reason is Reason.PAGE_NOT_UNDERSTOOD


@pytest.mark.parametrize(
    "payload", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0 nothing more", b"\x89PNG\r\n\x1a\n" + b"\0" * 90]
)
def test_a_broken_picture_is_undecodable(payload: bytes) -> None:
    assert _refused(payload).reason is Reason.UNDECODABLE


def test_a_picture_too_large_is_refused_by_its_header() -> None:
    tiny = bytearray(cv2.imencode(".png", np.zeros((8, 8), np.uint8))[1].tobytes())
    tiny[16:24] = (40_000).to_bytes(4, "big") * 2
    assert _refused(bytes(tiny)).reason in (Reason.TOO_LARGE, Reason.UNDECODABLE)


# real pages


def _record(folder: Path, name: str) -> dict[str, np.ndarray]:
    raw = np.fromfile(folder / "ptbxl" / "records500" / f"{name}.dat", dtype="<i2").reshape(-1, 12).T / 1000
    return dict(zip(LEADS, raw, strict=True))


@pytest.mark.parametrize(
    ("name", "degrees", "dpi", "floor_db"),
    [
        ("00040_hr", 3.0, 200, 20),
        ("00009_hr", 0.0, 150, 18.5),
        ("00218_hr", 2.1, 200, 18.5),
        ("00162_hr", 0.0, 200, 20),
    ],
)
def test_a_scanned_ptbxl_page_gives_back_its_record(name: str, degrees: float, dpi: int, floor_db: float) -> None:
    """Columns of 00218 begin in a QRS, those of 00162 under the ends of others; S waves cross two of its names."""
    folder = samples_folder()
    truth = _record(folder, name)
    recording = _read(scanned((folder / "ptbxl_pdf" / f"{name}.pdf").read_bytes(), dpi=dpi, degrees=degrees))
    assert set(recording.leads) >= set(LEADS) - {"V2", "V3"}
    snr = [_snr_db(found, truth[lead][4:]) for lead, found in recording.leads.items()]
    assert np.median(snr) > floor_db
    for lead, found in recording.leads.items():
        seen = np.flatnonzero(np.isfinite(found[:4990]))
        alike = {other: np.corrcoef(found[seen], its[4:][seen])[0, 1] for other, its in truth.items()}
        assert max(alike, key=lambda other: alike[other]) == lead
