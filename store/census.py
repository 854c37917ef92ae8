"""Where people are and who they turned out to be, from every movement an admission feed told of."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from domain import census
from domain.census import Discharged, Event, Merge, Movement, Visit, Whereabouts
from domain.ecg import Identifier, Patient
from domain.person import person_key, record_numbers
from domain.seen import Attachment
from store.database import Database
from store.memory import attach
from store.tables import findings, merges, moved, movements, watched

MOST = 500  # movements of one person, the newest: some years of them


class Census:
    """Says where people are; safe to share between threads."""

    def __init__(self, database: Database, clock: Any = lambda: datetime.now(UTC)) -> None:
        self._database, self._clock = database, clock

    def whereabouts(self, person: str, taken: datetime | None = None) -> Whereabouts | Discharged | None:
        """Where a person is now; ``None``: not known.

        ``taken``: when the ECG in question was. Whoever left before it has come back, and nobody has said so yet.
        """
        found = census.whereabouts(self.visits(person), self._clock())
        if isinstance(found, Discharged) and taken is not None and found.since <= taken:
            return None
        return found

    def visits(self, person: str) -> tuple[Visit, ...]:
        """A person's stays, under whatever identifier."""
        with self._database.read() as connection:
            return visits(connection, person)

    def survivor(self, patient: Patient) -> tuple[Identifier, ...]:
        """The identifiers under which a merged patient is known now; empty for one who was not merged."""
        key = person_key(patient)
        with self._database.read() as connection:
            end = _survivors(connection, [key]).get(key) if key else None
        return end.whose if end else ()


def persons(identifiers: Iterable[Identifier]) -> tuple[str, ...]:
    """The keys of a person by each record number, the first first."""
    numbers = record_numbers(Patient(identifiers=tuple(identifiers)))
    return tuple(dict.fromkeys(person_key(Patient(identifiers=(one,))) for one in numbers))


def group(connection: Connection, person: str) -> tuple[str, ...]:
    """Every key of the same person, the one that is left first."""
    ends = {old: one.new for old, one in _survivors(connection, [person]).items()}
    last = ends.get(person, person)
    return last, *sorted(old for old, new in ends.items() if new == last and old != last)


def visits(connection: Connection, person: str) -> tuple[Visit, ...]:
    """A person's stays, under whatever identifier."""
    of = sa.select(moved.c.movement_id).where(moved.c.person.in_(group(connection, person)))
    last = movements.c.at.desc(), movements.c.rank.desc()
    rows = connection.execute(sa.select(movements).where(movements.c.id.in_(of)).order_by(*last).limit(MOST))
    return census.visits(map(_movement, rows))


def write(connection: Connection, arrival_id: int, told: Collection[Movement], now: datetime) -> None:
    """Keep what an arrival says, in place of what it said before; a merge puts the results it concerns back to work."""
    before = sa.select(movements.c.id).where(movements.c.arrival_id == arrival_id)
    connection.execute(moved.delete().where(moved.c.movement_id.in_(before)))
    connection.execute(movements.delete().where(movements.c.arrival_id == arrival_id))
    connection.execute(merges.delete().where(merges.c.arrival_id == arrival_id))
    for one in told:
        (_merge if one.event is Event.MERGE else _move)(connection, arrival_id, one, now)


def watch(connection: Connection, keys: Iterable[str]) -> None:
    """Have somebody look at what may follow for these persons."""
    rows = [{"person": key} for key in keys if key]
    if rows:
        connection.execute(watched.insert(), rows)


def _move(connection: Connection, arrival_id: int, one: Movement, _now: datetime) -> None:
    values = {
        "arrival_id": arrival_id,
        "event": one.event,
        "at": one.at,
        "rank": one.rank,
        "visit": one.visit.value if one.visit else None,
        "authority": one.visit.authority if one.visit else "",
        "unit": one.unit,
        "bed": one.bed,
        "kind": one.kind,
        "began": one.began,
        "ended": one.ended,
    }
    number = connection.execute(movements.insert().values(values).returning(movements.c.id)).scalar_one()
    keys = persons(one.whose)
    if keys:
        connection.execute(moved.insert(), [{"movement_id": number, "person": key} for key in keys])
    if one.event in (Event.DISCHARGE, Event.CANCEL_ADMIT, Event.CANCEL_DISCHARGE) or one.ended:
        watch(connection, keys[:1])


def _merge(connection: Connection, arrival_id: int, one: Movement, now: datetime) -> None:
    new, olds = persons(one.whose)[:1], persons(one.merged)
    if not new:
        return
    whose = [{"value": each.value, "authority": each.authority, "type": each.type} for each in one.whose]
    said = {"arrival_id": arrival_id, "new": new[0], "at": one.at, "rank": one.rank, "identifiers": whose}
    others = [old for old in olds if old != new[0]]
    if others:
        connection.execute(merges.insert(), [{**said, "old": old} for old in others])
    for old in others:
        _reissue(connection, arrival_id, old, now)
    watch(connection, [*new, *olds])


def _reissue(connection: Connection, arrival_id: int, old: str, now: datetime) -> None:
    """Have every result that stands under ``old`` decided again under whoever that is now."""
    end = _survivors(connection, [old]).get(old)
    if end is None:
        return
    standing = sa.select(findings.c.arrival_id, findings.c.part).where(
        findings.c.person == old, findings.c.superseded_by.is_(None)
    )
    for row in connection.execute(standing).all():
        made = Attachment(arrival_id=row.arrival_id, part=row.part, identifiers=end.whose, by=f"arrival {arrival_id}")
        attach(connection, made, now, turn=1)  # years of one person's ECGs keep no new one waiting


def _survivors(connection: Connection, keys: Collection[str]) -> dict[str, Merge]:
    """Follow merges in both directions from ``keys``, as far as they go."""
    known, found = set[str](), dict[int, Merge]()
    fresh = set(keys)
    while fresh:
        known |= fresh
        touching = sa.or_(merges.c.old.in_(fresh), merges.c.new.in_(fresh))
        rows = connection.execute(sa.select(merges).where(touching)).all()
        found |= {row.id: _of(row) for row in rows}
        fresh = {key for row in rows for key in (row.old, row.new)} - known
    return census.survivors(found.values())


def _of(row: Any) -> Merge:
    whose = tuple(Identifier(**one) for one in row.identifiers)
    return Merge(old=row.old, new=row.new, at=row.at, rank=row.rank, whose=whose)


def _movement(row: Any) -> Movement:
    return Movement(
        event=Event(row.event),
        at=row.at,
        rank=row.rank,
        whose=(),
        visit=Identifier(value=row.visit, authority=row.authority) if row.visit else None,
        unit=row.unit,
        bed=row.bed,
        kind=row.kind,
        began=row.began,
        ended=row.ended,
    )
