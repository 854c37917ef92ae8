"""Distinct synthetic ECGs, one patient each, in every format the doors take."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from simulator.files import (
    Envelope,
    GroupOptions,
    write_dicom,
    write_encapsulated_pdf,
    write_oru_na,
    write_oru_pdf,
    write_pdf,
)
from simulator.heart import ecg, measurements, varied
from simulator.patient import SyntheticPatient

AUTHORITY_SYSTEM = "urn:oid:2.999.1"  # of the simulator's assigning authority, in every test's configuration
_EPOCH = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Sent:
    """One ECG as it is sent; ``number`` makes patient, signal and control ID."""

    number: int
    payload: bytes
    suffix: str
    patient: SyntheticPatient


def dicom(number: int, *, seconds: float = 10.0, options: GroupOptions = GroupOptions()) -> Sent:  # noqa: B008
    """A 12-lead ECG Waveform Storage object."""
    signal, patient, when, reported = _drawn(number, seconds)
    payload = write_dicom(signal, 500, patient, acquired_at=when, reported=reported, options=options)
    return Sent(number, payload, ".dcm", patient)


def encapsulated(number: int) -> Sent:
    """A page as an Encapsulated PDF Storage object."""
    page = pdf(number)
    return Sent(
        number, write_encapsulated_pdf(page.payload, page.patient, acquired_at=_when(number)), ".dcm", page.patient
    )


def oru_na(number: int, *, seconds: float = 10.0, **envelope: str) -> Sent:
    """An ORU^R01 with waveforms."""
    signal, patient, when, reported = _drawn(number, seconds)
    head = Envelope(control_id=f"C{number}", **envelope)
    payload = write_oru_na(signal, 500, patient, acquired_at=when, envelope=head, reported=reported)
    return Sent(number, payload, ".hl7", patient)


def oru_pdf(number: int, **envelope: str) -> Sent:
    """An ORU^R01 with a page."""
    page = pdf(number)
    head = Envelope(control_id=f"C{number}", **envelope)
    payload = write_oru_pdf(page.payload, page.patient, acquired_at=_when(number), envelope=head)
    return Sent(number, payload, ".hl7", page.patient)


def pdf(number: int) -> Sent:
    """A page with vector traces."""
    signal, patient, when, _ = _drawn(number, 10.0)
    return Sent(number, write_pdf(signal, 500, patient=patient, acquired_at=when), ".pdf", patient)


def _drawn(number, seconds):
    heart = varied(number, seconds=seconds)
    return ecg(heart, number), SyntheticPatient.seeded(number), _when(number), measurements(heart)


def _when(number: int) -> datetime:
    return _EPOCH + timedelta(seconds=number)
