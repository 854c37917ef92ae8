"""GE CardioSoft's and MAC carts' ``CardiologyXML``: StripData is the rhythm, MedianSamples the averaged beat."""

from datetime import date
from xml.etree.ElementTree import Element

from adapters import codes
from adapters.moment import calendar, moment
from adapters.recording import MOST_LEADS, Recording, Samples
from adapters.reports import reported, statements
from adapters.strips import digest
from adapters.xml_tree import attribute, listed, number, resolution, text
from config.schema import Reading
from domain.arrival import Format
from domain.ecg import Device, Identifier, Order, Patient, ReadWarning, Sex
from domain.errors import Rejected
from domain.reason import Reason

_SEXES = {"MALE": Sex.MALE, "M": Sex.MALE, "FEMALE": Sex.FEMALE, "F": Sex.FEMALE}
_MV_PER = {"uVperLsb": 1e-3, "mVperLsb": 1.0}
_MEASURED = (
    ("VentricularRate", "heart_rate_bpm", "bpm"), ("RRInterval", "rr_ms", "ms"), ("PDuration", "p_ms", "ms"),
    ("PQInterval", "pr_ms", "ms"), ("QRSDuration", "qrs_ms", "ms"), ("QTInterval", "qt_ms", "ms"),
    ("QTCInterval", "qtc_ms", "ms"), ("PAxis", "p_axis_deg", "deg"), ("RAxis", "qrs_axis_deg", "deg"),
    ("TAxis", "t_axis_deg", "deg"),
)  # fmt: skip
_UNITS = {"Degree": "deg", "degree": "deg", "BPM": "bpm"}
_TEXTS = (("Conclusion", "ConclusionText"), ("Diagnosis", "DiagnosisText"))  # what a person wrote first


def read(root: Element, settings: Reading) -> tuple[Recording, ...]:
    """Read the one ECG of the document. Raises ``Rejected``."""
    rhythm, beat = root.find("StripData"), root.find("RestingECGMeasurements/MedianSamples")
    block = rhythm if rhythm is not None else beat
    if block is None:
        raise Rejected(Reason.NO_WAVEFORM, "neither a strip nor an averaged beat")
    taken = root.find("ObservationDateTime")
    clock = ":".join(text(taken, part).zfill(2) for part in ("Hour", "Minute", "Second"))
    at, doubts = moment(_day(taken), clock, settings.timezone)
    values, odd = reported(_measured(root.find("RestingECGMeasurements")))
    leads = _leads(block)
    found = Recording(
        format=Format.XML,
        leads=leads,
        rate_hz=number(text(block, "SampleRate")) or 0.0,
        instance=text(root, "UID", "DICOMStudyUID") or digest(leads),
        acquired_at=at,
        patient=_patient(root.find("PatientInfo")),
        order=_order(root.find("PatientVisit")),
        device=Device(
            model=text(root, "ClinicalInfo", "DeviceInfo", "Desc"),
            software=text(root, "ClinicalInfo", "DeviceInfo", "SoftwareVer"),
        ),
        reported=values,
        statements=_statements(root),
        median_only=rhythm is None,
        warnings=doubts,
    )
    return (found.warn(ReadWarning.MEASUREMENT_UNIT_ODD) if odd else found,)


def _leads(block: Element) -> dict[str, Samples]:
    channels = block.findall("WaveformData")
    if not channels:
        raise Rejected(Reason.NO_WAVEFORM, "no lead's samples")
    if len(channels) > MOST_LEADS:
        raise Rejected(Reason.TOO_LARGE, f"more than {MOST_LEADS} leads")
    unit_mv = _MV_PER.get(attribute(block, "units", "Resolution"))
    mv_per_unit = resolution(number(text(block, "Resolution")), unit_mv)
    leads: dict[str, Samples] = {}
    for channel in channels:
        lead = codes.named(channel.get("lead") or "")
        if not lead or lead in leads:
            raise Rejected(Reason.UNKNOWN_LEAD, "a channel without a name, or two with one")
        leads[lead] = listed("".join(channel.itertext())) * mv_per_unit
    lengths = {float(len(samples)) for samples in leads.values()}
    if len(lengths) > 1 or number(text(block, "ChannelSampleCountTotal")) not in {None, *lengths}:
        raise Rejected(Reason.UNDECODABLE, "leads shorter or longer than declared")
    return leads


def _patient(node: Element | None) -> Patient:
    identifier = text(node, "PID")
    return Patient(
        identifiers=(Identifier(value=identifier),) if identifier else (),
        family=text(node, "Name", "FamilyName"),
        given=text(node, "Name", "GivenName"),
        birth_date=_day(node.find("BirthDateTime")) if node is not None else None,
        sex=_SEXES.get(text(node, "Gender").upper(), Sex.UNKNOWN),
    )


def _order(visit: Element | None) -> Order:
    place = ("AssignedPatientLocation", "LocationName")
    return Order(placer=text(visit, "OrderNumber"), location=text(visit, *place))


def _measured(node: Element | None) -> list[tuple[str, float | None, str]]:
    units = (_UNITS.get(attribute(node, "units", tag) or usual, attribute(node, "units", tag) or usual)
             for tag, _, usual in _MEASURED)  # fmt: skip
    return [(name, number(text(node, tag)), unit) for (tag, name, _), unit in zip(_MEASURED, units, strict=True)]


def _statements(root: Element) -> tuple[str, ...]:
    return statements(text(line) for group, name in _TEXTS for line in root.findall(f"Interpretation/{group}/{name}"))


def _day(node: Element | None) -> date | None:
    return calendar(text(node, "Year"), text(node, "Month"), text(node, "Day"))
