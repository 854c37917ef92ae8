"""ECGs as HL7 annotated ECG: ANSI/HL7 V3 ECG R1-2004 (PORT_MT020001), after HL7's implementation guide."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

import numpy as np
from numpy.typing import NDArray

from domain.ecg import LEADS, Measurements, Sex
from simulator.patient import SyntheticPatient

_V3, _XSI = "urn:hl7-org:v3", "http://www.w3.org/2001/XMLSchema-instance"
_MDC, _ACT = "2.16.840.1.113883.6.24", "2.16.840.1.113883.5.4"
_SEX = {Sex.MALE: "M", Sex.FEMALE: "F", Sex.OTHER: "UN", Sex.UNKNOWN: ""}
_NOT_REPORTED = Measurements()
_MEASURED = (
    ("MDC_ECG_HEART_RATE", "heart_rate_bpm", "bpm"), ("MDC_ECG_TIME_PD_P", "p_ms", "ms"),
    ("MDC_ECG_TIME_PD_PR", "pr_ms", "ms"), ("MDC_ECG_TIME_PD_QRS", "qrs_ms", "ms"),
    ("MDC_ECG_TIME_PD_QT", "qt_ms", "ms"), ("MDC_ECG_TIME_PD_QTc", "qtc_ms", "ms"),
    ("MDC_ECG_ANGLE_P_FRONT", "p_axis_deg", "deg"), ("MDC_ECG_ANGLE_QRS_FRONT", "qrs_axis_deg", "deg"),
    ("MDC_ECG_ANGLE_T_FRONT", "t_axis_deg", "deg"),
)  # fmt: skip


def write_aecg(
    signal: NDArray[np.floating[Any]],
    rate_hz: float,
    patient: SyntheticPatient,
    *,
    acquired_at: datetime,
    uv_per_unit: float = 2.5,
    leads: Sequence[str] = LEADS,
    reported: Measurements = _NOT_REPORTED,
    statements: Iterable[str] = (),
) -> bytes:
    """Write ``signal`` ``[12, n]`` in mV, rounded to units, as one rhythm series; ``acquired_at`` is aware."""
    counts = np.rint(np.asarray(signal, np.float64) * 1000 / uv_per_unit).astype(np.int64)
    register_namespace("", _V3)
    register_namespace("xsi", _XSI)
    root = Element(f"{{{_V3}}}AnnotatedECG")
    _add(root, "id", root=_uuid(patient, acquired_at, "document"))
    _add(root, "code", code="93000", codeSystem="2.16.840.1.113883.6.12")
    _add(_add(root, "effectiveTime"), "center", value=_stamp(acquired_at))
    _subject(root, patient)
    series = _add(root, "component", "series")
    _add(series, "id", root=_uuid(patient, acquired_at, "series"))
    _add(series, "code", code="RHYTHM", codeSystem=_ACT)
    _add(_add(series, "effectiveTime"), "low", value=_stamp(acquired_at))
    _device(series)
    sequences = _add(series, "component", "sequenceSet")
    _time(sequences, acquired_at, rate_hz)
    for lead in leads:
        _lead(sequences, lead, counts[LEADS.index(lead)], uv_per_unit)
    _annotations(series, acquired_at, reported, statements)
    made: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return made


def _add(parent: Element, *path: str, **attributes: str) -> Element:
    """A chain of new elements; the attributes are the last one's."""
    for name in path:
        parent = SubElement(parent, f"{{{_V3}}}{name}")
    for name, value in attributes.items():
        parent.set(f"{{{_XSI}}}type" if name == "type" else name, value)
    return parent


def _said(parent: Element, words: str) -> None:
    parent.text = words


def _uuid(patient: SyntheticPatient, at: datetime, part: str) -> str:
    """The same for the same ECG written again."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{patient.id} {at.isoformat()} {part}"))


def _stamp(at: datetime) -> str:
    """HL7's TS with its zone."""
    return f"{at:%Y%m%d%H%M%S}.{at.microsecond // 1000:03d}{at:%z}"


def _subject(root: Element, patient: SyntheticPatient) -> None:
    where = ("componentOf", "timepointEvent", "componentOf", "subjectAssignment", "subject", "trialSubject")
    subject = _add(root, *where)
    _add(subject, "id", root=patient.authority, extension=patient.id)
    person = _add(subject, "subjectDemographicPerson")
    name = _add(person, "name")
    _said(_add(name, "given"), patient.given)
    _said(_add(name, "family"), patient.family)
    _add(person, "administrativeGenderCode", code=_SEX[patient.sex], codeSystem="2.16.840.1.113883.5.1")
    _add(person, "birthTime", value=f"{patient.birth_date:%Y%m%d}")


def _device(series: Element) -> None:
    author = _add(series, "author", "seriesAuthor")
    device = _add(author, "manufacturedSeriesDevice")
    _add(device, "id", extension="0")
    _said(_add(device, "manufacturerModelName"), "heart")
    _said(_add(device, "softwareName"), "1")
    _said(_add(author, "manufacturerOrganization", "name"), "ecgd simulator")


def _time(sequences: Element, at: datetime, rate_hz: float) -> None:
    sequence = _add(sequences, "component", "sequence")
    _add(sequence, "code", code="TIME_ABSOLUTE", codeSystem=_ACT)
    value = _add(sequence, "value", type="GLIST_TS")
    _add(value, "head", value=_stamp(at))
    _add(value, "increment", value=f"{1 / rate_hz:.12g}", unit="s")


def _lead(sequences: Element, lead: str, counts: NDArray[np.int64], uv_per_unit: float) -> None:
    sequence = _add(sequences, "component", "sequence")
    _add(sequence, "code", code=f"MDC_ECG_LEAD_{lead.upper()}", codeSystem=_MDC)
    value = _add(sequence, "value", type="SLIST_PQ")
    _add(value, "origin", value="0", unit="uV")
    _add(value, "scale", value=f"{uv_per_unit:g}", unit="uV")
    _said(_add(value, "digits"), " ".join(map(str, counts.tolist())))


def _annotations(series: Element, at: datetime, reported: Measurements, statements: Iterable[str]) -> None:
    notes = _add(series, "subjectOf", "annotationSet")
    _add(notes, "activityTime", value=_stamp(at))
    for code, name, unit in _MEASURED:
        if (value := getattr(reported, name)) is not None:
            note = _add(notes, "component", "annotation")
            _add(note, "code", code=code, codeSystem=_MDC)
            _add(note, "value", type="PQ", value=f"{value:g}", unit=unit)
    for words in statements:
        note = _add(notes, "component", "annotation")
        _add(note, "code", code="MDC_ECG_INTERPRETATION_STATEMENT", codeSystem=_MDC)
        _said(_add(note, "value", type="ST"), words)
