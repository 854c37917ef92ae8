"""Findings and the messages they cause, written in the transaction that settles their job."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from domain.alert import Closing
from domain.finding import Finding
from domain.outcome import Settlement
from domain.outgoing import Outgoing
from domain.person import person_key
from domain.seen import Retraction
from store import alert_rows, census, scores
from store.database import Database
from store.facts import facts
from store.memory import attach, forget, keep, link
from store.postgresql import settling
from store.tables import EPOCH, RETRACTED, MessageState, findings, outbox, recordings, retractions
from store.wake import DELIVER, PAGER

# Both dialects' inserts have ON CONFLICT, in the same words; their common class does not know it.
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_REPLACED = (
    *("lease", "severity", "assessments", "abstentions", "messages"),
    *("thresholds_sha256", "decided_at", "facts", "superseded_by", "person"),
)
_REPLACED_MESSAGE = (
    *("body", "content_type", "expires_at", "lane"),
    *("state", "reason", "attempts", "available_at", "queued_at"),
)
_NOT_OUT = outbox.c.state.in_([MessageState.WAITING, MessageState.BURIED])


def record(connection: Connection, arrival_id: int, lease: int, settlement: Settlement, now: datetime) -> None:
    """Write a settlement's findings and messages, what it takes the place of, and what it remembers.

    A finding whose key is known replaces the row: it is the same ECG and the same models, decided again.
    Raise ``ValueError`` when a message belongs to no finding: it could be lost without a trace.
    """
    known = {*(finding.key for finding in settlement.findings), *settlement.superseded, *settlement.retracted}
    if any(_caused_by(outgoing) not in known for outgoing in settlement.outgoing):
        raise ValueError("every message of a settlement begins with the key of a finding, its own or a superseded one")
    parts = {sighting.finding: sighting.part for sighting in settlement.sightings}
    for part, finding in enumerate(settlement.findings, start=1):
        messages = [each for each in settlement.outgoing if _caused_by(each) == finding.key]
        at = parts.get(finding.key, part)
        number = _keep(connection, arrival_id, lease, at, finding, len({each.key for each in messages}))
        for outgoing in messages:
            put(connection, outgoing, now, arrival_id=arrival_id, finding_id=number)
    for key, successor in settlement.superseded.items():
        messages = [each for each in settlement.outgoing if _caused_by(each) == key]
        _supersede(connection, key, successor, messages, now)
    whose = {finding.key: person_key(finding.ecg.patient) for finding in settlement.findings}
    for sighting in settlement.sightings:
        alert_rows.belongs(connection, sighting.ecg, whose.get(sighting.finding or "", ""))
    for one in settlement.raised:
        alert_rows.raise_(connection, one, now)
    for recording, risks in settlement.standing.items():
        alert_rows.close(
            connection, recording=recording, still=risks, reason=Closing.SUPERSEDED, actor="ecgd work", now=now
        )
    for key, retraction in settlement.retracted.items():
        retract(connection, key, retraction, [each for each in settlement.outgoing if _caused_by(each) == key], now)
    alert_rows.acknowledge(connection, settlement.acknowledged)
    if settlement.movements:
        census.write(connection, arrival_id, settlement.movements, now)
    _remember(connection, arrival_id, settlement, now)


def _remember(connection: Connection, arrival_id: int, settlement: Settlement, now: datetime) -> None:
    forget(connection, arrival_id)
    for sighting in settlement.sightings:
        keep(connection, arrival_id, sighting)
    for (of_arrival, part), ecg in settlement.linked.items():
        link(connection, of_arrival, part, ecg)
    for attachment in settlement.attached:
        attach(connection, attachment, now)


def retract(
    connection: Connection, key: str, retraction: Retraction, messages: Sequence[Outgoing], now: datetime
) -> None:
    """Say that a finding no longer stands, who says so and why; the messages that tell so are its own."""
    _supersede(connection, key, RETRACTED, messages, now)
    values = {"arrival_id": retraction.arrival_id, "part": retraction.part, "by": retraction.by, "why": retraction.why}
    connection.execute(retractions.insert().values(**values, made_at=now))
    of = (recordings.c.arrival_id == retraction.arrival_id, recordings.c.part == retraction.part)
    name = connection.execute(sa.select(recordings.c.ecg).where(*of)).scalar()
    alert_rows.close(
        connection,
        recording=name,
        finding=None if name else key,
        reason=Closing.RETRACTED,
        actor=retraction.by,
        now=now,
    )


def take_back(
    database: Database, retracted: Mapping[str, Retraction], outgoing: Sequence[Outgoing], now: datetime
) -> None:
    """Retract findings, by key, and queue the messages that tell so, in one transaction."""
    with database.write(DELIVER, PAGER) as connection:
        settling(connection)
        for key, one in retracted.items():
            retract(connection, key, one, [each for each in outgoing if _caused_by(each) == key], now)


def _supersede(connection: Connection, key: str, successor: str, messages: Sequence[Outgoing], now: datetime) -> None:
    """Say what took a finding's place; the messages that tell so are the finding's own, one more each."""
    update = findings.update().where(findings.c.key == key).values(superseded_by=successor)
    row = connection.execute(update.returning(findings.c.id, findings.c.arrival_id, findings.c.person)).one()
    census.watch(connection, [row.person or ""])
    scores.fall(connection, row.id)
    for outgoing in messages:
        put(connection, _after(connection, row.id, outgoing), now, arrival_id=row.arrival_id, finding_id=row.id)
    kept = sa.select(sa.func.count()).where(outbox.c.finding_id == row.id).scalar_subquery()
    connection.execute(findings.update().where(findings.c.id == row.id).values(messages=kept))


def _after(connection: Connection, finding_id: int, outgoing: Outgoing) -> Outgoing:
    """In the lane of what it takes back."""
    first = (outbox.c.finding_id == finding_id, outbox.c.channel == outgoing.channel)
    lane = connection.execute(sa.select(outbox.c.lane).where(*first).order_by(outbox.c.id).limit(1)).scalar()
    return replace(outgoing, lane=lane or outgoing.lane)


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
        "lane": outgoing.lane,
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
    upsert = insert.on_conflict_do_update(
        index_elements=["key"], set_={name: insert.excluded[name] for name in _REPLACED_MESSAGE}, where=_NOT_OUT
    )
    return connection.execute(upsert.returning(outbox.c.id), values).scalar() is not None


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
        "superseded_by": None,
        "person": person_key(finding.ecg.patient) or None,
    }
    insert = _INSERT[connection.dialect.name](findings)
    upsert = insert.on_conflict_do_update(
        index_elements=["key"], set_={name: insert.excluded[name] for name in _REPLACED}
    )
    number: int = connection.execute(upsert.returning(findings.c.id), values).scalar_one()
    census.watch(connection, [values["person"] or ""])
    scores.keep(connection, number, finding)
    return number


def _caused_by(outgoing: Outgoing) -> str:
    """A message's key is its finding's, a colon and the channel."""
    return outgoing.key.partition(":")[0]
