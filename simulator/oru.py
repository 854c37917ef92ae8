"""ECGs as ECG managers send them: HL7 v2 ORU^R01 messages, segments ended by CR, without the MLLP frame."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.ecg import LEADS, Measurements, Sex
from simulator.patient import SyntheticPatient

Leads = NDArray[np.floating[Any]]

_POTENTIAL = {  # ISO/IEEE 11073-10101 MDC_ECG_ELEC_POTL_*, partition 2
    **dict(zip(("I", "II", "V1", "V2", "V3", "V4", "V5", "V6"), range(131329, 131337), strict=True)),
    **dict(zip(("III", "aVR", "aVL", "aVF"), range(131389, 131393), strict=True)),
}
_SEX = {Sex.MALE: "M", Sex.FEMALE: "F", Sex.OTHER: "O", Sex.UNKNOWN: "U"}
_OBSERVED = (  # LOINC code, name, unit, attribute of Measurements
    ("8867-4", "Heart rate", "/min", "heart_rate_bpm"),
    ("8625-6", "P-R Interval", "ms", "pr_ms"),
    ("8633-0", "QRS duration", "ms", "qrs_ms"),
    ("8634-8", "Q-T interval", "ms", "qt_ms"),
    ("8632-2", "QRS axis", "deg", "qrs_axis_deg"),
)
_ESCAPES = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"})
_NOT_REPORTED = Measurements()


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The sender's side of an HL7 message: MSH-3, MSH-4, MSH-10, MSH-11, MSH-12, MSH-15 and MSH-16."""

    control_id: str
    application: str = "SIMMUSE"
    facility: str = "ED"
    processing_id: str = "P"
    version: str = "2.5.1"
    accept_acknowledgement: str = ""
    application_acknowledgement: str = ""


def write_oru_na(
    signal: Leads,
    rate_hz: float,
    patient: SyntheticPatient,
    *,
    acquired_at: datetime,
    envelope: Envelope,
    reported: Measurements = _NOT_REPORTED,
    statements: Iterable[str] = (),
    uv_per_unit: float = 2.5,
    leads: Sequence[str] = LEADS,
) -> bytes:
    """Write an ORU^R01 with one OBX NA a lead, its rate and resolution in sibling OBX (IHE PCD waveform content)."""
    rows = []
    for row, lead in zip(signal, LEADS, strict=True):
        if lead not in leads:
            continue
        code, place = _POTENTIAL[lead], f"1.1.1.{_POTENTIAL[lead]}"
        samples = "^".join(map(str, np.rint(np.asarray(row, np.float64) * 1000 / uv_per_unit).astype(int).tolist()))
        rows += [
            f"NA|{code}^MDC_ECG_ELEC_POTL_{lead.upper()}^MDC|{place}|{samples}|262656^MDC_DIM_DIMLESS^MDC",
            f"NM|0^MDC_ATTR_SAMP_RATE^MDC|{place}.1|{rate_hz:g}|264608^MDC_DIM_PER_SEC^MDC",
            f"NM|2327^MDC_ATTR_NU_MSMT_RES^MDC|{place}.2|{uv_per_unit / 1000:g}|266418^MDC_DIM_MILLI_VOLT^MDC",
        ]
    return _oru(patient, acquired_at, envelope, [*_observed(reported), *_said(statements), *rows])


def write_oru_pdf(
    pdf: bytes,
    patient: SyntheticPatient,
    *,
    acquired_at: datetime,
    envelope: Envelope,
    reported: Measurements = _NOT_REPORTED,
    statements: Iterable[str] = (),
    spelling: str = "^application^pdf^Base64^",
) -> bytes:
    """Write an ORU^R01 with the page as OBX ED; ``spelling`` is what stands before the base64 in OBX-5."""
    document = f"ED|11524-6^EKG study^LN||{spelling}{base64.b64encode(pdf).decode('ascii')}|"
    return _oru(patient, acquired_at, envelope, [*_observed(reported), *_said(statements), document])


def _observed(reported: Measurements) -> list[str]:
    values = ((row, getattr(reported, row[3])) for row in _OBSERVED)
    return [f"NM|{row[0]}^{row[1]}^LN||{value:.0f}|{row[2]}^^UCUM" for row, value in values if value is not None]


def _said(statements: Iterable[str]) -> list[str]:
    return [f"TX|18844-1^EKG impression^LN||{_escaped(text)}|" for text in statements]


def _escaped(text: str) -> str:
    """HL7 v2.5.1 2.7.1."""
    return text.translate(_ESCAPES)


def _oru(patient: SyntheticPatient, acquired_at: datetime, envelope: Envelope, rows: list[str]) -> bytes:
    """Join MSH, PID, PV1, ORC, OBR and OBX; ISO 8859-1 up to version 2.3, else UTF-8, as MSH-18 says."""
    old = envelope.version <= "2.3"
    charset, codec = ("8859/1", "latin-1") if old else ("UNICODE UTF-8", "utf-8")
    when = acquired_at.strftime("%Y%m%d%H%M%S%z")
    event = "ORU^R01" if old else "ORU^R01^ORU_R01"
    sent = f"{_escaped(envelope.application)}|{_escaped(envelope.facility)}|ECGD|ED|{when}||{event}"
    modes = f"||{envelope.accept_acknowledgement}|{envelope.application_acknowledgement}||{charset}"
    name = f"{_escaped(patient.family)}^{_escaped(patient.given)}"
    order = f"F{_escaped(envelope.control_id)}"
    segments = [
        f"MSH|^~\\&|{sent}|{_escaped(envelope.control_id)}|{envelope.processing_id}|{envelope.version}|{modes}",
        f"PID|1||{_escaped(patient.id)}^^^{_escaped(patient.authority)}^MR||{name}"
        f"||{patient.birth_date:%Y%m%d}|{_SEX[patient.sex]}",
        f"PV1|1|E|{_escaped(patient.location)}{'|' * 16}{_escaped(patient.visit)}^^^{_escaped(patient.authority)}^VN",
        f"ORC|RE||{order}^SIM",
        f"OBR|1||{order}^SIM|11524-6^EKG study^LN|||{when}{'|' * 18}F",
        *(_obx(number, row) for number, row in enumerate(rows, 1)),
    ]
    return "\r".join([*segments, ""]).encode(codec)


def _obx(number: int, row: str) -> str:
    """OBX-11 is F; ``row`` holds OBX-2 to OBX-6."""
    return f"OBX|{number}|{row}|||||F"
