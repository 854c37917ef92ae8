from dataclasses import replace
from datetime import timedelta

from domain.finding import Assessment, Output, Score, Severity
from domain.mode import Mode
from store.answers import kept, of_bundle
from tests.store.values import MODEL, RECEIVED, arrival, finding, scored

A, B = "a" * 64, "b" * 64


def assessed(value, sha256, mode=Mode.ALERT):
    score = Score(**MODEL | {"bundle_sha256": sha256}, output=Output.ARREST, value=value, unit="1", mode=mode)
    grave = value >= 0.2
    return Assessment(
        score=score, level="high" if grave else "normal", severity=Severity.CRITICAL if grave else Severity.NORMAL
    )


def put(accept, jobs, clock, number, told, aside=None, superseded=None):
    accept(arrival(f"hl7:A^B:{number}", b"x%d" % number))
    job = jobs.claim()
    one = finding(job.id, key=f"{number:032x}")
    shadow = () if aside is None else (assessed(aside, B, Mode.SHADOW),)
    one = replace(one, assessments=(assessed(told, A),), shadow=shadow, decided_at=clock())
    assert jobs.settle(job, replace(scored(one), superseded=superseded or {}))
    return one


def test_what_a_bundle_said_is_read_by_finding_with_what_it_would_have_alerted(database, accept, jobs, clock):
    put(accept, jobs, clock, 1, 0.31, 0.1)
    clock.pass_s(60)
    put(accept, jobs, clock, 2, 0.05, 0.4)
    every = (RECEIVED, clock() + timedelta(seconds=1))
    told, aside = of_bundle(database, A, *every), of_bundle(database, B, *every)
    assert (told.value.tolist(), told.critical.tolist()) == ([0.31, 0.05], [True, False])
    assert (aside.value.tolist(), aside.critical.tolist()) == ([0.1, 0.4], [False, True])
    assert told.finding.tolist() == aside.finding.tolist()
    assert [aside.level.names[code] for code in aside.level.codes] == ["normal", "high"]
    assert aside.unit.names == ("ED",)
    assert (told.decided_us[1] - told.decided_us[0]) == 60_000_000
    assert len(of_bundle(database, B, clock(), every[1])) == 1
    assert len(of_bundle(database, "c" * 64, *every)) == 0


def test_what_no_longer_stands_is_not_compared(database, accept, jobs, clock):
    old = put(accept, jobs, clock, 1, 0.31, 0.1)
    put(accept, jobs, clock, 2, 0.32, 0.2, superseded={old.key: f"{2:032x}"})
    every = (RECEIVED, clock() + timedelta(seconds=1))
    assert of_bundle(database, B, *every).value.tolist() == [0.2]


def test_the_bundles_that_answered_are_listed_the_last_first(database, accept, jobs, clock):
    put(accept, jobs, clock, 1, 0.31, 0.1)
    clock.pass_s(60)
    put(accept, jobs, clock, 2, 0.31)
    first, second = kept(database)
    assert (first.sha256, first.mode, first.answers, first.last - first.first) == (
        A,
        Mode.ALERT,
        2,
        timedelta(seconds=60),
    )
    assert (second.sha256, second.mode, second.answers, second.output) == (B, Mode.SHADOW, 1, Output.ARREST)
