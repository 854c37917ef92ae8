from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from config.schema import Settings
from domain.arrival import Arrival, Format
from domain.errors import Permanent, Rejected, Transient
from domain.outgoing import Outgoing
from domain.reason import Reason
from ecgd import loop
from ecgd.queues import DEAD, LONGEST_PAUSE_S, STUCK, ChannelQueue, JobQueue
from store.database import Database
from store.inbox import Inbox
from store.jobs import Jobs
from store.outbox import Outbox
from store.report import counts, trail
from tests.conftest import Clock
from tests.store.values import abstained, finding

SETTINGS = Settings.model_validate({"delivery": {"hold_patient_s": 600, "give_up_s": 3600}})


class Destination:
    """Answers as told; counts what it got."""

    longest_s = 1.0

    def __init__(self) -> None:
        self.answer: Exception | None = None
        self.got: list[str] = []

    def send(self, outgoing: Outgoing) -> None:
        self.got.append(outgoing.key)
        if self.answer:
            raise self.answer

    def close(self) -> None:
        pass


@pytest.fixture
def destination() -> Destination:
    return Destination()


@pytest.fixture
def channel(database: Database, clock: Clock, destination: Destination) -> Iterator[ChannelQueue]:
    with closing(Outbox(database, SETTINGS.store, clock)) as outbox:
        yield ChannelQueue(outbox, "fhir:ehr", destination, others={"smtp:mail"}, settings=SETTINGS, clock=clock)


def _put(database: Database, clock: Clock, key: str = "k", **parts: object) -> None:
    values = {"key": key, "channel": "fhir:ehr", "content_type": "text/plain", "body": b"x", **parts}
    Outbox(database, SETTINGS.store, clock).put(Outgoing(**values))  # type: ignore[arg-type]


def _turn(queue: ChannelQueue) -> None:
    loop._step(queue, queue.handle, idle_s=0.0)


def _states(database: Database) -> dict[str, int]:
    return dict(counts(database).outbox)


def test_a_message_is_sent_once(
    database: Database, clock: Clock, channel: ChannelQueue, destination: Destination
) -> None:
    _put(database, clock)
    _turn(channel)
    _turn(channel)
    assert destination.got == ["k"]
    assert _states(database) == {"sent": 1}


def test_what_the_destination_rejects_is_buried_and_does_not_block_the_next(
    database: Database, clock: Clock, channel: ChannelQueue, destination: Destination
) -> None:
    _put(database, clock, "bad")
    _put(database, clock, "good")
    destination.answer = Rejected(Reason.DESTINATION_REFUSED)
    _turn(channel)
    destination.answer = None
    _turn(channel)
    assert destination.got == ["bad", "good"]
    assert _states(database) == {"buried": 1, "sent": 1}


def test_an_alert_too_old_to_be_of_use_is_buried_unsent(
    database: Database, clock: Clock, channel: ChannelQueue, destination: Destination
) -> None:
    _put(database, clock, expires_at=clock() + timedelta(hours=4))
    clock.pass_s(5 * 3600)
    _turn(channel)
    assert destination.got == []
    assert counts(database).outbox_reasons == {"expired": 1}


def test_a_message_of_a_channel_that_is_gone_is_buried(
    database: Database, clock: Clock, channel: ChannelQueue, destination: Destination
) -> None:
    _put(database, clock, channel="webhook:gone")
    _turn(channel)
    assert destination.got == []
    assert counts(database).outbox_reasons == {"no_such_channel": 1}


def test_another_channels_messages_are_left_alone(
    database: Database, clock: Clock, channel: ChannelQueue, destination: Destination
) -> None:
    _put(database, clock, channel="smtp:mail")
    _turn(channel)
    assert (destination.got, _states(database)) == ([], {"waiting": 1})


def test_a_destination_that_forbids_us_is_left_alone_for_a_while(
    database: Database, clock: Clock, channel: ChannelQueue, destination: Destination
) -> None:
    for key in "abc":
        _put(database, clock, key)
    destination.answer = Permanent(Reason.DESTINATION_FORBIDDEN)
    for _ in range(5):
        _turn(channel)
    assert destination.got == ["a"]
    destination.answer = None
    clock.pass_s(301)
    for _ in range(3):
        _turn(channel)
    assert sorted(destination.got) == ["a", "a", "b", "c"]


def test_the_patience_for_an_unknown_patient_begins_when_the_ehr_first_says_so(
    database: Database, clock: Clock, channel: ChannelQueue, destination: Destination
) -> None:
    _put(database, clock)
    destination.answer = Transient(Reason.DESTINATION_UNAVAILABLE)
    _turn(channel)
    clock.pass_s(1800)  # the EHR was down for longer than a patient is waited for
    destination.answer = Transient(Reason.PATIENT_UNKNOWN)
    _turn(channel)
    assert _states(database) == {"waiting": 1}
    clock.pass_s(700)
    _turn(channel)
    assert counts(database).outbox_reasons == {"patient_unknown": 1}


