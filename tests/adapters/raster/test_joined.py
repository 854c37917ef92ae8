"""A pulse drawn in one line with its trace: read where the page tells where the trace begins, else refused."""

import numpy as np
import pytest

from adapters import image
from adapters.recording import Recording
from config.schema import Reading
from domain.ecg import LEADS
from domain.errors import Rejected
from domain.reason import Reason
from simulator.heart import ecg, varied
from simulator.page import Look, write_pdf
from tests.adapters.raster.scans import scanned

RATE = 500
JOINED = Look(joined_pulse=True)


def _heart(seed: int) -> np.ndarray:
    return np.asarray(ecg(varied(seed), seed), dtype=np.float64)


def _read(page: bytes, degrees: float = 1.3) -> Recording:
    (recording,) = image.read(scanned(page, degrees=degrees), "folder:test", Reading())
    return recording


def _snr_db(found: np.ndarray, truth: np.ndarray) -> float:
    both = np.isfinite(found[: truth.size])
    wanted, got = truth[: found.size][both], found[: truth.size][both]
    return float(10 * np.log10(np.var(wanted) / np.var(got - wanted)))


@pytest.mark.parametrize(("seed", "degrees"), [(0, -1.3), (3, 1.3)])
def test_the_first_column_begins_one_column_before_the_second(seed: int, degrees: float) -> None:
    """Of 3 one row breaks off visibly between its columns; names stand a column apart in all."""
    heart = _heart(seed)
    recording = _read(write_pdf(heart, RATE, layout="6x2", look=JOINED), degrees)
    assert set(recording.leads) == set(LEADS)
    snr = {lead: _snr_db(found, heart[LEADS.index(lead)]) for lead, found in recording.leads.items()}
    assert np.median(list(snr.values())) > 17, snr
    assert min(snr.values()) > 9, snr
    first = [np.flatnonzero(np.isfinite(found))[0] for lead, found in recording.leads.items() if "V" not in lead[:1]]
    assert max(first) <= 1


@pytest.mark.parametrize(
    ("layout", "seconds"), [("12x1", 10.0), ("4x3", 10.0), ("6x2", 8.0), ("3x4", 9.0)], ids=lambda value: str(value)
)
def test_what_no_customary_columns_bear_out_is_refused(layout: str, seconds: float) -> None:
    page = write_pdf(_heart(1)[:, : int(seconds * RATE)], RATE, layout=layout, look=JOINED)
    with pytest.raises(Rejected) as refusal:
        _read(page)
    assert refusal.value.reason in (Reason.PAGE_NOT_UNDERSTOOD, Reason.PAGE_NOT_CALIBRATED)
