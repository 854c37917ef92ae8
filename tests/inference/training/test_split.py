from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.training.recipe import ByDate, ByPatient
from inference.training.split import apart, split

START = datetime(2016, 1, 1, tzinfo=UTC)
DATES = ByDate(by="date", train_before=date(2016, 5, 1), validation_before=date(2016, 7, 21))
visits = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 365) | st.none()), max_size=60)


def sides(patients, parts):
    return [{patients[i] for i in part} for part in (parts.train, parts.validation, parts.test)]


@given(visits, st.sampled_from([DATES, ByPatient(by="patient", validation=0.3, test=0.3, seed=4)]))
def test_no_patient_is_in_two_parts_and_no_case_is_lost(cases, how):
    patients = [f"P{number}" for number, _ in cases]
    times = [None if day is None else START + timedelta(days=day) for _, day in cases]
    parts = split(patients, times, how)
    train, validation, test = sides(patients, parts)
    assert not train & validation
    assert not train & test
    assert not validation & test
    assert parts.train.size + parts.validation.size + parts.test.size + parts.dropped == len(cases)


def test_by_date_a_patient_of_an_earlier_part_is_dropped_from_the_later_ones():
    def day(month, number):
        return datetime(2016, month, number, tzinfo=UTC)

    patients = ["A", "A", "B", "B", "C", "D"]
    times = [day(4, 30), day(8, 1), day(5, 1), day(7, 21), day(7, 21), None]
    parts = split(patients, times, DATES)
    assert (parts.train.tolist(), parts.validation.tolist(), parts.test.tolist()) == ([0], [2], [4])
    assert parts.dropped == 3


def test_by_patient_the_shares_come_out():
    patients = [f"P{i}" for i in range(20_000)]
    parts = split(patients, [None] * len(patients), ByPatient(by="patient", validation=0.1, test=0.2, seed=0))
    shares = np.array([parts.train.size, parts.validation.size, parts.test.size]) / len(patients)
    assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.012)  # four standard errors


def test_a_patient_stays_where_they_are_when_others_come():
    how = ByPatient(by="patient", validation=0.3, test=0.3, seed=2)
    few = split(["A", "B", "C"], [None] * 3, how)
    more = split(["A", "B", "C", "D", "E"], [None] * 5, how)
    assert sides("ABC", few) == [side & set("ABC") for side in sides("ABCDE", more)]


def test_a_test_cohort_is_without_whom_the_model_knows():
    assert apart(["A", "B", "A", "C"], ["A", "X"]).tolist() == [1, 3]
