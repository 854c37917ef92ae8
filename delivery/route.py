"""Where results go: pure, from a finding and the configuration to messages."""

import json
from dataclasses import replace
from datetime import datetime

from config.schema import Settings
from delivery.fhir import bundle
from delivery.part import Resource
from domain.finding import Finding
from domain.outgoing import Outgoing
from domain.person import person_key


def messages(finding: Finding, settings: Settings, replaced: tuple[str, ...] = ()) -> tuple[Outgoing, ...]:
    """The transaction for each destination; ``replaced``: keys of the findings whose place it takes."""
    return _results(finding, settings, replaced)


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


def _outgoing(finding: Finding, channel: str, content_type: str, body: bytes, expires_at: datetime | None) -> Outgoing:
    key = f"{finding.key}:{channel}"
    return Outgoing(key=key, channel=channel, content_type=content_type, body=body, expires_at=expires_at)
