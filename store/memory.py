"""Earlier ECGs: what an ECG may be another copy of, what was decided of it, and whose it was said to be.

A worker looks, decides, and settles; ``Jobs.settle`` writes what it decided only if nothing was settled in between
that the worker would have seen. So of two copies of one recording that are read at the same time one is the first.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from domain.alert import Risk
from domain.arrival import Arrival, Format
from domain.context import Earlier
from domain.ecg import Identifier
from domain.finding import Severity
from domain.seen import Attachment, Known, Looked, Past, Seen, Sighting, Source
from store import facts
from store.alert_rows import standing
from store.database import Database
from store.scores import earlier
from store.tables import (
    EPOCH,
    RETRACTED,
    JobState,
    arrivals,
    attachments,
    findings,
    jobs,
    marks,
    merges,
    outbox,
    recordings,
)
from store.wake import WORK

MOST = 200  # candidates of one ECG, the newest first: more would be a flood, not one recording
NEAR = timedelta(minutes=5)


class Memory:
    """Looks and attaches; safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def looked(self, arrival_id: int) -> Looked:
        """How far one sees now; to be asked before ``like`` and ``attached``."""
        with self._database.read() as connection:
            return looked(connection, arrival_id)

    def like(self, arrival_id: int, seen: Seen) -> tuple[Known, ...]:
        """Other arrivals' ECGs that may be the same by patient, time or order, the newest first."""
        return self._known(_candidates(arrival_id, seen).where(recordings.c.source > Source.SAID))

    def said(self, arrival_id: int, seen: Seen) -> tuple[Known, ...]:
        """What other arrivals said of an ECG that they did not carry, and that may be this one."""
        return self._known(_candidates(arrival_id, seen).where(recordings.c.source == Source.SAID))

    def _known(self, query: sa.Select[Any]) -> tuple[Known, ...]:
        with self._database.read() as connection:
            return _known(connection, query.order_by(recordings.c.id.desc()).limit(MOST))

    def past(self, arrival_id: int, part: int, ecg: str) -> tuple[Past, ...]:
        """What was decided of a recording, and of the arrival's own part, in order."""
        same = sa.exists().where(
            recordings.c.ecg == ecg,
            recordings.c.arrival_id == findings.c.arrival_id,
            recordings.c.part == findings.c.part,
        )
        return self._past(sa.or_(same, sa.and_(findings.c.arrival_id == arrival_id, findings.c.part == part)))

    def decided(self, arrival_id: int) -> tuple[Past, ...]:
        """What was decided of an arrival's own ECGs."""
        return self._past(findings.c.arrival_id == arrival_id)

    def _past(self, condition: sa.ColumnElement[bool]) -> tuple[Past, ...]:
        row = recordings.alias()
        worth = sa.select(10 * row.c.source + row.c.quarters).where(
            row.c.arrival_id == findings.c.arrival_id, row.c.part == findings.c.part
        )
        query = sa.select(findings, worth.scalar_subquery().label("worth"))
        with self._database.read() as connection:
            rows = connection.execute(query.where(condition).order_by(findings.c.id)).all()
            alerted = standing(connection, [row.key for row in rows])
            return tuple(_past(row, alerted[row.key]) for row in rows)

    def sent(self, key: str) -> bytes | None:
        """The body of a message, sent or not; ``None`` when there is none of that key."""
        with self._database.read() as connection:
            body = connection.execute(sa.select(outbox.c.body).where(outbox.c.key == key)).scalar()
        return None if body is None else bytes(body)

    def arrival(self, key: str) -> Arrival | None:
        """What came under a key."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(arrivals).where(arrivals.c.key == key)).one_or_none()
        if row is None:
            return None
        return Arrival(
            key=row.key,
            format=Format(row.format),
            payload=bytes(row.payload),
            source=row.source,
            received_at=row.received_at,
        )

    def attached(self, arrival_id: int) -> tuple[Attachment, ...]:
        """Whose an arrival's ECGs were said to be, the last word last."""
        query = sa.select(attachments).where(attachments.c.arrival_id == arrival_id).order_by(attachments.c.id)
        with self._database.read() as connection:
            return tuple(_attachment(row) for row in connection.execute(query))

    def scores(self, person: str, at: datetime, within_h: float, besides: Collection[int]) -> tuple[Earlier, ...]:
        """What models said of a person's ECGs of the hours before ``at``, the latest first; not of ``besides``."""
        with self._database.read() as connection:
            return earlier(connection, person, at, within_h, besides)

    def attach(self, attachment: Attachment, now: datetime) -> None:
        """Write whose an ECG is and let its arrival be worked on again, in one transaction."""
        with self._database.write(WORK) as connection:
            attach(connection, attachment, now)


