"""ADT messages as interface engines send them, read as movements."""

from datetime import UTC, datetime

import pytest

from adapters.hl7_adt import moved
from config.schema import Reading
from domain.arrival import Arrival, Format
from domain.census import Event
from domain.ecg import Identifier
from domain.errors import Rejected
from domain.reason import Reason

READING = Reading(timezone="Europe/Berlin")


def adt(event, *segments, header="20260302091500+0100||ADT^{event}^ADT_A01|4711|P|2.5.1", sep="\r"):
    head = f"MSH|^~\\&|HIS|HOSP|ECGD|ED|{header.format(event=event)}"
    return sep.join([head, *segments, ""]).encode()


def read(payload):
    arrival = Arrival(
        key="hl7:HIS^HOSP:4711",
        format=Format.ADT,
        payload=payload,
        source="hl7:HIS^HOSP",
        received_at=datetime(2026, 3, 2, tzinfo=UTC),
    )
    return moved(arrival, READING)


EVN = "EVN||20260302091000+0100|||NURSE"
PID = "PID|1||0042^^^SIM&2.999.1&ISO^MR~S99^^^STATE^SS||Doe^Jane||19500203|F"
PV1 = "PV1|1|E|ED^R3^B1^HOSP||||||||||||||||V77^^^SIM^VN" + "|" * 25 + "20260302085500+0100"


def test_an_admission_says_who_where_in_which_visit_and_since_when():
    (one,) = read(adt("A01", EVN, PID, PV1))
    assert one.event is Event.ADMIT
    assert one.at == datetime(2026, 3, 2, 8, 10, tzinfo=UTC)
    assert one.whose[0] == Identifier(value="0042", authority="SIM", type="MR")
    assert (one.unit, one.bed, one.kind) == ("ED", "R3-B1", "E")
    assert one.visit == Identifier(value="V77", authority="SIM", type="VN")
    assert one.began == datetime(2026, 3, 2, 7, 55, tzinfo=UTC)


@pytest.mark.parametrize("event", ["A02", "A03", "A04", "A08", "A11", "A12", "A13"])
def test_every_event_followed_is_read(event):
    assert read(adt(event, EVN, PID, PV1))[0].event == event


def test_a_merge_says_who_is_left_and_who_was_merged_for_each_of_several():
    other = ["PID|||9^^^SIM^MR", "MRG|8^^^SIM^MR"]
    found = read(adt("A40", EVN, PID, "MRG|0041^^^SIM^MR", *other))
    assert [(one.whose[0].value, [old.value for old in one.merged]) for one in found] == [
        ("0042", ["0041"]),
        ("9", ["8"]),
    ]


def test_without_evn_the_message_says_when_and_a_zone_left_out_is_the_hospitals():
    (one,) = read(adt("A01", PID, PV1, header="20260302091500||ADT^{event}|1|P|2.3"))
    assert one.at == datetime(2026, 3, 2, 8, 15, tzinfo=UTC)


def test_messages_of_one_minute_are_ordered_by_when_and_as_what_they_were_sent():
    first, then = (
        read(adt("A02", EVN, PID, PV1, header=f"20260302091500||ADT^A02|{number}|P|2.3"))[0] for number in ("9", "10")
    )
    assert first.order < then.order


@pytest.mark.parametrize("event", ["A05", "A31", "A60", "Z99"])
def test_other_events_move_nobody(event):
    assert read(adt(event, EVN, PID, PV1)) == ()


def test_line_feeds_and_an_event_in_evn_alone_are_read():
    assert read(adt("", "EVN|A03|20260302091000", PID, PV1, sep="\n"))[0].event is Event.DISCHARGE


@pytest.mark.parametrize(
    "payload",
    [
        adt("A01", EVN, PV1),
        adt("A01", EVN, "PID|1||||Doe^Jane", PV1),
        adt("A40", EVN, PID),
        adt("A01", "EVN|A01", PID, PV1, header="||ADT^{event}|1|P|2.5"),
    ],
)
def test_what_says_not_who_or_when_is_rejected(payload):
    with pytest.raises(Rejected) as caught:
        read(payload)
    assert caught.value.reason is Reason.MISSING_FIELD
    assert "Doe" not in str(caught.value)
