"""Pages the simulator writes: real, vector, the same every time."""

from datetime import datetime

import numpy as np
import pymupdf
import pytest

from domain.ecg import LEADS, Measurements
from simulator.page import Look, write_pdf
from simulator.patient import SyntheticPatient

TAKEN = datetime(2024, 5, 1, 10, 2, 3)  # noqa: DTZ001 (a page prints no zone)
SIGNAL = np.random.default_rng(1).normal(0, 0.1, (12, 5000)).astype(np.float32)


def _words(pdf: bytes) -> str:
    with pymupdf.open(stream=pdf, filetype="pdf") as document:
        return str(document[0].get_text())


def test_the_same_arguments_give_the_same_bytes() -> None:
    assert write_pdf(SIGNAL, 500) == write_pdf(SIGNAL, 500)


def test_facts_are_written_as_text_under_their_labels() -> None:
    patient = SyntheticPatient.seeded(4)
    reported = Measurements(heart_rate_bpm=71, pr_ms=160, qrs_ms=92, qt_ms=380, qtc_ms=411)
    text = _words(write_pdf(SIGNAL, 500, patient=patient, acquired_at=TAKEN, reported=reported))
    for line in (f"ID: {patient.id}", "Date: 2024-05-01 10:02:03", "Vent. rate: 71 bpm", "QT/QTc: 380/411 ms"):
        assert line in text


@pytest.mark.parametrize("layout", ["3x4", "3x4+3", "6x2+1", "12x1"])
def test_every_lead_is_named(layout: str) -> None:
    words = _words(write_pdf(SIGNAL, 500, layout=layout)).split()
    assert set(LEADS) <= set(words)


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_a_rotated_page_shows_the_same(rotate: int) -> None:
    def shown(pdf: bytes) -> np.ndarray:
        with pymupdf.open(stream=pdf, filetype="pdf") as document:
            pixels = document[0].get_pixmap(dpi=36, alpha=False)
            return np.frombuffer(pixels.samples, np.uint8).reshape(pixels.height, pixels.width, 3).astype(float)

    plain, turned = shown(write_pdf(SIGNAL, 500)), shown(write_pdf(SIGNAL, 500, look=Look(rotate=rotate)))
    assert turned.shape == plain.shape
    assert np.abs(turned - plain).mean() < 12


def test_nothing_is_drawn_where_nothing_was_recorded() -> None:
    silent = SIGNAL.copy()
    silent[LEADS.index("V1")] = np.nan
    with pymupdf.open(stream=write_pdf(silent, 500, layout="12x1", look=Look(pulse=False)), filetype="pdf") as document:
        long_paths = [path for path in document[0].get_cdrawings() if len(path["items"]) > 1000]
    assert len(long_paths) == 11
