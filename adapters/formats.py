"""Every format's reader, and what every recording goes through on its way to an ``Ecg``."""

from collections.abc import Callable
from pathlib import Path

from adapters import dicom, hl7, image, paper, pdf, scp, xml
from adapters.beats import find
from adapters.measure import measure
from adapters.quality import judge
from adapters.recording import Recording
from adapters.signal import arrange, derivable, einthoven
from config.schema import Reading
from domain.arrival import Arrival, Format, sniff
from domain.ecg import LEADS, RATE_HZ, Ecg, Measurements, Origin, ReadWarning
from domain.errors import Rejected
from domain.reason import Reason

Reader = Callable[[bytes, str, Reading], tuple[Recording, ...]]

READERS: dict[Format, Reader] = {
    Format.DICOM: dicom.read,
    Format.HL7: hl7.read,
    Format.PDF: pdf.read,
    Format.XML: xml.read,
    Format.SCP: scp.read,
    Format.IMAGE: image.read,
}

_RESIDUAL_MV = 0.10  # honest files at 500 Hz stay under 0.01 mV, low-rate carts reach 0.16
_RATE_BPM = 10.0  # and a tenth


def read(arrival: Arrival, settings: Reading) -> tuple[Ecg, ...]:
    """Read an arrival's ECGs; ``()`` when it is a valid message that holds none. Raises ``Rejected``."""
    recordings = READERS[arrival.format](arrival.payload, arrival.source, settings)
    return tuple(complete(recording) for recording in recordings)


def read_file(path: Path, settings: Reading) -> tuple[Ecg, ...]:
    """Read a file by hand: what a door can take, told by its first bytes, or a WFDB header. Raises ``Rejected``."""
    if path.suffix.lower() == ".hea":
        from adapters import wfdb  # by hand only: it brings pandas, which a worker's reader does without

        return (complete(wfdb.read_record(path, settings.timezone)),)
    try:
        payload = path.read_bytes()
    except OSError:
        raise Rejected(Reason.UNDECODABLE, "the file cannot be read") from None
    found = sniff(payload[:1024])
    if found is None:
        raise Rejected(Reason.UNKNOWN_FORMAT, "neither DICOM, HL7, PDF, PNG, JPEG, XML, SCP nor a WFDB header")
    return tuple(complete(recording) for recording in READERS[found](payload, "file", settings))


def complete(recording: Recording) -> Ecg:
    """Arrange, measure, judge and draw one recording."""
    signal = arrange(recording)
    found = find(signal, RATE_HZ)
    measured = measure(signal, RATE_HZ, found) if not recording.median_only else Measurements()
    verdict = judge(signal, recording, found)
    residual_mv, _ = einthoven(signal)
    holds = {
        ReadWarning.LEADS_DERIVED: bool(derivable(recording)),
        ReadWarning.EXTRA_LEADS_DROPPED: not set(recording.leads) <= set(LEADS),
        ReadWarning.EINTHOVEN_RESIDUAL: residual_mv > _RESIDUAL_MV,
        ReadWarning.RATE_DISAGREES: _rates_disagree(recording.reported, measured),
        ReadWarning.ACQUISITION_TIME_MISSING: recording.acquired_at is None,
        ReadWarning.UNIDENTIFIED: not recording.patient.identifiers,
    }
    doubted = recording.warn(*(warning for warning, held in holds.items() if held), *verdict.warnings)
    return Ecg(
        signal=signal,
        picture=paper.draw(signal, RATE_HZ),
        origin=_origin(doubted),
        acquired_at=recording.acquired_at,
        patient=recording.patient,
        order=recording.order,
        device=recording.device,
        reported=recording.reported,
        measured=measured,
        statements=recording.statements,
        unfit=verdict.unfit,
        page=recording.page,
    )


def _origin(recording: Recording) -> Origin:
    rate_hz = float(recording.native_rate_hz or recording.rate_hz)
    return Origin(
        format=recording.format,
        digitised=recording.digitised,
        native_rate_hz=rate_hz,
        native_samples=round(recording.samples * rate_hz / recording.rate_hz),
        speed_mm_s=recording.speed_mm_s,
        gain_mm_mv=recording.gain_mm_mv,
        instance=recording.instance,
        warnings=recording.warnings,
    )


def _rates_disagree(reported: Measurements, measured: Measurements) -> bool:
    """A cart that counts another rate than we do read another ECG, or a wrong time axis was assumed."""
    ours, theirs = measured.heart_rate_bpm, reported.heart_rate_bpm
    return ours is not None and theirs is not None and abs(ours - theirs) > max(_RATE_BPM, 0.1 * theirs)
