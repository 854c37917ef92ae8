"""Where columns begin, and how thick the pen was, on pages whose traces tremble."""

import numpy as np
import pytest

from adapters import image
from config.schema import Reading
from domain.ecg import LEADS
from simulator.heart import ecg, varied
from simulator.page import Look, write_pdf
from tests.adapters.raster.scans import scanned

RATE = 500


def _snr_db(found: np.ndarray, truth: np.ndarray) -> float:
    both = np.isfinite(found[: truth.size])
    wanted, got = truth[: found.size][both], found[: truth.size][both]
    return float(10 * np.log10(np.var(wanted) / np.var(got - wanted)))


@pytest.mark.parametrize("degrees", [1.3, -0.7])
def test_a_trace_that_trembles_by_more_than_the_pen_begins_where_its_column_does(degrees: float) -> None:
    """At 20 mm/mV a noise of 0.02 mV moves the pen by three pixels from sample to sample."""
    heart = np.asarray(ecg(varied(2), 2), dtype=np.float64)
    page = write_pdf(heart, RATE, layout="6x2/2", gain=20.0, look=Look(printed=""))
    (recording,) = image.read(scanned(page, degrees=degrees), "folder:test", Reading())
    assert set(recording.leads) == {"I", "II", "III", "V1", "V2", "V3"}
    for lead in ("V1", "V2", "V3"):
        found, truth = recording.leads[lead], heart[LEADS.index(lead)]
        assert _snr_db(found, truth) > 16
        assert _snr_db(found, truth) > max(_snr_db(np.roll(found, by), truth) for by in (-2, -1, 1, 2))


@pytest.mark.parametrize("seed", [5, 6])
def test_rows_drawn_in_one_line_are_cut_where_columns_are_by_custom(seed: int) -> None:
    """Rows of 5 begin in a QRS, and its complexes stand nearly a column apart: neither moves the cuts."""
    heart = np.asarray(ecg(varied(seed), seed), dtype=np.float64)
    page = write_pdf(heart, RATE, layout="3x4+1", look=Look(trace="row", grid="rectangles"))
    (recording,) = image.read(scanned(page, degrees=-1.3), "folder:test", Reading())
    assert set(recording.leads) == set(LEADS)
    snr = [_snr_db(found, heart[LEADS.index(lead)]) for lead, found in recording.leads.items()]
    assert min(snr) > 8
    assert np.median(snr) > 20
