"""What a sender corrects or takes back: OBX-11 C, D and W, OBR-25 C, of the ECG and of a line of its report."""

from datetime import UTC, datetime

import pytest

from adapters import formats
from adapters.hl7_report import said, withdrawn
from config.schema import Reading
from domain.arrival import Arrival, Format
from domain.ecg import Measurements, ReadWarning
from simulator.files import Envelope, write_oru_na
from simulator.heart import ecg, varied
from simulator.patient import SyntheticPatient

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
WHO = SyntheticPatient.seeded(7)
READING = Reading()


def oru(change=lambda line: line):
    """An ORU with measurements and a waveform, its segments as ``change`` makes them; empty: left out."""
    signal = ecg(varied(3), 3)
    message = write_oru_na(
        signal,
        500,
        WHO,
        acquired_at=AT,
        envelope=Envelope(control_id="77"),
        reported=Measurements(heart_rate_bpm=70, qt_ms=400),
    )
    lines = [changed for line in message.decode().split("\r") if (changed := change(line)) or not line]
    return Arrival(
        key="hl7:X^Y:77",
        format=Format.HL7,
        payload="\r".join(lines).encode(),
        source="hl7:SIMMUSE^ED",
        received_at=AT,
    )


def status(letter, of="OBX|"):
    """Set OBX-11 of the rows that contain ``of``."""
    return lambda line: line[:-1] + letter if line.startswith("OBX") and of in line else line


def corrected(arrival):
    (one,) = formats.read(arrival, READING)
    return ReadWarning.CORRECTED in one.origin.warnings


def test_an_ecg_is_corrected_when_its_waveform_is():
    assert corrected(oru(status("C")))
    assert corrected(oru(status("C", "|NA|")))


def test_an_ecg_is_corrected_when_its_order_says_so():
    assert corrected(oru(lambda line: line[:-1] + "C" if line.startswith("OBR") else line))


def test_an_ecg_is_not_corrected_when_a_line_of_its_report_is():
    assert not corrected(oru(status("C", "8634-8")))
    assert not corrected(oru())


@pytest.mark.parametrize("letter", ["D", "W", "w"])
def test_a_withdrawn_waveform_withdraws_the_ecg_of_its_order_time_and_patient(letter):
    arrival = oru(status(letter))
    assert formats.read(arrival, READING) == ()
    (one,) = withdrawn(arrival, READING)
    assert one.withdrawn
    assert (one.order.filler, one.acquired_at, one.patient.identifiers[0].value) == ("F77", AT, WHO.id)


def test_a_withdrawal_that_repeats_only_the_measurements_withdraws_too():
    arrival = oru(lambda line: "" if "MDC" in line else status("D")(line))
    assert len(withdrawn(arrival, READING)) == 1


def test_a_waveform_withdrawn_beside_measurements_that_stand_withdraws_the_ecg():
    arrival = oru(status("D", "|NA|"))
    assert len(withdrawn(arrival, READING)) == 1


def test_a_withdrawn_line_of_a_report_withdraws_no_ecg():
    arrival = oru(status("D", "8634-8"))
    assert withdrawn(arrival, READING) == ()
    assert len(formats.read(arrival, READING)) == 1


def test_a_withdrawn_line_of_measurements_alone_leaves_the_others():
    arrival = oru(lambda line: "" if "MDC" in line else status("D", "8867-4")(line))
    assert withdrawn(arrival, READING) == ()
    assert said(arrival, READING)[0].reported.qt_ms == 400


def test_an_honest_message_withdraws_nothing():
    assert withdrawn(oru(), READING) == ()
