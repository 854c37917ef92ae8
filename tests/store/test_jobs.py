import threading
import time
from datetime import timedelta

import pytest
import sqlalchemy as sa

from domain.finding import Severity
from domain.reason import Reason
from store import tables
from store.jobs import Jobs
from store.report import counts, trail
from tests.store.values import abstained, arrival, finding, ignored, outgoing, quarantined, scored

PAGER = "f" * 32 + ":webhook:pager"


@pytest.fixture
def keep(accept):
    def keep(count=1):
        for number in range(count):
            accept(arrival(f"k{number}", b"payload %d" % number))

    return keep


def state(database, number=1):
    with database.read() as connection:
        return connection.execute(sa.select(tables.jobs).where(tables.jobs.c.arrival_id == number)).one()


def test_nothing_waits_nothing_is_claimed(jobs):
    assert jobs.claim() is None


def test_a_claim_hands_over_the_arrival_as_it_came(jobs, keep, clock):
    keep()
    job = jobs.claim()
    assert job.arrival == arrival("k0", b"payload 0")
    assert job.attempts == 1
    assert job.leased_until == clock.now + timedelta(seconds=60)


def test_the_oldest_is_claimed_first_and_each_once(jobs, keep):
    keep(3)
    claimed = [jobs.claim() for _ in range(4)]
    assert [job and job.arrival.key for job in claimed] == ["k0", "k1", "k2", None]


def test_threads_never_claim_the_same(database, store_settings, clock, keep):
    keep(40)
    claimed = []

    def work():
        mine = Jobs(database, store_settings, clock)
        while job := mine.claim():
            claimed.append(job.id)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == len(set(claimed)) == 40


@pytest.mark.parametrize("settlement", [ignored(), quarantined(), scored(), abstained()])
def test_a_settled_arrival_is_never_claimed_again(jobs, keep, database, clock, settlement):
    keep()
    assert jobs.settle(jobs.claim(), settlement)
    clock.pass_s(1e6)
    assert jobs.claim() is None
    assert (state(database).state, state(database).reason) == (settlement.outcome, settlement.reason)


def test_a_dead_workers_arrival_comes_back_when_its_lease_ends(jobs, keep, clock):
    keep()
    first = jobs.claim()
    clock.pass_s(59.9)
    assert jobs.claim() is None
    clock.pass_s(0.2)
    second = jobs.claim()
    assert (second.id, second.attempts) == (first.id, 2)


def test_a_stalled_worker_cannot_overwrite_its_successor(jobs, keep, database, clock):
    keep()
    stalled = jobs.claim()
    clock.pass_s(61)
    successor = jobs.claim()
    assert not jobs.extend(stalled)
    assert not jobs.retry(stalled, Reason.OUR_FAULT, clock.now)
    assert not jobs.release(stalled, clock.now)
    assert not jobs.settle(stalled, scored(finding(1), messages=[outgoing()]))
    assert counts(database).outbox == {}
    assert jobs.settle(successor, ignored())
    assert state(database).state == "ignored"


def test_a_worker_late_but_not_replaced_still_settles(jobs, keep, clock):
    keep()
    job = jobs.claim()
    clock.pass_s(1000)
    assert jobs.settle(job, ignored())


def test_extending_holds_the_lease(jobs, keep, clock):
    keep()
    job = jobs.claim()
    for _ in range(5):
        clock.pass_s(50)
        assert jobs.extend(job)
        assert jobs.claim() is None


def test_a_retry_waits_until_its_time(jobs, keep, database, clock):
    keep()
    jobs.retry(jobs.claim(), Reason.READER_CRASHED, clock.now + timedelta(seconds=5))
    assert jobs.claim() is None
    assert state(database).reason == "reader_crashed"
    clock.pass_s(5)
    assert jobs.claim().attempts == 2


def test_others_pass_one_that_waits_for_its_retry(jobs, keep, clock):
    keep(2)
    jobs.retry(jobs.claim(), Reason.OUR_FAULT, clock.now + timedelta(seconds=5))
    assert jobs.claim().arrival.key == "k1"


def test_what_fails_every_time_is_quarantined_and_the_next_is_claimed(jobs, keep, database, clock):
    keep(2)
    for attempt in (1, 2, 3):
        job = jobs.claim()
        assert (job.arrival.key, job.attempts) == ("k0", attempt)
        jobs.retry(job, Reason.OUR_FAULT, clock.now)
    assert jobs.claim().arrival.key == "k1"
    row = state(database)
    assert (row.state, row.reason, row.settled_at) == ("quarantined", "too_many_attempts", clock.now)