def test_a_destination_that_is_down_is_asked_now_and_then_and_not_for_every_result(
    database: Database, clock: Clock, channel: ChannelQueue, destination: Destination
) -> None:
    for number in range(DEAD + 20):
        _put(database, clock, f"k{number}", lane=f"p{number}")
    destination.answer = Transient(Reason.DESTINATION_UNAVAILABLE)
    for _ in range(DEAD + 20):
        _turn(channel)
    assert len(destination.got) == DEAD
    for _ in range(600):
        clock.pass_s(1)
        _turn(channel)
    assert DEAD + 600 / LONGEST_PAUSE_S <= len(destination.got) <= DEAD + 2 * 600 / LONGEST_PAUSE_S
    destination.answer = None
    clock.pass_s(300)
    for _ in range(DEAD + 20):
        _turn(channel)
    assert _states(database) == {"sent": DEAD + 20}


def test_one_result_that_fails_again_and_again_holds_up_nobody_else(
    database: Database, clock: Clock, channel: ChannelQueue, destination: Destination
) -> None:
    _put(database, clock, "poison", lane="ada")
    for number in range(3 * DEAD):
        _put(database, clock, f"k{number}", lane=f"p{number}")
    fine = destination.send

    def send(outgoing: Outgoing) -> None:
        destination.answer = Transient(Reason.DESTINATION_UNAVAILABLE) if outgoing.key == "poison" else None
        fine(outgoing)

    destination.send = send  # type: ignore[method-assign]
    for _ in range(3 * DEAD + 1):
        _turn(channel)
    assert _states(database) == {"sent": 3 * DEAD, "waiting": 1}


def test_alerts_are_tried_each_for_itself_however_many_fail(
    database: Database, clock: Clock, channel: ChannelQueue, destination: Destination
) -> None:
    for number in range(2 * DEAD):
        _put(database, clock, f"k{number}")
    destination.answer = Transient(Reason.DESTINATION_UNAVAILABLE)
    for _ in range(2 * DEAD):
        _turn(channel)
    assert len(destination.got) == 2 * DEAD


@pytest.fixture
def arrivals(database: Database, clock: Clock) -> Callable[[int], None]:
    def accept(count: int) -> None:
        inbox = Inbox(database, same_content=lambda *_: False, settings=SETTINGS.store, clock=clock)
        for number in range(count):
            arrival = Arrival(
                key=f"hl7:{number}", format=Format.HL7, payload=b"MSH", source="hl7:A", received_at=clock()
            )
            inbox.accept(arrival).result(10)
        inbox.close()

    return accept


@contextmanager
def _worker(
    database: Database, clock: Clock, error: Exception, stuck: Callable[[], None] = lambda: None
) -> Iterator[Callable[[], None]]:
    """One turn of a worker whose reader raises ``error``."""

    def read(_arrival: Arrival) -> tuple[()]:
        raise error

    with closing(Jobs(database, SETTINGS.store, clock)) as jobs:
        queue = JobQueue(jobs, read=read, score=lambda _: (), settings=SETTINGS, clock=clock, stuck=stuck)
        yield lambda: loop._step(queue, queue.handle, idle_s=0.0)


def test_a_fault_of_ours_costs_an_arrival_no_attempt(
    database: Database, clock: Clock, arrivals: Callable[[int], None]
) -> None:
    arrivals(1)
    with _worker(database, clock, Permanent(Reason.OUR_FAULT)) as turn:
        for _ in range(SETTINGS.store.max_attempts + 2):
            turn()
            clock.pass_s(301)
    assert (trail(database, 1).state, trail(database, 1).attempts) == ("waiting", 0)


def test_an_ecg_that_no_model_answered_for_is_not_logged_as_normal(
    database: Database, clock: Clock, arrivals: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    arrivals(1)
    nothing_scored = abstained(finding(1, scored=False))
    monkeypatch.setattr("ecgd.queues.process", lambda *_, **__: nothing_scored)
    with capture_logs() as logged, _worker(database, clock, ZeroDivisionError()) as turn:
        turn()
    assert [line["severity"] for line in logged if line["event"] == "settled"] == [["not scored"]]


def test_an_arrival_that_meets_an_unknown_error_every_time_is_quarantined(
    database: Database, clock: Clock, arrivals: Callable[[int], None]
) -> None:
    arrivals(1)
    with _worker(database, clock, ZeroDivisionError()) as turn:
        for _ in range(SETTINGS.store.max_attempts + 2):
            turn()
            clock.pass_s(301)
    assert (trail(database, 1).state, trail(database, 1).reason) == ("quarantined", "too_many_attempts")


def test_a_worker_that_fails_on_one_arrival_after_the_other_says_that_it_is_stuck(
    database: Database, clock: Clock, arrivals: Callable[[int], None]
) -> None:
    arrivals(STUCK)
    said: list[bool] = []
    with _worker(database, clock, Permanent(Reason.OUR_FAULT), lambda: said.append(True)) as turn:
        for _ in range(STUCK):
            assert not said
            turn()
    assert said == [True]
