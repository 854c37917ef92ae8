from dataclasses import replace
from datetime import timedelta

import numpy as np

from domain.finding import Assessment, Output, Score, Severity
from domain.mode import Mode
from domain.person import person_key
from store.scores import earlier, read, span
from tests.store.values import MODEL, RECEIVED, arrival, finding, scored

PERSON = person_key(finding(1).ecg.patient)


def put(accept, jobs, clock, number, value, *, minutes=0, superseded=None, output=Output.ARREST, **of_ecg):
    """Settle one arrival with one score; returns the finding."""
    accept(arrival(f"hl7:A^B:{number}", b"x%d" % number))
    job = jobs.claim()
    one = finding(job.id, key=f"{number:032x}")
    score = Score(**MODEL, output=output, value=value, unit="1")
    answers = (Assessment(score=score, level="high", severity=Severity.CRITICAL, rule="ed"),)
    ecg = replace(one.ecg, acquired_at=RECEIVED + timedelta(minutes=minutes), **of_ecg)
    one = replace(one, ecg=ecg, assessments=answers, source="dicom:CART1", decided_at=clock())
    assert jobs.settle(job, replace(scored(one), superseded=superseded or {}))
    return one


def test_an_answer_is_a_row_with_what_decides_its_thresholds(database, accept, jobs, clock):
    put(accept, jobs, clock, 1, 0.31)
    found = read(database, Output.ARREST, RECEIVED, clock() + timedelta(seconds=1))
    assert (len(found), found.value[0], found.arrival[0]) == (1, 0.31, 1)
    words = {name: getattr(found, name).names for name in ("person", "unit", "device", "door", "model")}
    assert words == {
        "person": (PERSON,),
        "unit": ("ED",),
        "device": ("M S",),
        "door": ("dicom",),
        "model": (MODEL["model"],),
    }
    assert found.age_years[0] == 75 + 55 / 365  # born 1950-02-03, recorded 2025-03-30
    assert found.recorded_us[0] == int(RECEIVED.timestamp() * 1_000_000)


def test_only_the_asked_output_time_and_mode_are_read(database, accept, jobs, clock):
    put(accept, jobs, clock, 1, 0.31)
    put(accept, jobs, clock, 2, 5.0, output=Output.POTASSIUM)
    clock.pass_s(60)
    put(accept, jobs, clock, 3, 0.5)
    every = (RECEIVED, clock() + timedelta(seconds=1))
    assert read(database, Output.ARREST, *every).value.tolist() == [0.31, 0.5]
    assert read(database, Output.ARREST, clock(), every[1]).value.tolist() == [0.5]
    assert len(read(database, Output.ARREST, *every, modes=(Mode.SHADOW,))) == 0
    first, last = span(database)
    assert last - first == timedelta(seconds=60)


def test_what_another_finding_took_the_place_of_no_longer_counts(database, accept, jobs, clock):
    old = put(accept, jobs, clock, 1, 0.31)
    put(accept, jobs, clock, 2, 0.32, superseded={old.key: f"{2:032x}"})
    assert read(database, Output.ARREST, RECEIVED, clock() + timedelta(1)).value.tolist() == [0.32]


def test_an_arrival_that_is_settled_again_has_its_rows_once(database, accept, jobs, clock):
    one = put(accept, jobs, clock, 1, 0.31)
    jobs.requeue(1)
    job = jobs.claim()
    assert jobs.settle(job, scored(one))
    assert len(read(database, Output.ARREST, RECEIVED, clock() + timedelta(1))) == 1


def test_earlier_answers_are_the_person_s_of_the_hours_before_the_latest_first(database, accept, jobs, clock):
    for number, minutes in enumerate((0, 600, 30, 60, 61), start=1):
        put(accept, jobs, clock, number, number / 10, minutes=minutes)
    at = RECEIVED + timedelta(minutes=60)
    with database.read() as connection:
        assert [one.value for one in earlier(connection, PERSON, at, 24)] == [0.4, 0.3, 0.1]
        assert [one.value for one in earlier(connection, PERSON, at, 0.5)] == [0.4, 0.3]
        assert [one.value for one in earlier(connection, PERSON, at, 24, {3, 4})] == [0.1]
        (first, *_) = earlier(connection, PERSON, at, 24)
        assert (first.model, first.output, first.context.unit, first.context.recorded_at) == (
            MODEL["model"],
            "arrest",
            "ED",
            at,
        )
        assert earlier(connection, "", at, 24) == ()


def test_nothing_is_read_from_an_empty_store(database, clock):
    found = read(database, Output.ARREST, RECEIVED, clock())
    assert (len(found), found.value.dtype, span(database)) == (0, np.float64, None)