def looked(connection: Connection, arrival_id: int) -> Looked:
    """Read how far one sees; numbers grow in the order of commits, as ``settle`` has a turn of its own."""
    last = connection.execute(sa.select(sa.func.max(recordings.c.id))).scalar() or 0
    mine = sa.select(sa.func.count()).select_from(attachments).where(attachments.c.arrival_id == arrival_id)
    merged = connection.execute(sa.select(sa.func.max(merges.c.id))).scalar() or 0
    return Looked(recording=last, attachments=connection.execute(mine).scalar_one(), merges=merged)


def overtaken(
    connection: Connection, arrival_id: int, then: Looked, seens: Iterable[Seen], whose: Collection[str] = ()
) -> bool:
    """Whether something was settled, attached, or merged with ``whose`` it is since, that would have been seen."""
    if looked(connection, arrival_id).attachments != then.attachments:
        return True
    merged = sa.select(merges.c.id).where(merges.c.id > then.merges, merges.c.old.in_(whose)).limit(1)
    if connection.execute(merged).first():
        return True
    later = (_candidates(arrival_id, seen).where(recordings.c.id > then.recording).limit(1) for seen in seens)
    return any(connection.execute(query).first() for query in later)


def attach(connection: Connection, attachment: Attachment, now: datetime, *, turn: int = 0) -> None:
    """Write whose an ECG is and put its arrival back to work; a worker that has it now will look again.

    ``turn``: 1 for what can wait for new ECGs.
    """
    connection.execute(
        attachments.insert().values(
            arrival_id=attachment.arrival_id,
            part=attachment.part,
            identifiers=[
                {"value": one.value, "authority": one.authority, "type": one.type} for one in attachment.identifiers
            ],
            by=attachment.by,
            made_at=now,
        )
    )
    again = {"state": JobState.WAITING, "available_at": EPOCH, "leased_until": None, "turn": turn}
    again |= {"attempts": 0, "reason": None, "settled_at": None}
    held = (jobs.c.arrival_id == attachment.arrival_id, jobs.c.state != JobState.LEASED)
    connection.execute(jobs.update().where(*held).values(**again))


def keep(connection: Connection, arrival_id: int, sighting: Sighting) -> None:
    """Write what knows an ECG again."""
    seen = sighting.seen
    values = {
        "arrival_id": arrival_id,
        "part": sighting.part,
        "ecg": sighting.ecg,
        "identified": bool(seen.patients),
        "named": sighting.named,
        "acquired_at": seen.acquired_at,
        "clock": _as_utc(seen.clock),
        "source": int(seen.source),
        "quarters": seen.quarters,
        "said": facts.said(sighting.said) if sighting.said else None,
        "print": seen.print,
    }
    number = connection.execute(recordings.insert().values(values).returning(recordings.c.id)).scalar_one()
    found = [("patient", digest) for digest in seen.patients] + [("order", digest) for digest in seen.orders]
    if found:
        rows = [{"recording_id": number, "kind": kind, "digest": digest} for kind, digest in sorted(found)]
        connection.execute(marks.insert(), rows)


def link(connection: Connection, arrival_id: int, part: int, ecg: str) -> None:
    """Say of which ECG it was that a message spoke."""
    of = (recordings.c.arrival_id == arrival_id, recordings.c.part == part, recordings.c.source == Source.SAID)
    connection.execute(recordings.update().where(*of).values(ecg=ecg))


