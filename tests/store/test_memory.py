"""What is remembered of earlier ECGs, and that nobody settles without having seen them."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from domain.alert import Risk
from domain.ecg import Identifier
from domain.finding import Severity
from domain.seen import Attachment, Seen, Sighting, Source
from store import tables
from store.jobs import Overtaken
from store.memory import Memory
from store.reconcile import reconcile
from tests.store.values import arrival, finding, ignored, outgoing, raised, scored

AT = datetime(2026, 1, 5, 8, 0, 7, tzinfo=UTC)
OLD, NEW = "1" * 32, "2" * 32


def seen(patient="p", at=AT, *, clock=None, source=Source.NATIVE, orders=()):
    local = clock or (at.replace(tzinfo=None) if at else None)
    patients = frozenset({patient} if patient else ())
    return Seen(
        patients=patients,
        acquired_at=at,
        clock=local,
        source=source,
        quarters=4,
        print=b"x",
        orders=frozenset(orders),
    )


def sighting(about, ecg="1.1", key=OLD, part=1):
    return Sighting(part=part, ecg=ecg, seen=about, finding=key)


@pytest.fixture
def memory(database):
    return Memory(database)


@pytest.fixture
def settle(jobs, accept, memory, clock):
    """Let an arrival through: accepted, claimed and settled with one finding."""

    def through(about, key=OLD, *, ecg="1.1", messages=(), **more):
        accept(arrival(f"k{key}", key.encode()))
        job = jobs.claim()
        made = scored(finding(job.id, key), messages=messages)
        looked = memory.looked(job.id)
        sightings = (sighting(about, ecg, key),)
        values = {"outcome": made.outcome, "findings": made.findings, "outgoing": made.outgoing}
        assert jobs.settle(job, type(made)(**values, sightings=sightings, looked=looked, **more))
        return job.id

    return through


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (seen(), True),
        (seen("another"), False),
        (seen(""), True),
        (seen("", None), False),
        (seen(at=None), True),
        (seen(at=AT + timedelta(minutes=4)), True),
        (seen(at=AT + timedelta(minutes=6)), False),
        (seen("", AT + timedelta(minutes=6)), False),
        (seen(at=AT + timedelta(hours=2), clock=AT.replace(tzinfo=None)), True),  # another zone was assumed
    ],
)
def test_an_ecg_is_looked_up_by_patient_and_time(memory, settle, asked, found):
    first = settle(seen())
    assert [one.arrival_id for one in memory.like(99, asked)] == ([first] if found else [])


def test_what_was_kept_comes_back_as_it_was(memory, settle):
    about = seen(source=Source.RASTER, orders=("f", "g"))
    settle(about)
    assert [one.seen for one in memory.like(99, seen())] == [about]


def test_one_that_named_nobody_is_found_by_time_and_one_without_a_time_by_patient(memory, settle):
    settle(seen(""))
    settle(seen(at=None), NEW)
    assert {one.arrival_id for one in memory.like(99, seen())} == {1, 2}


def test_its_own_parts_are_no_earlier_ecgs(memory, settle):
    assert memory.like(settle(seen()), seen()) == ()


def test_who_looked_before_another_settled_must_look_again(database, jobs, accept, memory, settle):
    accept(arrival("slow", b"slow"))
    slow = jobs.claim()
    looked = memory.looked(slow.id)
    settle(seen())
    made = scored(finding(slow.id, NEW), messages=[outgoing(NEW + ":fhir:ehr")])
    values = {"outcome": made.outcome, "findings": made.findings, "outgoing": made.outgoing}
    with pytest.raises(Overtaken):
        jobs.settle(slow, type(made)(**values, sightings=(sighting(seen(), "2.1", NEW),), looked=looked))
    with database.read() as connection:
        assert connection.execute(sa.select(tables.findings.c.key)).scalars().all() == [OLD]
    again = type(made)(**values, sightings=(sighting(seen("another"), "2.1", NEW),), looked=looked)
    assert jobs.settle(slow, again)  # what came in between concerns another patient


def test_a_superseded_finding_says_by_which_and_the_message_about_it_is_its_own(database, memory, settle):
    settle(seen(source=Source.VECTOR), messages=[outgoing(OLD + ":fhir:ehr")], raised=(raised(OLD),))
    told = outgoing(OLD + ":fhir:ehr:superseded", body=b"taken back")
    settle(seen(), NEW, messages=[outgoing(NEW + ":fhir:ehr"), told], superseded={OLD: NEW})
    old, new = memory.past(99, 1, "1.1")
    assert (old.key, old.current, old.alerted, old.worth) == (OLD, False, {(Risk.ARREST, Severity.CRITICAL)}, 14)
    assert (new.key, new.current, new.alerted, new.worth) == (NEW, True, frozenset(), 24)
    assert old.identifiers == (Identifier(value="PAT-7", authority="SIM", type="MR"),)
    assert reconcile(database).discrepancies == ("alert 1: nobody was told yet (not told yet)",)
    with database.read() as connection:
        rows = connection.execute(sa.select(tables.findings.c.key, tables.findings.c.messages)).all()
        assert dict(map(tuple, rows)) == {OLD: 2, NEW: 1}
    assert memory.sent(OLD + ":fhir:ehr:superseded") == b"taken back"
    assert memory.sent("nothing") is None


def test_settling_again_replaces_what_is_remembered(database, jobs, memory, settle):
    number = settle(seen())
    assert jobs.requeue(number)
    assert jobs.settle(jobs.claim(), ignored())
    assert memory.like(99, seen()) == ()
    with database.read() as connection:
        assert connection.execute(sa.select(tables.marks)).all() == []


def test_attaching_puts_the_arrival_back_to_work_and_the_last_word_counts(memory, jobs, settle, clock):
    number = settle(seen(""))
    for value in ("A", "B"):
        whose = (Identifier(value=value, authority="SIM"),)
        memory.attach(Attachment(arrival_id=number, part=0, identifiers=whose, by="nurse"), clock())
    assert [one.identifiers[0].value for one in memory.attached(number)] == ["A", "B"]
    assert memory.attached(number)[0].by == "nurse"
    assert jobs.claim().id == number


def test_who_began_before_it_was_attached_must_begin_again(memory, jobs, accept, clock):
    accept(arrival("k", b"k"))
    job = jobs.claim()
    looked = memory.looked(job.id)
    memory.attach(Attachment(arrival_id=job.id, part=0, identifiers=(Identifier(value="A"),), by="nurse"), clock())
    made = scored(finding(job.id))
    with pytest.raises(Overtaken):
        jobs.settle(job, type(made)(outcome=made.outcome, findings=made.findings, looked=looked))


def test_a_settlement_attaches_another_arrival_s_ecg(memory, jobs, settle):
    first = settle(seen(""))
    whose = Attachment(arrival_id=first, part=1, identifiers=(Identifier(value="A"),), by="arrival 2")
    settle(seen(""), NEW, attached=(whose,))
    assert [one.by for one in memory.attached(first)] == ["arrival 2"]
    assert jobs.claim().id == first
