"""HL7 annotated ECG (ANSI/HL7 V3 ECG R1, PORT_MT020001): a recording for each rhythm series."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from xml.etree.ElementTree import Element

from adapters import codes
from adapters.hl7_header import day
from adapters.hl7_header import moment as stamp
from adapters.recording import MOST_LEADS, Recording
from adapters.strips import Strip, joined
from adapters.xml_aecg_report import reported, statements
from adapters.xml_tree import LARGEST, attribute, listed, number, resolution, text
from config.schema import Reading
from domain.arrival import Format
from domain.ecg import Device, Identifier, Patient, ReadWarning, Sex
from domain.errors import Rejected
from domain.reason import Reason

_SEXES = {"M": Sex.MALE, "F": Sex.FEMALE, "UN": Sex.OTHER}
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
_UNSAID = {"", "?", "UNK", "NA", "N/A"}
_BEAT_S = 2.0  # a series without a code is an averaged beat when it is shorter
_SHORTEST_S = 1e-5  # between samples
_MOST_SERIES = 64
_MOST_SETS = 256
_WHEN = ("effectiveTime", "activityTime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A sequence set's own time: ``start_s`` on the axis of its ``kind`` (absolute or relative)."""

    kind: str
    rate_hz: float
    start_s: float | None


def read(root: Element, settings: Reading) -> tuple[Recording, ...]:
    """Read every rhythm series, or the averaged beat where there is none. Raises ``Rejected``."""
    rhythm = root.findall("component/series")
    beats = [*root.iterfind(".//derivedSeries"), *(one for one in rhythm if _is_beat(one))]
    rhythm = [one for one in rhythm if not _is_beat(one)]
    if not rhythm and not beats:
        raise Rejected(Reason.NO_WAVEFORM, "no series")
    if len(rhythm) > _MOST_SERIES:
        raise Rejected(Reason.TOO_LARGE, f"more than {_MOST_SERIES} series")
    return tuple(_recording(root, series, settings) for series in rhythm or beats[:1])


def _is_beat(series: Element) -> bool:
    return attribute(series, "code", "code").upper() == "REPRESENTATIVE_BEAT"


def _recording(root: Element, series: Element, settings: Reading) -> Recording:
    strips = list(_strips(series, settings.timezone))
    if not strips:
        raise Rejected(Reason.NO_WAVEFORM, "no lead's sequence in the series")
    leads, rate_hz = joined(strips)
    length_s = len(next(iter(leads.values()))) / rate_hz
    at, doubts = _acquired_at(root, series, settings.timezone)
    values, odd = reported(series)
    found = Recording(
        format=Format.XML,
        leads=leads,
        rate_hz=rate_hz,
        instance=attribute(series, "root", "id") or attribute(root, "root", "id"),
        acquired_at=at,
        patient=_patient(root),
        device=_device(series),
        reported=values,
        statements=statements(series),
        median_only=_is_beat(series) or series.tag == "derivedSeries" or length_s < _BEAT_S,
        warnings=doubts,
    )
    return found.warn(ReadWarning.MEASUREMENT_UNIT_ODD) if odd else found


def _strips(series: Element, zone: str) -> Iterator[Strip]:
    """The leads of all sequence sets: one, or one for each column recorded after another."""
    sets = series.findall("component/sequenceSet")
    if len(sets) > _MOST_SETS:
        raise Rejected(Reason.TOO_LARGE, f"more than {_MOST_SETS} sequence sets")
    pieces = [one.findall("component/sequence") for one in sets]
    axes = [_axis(sequences, zone) for sequences in pieces]
    if len({axis.kind for axis in axes}) > 1 or (len(axes) > 1 and any(axis.start_s is None for axis in axes)):
        raise Rejected(Reason.BAD_VALUE, "sequence sets that have no common time")
    for sequences, axis in zip(pieces, axes, strict=True):
        seen: set[str] = set()
        if len(sequences) > MOST_LEADS:
            raise Rejected(Reason.TOO_LARGE, f"more than {MOST_LEADS} leads")
        for sequence in sequences:
            strip = _strip(sequence, axis)
            if strip is not None and strip.lead in seen:
                raise Rejected(Reason.UNKNOWN_LEAD, "two sequences of one set have the same lead's code")
            if strip is not None:
                seen.add(strip.lead)
                yield strip


