"""Findings and the messages they cause, written in the transaction that settles their job."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from domain.finding import Finding
from domain.outcome import Settlement
from domain.outgoing import Outgoing
from store.facts import facts
from store.tables import MessageState, findings, outbox

# Both dialects' inserts have ON CONFLICT, in the same words; their common class does not know it.
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_REPLACED = ("lease", "severity", "assessments", "abstentions", "thresholds_sha256", "decided_at", "facts")


def record(connection: Connection, arrival_id: int, lease: int, settlement: Settlement, now: datetime) -> None:
    """Write a settlement's findings and messages.

    A finding whose key is known replaces the row: it is the same ECG and the same models, decided again. A message
    whose key is known is left as it is, sent or not.
    """
    numbers = [
        (finding.key, _keep(connection, arrival_id, lease, part, finding))
        for part, finding in enumerate(settlement.findings)
    ]
    for outgoing in settlement.outgoing:
        put(connection, outgoing, now, arrival_id=arrival_id, finding_id=_cause(outgoing, numbers))


def put(
    connection: Connection,
    outgoing: Outgoing,
    now: datetime,
    *,
    arrival_id: int | None = None,
    finding_id: int | None = None,
) -> bool:
    """Queue a message; ``False`` when its key is known already."""
    values = {
        "key": outgoing.key,
        "finding_id": finding_id,
        "arrival_id": arrival_id,
        "channel": outgoing.channel,
        "content_type": outgoing.content_type,
        "body": outgoing.body,
        "expires_at": outgoing.expires_at,
        "state": MessageState.WAITING,
        "attempts": 0,
        "lease": 0,
        "available_at": now,
        "created_at": now,
        "queued_at": now,
    }
    insert = _INSERT[connection.dialect.name](outbox).on_conflict_do_nothing().returning(outbox.c.id)
    return connection.execute(insert, values).scalar() is not None


def _keep(connection: Connection, arrival_id: int, lease: int, part: int, finding: Finding) -> int:
    values: dict[str, Any] = {
        "arrival_id": arrival_id,
        "part": part,
        "key": finding.key,
        "lease": lease,
        "severity": int(finding.severity),
        "assessments": len(finding.assessments),
        "abstentions": len(finding.abstentions),
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


def _cause(outgoing: Outgoing, numbers: Sequence[tuple[str, int]]) -> int | None:
    """The finding whose key the message's key was made from; the only one where there is one."""
    if len(numbers) == 1:
        return numbers[0][1]
    return next((number for key, number in numbers if key in outgoing.key), None)