def forget(connection: Connection, arrival_id: int) -> None:
    """Remove an arrival's, that is settled again."""
    mine = sa.select(recordings.c.id).where(recordings.c.arrival_id == arrival_id)
    connection.execute(marks.delete().where(marks.c.recording_id.in_(mine)))
    connection.execute(recordings.delete().where(recordings.c.arrival_id == arrival_id))


def _candidates(arrival_id: int, seen: Seen) -> sa.Select[Any]:
    """By patient where times do not forbid it; by time where either names nobody; by the order's numbers."""
    near = _near(seen)
    ways = [sa.and_(recordings.c.id.in_(_marked("patient", seen.patients)), near | recordings.c.acquired_at.is_(None))]
    if seen.acquired_at is None:
        ways = [recordings.c.id.in_(_marked("patient", seen.patients))]
    elif seen.patients:
        ways.append(sa.and_(recordings.c.identified.is_(False), near))
    else:
        ways.append(near)
    if seen.orders:
        ways.append(recordings.c.id.in_(_marked("order", seen.orders)))
    return sa.select(recordings).where(recordings.c.arrival_id != arrival_id, sa.or_(*ways))


def _near(seen: Seen) -> sa.ColumnElement[bool]:
    if seen.acquired_at is None:
        return sa.false()
    clock = _as_utc(seen.clock) or seen.acquired_at
    return sa.or_(
        recordings.c.acquired_at.between(seen.acquired_at - NEAR, seen.acquired_at + NEAR),
        recordings.c.clock.between(clock - NEAR, clock + NEAR),
    )


def _marked(kind: str, digests: Iterable[str]) -> sa.Select[Any]:
    return sa.select(marks.c.recording_id).where(marks.c.kind == kind, marks.c.digest.in_(sorted(digests)))


def _as_utc(clock: datetime | None) -> datetime | None:
    return None if clock is None else clock.replace(tzinfo=UTC)


def _known(connection: Connection, query: sa.Select[Any]) -> tuple[Known, ...]:
    rows = connection.execute(query).all()
    marked = sa.select(marks).where(marks.c.recording_id.in_([row.id for row in rows]))
    found = connection.execute(marked).all() if rows else []
    return tuple(
        Known(
            arrival_id=row.arrival_id,
            part=row.part,
            ecg=row.ecg,
            seen=_seen(row, _of(found, row.id)),
            identifiers=tuple(Identifier(**one) for one in row.said["identifiers"]) if row.said else (),
            withdrawn=bool(row.said and row.said.get("withdrawn")),
        )
        for row in rows
    )


def _of(found: Sequence[Any], number: int) -> dict[str, frozenset[str]]:
    mine = [mark for mark in found if mark.recording_id == number]
    return {kind: frozenset(mark.digest for mark in mine if mark.kind == kind) for kind in ("patient", "order")}


def _seen(row: sa.Row[Any], marked: dict[str, frozenset[str]]) -> Seen:
    return Seen(
        patients=marked["patient"],
        acquired_at=row.acquired_at,
        clock=row.clock.replace(tzinfo=None) if row.clock else None,
        source=Source(row.source),
        quarters=row.quarters,
        print=bytes(row.print),
        orders=marked["order"],
    )


def _past(row: sa.Row[Any], alerted: frozenset[tuple[Risk, Severity]]) -> Past:
    said = row.facts["ecg"]["patient"]["identifiers"]
    return Past(
        key=row.key,
        arrival_id=row.arrival_id,
        part=row.part,
        worth=row.worth,
        current=row.superseded_by is None,
        retracted=row.superseded_by == RETRACTED,
        scored=row.assessments > 0,
        identifiers=tuple(Identifier(**one) for one in said),
        alerted=alerted,
    )


def _attachment(row: sa.Row[Any]) -> Attachment:
    return Attachment(
        id=row.id,
        arrival_id=row.arrival_id,
        part=row.part,
        identifiers=tuple(Identifier(**one) for one in row.identifiers),
        by=row.by,
    )
