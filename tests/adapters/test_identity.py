"""One recording through several doors is found; two recordings are never merged; see docs/reading.md."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from adapters.formats import complete
from adapters.identity import Sameness, compare, persons, same, seen
from adapters.recording import Recording
from benchmarks.reading import doors
from domain.ecg import LEADS, Identifier, Order, Patient, ReadWarning
from domain.seen import Source
from simulator.heart import ecg, varied
from tests.adapters.objects import samples_folder

AT = datetime(2026, 1, 5, 8, 0, 7, tzinfo=UTC)
WHO = Patient(identifiers=(Identifier(value="0042", authority="SIM", type="MR"),))


@pytest.fixture(scope="module")
def signal():
    return ecg(varied(3), 3)


@pytest.fixture(scope="module")
def records():
    folder = samples_folder()
    return [*doors.signals(folder / "ptbxl/records500", 10).values(), *doors.signals(folder / "ludb", 4).values()]


@pytest.fixture(scope="module")
def kept(signal):
    return doors.kept(signal.astype(np.float32), Source.NATIVE)


@pytest.mark.parametrize("door", [name for name in doors.DOORS if "page" not in name])
def test_a_record_is_found_through_another_door(records, door):
    some = dict(enumerate(records[:6]))
    assert doors.found(some, doors.DOORS[door]) == {Sameness.SAME: len(some)}


@pytest.mark.parametrize("door", [name for name in doors.DOORS if "page" in name])
def test_a_record_is_found_on_a_page(records, door):
    some = dict(enumerate(records[:4]))
    assert doors.found(some, doors.DOORS[door]) == {Sameness.SAME: len(some)}


def test_no_two_different_records_are_merged_though_patient_and_second_are_the_same(records):
    assert doors.merges(records) == {Sameness.OTHER: len(records) * (len(records) - 1) // 2}


@pytest.mark.parametrize("another", [doors.turned, doors.shuffled, lambda one: doors.columns(doors.shuffled(one))])
def test_a_record_s_beats_in_another_order_are_another_ecg_of_the_patient(records, another):
    assert doors.others(records, another)[Sameness.SAME] == 0


@pytest.mark.parametrize("heart", doors.HEARTS)
def test_ecgs_of_one_patient_in_a_row_are_not_merged_however_steady_the_rhythm(heart):
    taken, shown = doors.series(doors.HEARTS[heart], 8)
    assert doors.in_a_row(taken, taken)[Sameness.SAME] == 0
    assert doors.in_a_row(taken, shown)[Sameness.SAME] == 0


@pytest.mark.parametrize("heart", doors.HEARTS)
def test_each_of_them_is_found_through_another_door(heart):
    one = {"": ecg(doors.HEARTS[heart], 5).astype(np.float32)}
    assert doors.found(one, doors.DOORS["as a DICOM object at 500 Hz, 2.5 uV"]) == {Sameness.SAME: 1}
    assert doors.found(one, doors.DOORS["on a page of 3x4 + 1, 500 points/s"]) == {Sameness.SAME: 1}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, Sameness.SAME),
        ({"patients": frozenset({"another"})}, Sameness.OTHER),
        ({"patients": frozenset()}, Sameness.SAME),
        ({"acquired_at": AT + timedelta(minutes=6), "clock": datetime(2026, 1, 5, 8, 6, 7)}, Sameness.OTHER),  # noqa: DTZ001
        ({"acquired_at": AT + timedelta(minutes=4), "clock": datetime(2026, 1, 5, 8, 4, 7)}, Sameness.SAME),  # noqa: DTZ001
        ({"acquired_at": AT + timedelta(hours=1)}, Sameness.SAME),  # its clock says the same: the zone was assumed
        ({"acquired_at": None, "clock": None}, Sameness.SAME),
        ({"acquired_at": None, "clock": None, "patients": frozenset()}, Sameness.UNSURE),
        ({"print": b""}, Sameness.UNSURE),
    ],
)
def test_patient_and_time_decide_before_the_signal_is_asked(kept, change, expected):
    assert compare(kept, replace(kept, **change)) is expected
    assert compare(replace(kept, **change), kept) is expected


def test_a_page_that_is_only_roughly_alike_is_one_only_when_the_clocks_agree_to_the_second(signal, kept):
    noise = np.random.default_rng(1).normal(0, 0.06, signal.shape)
    rough = doors.kept((signal + noise).astype(np.float32))
    assert compare(kept, rough) is Sameness.SAME
    later = replace(rough, acquired_at=AT + timedelta(seconds=70), clock=kept.clock + timedelta(seconds=70))
    assert compare(kept, later) is Sameness.UNSURE
    assert compare(kept, replace(rough, source=Source.NATIVE)) is Sameness.UNSURE


def test_three_leads_that_are_wrong_do_not_hide_a_recording_and_four_do(signal, kept):
    wrong = signal.copy()
    wrong[6:9] = wrong[6:9, ::-1]
    assert compare(kept, doors.kept(wrong.astype(np.float32), Source.NATIVE)) is Sameness.SAME
    wrong[9] = wrong[9, ::-1]
    assert compare(kept, doors.kept(wrong.astype(np.float32), Source.NATIVE)) is Sameness.OTHER


def test_what_is_kept_of_an_ecg_names_nobody_and_says_what_it_is_worth(signal):
    leads = dict(zip(LEADS, signal.astype(np.float64), strict=True))
    recording = Recording(leads=leads, rate_hz=500.0, format="dicom", acquired_at=AT, patient=WHO)
    native = complete(replace(recording, order=Order(placer="P1", filler="F1")))
    found = seen(native)
    assert (found.source, found.quarters, found.clock) == (Source.NATIVE, 4, datetime(2026, 1, 5, 8, 0, 7))  # noqa: DTZ001
    assert len(found.orders) == 2
    assert not any(digest == "42" or "P1" in digest for digest in (*found.patients, *found.orders))
    assert len(found.print) < 16_000
    page = complete(replace(recording, digitised=True))
    picture = complete(replace(recording, digitised=True).warn(ReadWarning.SCANNED))
    assert seen(picture).worth < seen(page).worth < found.worth
    assert same(native, page) is Sameness.SAME
    assert seen(complete(replace(recording, median_only=True))).print == b""


def test_a_person_is_known_by_record_number_whatever_the_authority_and_the_padding():
    page = Patient(identifiers=(Identifier(value="42"),))
    visit = Patient(identifiers=(Identifier(value="42", authority="SIM", type="VN"),))
    assert persons(page) == persons(WHO) != frozenset()
    assert persons(visit) == frozenset()


def test_times_are_compared_as_moments_across_zones(kept):
    there = AT.astimezone(timezone(timedelta(hours=2)))
    assert compare(kept, replace(kept, acquired_at=there, clock=there.replace(tzinfo=None))) is Sameness.SAME
