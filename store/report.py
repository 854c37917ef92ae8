"""Reading the books: how many of what, does it add up, and what became of one arrival."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from domain.errors import Rejected
from domain.finding import Severity
from domain.reason import Reason
from store.database import Database
from store.tables import alerts, arrivals, findings, jobs, open_rows, outbox, recordings, unnamed_rows

_OF_MODEL = ("output", "status", "model", "version")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Rows by where they stand; ``reasons``: of settled jobs and buried messages. ``alerts``: open, or why not."""

    arrivals: int
    jobs: Mapping[str, int]
    job_reasons: Mapping[str, int]
    outbox: Mapping[str, int]
    outbox_reasons: Mapping[str, int]
    waiting_by_channel: Mapping[str, int]
    alerts: Mapping[str, int]
    oldest_waiting_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SentOrNot:
    """One message of a trail."""

    id: int
    channel: str
    state: str
    reason: str | None
    attempts: int
    created_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What one model said of one ECG of an arrival: a level with its value, or the reason for none.

    ``status``: the model's, ``stand-in`` until it is validated. ``comparator``: ``<`` or ``>`` where ``value`` is a
    bound.
    """

    part: int
    output: str
    status: str
    model: str
    version: str
    level: str | None = None
    comparator: str | None = None
    value: float | None = None
    unit: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """One arrival's way through.

    ``severities`` and ``answers``: of the findings of its last settlement, in their order; ``None``: not scored.
    ``copies``: other arrivals with a copy of one of its ECGs. ``superseded``: none of its results stands any more.
    """

    arrival_id: int
    format: str
    source: str
    size: int
    received_at: datetime
    state: str
    reason: str | None
    attempts: int
    settled_at: datetime | None
    timings: Mapping[str, float]
    severities: tuple[Severity | None, ...]
    answers: tuple[Answered, ...]
    messages: tuple[SentOrNot, ...]
    copies: tuple[int, ...] = ()
    superseded: bool = False


def counts(database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Counts:
    """Count everything, in one snapshot."""
    with database.read() as connection:
        return count_all(connection, clock())


def oldest_waiting_s(database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> float | None:
    """How long the oldest unsettled arrival has been here, in s; ``None`` when all are settled."""
    with database.read() as connection:
        return _oldest_waiting_s(connection, clock())


def count_all(connection: Connection, now: datetime) -> Counts:
    """Count in a snapshot that is open already."""
    return Counts(
        arrivals=connection.execute(sa.select(sa.func.count()).select_from(arrivals)).scalar_one(),
        jobs=_by(connection, jobs.c.state),
        job_reasons=_by(connection, jobs.c.reason, jobs.c.settled_at.is_not(None), jobs.c.reason.is_not(None)),
        outbox=_by(connection, outbox.c.state),
        outbox_reasons=_by(connection, outbox.c.reason, outbox.c.state == "buried"),
        waiting_by_channel=_by(connection, outbox.c.channel, open_rows),
        alerts=_by(connection, sa.func.coalesce(alerts.c.reason, sa.literal_column("'open'"))),
        oldest_waiting_s=_oldest_waiting_s(connection, now),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unidentified:
    """An ECG whose patient the EHR would not know, and whose result stands: somebody should attach it."""

    arrival: int
    part: int
    source: str
    received_at: datetime


def unidentified(database: Database, most: int = 100) -> tuple[Unidentified, ...]:
    """ECGs that wait for a person to say whose they are, the newest first."""
    stands = sa.exists().where(
        findings.c.arrival_id == recordings.c.arrival_id,
        findings.c.part == recordings.c.part,
        findings.c.superseded_by.is_(None),
    )
    query = (
        sa.select(
            recordings.c.arrival_id.label("arrival"), recordings.c.part, arrivals.c.source, arrivals.c.received_at
        )
        .join(arrivals, arrivals.c.id == recordings.c.arrival_id)
        .where(unnamed_rows, stands)
        .order_by(recordings.c.id.desc())
        .limit(most)
    )
    with database.read() as connection:
        return tuple(Unidentified(**row._mapping) for row in connection.execute(query))


def trail(database: Database, arrival_id: int) -> Trail:
    """Follow one arrival; raise ``Rejected`` when there is none of that number."""
    with database.read() as connection:
        joined = arrivals.join(jobs, jobs.c.arrival_id == arrivals.c.id)
        wanted = [column for column in arrivals.c if column is not arrivals.c.payload]
        row = connection.execute(
            sa.select(*wanted, jobs).select_from(joined).where(arrivals.c.id == arrival_id)
        ).one_or_none()
        if row is None:
            raise Rejected(Reason.BAD_VALUE, "there is no arrival of that number")
        kept = _findings(connection, arrival_id, row.lease)
        return Trail(
            arrival_id=row.id,
            format=row.format,
            source=row.source,
            size=row.size,
            received_at=row.received_at,
            state=row.state,
            reason=row.reason,
            attempts=row.attempts,
            settled_at=row.settled_at,
            timings=row.timings or {},
            severities=tuple(None if one.severity is None else Severity(one.severity) for one in kept),
            answers=tuple(answer for one in kept for answer in _answers(one.part, one.facts)),
            messages=_messages(connection, arrival_id),
            copies=_copies(connection, arrival_id),
            superseded=bool(kept) and all(one.superseded_by for one in kept),
        )


def _oldest_waiting_s(connection: Connection, now: datetime) -> float | None:
    oldest = sa.select(sa.func.min(jobs.c.arrival_id)).where(open_rows).scalar_subquery()  # numbers grow with time
    received = connection.execute(sa.select(arrivals.c.received_at).where(arrivals.c.id == oldest)).scalar()
    return None if received is None else (now - received).total_seconds()


def _by(connection: Connection, column: sa.ColumnElement[Any], *conditions: Any) -> dict[str, int]:
    rows = connection.execute(sa.select(column, sa.func.count()).where(*conditions).group_by(column).order_by(column))
    return {row[0]: row[1] for row in rows}


def _findings(connection: Connection, arrival_id: int, lease: int) -> Sequence[Any]:
    query = sa.select(findings.c.part, findings.c.severity, findings.c.facts, findings.c.superseded_by)
    current = query.where(findings.c.arrival_id == arrival_id, findings.c.lease == lease)
    return connection.execute(current.order_by(findings.c.part)).all()


def _copies(connection: Connection, arrival_id: int) -> tuple[int, ...]:
    mine = sa.select(recordings.c.ecg).where(recordings.c.arrival_id == arrival_id)
    query = sa.select(recordings.c.arrival_id).where(recordings.c.ecg.in_(mine), recordings.c.arrival_id != arrival_id)
    return tuple(connection.execute(query.distinct().order_by(recordings.c.arrival_id)).scalars())


def _answers(part: int, facts: Mapping[str, Any]) -> Iterator[Answered]:
    for assessment in facts["assessments"]:
        score = assessment["score"]
        yield Answered(
            part=part,
            **{name: score[name] for name in _OF_MODEL},
            level=assessment["level"],
            comparator=score["censored"] or None,
            value=score["value"],
            unit=score["unit"],
        )
    for abstention in facts["abstentions"]:
        yield Answered(part=part, **{name: abstention[name] for name in _OF_MODEL}, reason=abstention["reason"])


def _messages(connection: Connection, arrival_id: int) -> tuple[SentOrNot, ...]:
    columns = (
        outbox.c.id,
        outbox.c.channel,
        outbox.c.state,
        outbox.c.reason,
        outbox.c.attempts,
        outbox.c.created_at,
        outbox.c.sent_at,
    )
    rows = connection.execute(sa.select(*columns).where(outbox.c.arrival_id == arrival_id).order_by(outbox.c.id))
    return tuple(SentOrNot(**row._mapping) for row in rows)
