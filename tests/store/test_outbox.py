import time
from datetime import timedelta

import pytest

from domain.reason import Reason
from store.report import counts
from tests.store.values import outgoing


@pytest.fixture
def put(outbox):
    def put(*channels):
        for number, channel in enumerate(channels):
            assert outbox.put(outgoing(f"{channel}-{number}", channel))

    return put


def test_a_message_comes_out_as_it_was_put(outbox, clock):
    message = outgoing("k", "webhook:pager", body=b"\0\xff", expires_at=clock.now + timedelta(hours=4))
    assert outbox.put(message)
    (claimed,) = outbox.claim(10)
    assert claimed.outgoing == message
    assert (claimed.attempts, claimed.created_at) == (1, clock.now)


def test_a_key_has_one_message_the_last_that_was_put_before_it_went_out(outbox):
    assert outbox.put(outgoing("k"))
    assert outbox.put(outgoing("k", body=b"other"))
    (message,) = outbox.claim(10)
    assert message.outgoing.body == b"other"
    assert not outbox.put(outgoing("k", body=b"too late"))
    outbox.sent(message)
    assert not outbox.put(outgoing("k", body=b"too late"))


def test_the_oldest_come_first_and_as_many_as_asked(outbox, put):
    put("a", "b", "a", "b")
    assert [message.id for message in outbox.claim(3)] == [1, 2, 3]
    assert [message.id for message in outbox.claim(3)] == [4]
    assert outbox.claim(3) == []


def test_a_held_up_channel_delays_nobody(outbox, put):
    put("dead", "dead", "live", "dead", "live")
    assert [message.outgoing.channel for message in outbox.claim(9, exclude_channels=["dead"])] == ["live", "live"]
    assert outbox.claim(9, exclude_channels={"dead"}) == []
    assert len(outbox.claim(9)) == 3


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (lambda outbox, message, _now: outbox.sent(message), {"sent": 1}),
        (lambda outbox, message, _now: outbox.bury(message, Reason.EXPIRED), {"buried": 1}),
        (lambda outbox, message, now: outbox.retry(message, Reason.DESTINATION_UNAVAILABLE, now), {"waiting": 1}),
        (lambda outbox, message, _now: outbox.extend(message), {"leased": 1}),
    ],
)
def test_only_the_holder_of_the_last_claim_marks_a_message(outbox, put, database, clock, end, expected):
    put("a")
    (stalled,) = outbox.claim(1)
    clock.pass_s(61)
    (holder,) = outbox.claim(1)
    assert not end(outbox, stalled, clock.now)
    assert counts(database).outbox == {"leased": 1}
    assert end(outbox, holder, clock.now)
    assert counts(database).outbox == expected


def test_a_retry_waits_for_its_time_and_counts(outbox, put, clock):
    put("a")
    outbox.retry(outbox.claim(1)[0], Reason.UNAUTHORISED, clock.now + timedelta(seconds=9))
    assert outbox.claim(1) == []
    clock.pass_s(9)
    (again,) = outbox.claim(1)
    assert (again.attempts, again.reason) == (2, Reason.UNAUTHORISED)


@pytest.mark.parametrize(("restart_age", "age_s"), [(False, 100), (True, 10)])
def test_a_retry_for_another_cause_may_begin_the_age_anew(outbox, put, clock, restart_age, age_s):
    put("a")
    clock.pass_s(90)
    (message,) = outbox.claim(1)
    assert message.reason is None
    later = clock.now + timedelta(seconds=10)
    assert outbox.retry(message, Reason.PATIENT_UNKNOWN, later, restart_age=restart_age)
    clock.pass_s(10)
    (again,) = outbox.claim(1)
    assert clock.now - again.created_at == timedelta(seconds=age_s)
    assert again.reason is Reason.PATIENT_UNKNOWN


