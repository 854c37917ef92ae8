"""What an alert's messages may tell, taken from the finding when it is raised: no name, no birth date."""

from datetime import timedelta
from typing import Any

from config.schema import Destinations, Settings
from delivery import narrative
from delivery.coding import WHAT
from delivery.subject import known
from domain.alert import Raised, risk_of
from domain.finding import Assessment, Finding, Output, Status
from domain.mode import Mode
from domain.person import person_key, record_numbers

NOT_IDENTIFIED = "PATIENT NOT IDENTIFIED: ask at the unit that recorded the ECG."
_LONGEST_LOCATION = 60


def raised(finding: Finding, settings: Settings, recording: str = "") -> tuple[Raised, ...]:
    """An alert for each risk that may alert people, where there is anybody to tell.

    They expire ``alerts.expire_s`` after the ECG was received, not after it was recorded: a cart whose clock or zone is
    wrong must not silence one.
    """
    expires_at = finding.received_at + timedelta(seconds=settings.alerts.expire_s)
    worst: dict[str, Raised] = {}
    for one in alarming(finding, settings):
        made = Raised(
            finding=finding.key,
            person=person_key(finding.ecg.patient),
            recording=recording or finding.key,
            risk=risk_of(one),
            severity=one.severity,
            level=one.level,
            value=one.score.value,
            unit=location(finding),
            model=one.score.model,
            stand_in=one.score.status is Status.STAND_IN,
            expires_at=expires_at,
            said=_said(finding, one, settings.destinations),
        )
        worst[made.risk] = max(worst.get(made.risk, made), made, key=lambda each: each.severity)
    return tuple(worst.values())


def alarming(finding: Finding, settings: Settings) -> tuple[Assessment, ...]:
    """The assessments grave enough for some route, whose model may alert people."""
    grave = {name for route in settings.alerts.all_routes for name in route.severities}
    return tuple(
        one
        for one in finding.assessments
        if one.severity.name.lower() in grave
        and one.score.mode is Mode.ALERT
        and (settings.models.allow_stand_in or one.score.status is Status.SITE_VALIDATED)
    )


def location(finding: Finding) -> str:
    """The unit as the sender names it, fit for a header: one line, bounded."""
    printable = "".join(mark if mark.isprintable() else " " for mark in finding.ecg.order.location)
    return " ".join(printable.split())[:_LONGEST_LOCATION]


def _said(finding: Finding, one: Assessment, destinations: Destinations) -> dict[str, Any]:
    found = known(finding.ecg.patient, destinations)
    order, visit = finding.ecg.order, finding.ecg.order.encounter
    potassium = one.score.output is Output.POTASSIUM
    return {
        "verdict": narrative.verdict(one),
        "short": f"{WHAT[one.score.output]} {narrative.short(one.score)}",
        "note": narrative.NOT_A_BLOOD_VALUE if potassium else narrative.NOT_A_DIAGNOSIS,
        "when": narrative.when(finding),
        "doubts": narrative.doubts(finding),
        "find": f"Find the ECG in the patient record under {finding.key}."
        if destinations and found
        else f"ECG {finding.key}.",
        "identified": found,
        "warnings": [warning.value for warning in finding.ecg.origin.warnings],
        "result": _result(one),
        "acquired_at": finding.ecg.acquired_at.isoformat() if finding.ecg.acquired_at else None,
        "received_at": finding.received_at.isoformat(),
        "decided_at": finding.decided_at.isoformat(),
        "patient": [
            {"value": each.value, "authority": each.authority, "type": each.type}
            for each in record_numbers(finding.ecg.patient)
        ],
        "encounter": {"value": visit.value, "authority": visit.authority} if visit else None,
        "order": {"placer": order.placer or None, "filler": order.filler or None},
    }


def _result(assessment: Assessment) -> dict[str, Any]:
    score = assessment.score
    return {
        "output": score.output.value,
        "value": round(score.value, 6),
        "unit": score.unit,
        "comparator": score.censored or None,
        "level": assessment.level,
        "model": score.model,
        "version": score.version,
        "status": score.status.value,
    }
