"""What a person is told when a finding is critical: little, plain, and without a name."""

import json
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import parseaddr
from typing import Any

from config.schema import Destinations, Smtp
from delivery import narrative
from delivery.coding import WHAT
from delivery.subject import known
from domain.finding import Assessment, Finding, Output, Status

SCHEMA = "ecgd-alert/1"
NOT_IDENTIFIED = "PATIENT NOT IDENTIFIED: ask at the unit that recorded the ECG."
_LONGEST_LOCATION = 60


def webhook_body(finding: Finding, critical: tuple[Assessment, ...], destinations: Destinations) -> bytes:
    """The alert as JSON: what, how much, where, and the visit and the order to route it by.

    No name, no birth date, no patient identifier; ``identified``: whether the EHR would know the patient, or where none
    is configured, whether the sender named one. Bytes are the same for the same finding: they are signed, and a
    repeat must be recognisable.
    """
    order, visit = finding.ecg.order, finding.ecg.order.encounter
    body = {
        "schema": SCHEMA,
        "finding": finding.key,
        "severity": "critical",
        "stand_in": stand_in(critical),
        "identified": identified(finding, destinations),
        "warnings": [warning.value for warning in finding.ecg.origin.warnings],
        "text": list(_sentences(finding, critical, destinations)),
        "results": [_result(assessment) for assessment in critical],
        "acquired_at": finding.ecg.acquired_at.isoformat() if finding.ecg.acquired_at else None,
        "received_at": finding.received_at.isoformat(),
        "decided_at": finding.decided_at.isoformat(),
        "location": location(finding) or None,
        "encounter": {"value": visit.value, "authority": visit.authority} if visit else None,
        "order": {"placer": order.placer or None, "filler": order.filler or None},
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def mail(finding: Finding, critical: tuple[Assessment, ...], settings: Smtp, destinations: Destinations) -> bytes:
    """The alert as a whole RFC 5322 message with CRLF; no identifier of the patient's, as mail is read anywhere.

    Message-ID is the finding's and the channel's: a repeat after an interruption is recognised as one.
    """
    message = EmailMessage(policy=WIRE)
    message["From"] = settings.sender
    message["To"] = ", ".join(settings.recipients)
    message["Subject"] = subject_line(finding, critical)
    message["Date"] = finding.decided_at
    message["Message-ID"] = f"<{finding.key}.{settings.name}@{_domain(settings.sender)}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation replies to an alert
    message["Importance"] = "high"
    message.set_content("\n\n".join(_sentences(finding, critical, destinations)) + "\n", cte="quoted-printable")
    return message.as_bytes()


def subject_line(finding: Finding, critical: tuple[Assessment, ...]) -> str:
    """What and where in one line."""
    what = "; ".join(f"{WHAT[one.score.output]} {narrative.short(one.score)}" for one in critical)
    where = f" - {location(finding)}" if location(finding) else ""
    return f"{'[STAND-IN MODEL, TEST ONLY] ' if stand_in(critical) else ''}CRITICAL ECG: {what}{where}"


def stand_in(assessments: tuple[Assessment, ...]) -> bool:
    """Whether any of the models is a stand-in: then the whole alert says so."""
    return any(one.score.status is Status.STAND_IN for one in assessments)


def identified(finding: Finding, destinations: Destinations) -> bool:
    """Whether a record would know the patient; without one, whether the sender gave a record number."""
    return known(finding.ecg.patient, destinations)


def location(finding: Finding) -> str:
    """The unit as the sender names it, fit for a header: one line, bounded."""
    printable = "".join(mark if mark.isprintable() else " " for mark in finding.ecg.order.location)
    return " ".join(printable.split())[:_LONGEST_LOCATION]


def _sentences(finding: Finding, critical: tuple[Assessment, ...], destinations: Destinations) -> tuple[str, ...]:
    found = identified(finding, destinations)
    potassium = any(one.score.output is Output.POTASSIUM for one in critical)
    lines = (
        narrative.STAND_IN if stand_in(critical) else "",
        *(narrative.verdict(one) for one in critical),
        "" if found else NOT_IDENTIFIED,
        "Please see the patient and look at the ECG now.",
        narrative.NOT_A_BLOOD_VALUE if potassium else narrative.NOT_A_DIAGNOSIS,
        narrative.when(finding),
        f"Location: {location(finding)}." if location(finding) else "Location: not given by the sender.",
        narrative.doubts(finding),
        f"Find the ECG in the patient record under {finding.key}." if destinations and found else f"ECG {finding.key}.",
    )
    return tuple(line for line in lines if line)


def _result(assessment: Assessment) -> dict[str, Any]:
    score = assessment.score
    return {
        "output": score.output.value,
        "text": narrative.verdict(assessment),
        "value": round(score.value, 6),
        "unit": score.unit,
        "comparator": score.censored or None,
        "level": assessment.level,
        "model": score.model,
        "version": score.version,
        "status": score.status.value,
    }


def _domain(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2] or "ecgd.invalid"