@pytest.mark.parametrize("end", ["sent", "buried"])
def test_a_person_may_have_it_sent_again_with_its_age_begun_anew(outbox, put, clock, end):
    put("a")
    (message,) = outbox.claim(1)
    assert not outbox.requeue(message.id)  # somebody is sending it
    assert outbox.sent(message) if end == "sent" else outbox.bury(message, Reason.EXPIRED)
    clock.pass_s(3600)
    assert outbox.requeue(message.id)
    (again,) = outbox.claim(1)
    assert (again.attempts, again.created_at) == (1, clock.now)
    assert not outbox.requeue(99)


def test_waiting_ends_when_another_process_puts_a_message(outbox, put, database):
    listening = database.wake.listen("deliver")
    put("a")
    assert listening.wait(30)
    listening.close()


def test_waiting_passes_over_held_up_channels(outbox, put):
    put("dead")
    began = time.monotonic()
    outbox.wait(0.05, exclude_channels=["dead"])
    assert time.monotonic() - began >= 0.05
    outbox.wait(30)
    assert time.monotonic() - began < 10


@pytest.fixture
def queue(outbox):
    """Queue messages of lanes; ``claimed`` says which may go now."""

    def queue(*lanes, channel="fhir:ehr"):
        for number, lane in enumerate(lanes, start=1):
            assert outbox.put(outgoing(f"{channel}-{lane}-{number}", channel, lane=lane))

    return queue


def _keys(messages):
    return [message.outgoing.key for message in messages]


def test_of_one_person_only_the_earliest_may_go_and_others_go_beside_it(outbox, queue):
    queue("ada", "ada", "bob", "ada")
    first, of_bob = outbox.claim(9)
    assert _keys([first, of_bob]) == ["fhir:ehr-ada-1", "fhir:ehr-bob-3"]
    assert outbox.claim(9) == []
    outbox.sent(first)
    assert _keys(outbox.claim(9)) == ["fhir:ehr-ada-2"]


def test_a_message_that_is_tried_again_holds_up_its_own_lane_and_no_other(outbox, queue, clock):
    queue("ada", "bob", "ada", "bob")
    of_ada, of_bob = outbox.claim(9)
    outbox.retry(of_ada, Reason.PATIENT_UNKNOWN, clock.now + timedelta(hours=1))
    outbox.sent(of_bob)
    assert _keys(outbox.claim(9)) == ["fhir:ehr-bob-4"]
    clock.pass_s(3600)
    assert "fhir:ehr-ada-1" in _keys(outbox.claim(9))


def test_a_buried_message_holds_up_nobody(outbox, queue):
    queue("ada", "ada")
    (first,) = outbox.claim(9)
    outbox.bury(first, Reason.DESTINATION_REFUSED)
    assert _keys(outbox.claim(9)) == ["fhir:ehr-ada-2"]


def test_a_lane_is_a_destination_s_own(outbox, queue):
    queue("ada", "ada")
    queue("ada", channel="fhir:archive")
    assert _keys(outbox.claim(9)) == ["fhir:ehr-ada-1", "fhir:archive-ada-1"]


def test_what_is_in_no_lane_waits_for_nothing(outbox, queue):
    queue("", "", "")
    assert len(outbox.claim(9)) == 3


def test_whoever_waits_for_a_lane_is_not_told_that_its_rest_is_due(outbox, queue, clock):
    queue("ada", "ada")
    (first,) = outbox.claim(9)
    outbox.retry(first, Reason.DESTINATION_UNAVAILABLE, clock.now + timedelta(hours=1))
    began = time.monotonic()
    outbox.wait(0.2)
    assert time.monotonic() - began >= 0.15
    assert outbox.claim(9) == []


def test_a_message_that_is_queued_again_keeps_its_place(outbox, queue):
    queue("ada", "ada", "ada")
    (first,) = outbox.claim(9)
    outbox.bury(first, Reason.DESTINATION_REFUSED)
    assert outbox.requeue(first.id)
    assert _keys(outbox.claim(9)) == ["fhir:ehr-ada-1"]
