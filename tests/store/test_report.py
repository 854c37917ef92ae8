import pytest
import sqlalchemy as sa

from domain.errors import Rejected
from domain.finding import Severity
from domain.reason import Reason
from store import tables
from store.reconcile import reconcile
from store.report import Answered, counts, oldest_waiting_s, trail
from tests.store.values import abstained, arrival, finding, ignored, outgoing, quarantined, scored


@pytest.fixture
def full(accept, jobs):
    """One arrival of every end, one leased, one waiting."""
    for number in range(6):
        accept(arrival(f"k{number}"))
    jobs.settle(jobs.claim(), scored(finding(1, "1" * 32), messages=[outgoing("1" * 32 + ":fhir:ehr")]))
    jobs.settle(jobs.claim(), abstained(finding(2, "2" * 32, scored=False)))
    jobs.settle(jobs.claim(), ignored())
    jobs.settle(jobs.claim(), quarantined())
    jobs.claim()


@pytest.fixture
def settled(full, jobs, clock):
    """The same with the last two settled too."""
    clock.pass_s(61)
    jobs.settle(jobs.claim(), ignored())
    jobs.settle(jobs.claim(), ignored())


def test_what_is_not_settled_is_all_there_is_to_say_of_a_sound_database(full, database):
    done = reconcile(database)
    assert done.discrepancies == ("arrival 5: leased (not settled yet)", "arrival 6: waiting (not settled yet)")
    assert done.totals.jobs == {
        "scored": 1, "abstained": 1, "ignored": 1, "quarantined": 1, "leased": 1, "waiting": 1,
    }  # fmt: skip
    assert sum(done.totals.jobs.values()) == done.totals.arrivals == 6


def test_when_everything_is_settled_there_is_no_discrepancy(settled, database):
    assert reconcile(database).discrepancies == ()


@pytest.mark.parametrize(
    ("marked", "state"),
    [
        (lambda outbox, message: outbox.sent(message), "sent"),
        (lambda outbox, message: outbox.bury(message, Reason.EXPIRED), "buried"),
        (lambda _outbox, _message: None, "leased"),
    ],
)
def test_a_message_may_stand_wherever_it_is_counted(settled, database, outbox, marked, state):
    marked(outbox, outbox.claim(1)[0])
    done = reconcile(database)
    assert done.discrepancies == ()
    assert done.totals.outbox == {state: 1}


def test_more_of_a_kind_than_anybody_reads_is_cut_short(full, database, monkeypatch):
    monkeypatch.setattr("store.reconcile.MOST_NAMED", 1)
    assert reconcile(database).discrepancies == (
        "arrival 5: leased (not settled yet)",
        "and more of: arrival N: N (not settled yet)",
    )


def test_an_empty_database_has_no_discrepancy(database):
    assert reconcile(database).discrepancies == ()
    assert oldest_waiting_s(database) is None


def test_reasons_and_channels_are_counted(full, database, clock):
    done = counts(database, clock)
    assert done.job_reasons == {"lead_flat": 1, "no_ecg": 1, "undecodable": 1}
    assert done.outbox == {"waiting": 1}
    assert done.waiting_by_channel == {"fhir:ehr": 1}
    assert done.oldest_waiting_s == pytest.approx(59.123455)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("DELETE FROM jobs WHERE arrival_id = 6", "arrival 6: no job"),
        ("UPDATE jobs SET state = 'scored', reason = NULL WHERE arrival_id = 3", "arrival 3: scored, but no finding"),
        ("UPDATE jobs SET state = 'abstained' WHERE arrival_id = 4", "arrival 4: abstained, but no finding"),
        ("UPDATE findings SET assessments = 1 WHERE arrival_id = 2", "arrival 2: abstained, but a finding has an"),
        ("UPDATE findings SET arrival_id = 3, lease = 1 WHERE id = 1", "arrival 3: ignored, but it has findings"),
        ("UPDATE jobs SET settled_at = NULL WHERE arrival_id = 1", "arrival 1: scored, but not since when"),
        ("DELETE FROM outbox WHERE id = 1", "finding 1: 1 of its 1 messages are gone"),
        ("UPDATE outbox SET state = 'sent' WHERE id = 1", "message 1: sent, but not when"),
    ],
)
def test_whatever_does_not_agree_is_named(full, database, damage, words):
    with database.write() as connection:
        connection.exec_driver_sql(damage)
    assert any(line.startswith(words) for line in reconcile(database).discrepancies)


def test_a_requeued_arrivals_earlier_findings_are_not_held_against_it(settled, database, jobs):
    jobs.requeue(1)
    job = jobs.claim()
    assert job.id == 1
    jobs.settle(job, quarantined())
    assert reconcile(database).discrepancies == ()
    assert trail(database, 1).severities == ()


def test_a_trail_of_nothing_is_refused(database):
    with pytest.raises(Rejected):
        trail(database, 1)


def test_a_trail_tells_every_answer_and_that_the_model_is_a_stand_in(full, database):
    model = {"part": 1, "status": "stand-in", "model": "eianet", "version": "1"}
    refused = Answered(**model, output="potassium", reason="lead_flat")
    scored_one, abstained_one = trail(database, 1), trail(database, 2)
    assert scored_one.severities == (Severity.CRITICAL,)
    assert scored_one.answers == (Answered(**model, output="arrest", level="high", value=0.31, unit="1"), refused)
    assert abstained_one.severities == (None,)
    assert abstained_one.answers == (refused,)


def test_times_come_back_as_they_went_in(full, database):
    way = trail(database, 1)
    assert way.received_at == arrival().received_at
    with database.read() as connection:
        facts = connection.execute(sa.select(tables.findings.c.facts).order_by(tables.findings.c.id)).scalars().first()
    assert facts["ecg"]["patient"]["sex"] == "female"
