"""Who hears what: pure, from a finding and the configuration to messages."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

from config.schema import Settings
from delivery.alert import mail, webhook_body
from delivery.fhir import bundle
from delivery.part import Resource
from domain.finding import Assessment, Finding, Mode, Severity, Status
from domain.outgoing import Outgoing
from domain.person import person_key


def messages(finding: Finding, settings: Settings, replaced: tuple[str, ...] = ()) -> tuple[Outgoing, ...]:
    """The transaction for each destination, and an alert a channel where the finding is critical.

    ``replaced``: keys of the findings whose place it takes.

    Alerts expire ``alerts.expire_s`` after the ECG was received, not after it was recorded: a cart whose clock or zone
    is wrong must not silence one.
    """
    return (*_results(finding, settings, replaced), *_alerts(finding, settings))


def alarming(finding: Finding, *, allow_stand_in: bool) -> tuple[Assessment, ...]:
    """The critical assessments whose model may alert people."""
    return tuple(
        one
        for one in finding.assessments
        if one.severity is Severity.CRITICAL
        and one.score.mode is Mode.ALERT
        and (allow_stand_in or one.score.status is Status.SITE_VALIDATED)
    )


def _results(finding: Finding, settings: Settings, replaced: tuple[str, ...]) -> tuple[Outgoing, ...]:
    return tuple(
        replace(
            _outgoing(finding, one.channel, "application/fhir+json", _body(bundle(finding, one, replaced)), None),
            lane=person_key(finding.ecg.patient) or finding.key,
        )
        for one in settings.destinations
    )


def _body(made: Resource) -> bytes:
    return json.dumps(made, ensure_ascii=False, separators=(",", ":")).encode()


def _alerts(finding: Finding, settings: Settings) -> tuple[Outgoing, ...]:
    critical = alarming(finding, allow_stand_in=settings.models.allow_stand_in)
    if not critical:
        return ()
    expires_at = finding.received_at + timedelta(seconds=settings.alerts.expire_s)
    hooks = (
        _outgoing(
            finding,
            f"webhook:{hook.name}",
            "application/json",
            webhook_body(finding, critical, settings.destinations),
            expires_at,
        )
        for hook in settings.alerts.webhooks
    )
    mails = (
        _outgoing(
            finding,
            f"smtp:{box.name}",
            "message/rfc822",
            mail(finding, critical, box, settings.destinations),
            expires_at,
        )
        for box in settings.alerts.smtp
    )
    return (*hooks, *mails)


def _outgoing(finding: Finding, channel: str, content_type: str, body: bytes, expires_at: datetime | None) -> Outgoing:
    key = f"{finding.key}:{channel}"
    return Outgoing(key=key, channel=channel, content_type=content_type, body=body, expires_at=expires_at)
