"""A scan without lead names is read where its limb leads prove the customary order, and in no other order."""

import numpy as np
import pytest

from adapters import image
from adapters.pages.places import customary
from adapters.pages.traces import Trace
from adapters.recording import Recording
from config.schema import Reading
from domain.ecg import LEADS, ReadWarning
from domain.errors import Rejected
from domain.reason import Reason
from simulator.heart import ecg, varied
from simulator.page import Look, write_pdf
from tests.adapters.raster.scans import scanned

RATE = 500
SIGNAL = np.asarray(ecg(varied(7), 7), dtype=np.float64)  # no two of its leads are alike by more than 0.965
CHEST = list(range(6, 12))


def _read(order: list[int]) -> Recording:
    """At 5 mm/mV: at 10 the rows of twelve reach into one another."""
    drawn = SIGNAL[order]
    if order == [4, 0, 3, 1, 5, 2, *CHEST]:
        drawn = drawn * np.where(np.arange(12) == 2, -1.0, 1.0)[:, None]  # Cabrera's has -aVR
    page = write_pdf(drawn, RATE, layout="12x1", gain=5, look=Look(labels="none"))
    (recording,) = image.read(scanned(page), "folder:test", Reading())
    return recording


def test_twelve_rows_in_the_customary_order_are_named_and_it_is_said() -> None:
    recording = _read(list(range(12)))
    assert ReadWarning.LEADS_BY_PLACE in recording.warnings
    assert recording.gain_mm_mv == pytest.approx(5, rel=0.01)
    for number, lead in enumerate(LEADS):
        found = recording.leads[lead][:5000]
        seen = np.isfinite(found)
        alike = [np.corrcoef(found[seen], row[: found.size][seen])[0, 1] for row in SIGNAL]
        assert int(np.argmax(alike)) == number


@pytest.mark.parametrize(
    "order",
    [
        [2, 1, 0, 3, 4, 5, *CHEST],
        [0, 1, 2, 3, 5, 4, *CHEST],
        [4, 0, 3, 1, 5, 2, *CHEST],
        [*CHEST, 0, 1, 2, 3, 4, 5],
    ],
)
def test_another_order_is_refused(order: list[int]) -> None:
    with pytest.raises(Rejected) as refusal:
        _read(order)
    assert refusal.value.reason is Reason.PAGE_NOT_UNDERSTOOD


def _row(level: float, *ends: tuple[float, float]) -> list[Trace]:
    return [Trace.of(np.column_stack((x := np.arange(a, b, 0.5), np.full(x.size, level)))) for a, b in ends]


def test_what_goes_on_after_a_gap_is_the_same_line() -> None:
    whole = [trace for number in range(11) for trace in _row(100.0 + 40 * number, (70.0, 780.0))]
    broken = _row(540.0, (70.0, 260.0), (275.0, 530.0), (610.0, 780.0))
    assert [label.lead for label in customary([*whole, *broken])] == list(LEADS)


def test_what_begins_where_another_ends_is_a_column_of_its_own() -> None:
    rows = [trace for number in range(6) for trace in _row(100.0 + 80 * number, (70.0, 425.0), (425.5, 780.0))]
    assert [label.lead for label in customary(rows)] == list(LEADS)
