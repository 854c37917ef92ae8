import numpy as np

from inference.effect import Day, by_day, units
from tests.inference.columns import scores

ROWS = scores(
    {"value": 0.1, "hour": 0},  # 2026-05-01 22:30 UTC, the 2nd in Berlin
    {"value": 0.1, "hour": -1},
    {"value": 0.1, "hour": 0, "unit": "ICU"},
    {"value": 0.1, "hour": 0.1},
)
NOW, THEN = np.array([True, True, False, False]), np.array([False, True, True, True])


def test_alerts_are_counted_by_unit_and_local_day_and_who_differs_is_named_by_arrival():
    assert by_day(ROWS, NOW, THEN, "Europe/Berlin") == (
        Day(unit="ED", day="2026-05-01", ecgs=1, now=1, then=1, new=(), missed=()),
        Day(unit="ED", day="2026-05-02", ecgs=2, now=1, then=1, new=(4,), missed=(1,)),
        Day(unit="ICU", day="2026-05-02", ecgs=1, now=0, then=1, new=(3,), missed=()),
    )
    assert len(by_day(ROWS, NOW, THEN, "UTC")) == 2


def test_a_unit_s_line_is_the_sum_of_its_days():
    days = by_day(ROWS, NOW, THEN, "Europe/Berlin")
    assert list(units(days)) == [("ED", 3, 2, 2, 1, 1), ("ICU", 1, 0, 1, 1, 0)]


def test_of_nothing_there_are_no_days():
    nothing = np.zeros(0, np.bool_)
    assert by_day(scores(), nothing, nothing, "UTC") == ()
