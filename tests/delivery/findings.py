"""Findings to deliver: a table that covers what the wards can produce."""

import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np

from config.schema import Fhir, PatientMatching
from domain.arrival import Format
from domain.ecg import Ecg, Identifier, Measurements, Order, Origin, Patient, ReadWarning, Sex
from domain.finding import Abstention, Assessment, Finding, Output, Score, Severity, Status
from domain.reason import Reason

ACQUIRED = datetime(2026, 5, 1, 10, 32, 5, tzinfo=timezone(timedelta(hours=2)))
RECEIVED = datetime(2026, 5, 1, 8, 33, tzinfo=UTC)
DECIDED = datetime(2026, 5, 1, 8, 33, 1, tzinfo=UTC)
MRN = "urn:oid:1.2.3.4"
PATIENT = Patient(
    identifiers=(
        Identifier(value="V-77", authority="VISITS"),
        Identifier(value="P 1|2,3", authority="HOSP", type="MR"),
    ),
    family="Öztürk<script>",
    given="Ada",
    birth_date=date(1950, 2, 3),
    sex=Sex.FEMALE,
)
ORDER = Order(placer="ORD-9", encounter=Identifier(value="E-55"), location="ED 3")
MATCHING = PatientMatching(systems={"HOSP": MRN}, encounter_system="urn:oid:1.2.3.5")


def settings(**changes) -> Fhir:
    return Fhir(**{"base_url": "http://127.0.0.1:1/fhir", "patient": MATCHING, **changes})


def ecg(**changes) -> Ecg:
    values = {
        "signal": np.zeros((12, 5000), np.float32),
        "picture": np.full((60, 90, 3), 255, np.uint8),
        "origin": Origin(format=Format.DICOM, digitised=False, native_rate_hz=500, native_samples=5000),
        "acquired_at": ACQUIRED,
        "patient": PATIENT,
        "order": ORDER,
        "reported": Measurements(heart_rate_bpm=71, qrs_ms=96, qt_ms=388),
        "measured": Measurements(heart_rate_bpm=70.6, pr_ms=161.7, qtc_ms=421.2, qtcf_ms=409.6, qrs_axis_deg=-31),
    }
    return Ecg(**{**values, **changes})


def _facts(output: Output, status: Status) -> dict:
    name = "eianet" if output is Output.ARREST else "ecg12net"
    sha256 = hashlib.sha256(f"{name}{status}".encode()).hexdigest()
    return {"model": name, "version": "0.1", "bundle_sha256": sha256, "status": status, "output": output}


def arrest(value=0.02, level="normal", severity=Severity.NORMAL, status=Status.SITE_VALIDATED, **more) -> Assessment:
    score = Score(value=value, unit="1", **_facts(Output.ARREST, status), **more)
    return Assessment(score=score, level=level, severity=severity)


def potassium(value=4.1, level="normal", severity=Severity.NORMAL, status=Status.SITE_VALIDATED, **more) -> Assessment:
    score = Score(value=value, unit="mmol/L", **_facts(Output.POTASSIUM, status), **more)
    return Assessment(score=score, level=level, severity=severity)


def abstention(output: Output, reason=Reason.LEAD_FLAT, leads=("V1", "V2"), status=Status.SITE_VALIDATED) -> Abstention:
    return Abstention(reason=reason, leads=leads, **_facts(output, status))


def finding(*answers: Assessment | Abstention, **ecg_changes) -> Finding:
    return Finding(
        key="0123456789abcdef0123456789abcdef",
        arrival_id=7,
        ecg=ecg(**ecg_changes),
        assessments=tuple(a for a in answers if isinstance(a, Assessment)),
        abstentions=tuple(a for a in answers if isinstance(a, Abstention)),
        thresholds_sha256="e" * 64,
        received_at=RECEIVED,
        decided_at=DECIDED,
    )


NORMAL = finding(arrest(), potassium())
CRITICAL = finding(
    arrest(0.234, "high", Severity.CRITICAL, interval=(0.18, 0.29)),
    potassium(6.824, "severe_high", Severity.CRITICAL, interval=(5.9, 7.4)),
)
STAND_IN = finding(
    arrest(0.234, "high", Severity.CRITICAL, status=Status.STAND_IN),
    potassium(2.31, "severe_low", Severity.CRITICAL, status=Status.STAND_IN),
)
ORIGIN = NORMAL.ecg.origin
DRAWING = np.full((80, 90, 3), 200, np.uint8)
EXPLAINED = finding(
    *(
        replace(one, drawing=DRAWING + shade)
        for shade, one in enumerate((*NORMAL.assessments[:1], *STAND_IN.assessments[1:]))
    )
)
TABLE = {
    "normal": NORMAL,
    "critical": CRITICAL,
    "stand-in": STAND_IN,
    "moderate": finding(arrest(0.07, "moderate", Severity.ABNORMAL), potassium(5.8, "high", Severity.ABNORMAL)),
    "low": finding(potassium(3.1, "low", Severity.ABNORMAL)),
    "censored": finding(arrest(0.00001), potassium(7.5, "severe_high", Severity.CRITICAL, censored=">")),
    "abstained": finding(abstention(Output.ARREST), abstention(Output.POTASSIUM, Reason.MODEL_OUTPUT_INVALID, ())),
    "half-abstained": finding(arrest(), abstention(Output.POTASSIUM, status=Status.STAND_IN)),
    "unidentified": finding(arrest(), potassium(), patient=Patient(), order=Order()),
    "unknown authority": finding(
        arrest(), patient=Patient(identifiers=(Identifier(value="1", authority="ELSEWHERE"),))
    ),
    "no acquisition time": finding(arrest(), acquired_at=None),
    "nothing measured": finding(arrest(), reported=Measurements(), measured=Measurements()),
    "doubtful": finding(arrest(), origin=replace(ORIGIN, warnings=tuple(ReadWarning))),
    "no model": finding(),
    "explained": EXPLAINED,
}
