"""Who is where: a plain day, what went wrong in it, and the same answer in whatever order it is told."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.census import (
    Discharged,
    Event,
    Merge,
    Movement,
    Whereabouts,
    departures,
    survivors,
    visit_at,
    visits,
    whereabouts,
)
from domain.ecg import Identifier

DAY = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ANNA = (Identifier(value="1", authority="SIM", type="MR"),)


def hour(hours):
    return DAY + timedelta(hours=hours)


def moved(event, hours, unit="", *, visit="V1", kind="I", **more):
    number = Identifier(value=visit, authority="SIM") if visit else None
    return Movement(
        event=event, at=hour(hours), rank=f"{hours:09.3f}", whose=ANNA, unit=unit, visit=number, kind=kind, **more
    )


def where(*movements, at=100.0):
    return whereabouts(visits(movements), hour(at))


ADMITTED, IN_ICU = moved(Event.ADMIT, 0, "ED"), moved(Event.TRANSFER, 2, "ICU")
GONE = moved(Event.DISCHARGE, 9, "ICU")


def test_a_person_is_where_the_last_movement_put_them():
    assert where(ADMITTED) == Whereabouts(unit="ED", since=hour(0))
    assert where(ADMITTED, IN_ICU) == Whereabouts(unit="ICU", since=hour(2))


def test_who_is_discharged_has_left():
    assert where(ADMITTED, IN_ICU, GONE) == Discharged(since=hour(9))


def test_of_whom_nothing_was_said_nothing_is_known():
    assert where() is None


@pytest.mark.parametrize(
    ("then", "unit"),
    [
        (moved(Event.CANCEL_TRANSFER, 3), "ED"),
        (moved(Event.CANCEL_TRANSFER, 3, "WARD"), "WARD"),
        (moved(Event.UPDATE, 3, "WARD"), "WARD"),
        (moved(Event.UPDATE, 3), "ICU"),
        (moved(Event.UPDATE, 3, visit=""), "ICU"),
        (moved(Event.TRANSFER, 3, "WARD", visit=""), "WARD"),
    ],
)
def test_what_follows_a_transfer(then, unit):
    assert where(ADMITTED, IN_ICU, then).unit == unit


def test_a_cancelled_discharge_brings_a_person_back_to_where_they_were():
    assert where(ADMITTED, IN_ICU, GONE, moved(Event.CANCEL_DISCHARGE, 10)).unit == "ICU"


def test_a_cancelled_admission_never_was():
    assert where(ADMITTED, moved(Event.CANCEL_ADMIT, 1)) is None


def test_what_is_written_up_after_a_discharge_brings_nobody_back():
    assert where(ADMITTED, GONE, moved(Event.UPDATE, 12, "ICU")) == Discharged(since=hour(9))


def test_who_was_there_before_the_feed_began_is_known_by_an_update():
    assert where(moved(Event.UPDATE, 5, "WARD")).unit == "WARD"


def test_a_stay_counts_before_an_outpatient_visit_and_that_one_ends_by_itself():
    clinic = moved(Event.REGISTER, 3, "CLINIC", visit="V2", kind="O")
    assert where(ADMITTED, clinic, at=4).unit == "ED"
    assert where(clinic, at=4).unit == "CLINIC"
    assert where(clinic, at=40) is None


def test_a_new_admission_without_a_visit_number_is_a_stay_of_its_own():
    first, left = moved(Event.ADMIT, 0, "ED", visit=""), moved(Event.DISCHARGE, 5, visit="")
    again = moved(Event.ADMIT, 50, "WARD", visit="")
    assert where(first, left, again).unit == "WARD"
    assert departures(visits([first, left, again])) == (hour(5),)


def test_an_ecg_belongs_to_the_one_visit_open_when_it_was_taken():
    found = visits([ADMITTED, GONE, moved(Event.ADMIT, 20, "ED", visit="V2")])
    assert visit_at(found, hour(1)).value == "V1"
    assert visit_at(found, hour(10)) is None
    assert visit_at(found, hour(21)).value == "V2"


def test_an_ecg_taken_before_the_registration_was_typed_belongs_to_the_visit_that_had_begun():
    assert visit_at(visits([moved(Event.ADMIT, 2, "ED", began=hour(0))]), hour(1)).value == "V1"


def test_with_two_visits_open_nobody_knows_which():
    found = visits([ADMITTED, moved(Event.REGISTER, 0, "CLINIC", visit="V2", kind="E")])
    assert visit_at(found, hour(1)) is None


EVENTS = st.sampled_from([event for event in Event if event is not Event.MERGE])
MOVEMENTS = st.builds(
    moved,
    EVENTS,
    st.integers(0, 30),
    st.sampled_from(["", "ED", "ICU", "WARD"]),
    visit=st.sampled_from(["V1", "V2", ""]),
    kind=st.sampled_from(["", "I", "O", "E"]),
)


@given(st.lists(MOVEMENTS, max_size=12, unique_by=lambda one: one.rank), st.randoms())
def test_the_census_is_the_same_in_whatever_order_its_messages_come_and_however_often(told, chance):
    shuffled = [*told, *told[:3]]
    chance.shuffle(shuffled)
    unique = {one.rank: one for one in shuffled}.values()
    assert visits(unique) == visits(told)


@given(st.lists(MOVEMENTS, max_size=12, unique_by=lambda one: one.rank))
def test_a_person_is_never_both_here_and_gone(told):
    found = visits(told)
    if isinstance(whereabouts(found, hour(31)), Discharged):
        assert all(visit.over(hour(31)) for visit in found)


def merge(old, new, hours):
    whose = (Identifier(value=new, authority="SIM", type="MR"),)
    return Merge(old=old, new=new, at=hour(hours), rank="", whose=whose)


def test_merges_are_followed_to_the_end():
    found = survivors([merge("a", "b", 1), merge("b", "c", 2)])
    assert {old: one.new for old, one in found.items()} == {"a": "c", "b": "c"}


def test_of_two_words_on_whom_a_person_is_the_last_counts():
    assert survivors([merge("a", "b", 2), merge("a", "c", 1)])["a"].new == "b"


def test_merges_that_go_round_end_with_the_last():
    assert {old: one.new for old, one in survivors([merge("a", "b", 1), merge("b", "a", 2)]).items()} == {"b": "a"}


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), max_size=6), st.randoms())
def test_merges_mean_the_same_in_any_order_and_always_end(pairs, chance):
    told = [merge(old, new, hours) for hours, (old, new) in enumerate(pairs) if old != new]
    found = survivors(told)
    chance.shuffle(told)
    assert survivors(told) == found
    assert all(one.new not in found for one in found.values())
