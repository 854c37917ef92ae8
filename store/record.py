"""Findings and the messages they cause, written in the transaction that settles their job."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from domain.finding import Finding
from domain.outcome import Settlement
from domain.outgoing import Outgoing
from store.facts import facts
from store.tables import EPOCH, MessageState, findings, outbox

# Both dialects' inserts have ON CONFLICT, in the same words; their common class does not know it.
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_REPLACED = (
    *("lease", "severity", "assessments", "abstentions", "messages"),
    *("thresholds_sha256", "decided_at", "facts"),
)
_REPLACED_MESSAGE = (
    *("body", "content_type", "expires_at"),
    *("state", "reason", "attempts", "available_at", "queued_at"),
)
_NOT_OUT = outbox.c.state.in_([MessageState.WAITING, MessageState.BURIED])


def record(connection: Connection, arrival_id: int, lease: int, settlement: Settlement, now: datetime) -> None:
    """Write a settlement's findings and messages.

    A finding whose key is known replaces the row: it is the same ECG and the same models, decided again.
    Raise ``ValueError`` when a message belongs to none of the findings: it could be lost without a trace.
    """
    caused = {
        finding.key: [each for each in settlement.outgoing if _causes(finding, each)] for finding in settlement.findings
    }
    if sum(map(len, caused.values())) != len(settlement.outgoing):
        raise ValueError("every message of a settlement begins with the key of one of its findings")
    for part, finding in enumerate(settlement.findings, start=1):
        messages = caused[finding.key]
        number = _keep(connection, arrival_id, lease, part, finding, len({each.key for each in messages}))
        for outgoing in messages:
            put(connection, outgoing, now, arrival_id=arrival_id, finding_id=number)


def put(
    connection: Connection,
    outgoing: Outgoing,
    now: datetime,
    *,
    arrival_id: int | None = None,
    finding_id: int | None = None,
) -> bool:
    """Queue a message; ``False`` when one of its key was sent or is being sent, which nobody can take back.

    One that still waits, or was buried, is replaced and queued anew: whoever mends the configuration and requeues an
    arrival wants the new body sent.
    """
    values = {
        "key": outgoing.key,
        "finding_id": finding_id,
        "arrival_id": arrival_id,
        "channel": outgoing.channel,
        "content_type": outgoing.content_type,
        "body": outgoing.body,
        "expires_at": outgoing.expires_at,
        "state": MessageState.WAITING,
        "reason": None,
        "attempts": 0,
        "lease": 0,
        "available_at": EPOCH,
        "created_at": now,
        "queued_at": now,
    }
    insert = _INSERT[connection.dialect.name](outbox)
    replace = insert.on_conflict_do_update(
        index_elements=["key"], set_={name: insert.excluded[name] for name in _REPLACED_MESSAGE}, where=_NOT_OUT
    )
    return connection.execute(replace.returning(outbox.c.id), values).scalar() is not None


def _keep(connection: Connection, arrival_id: int, lease: int, part: int, finding: Finding, messages: int) -> int:
    values: dict[str, Any] = {
        "arrival_id": arrival_id,
        "part": part,
        "key": finding.key,
        "lease": lease,
        "severity": None if finding.severity is None else int(finding.severity),
        "assessments": len(finding.assessments),
        "abstentions": len(finding.abstentions),
        "messages": messages,
        "thresholds_sha256": finding.thresholds_sha256,
        "decided_at": finding.decided_at,
        "facts": facts(finding),
    }
    insert = _INSERT[connection.dialect.name](findings)
    replace = insert.on_conflict_do_update(
        index_elements=["key"], set_={name: insert.excluded[name] for name in _REPLACED}
    )
    number: int = connection.execute(replace.returning(findings.c.id), values).scalar_one()
    return number


def _causes(finding: Finding, outgoing: Outgoing) -> bool:
    """A message's key is its finding's, a colon and the channel."""
    return outgoing.key.partition(":")[0] == finding.key
