"""What the store keeps of an alert's life, and that nothing of it is lost or done twice."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from domain.alert import Change, Closing, Event, Happened, Risk, Why
from domain.outcome import Outcome, Settlement
from domain.reason import Reason
from store import tables
from store.alert_rows import close
from store.alerts import Alerts, Since
from store.reconcile import reconcile
from store.report import counts
from tests.store.values import arrival, finding, outgoing, raised, scored

KEY = "f" * 32
SECONDS = timedelta(seconds=60)


def window(clock):
    return Since(sent=SECONDS, called=SECONDS, day=clock() - timedelta(hours=1))


HOOK = f"{KEY}:webhook:pager:new:1.0"


@pytest.fixture
def alerts(database, clock):
    made = Alerts(database, clock)
    yield made
    made.close()


@pytest.fixture
def settle(jobs, accept):
    def through(*raising, key=KEY, **more):
        accept(arrival(f"k{key}{len(raising)}", key.encode()))
        job = jobs.claim()
        made = scored(finding(job.id, key))
        assert jobs.settle(job, Settlement(outcome=made.outcome, findings=made.findings, raised=raising, **more))
        return job.id

    return through


@pytest.fixture
def turn(alerts, clock):
    """One look of the pager, that does as told."""

    def look(decide=lambda book: Change()):
        seen = []

        def noted(book):
            seen.append(book)
            return decide(book)

        alerts.turn(noted, window(clock))
        return seen[-1]

    return look


def telling(clock, *numbers, key=HOOK, why=Why.NEW):
    """Sends a message about them, once."""

    def decide(book):
        new = [one.id for one in book.alerts if one.id in numbers and not any(e.message == key for e in one.events)]
        if not new:
            return Change()
        sent = outgoing(key, "webhook:pager")
        events = tuple(
            Event(alert=n, at=clock(), what=Happened.SENT, actor="t", channel="webhook:pager", why=why, message=key)
            for n in new
        )
        return Change(events=events, outgoing=((sent, KEY),))

    return decide


def lives(alerts, *numbers):
    return [[one.what.value for one in alert.events] for alert in alerts.show(numbers)]


def test_an_alert_is_raised_by_the_settlement_and_once(alerts, settle, jobs):
    number = settle(raised())
    assert lives(alerts, 1) == [["raised"]]
    assert jobs.requeue(number)
    job = jobs.claim()
    jobs.settle(job, Settlement(outcome=scored().outcome, findings=(finding(number),), raised=(raised(),)))
    assert [one.id for one in alerts.list()] == [1]


def test_what_is_read_back_is_what_was_raised(alerts, settle):
    one = raised(risk=Risk.POTASSIUM_LOW, value=2.1, unit="急診 3")
    settle(one)
    (alert,) = alerts.list()
    assert (alert.raised, alert.closed, alert.acknowledged) == (one, None, False)


def test_deciding_and_queueing_are_one_transaction_and_happen_once(database, alerts, settle, turn, clock, outbox):
    settle(raised())
    for _ in range(3):
        turn(telling(clock, 1))
    assert lives(alerts, 1) == [["raised", "sent"]]
    (message,) = outbox.claim(9)
    assert (message.outgoing.key, message.arrival_id) == (HOOK, 1)


def test_a_pager_that_dies_before_its_commit_has_done_nothing(database, alerts, settle, turn, clock, outbox):
    settle(raised())

    def dies(book):
        if dies.looked:
            raise RuntimeError
        dies.looked = True
        return telling(clock, 1)(book)

    dies.looked = False
    with pytest.raises(RuntimeError):
        turn(dies)
    assert lives(alerts, 1) == [["raised"]]
    assert outbox.claim(9) == []


@pytest.mark.parametrize("taken", [True, False])
def test_what_became_of_a_message_is_in_the_alert_s_life_with_its_time(alerts, settle, turn, clock, outbox, taken):
    settle(raised())
    turn(telling(clock, 1))
    (message,) = outbox.claim(9)
    clock.now += timedelta(seconds=7)
    outbox.sent(message) if taken else outbox.bury(message, Reason.DESTINATION_REFUSED)
    moment = clock.now
    clock.now += timedelta(seconds=5)
    (seen,) = turn().alerts
    last = seen.events[-1]
    assert last.what is (Happened.DELIVERED if taken else Happened.UNDELIVERABLE)
    assert (last.message, last.channel) == (HOOK, "webhook:pager")
    assert (last.why, last.at) == (("", moment) if taken else ("destination_refused", clock.now))
    turn()
    assert len(lives(alerts, 1)[0]) == 3


def test_closed_it_is_not_looked_at_again_unless_somebody_must_hear_of_it(database, alerts, settle, turn, clock):
    settle(raised(), raised(risk=Risk.POTASSIUM_HIGH))
    for reason, risk in ((Closing.DISCHARGED, Risk.POTASSIUM_HIGH), (Closing.RETRACTED, Risk.ARREST)):
        with database.write() as connection:
            assert len(close(connection, reason=reason, actor="p", now=clock(), finding=KEY, still=[risk])) == 1
    assert [(one.id, one.closed) for one in turn().alerts] == [(2, Closing.RETRACTED)]
    turn(lambda book: Change(done=frozenset({2})))
    assert turn().alerts == ()


def test_to_close_one_must_say_whose(database, clock):
    with database.write() as connection, pytest.raises(ValueError, match="whose"):
        close(connection, reason=Closing.MERGED, actor="p", now=clock())


def test_a_settlement_withdraws_what_does_not_stand_any_more_of_its_recording(alerts, settle):
    settle(raised(), raised(risk=Risk.POTASSIUM_HIGH))
    settle(key="e" * 32, standing={"1.1": frozenset({Risk.POTASSIUM_HIGH})})
    assert [one.closed for one in alerts.show([1, 2])] == [Closing.SUPERSEDED, None]
    assert alerts.show([1])[0].events[-1].what is Happened.CLOSED


def test_acknowledging_speaks_for_the_open_ones_of_the_same_person_and_risk_and_the_first_word_counts(alerts, settle):
    settle(raised())
    settle(raised("e" * 32, recording="2.1"), raised("e" * 32, recording="2.1", risk=Risk.POTASSIUM_LOW), key="e" * 32)
    settle(raised("d" * 32, recording="3.1", person="b" * 32), key="d" * 32)
    assert alerts.acknowledge([1], "Ada")[1].actor == "Ada"
    assert alerts.acknowledge([1], "Bob")[1].actor == "Ada"
    assert [one.acknowledged for one in alerts.show([1, 2, 3, 4])] == [True, True, False, False]
    assert alerts.acknowledge([99], "Ada") == {}


def test_a_message_tells_which_alerts_it_told_of_for_a_week(alerts, settle, turn, clock):
    settle(raised(), raised(risk=Risk.POTASSIUM_HIGH))
    settle(raised("e" * 32, recording="2.1", person="b" * 32), key="e" * 32)
    turn(telling(clock, 1, 2))
    turn(telling(clock, 3, key="other"))
    assert alerts.told_by(HOOK.__eq__) == (1, 2)
    assert alerts.told_by("another".__eq__) == ()
    clock.pass_s(7 * 86_400 + 1)
    assert alerts.told_by(HOOK.__eq__) == ()


def test_a_settlement_acknowledges_in_its_own_transaction_and_the_first_word_counts(
    alerts, settle, turn, jobs, accept, clock
):
    settle(raised())
    settle(raised("e" * 32, recording="2.1"), key="e" * 32)
    turn()
    at, actor = clock(), "Ada via EHR"
    clock.pass_s(60)
    known = Event(alert=1, at=at, what=Happened.ACKNOWLEDGED, actor=actor)
    for by in (known, replace(known, actor="Bob via EHR")):
        accept(arrival(f"k{by.actor}", by.actor.encode()))
        job = jobs.claim()
        told = Settlement(outcome=Outcome.IGNORED, reason=Reason.ALERT_ACKNOWLEDGED, acknowledged=(by,))
        assert jobs.settle(job, told)
    said = [one.events[-1] for one in alerts.show([1, 2])]
    assert said == [known, replace(known, alert=2)]
    seen = []
    alerts.turn(lambda book: seen.extend(book.alerts) or Change(), window(clock), only_new=True)
    assert [one.id for one in seen] == [1, 2]


def test_unidentified_ones_are_acknowledged_one_by_one(alerts, settle):
    settle(raised(person=""))
    settle(raised("e" * 32, person="", recording="2.1"), key="e" * 32)
    alerts.acknowledge([1], "Ada")
    assert [one.acknowledged for one in alerts.show([1, 2])] == [True, False]


def test_the_book_counts_what_was_sent_raised_and_called_lately(settle, turn, clock):
    settle(raised())
    turn(telling(clock, 1))
    called = Event(alert=1, at=clock(), what=Happened.CALLED, actor="t", why="storm x")
    turn(lambda book: Change() if book.called else Change(events=(called,)))
    book = turn()
    assert [(one.channel, one.message) for one in book.sent] == [("webhook:pager", HOOK)]
    assert (dict(book.raised_today), dict(book.called)) == ({"ED": 1}, {"storm x": clock()})
    clock.now += timedelta(seconds=61)
    assert turn().sent == ()


def test_every_raised_alert_is_told_or_reconcile_names_it(database, settle, turn, clock, outbox):
    def said():
        return reconcile(database).discrepancies

    settle(raised())
    assert said() == ("alert 1: nobody was told yet (not told yet)",)
    assert counts(database, clock).alerts == {"open": 1}
    turn(telling(clock, 1))
    assert said() == ()
    outbox.bury(outbox.claim(1)[0], Reason.DESTINATION_REFUSED)
    turn()
    assert said() == ("alert 1: open, and none of its messages was taken by anybody; tell the unit yourself",)
    turn(lambda book: Change(closed={1: Closing.EXPIRED}) if book.alerts else Change())
    assert said() == ("alert 1: expired, and none of its messages was taken by anybody",)
    assert counts(database, clock).alerts == {"expired": 1}
    with database.write() as connection:
        connection.execute(tables.outbox.delete())
    assert "alert 1: a message to webhook:pager is gone" in said()


def test_an_alert_another_speaks_for_is_accounted_for(database, settle, turn, clock):
    settle(raised())
    turn(telling(clock, 1))
    settle(raised("e" * 32, recording="2.1"), key="e" * 32)
    joined = Event(alert=2, at=clock(), what=Happened.JOINED, actor="t", why="1")
    turn(lambda book: Change() if any(one.events[1:] for one in book.alerts[1:]) else Change(events=(joined,)))
    assert reconcile(database).discrepancies == ()


def test_two_pagers_at_once_send_once(database, alerts, settle, clock):
    settle(raised())
    other = Alerts(database, clock)
    when = window(clock)
    interrupted = []

    def decide(book):
        if not interrupted:
            interrupted.append(other.turn(telling(clock, 1), when))
        return telling(clock, 1)(book)

    alerts.turn(decide, when)
    other.close()
    assert lives(alerts, 1) == [["raised", "sent"]]
    with database.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(tables.outbox)).scalar() == 1


def test_between_two_whole_looks_only_what_is_new_is_seen_with_what_it_concerns(alerts, settle, clock):
    seen = []

    def look():
        seen.clear()
        alerts.turn(lambda book: seen.append([one.id for one in book.alerts]) or Change(), window(clock), only_new=True)
        return seen[-1] if seen else None

    settle(raised())
    settle(raised("e" * 32, person="b" * 32, recording="2.1"), key="e" * 32)
    assert look() == [1, 2]  # nothing was ever seen: all of it
    assert look() is None
    settle(raised("d" * 32, recording="3.1"), key="d" * 32)
    assert look() == [1, 3]
    assert look() is None
    alerts.acknowledge([2], "Ada")
    assert look() == [2]
