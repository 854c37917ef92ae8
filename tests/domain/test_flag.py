"""Flags follow from what happened to a person, in whatever order it became known."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.alert import Risk
from domain.flag import Evidence, Over, State, changed, switched_off

DAY = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
LASTS = timedelta(hours=24)


def hour(hours):
    return DAY + timedelta(hours=hours)


def shows(hours, *, critical=True, name="", before=()):
    return Evidence(finding=name or f"f{hours}", at=hour(hours), critical=critical, before=frozenset(before))


def now_flags(*evidence, at, stored=(), left=(), person="anna"):
    """All flags after a look at ``at``."""
    kept = {flag.key: flag for flag in stored}
    left = [hour(one) for one in left]
    new = changed(tuple(stored), person, Risk.ARREST, evidence, left, lasts=LASTS, now=hour(at))
    return tuple({**kept, **{flag.key: flag for flag in new}}.values())


def test_a_critical_ecg_raises_a_flag_that_lasts_its_time():
    (flag,) = now_flags(shows(0), at=1)
    assert (flag.state, flag.begun, flag.until, flag.changes) == (State.ACTIVE, hour(0), hour(24), 1)


def test_an_ecg_that_is_not_critical_raises_none():
    assert now_flags(shows(0, critical=False), at=1) == ()


def test_looking_again_changes_nothing():
    flags = now_flags(shows(0), at=1)
    assert changed(flags, "anna", Risk.ARREST, [shows(0)], [], lasts=LASTS, now=hour(2)) == ()


def test_another_critical_ecg_renews_the_same_flag():
    (flag,) = now_flags(shows(0), shows(5), at=6, stored=now_flags(shows(0), at=1))
    assert (flag.begun, flag.until, flag.finding, flag.raised_by) == (hour(0), hour(29), "f5", "f0")


def test_a_later_ecg_below_the_threshold_ends_it():
    (flag,) = now_flags(shows(0), shows(5, critical=False), at=6, stored=now_flags(shows(0), at=1))
    assert (flag.state, flag.ended, flag.why) == (State.INACTIVE, hour(5), Over.BELOW)


def test_an_earlier_ecg_below_the_threshold_that_comes_late_does_not_end_it():
    flags = now_flags(shows(5), at=6)
    assert now_flags(shows(5), shows(4, critical=False), at=7, stored=flags) == flags


def test_an_earlier_critical_ecg_that_comes_after_a_later_one_below_raises_none():
    assert now_flags(shows(5, critical=False), shows(4), at=7) == ()


def test_time_ends_it():
    (flag,) = now_flags(shows(0), at=25, stored=now_flags(shows(0), at=1))
    assert (flag.state, flag.ended, flag.why) == (State.INACTIVE, hour(24), Over.TIME)


def test_a_discharge_ends_it_and_a_new_ecg_after_it_is_a_new_flag():
    left = now_flags(shows(0), at=4, left=[3], stored=now_flags(shows(0), at=1))
    assert [(flag.ended, flag.why) for flag in left] == [(hour(3), Over.DISCHARGED)]
    first, second = now_flags(shows(0), shows(10), at=11, left=[3], stored=left)
    assert (first, second.state, second.raised_by) == (left[0], State.ACTIVE, "f10")


def test_a_discharge_before_the_ecg_ends_nothing():
    (flag,) = now_flags(shows(5), at=6, left=[3])
    assert flag.state is State.ACTIVE


def test_what_is_retracted_was_an_error():
    (flag,) = now_flags(at=2, stored=now_flags(shows(0), at=1))
    assert (flag.state, flag.why) == (State.ERROR, Over.RETRACTED)
    assert now_flags(at=3, stored=[flag]) == (flag,)


def test_where_the_ecg_that_ended_it_is_retracted_it_stands_again():
    ended = now_flags(shows(0), shows(5, critical=False), at=6, stored=now_flags(shows(0), at=1))
    (flag,) = now_flags(shows(0), at=7, stored=ended)
    assert (flag.state, flag.ended, flag.changes) == (State.ACTIVE, None, 3)


def test_a_better_copy_of_the_ecg_keeps_the_flag():
    (flag,) = now_flags(shows(0, name="better", before=["f0"]), at=2, stored=now_flags(shows(0), at=1))
    assert (flag.state, flag.raised_by, flag.finding) == (State.ACTIVE, "f0", "better")


def test_two_that_turn_out_to_be_one_person_have_one_flag():
    anna, anne = now_flags(shows(0), at=1), now_flags(shows(2), at=3, person="anne")
    flags = now_flags(shows(0), shows(2), at=4, stored=[*anna, *anne], person="anne")
    assert [(flag.state, flag.why, flag.person) for flag in flags] == [
        (State.ACTIVE, None, "anne"),
        (State.INACTIVE, Over.MERGED, "anne"),
    ]
    assert flags[0].begun == hour(0)


def test_where_flags_are_switched_off_none_stays_active():
    flags = now_flags(shows(0), at=1)
    (flag,) = switched_off(flags, hour(2))
    assert (flag.state, flag.ended, flag.why, flag.changes) == (State.INACTIVE, hour(2), Over.OFF, 2)
    assert switched_off([flag], hour(3)) == ()
    (again,) = now_flags(shows(0), at=4, stored=[flag])
    assert (again.state, again.why) == (State.ACTIVE, None)


ECGS = st.lists(
    st.builds(shows, st.integers(0, 60), critical=st.booleans()), max_size=8, unique_by=lambda one: one.finding
)


@given(ECGS, st.lists(st.integers(0, 60), max_size=2), st.randoms())
def test_in_whatever_order_ecgs_come_at_most_one_flag_is_active_and_the_same(ecgs, left, chance):
    at_once = now_flags(*ecgs, at=61, left=left)
    chance.shuffle(ecgs)
    flags = ()
    for count in range(len(ecgs) + 1):
        flags = now_flags(*ecgs[:count], at=61, left=left, stored=flags)
        assert sum(flag.state is State.ACTIVE for flag in flags) <= 1
    active = [(flag.until, flag.finding) for flag in flags if flag.state is State.ACTIVE]
    assert active == [(flag.until, flag.finding) for flag in at_once if flag.state is State.ACTIVE]


@given(ECGS, st.lists(st.integers(0, 60), max_size=2), st.integers(0, 90))
def test_looking_twice_says_nothing_the_second_time(ecgs, left, at):
    once = now_flags(*ecgs, at=at, left=left)
    times = [hour(one) for one in left]
    assert changed(once, "anna", Risk.ARREST, ecgs, times, lasts=LASTS, now=hour(at)) == ()
    assert all(replace(flag, changes=1) == flag for flag in once)
