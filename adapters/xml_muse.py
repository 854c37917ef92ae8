"""GE MUSE's ``RestingECG`` (restecg.dtd): eight leads stored of twelve, as Base64 of little-endian integers."""

import re
import zlib
from datetime import date
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from adapters import codes
from adapters.dicom_samples import calibrated, padded
from adapters.moment import calendar, moment, ymd
from adapters.recording import MOST_LEADS, Recording, Samples
from adapters.reports import reported, statements
from adapters.strips import digest
from adapters.xml_tree import number, octets, resolution, text
from config.schema import Reading
from domain.arrival import Format
from domain.ecg import Device, Identifier, Measurements, Order, Patient, ReadWarning, Sex
from domain.errors import Rejected
from domain.reason import Reason

_SEXES = {"MALE": Sex.MALE, "M": Sex.MALE, "FEMALE": Sex.FEMALE, "F": Sex.FEMALE}
_UNITS = {"MICROVOLTS": "uV", "MICROVOLT": "uV", "MILLIVOLTS": "mV", "MILLIVOLT": "mV"}
_DAY = re.compile(r"(\d{1,2})[-/](\d{1,2})[-/](\d{4})")  # month first (restecg.dtd)
_NAMED = re.compile(r"(\d{1,2})-([A-Za-z]{3})-(\d{4})")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MEASURED = (
    ("VentricularRate", "heart_rate_bpm", "bpm"), ("PRInterval", "pr_ms", "ms"), ("QRSDuration", "qrs_ms", "ms"),
    ("QTInterval", "qt_ms", "ms"), ("QTCorrected", "qtc_ms", "ms"), ("QTcFrederica", "qtcf_ms", "ms"),
    ("PAxis", "p_axis_deg", "deg"), ("RAxis", "qrs_axis_deg", "deg"), ("TAxis", "t_axis_deg", "deg"),
)  # fmt: skip
_SUM = re.compile("[0-9]{1,10}")
_SAME_MS = 4.0

Raw = NDArray[np.signedinteger]


def read(root: Element, settings: Reading) -> tuple[Recording, ...]:
    """Read the one ECG of the document: its rhythm, or its averaged beat without one. Raises ``Rejected``."""
    block, median_only = _block(root)
    test = root.find("TestDemographics")
    at, doubts = moment(_day(text(test, "AcquisitionDate")), text(test, "AcquisitionTime"), settings.timezone)
    leads = _leads(block)
    found = Recording(
        format=Format.XML,
        leads=leads,
        rate_hz=_rate_hz(block),
        instance=digest(leads),
        acquired_at=at,
        patient=_patient(root.find("PatientDemographics")),
        order=Order(placer=text(root, "Order", "RequisitionNumber"), location=text(test, "LocationName")),
        device=Device(
            model=text(test, "AcquisitionDevice"),
            serial=text(root, "PharmaData", "PharmaCartID"),
            software=text(test, "AcquisitionSoftwareVersion"),
        ),
        reported=_measurements(root),
        statements=_statements(root),
        median_only=median_only,
        warnings=doubts,
    )
    holes = any(np.isnan(samples).any() and not np.isnan(samples).all() for samples in leads.values())
    return (found.warn(ReadWarning.PADDING_FOUND) if holes else found,)


def _block(root: Element) -> tuple[Element, bool]:
    """The rhythm with the most samples; MUSE stores the averaged beat first."""
    blocks = [block for block in root.findall("Waveform") if block.find("LeadData") is not None]
    rhythm = [block for block in blocks if text(block, "WaveformType").upper() != "MEDIAN"]
    if not blocks:
        raise Rejected(Reason.NO_WAVEFORM, "no waveform")
    return max(rhythm or blocks, key=lambda block: len(block) * (_count(block) or 0.0)), not rhythm


def _count(block: Element) -> float | None:
    return number(text(block, "LeadData", "LeadSampleCountTotal"))


def _rate_hz(block: Element) -> float:
    base, exponent = number(text(block, "SampleBase")), number(text(block, "SampleExponent")) or 0.0
    if base is None or not -9 <= exponent <= 9:
        raise Rejected(Reason.UNKNOWN_RATE, "no sample base")
    return float(base * 10**exponent)


