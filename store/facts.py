"""What is kept of a finding beside its arrival's bytes: enough to decide again, to search and to tell, no samples.

Names, free-text statements and pictures are left out: they can be read again from the bytes, and every copy of them
is one more to protect. Patients are held by identifier, birth date and sex; units, carts and doors by name.
"""

import math
from dataclasses import asdict, fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any

from domain.ecg import Ecg
from domain.finding import Assessment, Finding, Score
from domain.report import Report

VERSION = 1


def facts(finding: Finding) -> dict[str, Any]:
    """Turn a finding into what JSON can hold: times in ISO 8601, numbers that are not finite as ``None``."""
    return {
        "version": VERSION,
        "key": finding.key,
        "received_at": finding.received_at.isoformat(),
        "decided_at": finding.decided_at.isoformat(),
        "severity": None if finding.severity is None else finding.severity.name.lower(),
        "thresholds_sha256": finding.thresholds_sha256,
        "assessments": [_assessment(each) for each in finding.assessments],
        "abstentions": _plain(finding.abstentions),
        "shadow": [_assessment(each) if isinstance(each, Assessment) else _plain(each) for each in finding.shadow],
        "ecg": _ecg(finding.ecg),
    }


def said(report: Report) -> dict[str, Any]:
    """Turn what a message says of an ECG into what JSON can hold; its words are left out like an ECG's."""
    kept = {"reported": report.reported, "order": report.order, "identifiers": report.patient.identifiers}
    withdrawn = {"withdrawn": True} if report.withdrawn else {}
    return {"version": VERSION, **withdrawn, **{name: _plain(value) for name, value in kept.items()}}


def _assessment(each: Assessment) -> dict[str, Any]:
    said = {"level": each.level, "severity": each.severity.name.lower(), "rule": each.rule}
    return said | {"score": _score(each.score)}


def _score(score: Score) -> dict[str, Any]:
    """All but the explanation: scoring the kept bytes again makes it again."""
    return {one.name: _plain(getattr(score, one.name)) for one in fields(score) if one.name != "explanation"}


def _ecg(ecg: Ecg) -> dict[str, Any]:
    patient = ecg.patient
    return {
        "acquired_at": _plain(ecg.acquired_at),
        "seconds": _plain(ecg.seconds),
        "recorded_leads": list(ecg.recorded_leads),
        "patient": _plain({"identifiers": patient.identifiers, "birth_date": patient.birth_date, "sex": patient.sex}),
        "order": _plain(ecg.order),
        "device": _plain(ecg.device),
        "origin": _plain(ecg.origin),
        "reported": _plain(ecg.reported),
        "measured": _plain(ecg.measured),
        "unfit": _plain(ecg.unfit),
    }


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {_plain(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):  # PostgreSQL's jsonb holds neither NUL nor half a character
        return value.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, int):
        return int(value)
    number = float(value)  # NumPy's scalars too
    return number if math.isfinite(number) else None
