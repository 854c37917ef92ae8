"""The census in the store: written with the settlement, the same in any order, merges with what follows."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from config import schema
from domain.arrival import Format, Receipt
from domain.census import Discharged, Event, Movement
from domain.ecg import Identifier, Patient
from domain.outcome import Outcome, Settlement
from domain.person import person_key
from domain.reason import Reason
from store.census import Census
from store.inbox import Inbox
from store.memory import Memory, overtaken
from store.tables import findings, jobs, watched
from tests.store.values import RECEIVED, arrival, finding, scored

OLD = Identifier(value="PAT-7", authority="SIM", type="MR")
NEW = Identifier(value="PAT-8", authority="SIM", type="MR")


def key(*whose):
    return person_key(Patient(identifiers=whose))


def moved(event, minutes, unit="", *, whose=(OLD,), merged=()):
    visit = None if merged else Identifier(value="V1", authority="SIM")
    at = RECEIVED + timedelta(minutes=minutes)
    return Movement(
        event=event, at=at, rank=f"{minutes:05}", whose=whose, unit=unit, visit=visit, kind="E", merged=merged
    )


@pytest.fixture
def census(database, clock):
    return Census(database, clock)


@pytest.fixture
def tell(accept, jobs):
    """Have messages arrive and be worked on, one after the other."""

    def tell(*told):
        for number, one in enumerate(told):
            name = f"hl7:HIS^HOSP:{one.event}{one.rank}{number}"
            accept(replace(arrival(name), format=Format.ADT))
            job = jobs.claim()
            settled = Settlement(outcome=Outcome.IGNORED, reason=Reason.ADMINISTRATIVE, movements=(one,))
            assert jobs.settle(job, settled)

    return tell


def test_whereabouts_follow_the_feed(census, tell):
    assert census.whereabouts(key(OLD)) is None
    tell(moved(Event.ADMIT, 0, "ED"))
    assert census.whereabouts(key(OLD)).unit == "ED"
    tell(moved(Event.TRANSFER, 1, "ICU"))
    assert census.whereabouts(key(OLD)).unit == "ICU"
    tell(moved(Event.DISCHARGE, 2))
    assert isinstance(census.whereabouts(key(OLD)), Discharged)


def test_a_late_older_message_overwrites_nothing(census, tell):
    tell(moved(Event.TRANSFER, 1, "ICU"), moved(Event.ADMIT, 0, "ED"))
    assert census.whereabouts(key(OLD)).unit == "ICU"


def test_who_left_before_an_ecg_was_taken_has_come_back(census, tell):
    tell(moved(Event.ADMIT, 0, "ED"), moved(Event.DISCHARGE, 2))
    assert census.whereabouts(key(OLD), RECEIVED + timedelta(minutes=3)) is None
    assert isinstance(census.whereabouts(key(OLD), RECEIVED + timedelta(minutes=1)), Discharged)


def test_a_message_worked_on_again_says_nothing_twice(census, tell, jobs, database):
    tell(moved(Event.ADMIT, 0, "ED"))
    assert jobs.requeue(1)
    again = Settlement(outcome=Outcome.IGNORED, reason=Reason.ADMINISTRATIVE, movements=(moved(Event.ADMIT, 0, "ED"),))
    assert jobs.settle(jobs.claim(), again)
    (visit,) = census.visits(key(OLD))
    assert [place.unit for place in visit.places] == ["ED"]


def test_a_merged_person_is_where_either_was(census, tell):
    tell(moved(Event.ADMIT, 0, "ED"), moved(Event.MERGE, 1, whose=(NEW,), merged=(OLD,)))
    assert census.whereabouts(key(NEW)).unit == census.whereabouts(key(OLD)).unit == "ED"
    assert census.survivor(Patient(identifiers=(OLD,))) == (NEW,)
    assert census.survivor(Patient(identifiers=(NEW,))) == ()


def test_a_merge_puts_the_results_that_stand_back_to_work_under_the_one_who_is_left(accept, jobs, tell, database):
    accept(arrival())
    job = jobs.claim()
    assert jobs.settle(job, scored(finding(job.id)))
    tell(moved(Event.MERGE, 1, whose=(NEW,), merged=(OLD,)))
    (made,) = Memory(database).attached(job.id)
    assert made.identifiers == (NEW,)
    accept(arrival("hl7:MUSE^ED:new"))
    assert [jobs.claim().id for _ in range(2)] == [job.id + 2, job.id]  # a new ECG goes first


def test_an_ecg_that_was_being_worked_on_while_its_patient_was_merged_is_looked_at_again(accept, jobs, tell, database):
    memory = Memory(database)
    accept(arrival())
    job = jobs.claim()
    then = memory.looked(job.id)
    tell(moved(Event.MERGE, 1, whose=(Identifier(value="3", type="MR"),), merged=(NEW,)))
    assert not overtakes(database, job, then, key(OLD))
    tell(moved(Event.MERGE, 2, whose=(NEW,), merged=(OLD,)))
    assert overtakes(database, job, then, key(OLD))


def overtakes(database, job, then, person):
    with database.read() as connection:
        return overtaken(connection, job.id, then, [], [person])


def test_an_ecg_goes_before_the_admission_feed(accept, jobs):
    accept(replace(arrival("hl7:HIS^HOSP:1"), format=Format.ADT))
    accept(arrival("hl7:MUSE^ED:2"))
    assert [jobs.claim().arrival.format for _ in range(2)] == [Format.HL7, Format.ADT]


def test_a_full_line_of_the_admission_feed_closes_the_door_to_no_ecg(database, new_store, clock):
    from domain.errors import Transient

    settings = schema.Store.model_validate({"free_disk_mib": 0, "max_waiting": 2})
    inbox = Inbox(database, same_content=lambda *_: False, settings=settings, clock=clock)
    feed = [replace(arrival(f"hl7:HIS^HOSP:{n}"), format=Format.ADT) for n in range(3)]
    assert [inbox.accept(one).result(30) for one in feed[:2]] == [Receipt.NEW, Receipt.NEW]
    with pytest.raises(Transient):
        inbox.accept(feed[2]).result(30)
    assert inbox.accept(arrival("hl7:MUSE^ED:9")).result(30) is Receipt.NEW
    inbox.close()


def test_what_may_change_a_flag_has_the_person_looked_at(accept, jobs, tell, database):
    accept(arrival())
    job = jobs.claim()
    assert jobs.settle(job, scored(finding(job.id)))
    tell(moved(Event.ADMIT, 0, "ED"), moved(Event.DISCHARGE, 2))
    with database.read() as connection:
        assert connection.execute(sa.select(watched.c.person)).scalars().all() == [key(OLD)] * 2
        assert connection.execute(sa.select(findings.c.person)).scalars().all() == [key(OLD)]
        assert connection.execute(sa.select(jobs_turns())).scalars().all() == [0, 1, 1]


def jobs_turns():
    return jobs.c.turn
