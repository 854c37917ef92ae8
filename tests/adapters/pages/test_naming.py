"""Names and rows: a trace that wanders keeps its name, and a page without names is read where its leads prove them."""

import numpy as np
import pymupdf
import pytest

from adapters import pdf
from adapters.pages.places import borne_out, gainsaid
from config.schema import Reading
from domain.ecg import LEADS, ReadWarning
from domain.errors import Rejected
from domain.reason import Reason
from simulator.heart import ecg, varied
from simulator.page import Look, write_pdf

RATE = 500


def _beats() -> np.ndarray:
    return np.asarray(ecg(varied(3), 3), dtype=np.float64)


SIGNAL = _beats()
NAMELESS = Look(labels="none")


def _likest(found: np.ndarray, signal: np.ndarray) -> str:
    both = np.isfinite(found[:5000])
    return LEADS[int(np.argmin([np.var(found[:5000][both] - row[: found.size][both]) for row in signal]))]


@pytest.mark.parametrize("drift_mv", [0.3, 0.6, -0.5])
def test_a_first_trace_that_drifts_from_its_name_shifts_no_other(drift_mv: float) -> None:
    drifting = SIGNAL.copy()
    drifting[0] -= drift_mv
    drifting[1:6] += np.linspace(-0.2, 0.2, 5)[:, None]
    (recording,) = pdf.read(write_pdf(drifting, RATE, layout="12x1"), "test", Reading())
    assert {lead: _likest(found, drifting) for lead, found in recording.leads.items()} == {lead: lead for lead in LEADS}


def _without(*lost: str, layout: str = "12x1", look: Look | None = None) -> bytes:
    with pymupdf.open(stream=write_pdf(SIGNAL, RATE, layout=layout, look=look or Look()), filetype="pdf") as document:
        page = document[0]
        for word in page.get_text("words"):
            if word[4] in lost:
                page.add_redact_annot(word[:4])
        page.apply_redactions(graphics=0)
        return bytes(document.tobytes())


def test_a_first_name_that_is_lost_moves_no_other_by_a_row() -> None:
    with pytest.raises(Rejected, match="midway between two rows"):
        pdf.read(_without("I"), "test", Reading())


def test_a_last_name_that_is_lost_leaves_its_lead_out() -> None:
    (recording,) = pdf.read(_without("V6"), "test", Reading())
    rest = [lead for lead in LEADS if lead != "V6"]
    assert {lead: _likest(found, SIGNAL) for lead, found in recording.leads.items()} == {lead: lead for lead in rest}


@pytest.mark.parametrize("lost", [LEADS[:6], (*LEADS[:5], "V6")], ids=lambda lost: lost[-1])
def test_a_page_of_two_columns_that_lost_the_names_of_the_first_is_not_read_as_one(lost: tuple[str, ...]) -> None:
    with pytest.raises(Rejected, match="lead names of several columns"):
        pdf.read(_without(*lost, layout="6x2", look=Look(trace="row")), "test", Reading())


@pytest.mark.parametrize("layout", ["3x4", "3x4+1", "6x2", "12x1"])
def test_leads_without_names_are_known_by_their_place_and_said_to_be(layout: str) -> None:
    (recording,) = pdf.read(write_pdf(SIGNAL, RATE, layout=layout, look=NAMELESS), "test", Reading())
    assert ReadWarning.LEADS_BY_PLACE in recording.warnings
    assert {lead: _likest(found, SIGNAL) for lead, found in recording.leads.items()} == {lead: lead for lead in LEADS}


CABRERA = [4, 0, 3, 1, 5, 2, *range(6, 12)]
ORDERS = [CABRERA, [1, 0, *range(2, 12)], [0, 2, 1, *range(3, 12)], [*range(6, 12), *range(6)]]


@pytest.mark.parametrize(
    "order", [CABRERA, [1, 0, *range(2, 12)], [0, 2, 1, *range(3, 12)], [*range(6, 12), *range(6)]]
)
@pytest.mark.parametrize("layout", ["3x4", "6x2", "12x1"])
def test_another_order_without_names_is_refused(layout: str, order: list[int]) -> None:
    drawn = SIGNAL[order]
    if order is CABRERA:
        drawn = drawn * np.where(np.arange(12) == 2, -1.0, 1.0)[:, None]
    with pytest.raises(Rejected) as refusal:
        pdf.read(write_pdf(drawn, RATE, layout=layout, look=NAMELESS), "test", Reading())
    assert refusal.value.reason is Reason.PAGE_NOT_UNDERSTOOD


@pytest.mark.parametrize("layout", ["6x2", "12x1"])
def test_avl_and_avf_exchanged_are_refused_where_all_six_share_their_time(layout: str) -> None:
    """Their sum with aVR is still nothing."""
    drawn = SIGNAL[[0, 1, 2, 3, 5, 4, *range(6, 12)]]
    with pytest.raises(Rejected) as refusal:
        pdf.read(write_pdf(drawn, RATE, layout=layout, look=NAMELESS), "test", Reading())
    assert refusal.value.reason is Reason.PAGE_NOT_UNDERSTOOD


def test_flat_limb_leads_prove_nothing() -> None:
    assert not borne_out({lead: np.zeros(5000) for lead in LEADS})


def _limb(names: str) -> dict[str, np.ndarray]:
    """SIGNAL's limb leads, each under the name that stands at its place in ``names``."""
    return dict(zip(names.split(), np.asarray(SIGNAL[:6], dtype=np.float64), strict=False))


def test_names_that_belong_together_are_not_gainsaid() -> None:
    assert not gainsaid(_limb("I II III aVR aVL aVF"))
    assert not gainsaid(_limb("I II"))  # two may be anything


@pytest.mark.parametrize(
    "names",
    [
        "II III aVR aVL aVF V1",  # all by a row
        "II I III aVR aVL aVF",
        "I II III aVL aVR aVF",
        "aVR II III I",
    ],
)
def test_a_limb_lead_under_anothers_name_gainsays_them(names: str) -> None:
    assert gainsaid(_limb(names))


def test_noise_as_small_as_a_pixel_gainsays_nothing() -> None:
    chance = np.random.default_rng(3)
    small = {lead: 0.05 * row + 0.01 * chance.standard_normal(row.size) for lead, row in _limb("I II III").items()}
    assert not gainsaid(small)