def _axis(sequences: list[Element], zone: str) -> Axis:
    """The time sequence of a set: head and increment of a GLIST."""
    for sequence in sequences:
        kind = attribute(sequence, "code", "code").upper()
        if kind in {"TIME_ABSOLUTE", "TIME_RELATIVE"}:
            step = number(attribute(sequence, "value", "value", "increment"))
            unit = _SECONDS.get(attribute(sequence, "unit", "value", "increment"))
            if step is None or unit is None or not _SHORTEST_S <= step * unit <= 1:
                break
            rate_hz = round(1 / (step * unit), 6)
            return Axis(kind=kind, rate_hz=rate_hz, start_s=_head_s(sequence, kind, zone))
    raise Rejected(Reason.UNKNOWN_RATE, "a sequence set without a time increment in s, ms or us")


def _head_s(sequence: Element, kind: str, zone: str) -> float | None:
    head = attribute(sequence, "value", "value", "head")
    if kind == "TIME_ABSOLUTE":
        at, _ = stamp(head, zone)
        return at.timestamp() if at else None
    value, unit = number(head), _SECONDS.get(attribute(sequence, "unit", "value", "head") or "s")
    return None if value is None or unit is None else value * unit


def _strip(sequence: Element, axis: Axis) -> Strip | None:
    """One lead: origin + scale x digits (SLIST_PQ); ``None`` for a sequence that is no known lead."""
    code = attribute(sequence, "code", "code")
    lead = None if code.upper().startswith("TIME_") else codes.lead(code.upper(), "MDC")
    if lead is None:
        return None
    value = sequence.find("value")
    unit_mv = codes.millivolts(attribute(value, "unit", "scale"))
    mv_per_unit = resolution(number(attribute(value, "value", "scale")), unit_mv)
    samples = listed(text(value, "digits")) * mv_per_unit + _origin_mv(value)
    if not len(samples):
        raise Rejected(Reason.NO_WAVEFORM, "a lead without digits")
    if lead == "-aVR":  # Cabrera's sequence stores it upside down
        lead, samples = "aVR", -samples
    return Strip(lead=lead, samples=samples, rate_hz=axis.rate_hz, start_s=axis.start_s or 0.0)


def _origin_mv(value: Element | None) -> float:
    origin = number(attribute(value, "value", "origin") or "0")
    unit_mv = codes.millivolts(attribute(value, "unit", "origin") or attribute(value, "unit", "scale"))
    if origin is None or unit_mv is None:
        raise Rejected(Reason.UNKNOWN_UNIT, "a lead's origin is not in uV, mV or V")
    if abs(origin) > LARGEST:
        raise Rejected(Reason.BAD_VALUE, "a lead's origin that no ECG has")
    return origin * unit_mv


def _acquired_at(root: Element, series: Element, zone: str) -> tuple[datetime | None, tuple[ReadWarning, ...]]:
    """When the first sample was taken, else when the series or the document says the ECG was."""
    heads = [
        attribute(sequence, "value", "value", "head")
        for sequence in series.iterfind("component/sequenceSet/component/sequence")
        if attribute(sequence, "code", "code").upper() == "TIME_ABSOLUTE"
    ]
    said = [
        attribute(node, "value", name, bound)
        for node in (series, root)
        for name in _WHEN
        for bound in ("low", "center")
    ]
    for value in [*sorted(filter(None, heads))[:1], *said]:
        at, assumed = stamp(value, zone)
        if at is not None:
            return at, (ReadWarning.TIME_ZONE_ASSUMED,) if assumed else ()
    return None, ()


def _patient(root: Element) -> Patient:
    subject = root.find("componentOf/timepointEvent/componentOf/subjectAssignment/subject/trialSubject")
    person = subject.find("subjectDemographicPerson") if subject is not None else None
    found = Identifier(value=attribute(subject, "extension", "id"), authority=attribute(subject, "root", "id"))
    family, given = text(person, "name", "family"), text(person, "name", "given")
    return Patient(
        identifiers=() if found.value.upper() in _UNSAID else (found,),
        family=family or ("" if given else text(person, "name")),
        given=given,
        birth_date=day(attribute(person, "value", "birthTime")),
        sex=_SEXES.get(attribute(person, "code", "administrativeGenderCode").upper(), Sex.UNKNOWN),
    )


def _device(series: Element) -> Device:
    author = series.find("author/seriesAuthor")
    return Device(
        manufacturer=text(author, "manufacturerOrganization", "name"),
        model=text(author, "manufacturedSeriesDevice", "manufacturerModelName"),
        serial=attribute(author, "extension", "manufacturedSeriesDevice", "id"),
        software=text(author, "manufacturedSeriesDevice", "softwareName"),
    )
