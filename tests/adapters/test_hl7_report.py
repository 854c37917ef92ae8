"""Messages that say something of an ECG they do not carry."""

from datetime import UTC, datetime

import pytest

from adapters import hl7, hl7_report
from config.schema import Reading
from domain.arrival import Arrival, Format
from domain.ecg import Identifier, Measurements, Order
from domain.errors import Rejected

HEAD = "MSH|^~\\&|MUSE|ED|ECGD|H|20260105080100||ORU^R01|M1|P|2.5.1|||||||UNICODE UTF-8\r"
PID = "PID|1||42^^^SIM^MR||Doe^Jane||19500203|F\r"
OBR = "OBR|1|P1|F1|93000^ECG|||20260105080007+0000\r"
QRS = "OBX|{n}|NM|8633-0^QRS duration^LN||96|ms|||||F\r"
QT = "OBX|{n}|NM|8634-8^QT interval^LN||402|ms|||||F\r"
RATE = "OBX|{n}|NM|8867-4^Heart rate^LN||72|/min|||||F\r"
WORDS = "OBX|{n}|FT|18844-1^Impression^LN||Sinus rhythm||||||F\r"


def said(*lines, fmt=Format.HL7):
    text = HEAD + "".join(line.format(n=number) for number, line in enumerate(lines))
    arrival = Arrival(key="k", format=fmt, payload=text.encode(), source="hl7:MUSE^ED", received_at=datetime.now(UTC))
    return hl7_report.said(arrival, Reading())


def test_measurements_without_a_waveform_are_a_report_with_patient_order_and_time():
    (report,) = said(PID, OBR, RATE, QRS, QT, WORDS)
    assert report.reported == Measurements(heart_rate_bpm=72, qrs_ms=96, qt_ms=402)
    assert report.patient.identifiers == (Identifier(value="42", authority="SIM", type="MR"),)
    assert report.order == Order(placer="P1", filler="F1")
    assert report.acquired_at == datetime(2026, 1, 5, 8, 0, 7, tzinfo=UTC)
    assert (report.statements, report.instance) == (("Sinus rhythm",), "M1")


def test_each_order_is_a_report_of_its_own():
    assert [one.reported.qrs_ms for one in said(PID, OBR, QRS, OBR, QT)] == [96, None]


@pytest.mark.parametrize("lines", [(RATE,), (WORDS,), (RATE, WORDS), ()])
def test_a_heart_rate_or_words_alone_say_nothing_of_an_ecg(lines):
    assert said(PID, OBR, *lines) == ()


def test_only_messages_say_something():
    assert said(PID, OBR, QRS, fmt=Format.PDF) == ()


def test_what_is_no_message_is_refused():
    arrival = Arrival(key="k", format=Format.HL7, payload=b"nothing", source="s", received_at=datetime.now(UTC))
    with pytest.raises(Rejected):
        hl7_report.said(arrival, Reading())


def test_such_a_message_holds_no_ecg():
    assert hl7.read((HEAD + PID + OBR + QRS.format(n=1)).encode(), "hl7:MUSE^ED", Reading()) == ()