def _leads(block: Element) -> dict[str, Samples]:
    channels = block.findall("LeadData")
    if len(channels) > MOST_LEADS:
        raise Rejected(Reason.TOO_LARGE, f"more than {MOST_LEADS} leads")
    if len({text(channel, "LeadTimeOffset") or "0" for channel in channels}) > 1:
        raise Rejected(Reason.BAD_VALUE, "leads that start at different times")
    data = [octets(text(channel, "WaveFormData") or text(channel, "WaveformData")) for channel in channels]
    _check_sums(channels, data)
    leads: dict[str, Samples] = {}
    for channel, encoded in zip(channels, data, strict=True):
        lead = codes.named(text(channel, "LeadID"))
        if not lead or lead in leads:
            raise Rejected(Reason.UNKNOWN_LEAD, "a channel without a name, or two with one")
        leads[lead] = _samples(channel, encoded, _rate_hz(block))
    if len({len(samples) for samples in leads.values()}) > 1:
        raise Rejected(Reason.UNDECODABLE, "leads of different lengths")
    return leads


def _samples(channel: Element, encoded: bytes, rate_hz: float) -> Samples:
    """One lead in mV, NaN where padded or where the electrode was off."""
    raw = _integers(channel, encoded)
    unit_mv = codes.millivolts(_UNITS.get(text(channel, "LeadAmplitudeUnits").upper(), ""))
    mv_per_bit = resolution(number(text(channel, "LeadAmplitudeUnitsPerBit")), unit_mv)
    mask = padded(raw[:, None], None, rate_hz, np.array([mv_per_bit]))[:, 0]
    mask |= text(channel, "LeadOff").upper() == "TRUE"
    return calibrated(raw, mask, mv_per_bit, 0.0)


def _integers(channel: Element, encoded: bytes) -> Raw:
    size = number(text(channel, "LeadSampleSize") or "2")
    count = number(text(channel, "LeadSampleCountTotal"))
    if size not in (1, 2, 4) or len(encoded) % size or count not in (None, len(encoded) // size):
        raise Rejected(Reason.UNDECODABLE, "a lead shorter or longer than declared")
    return np.frombuffer(encoded, f"<i{int(size)}").astype(f"i{int(size)}")


def _check_sums(channels: list[Element], data: list[bytes]) -> None:
    """CRC-32 of each lead's bytes. Where none agrees the sender counts another way; one that does not is damage."""
    sums = [text(channel, "LeadDataCRC32") for channel in channels]
    agree = [zlib.crc32(encoded) == int(said) for said, encoded in zip(sums, data, strict=True) if _SUM.fullmatch(said)]
    if any(agree) and not all(agree):
        raise Rejected(Reason.UNDECODABLE, "a lead's checksum disagrees with its samples")


def _patient(node: Element | None) -> Patient:
    identifier = text(node, "PatientID")
    return Patient(
        identifiers=(Identifier(value=identifier),) if identifier else (),
        family=text(node, "PatientLastName"),
        given=text(node, "PatientFirstName"),
        birth_date=_day(text(node, "DateofBirth")),
        sex=_SEXES.get(text(node, "Gender").upper(), Sex.UNKNOWN),
    )


def _day(value: str) -> date | None:
    if match := _DAY.fullmatch(value):
        return calendar(match[3], match[1], match[2])
    if (match := _NAMED.fullmatch(value)) and match[2].upper() in _MONTHS:
        return calendar(match[3], _MONTHS.index(match[2].upper()) + 1, match[1])
    return ymd(value)


def _measurements(root: Element) -> Measurements:
    """As edited, else as the cart measured; the P wave's duration from its boundaries."""
    node = root.find("RestingECGMeasurements")
    node = root.find("OriginalRestingECGMeasurements") if node is None else node
    values = [(name, number(text(node, tag)), unit) for tag, name, unit in _MEASURED]
    return reported([*values, ("p_ms", _p_ms(node), "ms")])[0]


def _p_ms(node: Element | None) -> float | None:
    """Boundaries are in samples of the averaged beat, unless the QRS ones disagree with the QRS duration."""
    base = number(text(node, "ECGSampleBase"))
    marks = [number(text(node, tag)) for tag in ("POnset", "POffset", "QOnset", "QOffset", "QRSDuration")]
    if not base or None in marks:
        return None
    p_on, p_off, q_on, q_off, qrs_ms = (mark or 0.0 for mark in marks)
    if not p_on or abs((q_off - q_on) * 1000 / base - qrs_ms) > _SAME_MS:
        return None
    return (p_off - p_on) * 1000 / base


def _statements(root: Element) -> tuple[str, ...]:
    """The diagnosis as edited, else the cart's; pieces up to one flagged ENDSLINE are a line."""
    diagnosis = root.find("Diagnosis")
    diagnosis = root.find("OriginalDiagnosis") if diagnosis is None else diagnosis
    pieces = diagnosis.findall("DiagnosisStatement") if diagnosis is not None else []
    lines = [""]
    for piece in pieces:
        lines[-1] = f"{lines[-1]} {text(piece, 'StmtText')}".strip()
        if any(text(flag).upper() == "ENDSLINE" for flag in piece.findall("StmtFlag")):
            lines.append("")
    return statements(lines)