def test_what_a_claim_sets_aside_is_told_once_it_is_committed(database, store_settings, clock, keep):
    told = []
    jobs = Jobs(
        database, store_settings, clock, on_set_aside=lambda *it: told.append((*it, state(database, it[0]).state))
    )
    keep(3)
    with database.write() as connection:
        connection.execute(tables.jobs.update().where(tables.jobs.c.arrival_id == 1).values(attempts=3))
        connection.execute(tables.arrivals.update().where(tables.arrivals.c.id == 2).values(payload=b"rotten"))
    assert jobs.claim().id == 3
    assert told == [(1, Reason.TOO_MANY_ATTEMPTS, "quarantined"), (2, Reason.OUR_FAULT, "quarantined")]


def test_a_worker_that_lost_its_claim_tells_nothing(database, store_settings, clock, keep, monkeypatch):
    told = []
    jobs = Jobs(database, store_settings, clock, on_set_aside=lambda *it: told.append(it))
    keep()
    with database.write() as connection:
        connection.execute(tables.arrivals.update().values(payload=b"rotten"))
    monkeypatch.setattr(jobs, "settle", lambda *_: False)
    assert jobs.claim() is None
    assert told == []


def test_what_kills_every_worker_is_quarantined(jobs, keep, database, clock):
    keep()
    for _ in range(3):
        assert jobs.claim()
        clock.pass_s(61)
    assert jobs.claim() is None
    assert state(database).reason == "too_many_attempts"


def test_the_last_attempts_worker_may_still_settle_unless_quarantined(jobs, keep, clock):
    keep()
    for _ in range(2):
        jobs.claim()
        clock.pass_s(61)
    last = jobs.claim()
    clock.pass_s(61)
    assert jobs.claim() is None
    assert not jobs.settle(last, ignored())


def test_what_was_not_the_arrivals_fault_comes_back_later_without_counting(jobs, keep, clock):
    keep()
    for _ in range(10):
        job = jobs.claim()
        assert job.attempts == 1
        assert jobs.release(job, clock.now + timedelta(seconds=5))
        assert jobs.claim() is None
        clock.pass_s(5)


def test_a_released_claim_is_over(jobs, keep, clock):
    keep()
    job = jobs.claim()
    jobs.release(job, clock.now)
    jobs.claim()
    assert not jobs.settle(job, ignored())


def test_findings_and_messages_come_with_the_state(jobs, keep, database, clock):
    keep()
    settlement = scored(finding(1), messages=[outgoing(), outgoing(PAGER, "webhook:pager")])
    jobs.settle(jobs.claim(), settlement)
    way = trail(database, 1)
    assert way.severities == (Severity.CRITICAL,)
    assert [(each.channel, each.state) for each in way.messages] == [
        ("fhir:ehr", "waiting"),
        ("webhook:pager", "waiting"),
    ]
    assert way.timings == {"read": 0.25}
    assert (way.state, way.settled_at) == ("scored", clock.now)


def test_messages_know_which_of_several_findings_caused_them(jobs, keep, database):
    keep()
    one, two = finding(1, "1" * 32), finding(1, "2" * 32)
    messages = [outgoing("2" * 32 + ":fhir:ehr"), outgoing("1" * 32 + ":fhir:ehr")]
    jobs.settle(jobs.claim(), scored(one, two, messages=messages))
    with database.read() as connection:
        joined = tables.outbox.join(tables.findings, tables.outbox.c.finding_id == tables.findings.c.id)
        query = sa.select(tables.findings.c.part).select_from(joined).order_by(tables.outbox.c.id)
        assert connection.execute(query).scalars().all() == [1, 2]
        assert connection.execute(sa.select(tables.findings.c.messages)).scalars().all() == [1, 1]


def test_a_message_of_no_finding_is_refused_before_anything_is_written(jobs, keep, database):
    keep()
    job = jobs.claim()
    with pytest.raises(ValueError, match="begins with the key"):
        jobs.settle(job, scored(finding(1), messages=[outgoing("0" * 32 + ":fhir:ehr")]))
    assert state(database).state == "leased"
    assert trail(database, 1).severities == ()


def decided_again(jobs, **message):
    assert jobs.requeue(1)
    job = jobs.claim()
    assert job.attempts == 1
    assert jobs.settle(job, scored(finding(1, severity=Severity.NORMAL), messages=[outgoing(body=b"new", **message)]))


def test_a_requeued_arrivals_findings_are_decided_again(jobs, keep, database):
    keep()
    jobs.settle(jobs.claim(), scored(finding(1), messages=[outgoing()]))
    decided_again(jobs)
    way = trail(database, 1)
    assert way.severities == (Severity.NORMAL,)
    assert len(way.messages) == 1


