"""SCP-ECG as recordings: EN 1064:2005, ISO 11073-91064; plain, Huffman coded, or less a reference beat."""

from adapters.recording import Recording
from adapters.scp_header import acquired_at, device, header, order, patient
from adapters.scp_report import reported, statements
from adapters.scp_rhythm import strips
from adapters.scp_sections import sections
from adapters.strips import digest, joined
from config.schema import Reading
from domain.arrival import Format
from domain.ecg import ReadWarning
from domain.errors import Rejected
from domain.reason import Reason


def read(payload: bytes, source: str, settings: Reading) -> tuple[Recording, ...]:
    """Read one SCP-ECG record. Raises ``Rejected`` and nothing else, whatever the bytes."""
    record = sections(payload)
    found, median_only = strips(record)
    if not found:
        raise Rejected(Reason.UNKNOWN_LEAD, "no lead has a known code")
    leads, rate_hz = joined(found)
    known = header(record[1])
    at, doubts = acquired_at(known, settings.timezone)
    recording = Recording(
        format=Format.SCP,
        leads=leads,
        rate_hz=rate_hz,
        instance=digest(leads),
        acquired_at=at,
        patient=patient(known),
        order=order(known),
        device=device(known),
        reported=reported(record),
        statements=statements(record, known.encoding),
        median_only=median_only,
        warnings=doubts,
    )
    return (recording.warn(ReadWarning.CHARSET_ASSUMED) if known.garbled else recording,)
