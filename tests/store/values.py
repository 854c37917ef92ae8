"""Arrivals, findings and settlements to put into a store."""

from datetime import UTC, date, datetime, timedelta

import numpy as np

from domain.alert import Raised, Risk
from domain.arrival import Arrival, Format
from domain.ecg import Defect, Device, Ecg, Identifier, Measurements, Order, Origin, Patient, ReadWarning, Sex
from domain.finding import Abstention, Assessment, Finding, Output, Score, Severity, Status
from domain.outcome import Outcome, Settlement
from domain.outgoing import Outgoing
from domain.reason import Reason

RECEIVED = datetime(2025, 3, 30, 0, 59, 0, 1, tzinfo=UTC)
MODEL = {"model": "eianet", "version": "1", "bundle_sha256": "b" * 64, "status": Status.STAND_IN}


def arrival(key="hl7:MUSE^ED:1", payload=b"MSH|1", *, source="hl7:MUSE^ED", received_at=RECEIVED):
    return Arrival(key=key, format=Format.HL7, payload=payload, source=source, received_at=received_at)


def ecg():
    signal = np.zeros((12, 5000), np.float32)
    signal[6] = np.nan
    return Ecg(
        signal=signal,
        picture=np.zeros((4, 4, 3), np.uint8),
        origin=Origin(
            format=Format.HL7,
            digitised=False,
            native_rate_hz=500.0,
            native_samples=5000,
            instance="1",
            warnings=(ReadWarning.LEADS_DERIVED,),
        ),
        acquired_at=RECEIVED,
        patient=Patient(
            identifiers=(Identifier(value="PAT-7", authority="SIM", type="MR"),),
            family="Nachname",
            given="Vorname",
            birth_date=date(1950, 2, 3),
            sex=Sex.FEMALE,
        ),
        order=Order(placer="P1", location="ED"),
        device=Device(manufacturer="M", serial="S"),
        measured=Measurements(heart_rate_bpm=np.float64(71.5), qt_ms=float("nan")),
        statements=("free text",),
        unfit=(Defect(reason=Reason.LEAD_FLAT, leads=("V1",)),),
    )


def finding(arrival_id, key="f" * 32, severity=Severity.CRITICAL, *, scored=True):
    score = Score(**MODEL, output=Output.ARREST, value=0.31, unit="1", interval=(0.2, 0.4))
    abstention = Abstention(**MODEL, output=Output.POTASSIUM, reason=Reason.LEAD_FLAT, leads=("V1",))
    return Finding(
        key=key,
        arrival_id=arrival_id,
        ecg=ecg(),
        assessments=(Assessment(score=score, level="high", severity=severity),) if scored else (),
        abstentions=(abstention,),
        thresholds_sha256="c" * 64,
        received_at=RECEIVED,
        decided_at=RECEIVED,
    )


def raised(finding="f" * 32, **changes):
    values = {
        "person": "a" * 32,
        "recording": "1.1",
        "risk": Risk.ARREST,
        "severity": Severity.CRITICAL,
        "level": "high",
        "value": 0.31,
        "unit": "ED",
        "model": "eianet",
        "stand_in": True,
        "expires_at": RECEIVED + timedelta(hours=4),
        "said": {"verdict": "Risk", "acquired_at": RECEIVED.isoformat()},
    }
    return Raised(finding=finding, **{**values, **changes})


def outgoing(key="f" * 32 + ":fhir:ehr", channel="fhir:ehr", *, body=b"{}", expires_at=None, lane=""):
    kind = "application/fhir+json"
    return Outgoing(key=key, channel=channel, content_type=kind, body=body, expires_at=expires_at, lane=lane)


def scored(*findings, messages=()):
    return Settlement(outcome=Outcome.SCORED, findings=findings, outgoing=tuple(messages), timings={"read": 0.25})


def ignored():
    return Settlement(outcome=Outcome.IGNORED, reason=Reason.NO_ECG)


def abstained(*findings):
    return Settlement(outcome=Outcome.ABSTAINED, reason=Reason.LEAD_FLAT, findings=findings)


def quarantined(reason=Reason.UNDECODABLE):
    return Settlement(outcome=Outcome.QUARANTINED, reason=reason)