@pytest.mark.parametrize(
    "became",
    [
        lambda _outbox, _now: None,
        lambda outbox, now: outbox.retry(outbox.claim(1)[0], Reason.CONFLICT, now + timedelta(hours=1)),
        lambda outbox, _now: outbox.bury(outbox.claim(1)[0], Reason.DESTINATION_REFUSED),
    ],
)
def test_a_message_that_is_not_out_yet_is_replaced_by_the_new_one(jobs, keep, outbox, clock, became):
    keep()
    jobs.settle(jobs.claim(), scored(finding(1), messages=[outgoing()]))
    became(outbox, clock.now)
    clock.pass_s(60)
    expires_at = clock.now + timedelta(hours=4)
    decided_again(jobs, expires_at=expires_at)
    (message,) = outbox.claim(9)
    assert message.outgoing == outgoing(body=b"new", expires_at=expires_at)
    assert (message.attempts, message.created_at, message.reason, message.arrival_id) == (1, clock.now, None, 1)
    assert outbox.sent(message)


def test_a_message_that_was_sent_is_left_alone(jobs, keep, outbox, database, clock):
    keep()
    jobs.settle(jobs.claim(), scored(finding(1), messages=[outgoing()]))
    outbox.sent(outbox.claim(1)[0])
    decided_again(jobs)
    assert outbox.claim(9) == []
    assert [message.state for message in trail(database, 1).messages] == ["sent"]


def test_a_message_that_is_being_sent_stays_its_holders(jobs, keep, outbox, database):
    keep()
    jobs.settle(jobs.claim(), scored(finding(1), messages=[outgoing()]))
    (held,) = outbox.claim(1)
    decided_again(jobs)
    assert outbox.claim(9) == []
    assert outbox.sent(held)
    with database.read() as connection:
        assert bytes(connection.execute(sa.select(tables.outbox.c.body)).scalar_one()) == b"{}"


def test_a_worker_from_before_the_requeue_writes_nothing(jobs, keep, clock):
    keep()
    old = jobs.claim()
    clock.pass_s(61)
    jobs.settle(jobs.claim(), ignored())
    jobs.requeue(1)
    assert not jobs.settle(old, ignored())
    jobs.claim()
    assert not jobs.settle(old, ignored())


def test_a_leased_arrival_is_not_requeued_and_an_unknown_one_neither(jobs, keep):
    keep()
    jobs.claim()
    assert not jobs.requeue(1)
    assert not jobs.requeue(99)


def test_a_requeue_makes_a_waiting_retry_due(jobs, keep, clock):
    keep()
    jobs.retry(jobs.claim(), Reason.OUR_FAULT, clock.now + timedelta(hours=1))
    assert jobs.requeue(1)
    assert jobs.claim() is not None


def test_bytes_that_rotted_on_the_disk_are_quarantined_not_scored(jobs, keep, database):
    keep(2)
    with database.write() as connection:
        connection.execute(tables.arrivals.update().where(tables.arrivals.c.id == 1).values(payload=b"rotten"))
    assert jobs.claim().arrival.key == "k1"
    assert (state(database).state, state(database).reason) == ("quarantined", "our_fault")


def test_a_clock_that_steps_back_makes_nothing_new_wait(jobs, keep, outbox, clock):
    keep()
    clock.pass_s(-3600)
    jobs.settle(jobs.claim(), scored(finding(1), messages=[outgoing()]))
    clock.pass_s(-3600)
    (message,) = outbox.claim(1)
    outbox.bury(message, Reason.EXPIRED)
    assert jobs.requeue(1)
    assert outbox.requeue(message.id)
    clock.pass_s(-3600)
    assert jobs.claim().id == 1
    assert outbox.claim(1)[0].id == message.id


def test_waiting_ends_at_once_when_something_is_due(jobs, keep):
    keep()
    began = time.monotonic()
    jobs.wait(30)
    assert time.monotonic() - began < 10


def test_waiting_ends_when_a_retry_falls_due(jobs, keep, clock):
    keep()
    jobs.retry(jobs.claim(), Reason.OUR_FAULT, clock.now + timedelta(milliseconds=50))
    began = time.monotonic()
    jobs.wait(30)
    assert time.monotonic() - began < 10


def test_waiting_ends_after_its_time(jobs):
    jobs.wait(0.01)


def test_an_arrival_wakes_every_waiting_thread(database, jobs, accept):
    ready = threading.Semaphore(0)
    woken = []

    def wait():
        ready.release()
        jobs.wait(30)
        woken.append(1)

    threads = [threading.Thread(target=wait) for _ in range(3)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for _ in threads:
        ready.acquire()
    accept(arrival())
    for thread in threads:
        thread.join()
    assert len(woken) == 3
    assert time.monotonic() - began < 15
