"""Twelve names in one column, each but the first in the trace above it, are read as they stand."""

import pytest

from domain.ecg import LEADS
from simulator.heart import ecg, varied
from simulator.page import write_pdf
from tests.adapters.raster.scans import scanned
from tests.adapters.raster.test_crossed import names, rewritten, words

PAGE = write_pdf(ecg(varied(2), 2), 500, layout="12x1", speed=12.5)


def test_twelve_names_in_one_column_are_read() -> None:
    found = words(scanned(PAGE))
    assert [word.text for word in sorted(found, key=lambda word: word.y)] == list(LEADS)


def test_a_name_drowned_in_a_coarse_trace_stays_unread() -> None:
    assert names(PAGE, 150) == sorted(set(LEADS) - {"II"})


@pytest.mark.parametrize("now", [{"V3": "V4", "V5": "V6", "aVF": "aVL"}, {"V1": "V7", "V6": " ", "II": "III"}])
def test_another_name_or_none_in_the_column_is_not_read_as_the_one_due(now: dict[str, str]) -> None:
    assert names(rewritten(PAGE, now)) == sorted(set(LEADS) - set(now))


def test_another_order_is_not_read() -> None:
    cabrera = ("aVL", "I", "-aVR", "II", "aVF", "III")
    assert not set(names(rewritten(PAGE, dict(zip(LEADS, cabrera, strict=False))))) & set(LEADS[:6])
