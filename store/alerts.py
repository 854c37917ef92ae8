"""Alerts: raised by the settlement that caused them, and from then on every thing that happens to them, with its time.

open -> closed       by the planner (time, a graver one), by a settlement (superseded), by the census, by a retraction
closed -> done       once everybody who must hear of the end was told

The pager reads all that is not done, decides, and writes what follows, messages included, in one transaction: killed
before the commit it has done nothing, after it everything.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from domain.alert import Alert, Book, Change, Event, Happened, Sent
from domain.census import Whereabouts, whereabouts
from store.alert_rows import acknowledge, end, event_of, note, read
from store.census import visits
from store.database import Database
from store.ear import Ear
from store.postgresql import paging
from store.record import put
from store.tables import MessageState, alert_events, alerts, findings, movements, not_done_rows, outbox, pending_rows
from store.wake import DELIVER, PAGER

_PAGER = "ecgd deliver"
_ANSWERED = timedelta(days=7)  # alerts are over long before
Decide = Callable[[Book], Change]


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """How far back what was sent and called matters; ``day``: since when alerts are counted, ``None``: they are not."""

    sent: timedelta
    called: timedelta
    day: datetime | None = None


class Alerts:
    """The pager's side; safe to share between threads."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database, self._clock = database, clock
        self._ear = Ear(database.wake, PAGER)
        self._seen: int | None = None

    def turn(self, decide: Decide, since: Since, *, only_new: bool = False) -> Change:
        """Read, decide and write in one transaction; what was written. Nothing is locked where nothing follows.

        ``only_new``: of what has happened since the last turn, and of those it concerns; cheap, however many are open.
        """
        with self._database.read() as connection:
            new = self._new(connection) if only_new else None
            if new == ():
                return Change()
            change = decide(self._book(connection, since)) if new is None else Change()
            last = _last(connection)
            if new is None and not change and not _fates(connection):
                self._seen = last
                return change
        with self._database.write(DELIVER) as connection:
            paging(connection)
            self._hear(connection)
            change = decide(self._book(connection, since, new))
            self._write(connection, change)
            last = _last(connection)
        self._seen = last
        return change

    def _new(self, connection: Connection) -> tuple[int, ...] | None:
        """Alerts something happened to since the last turn; ``None``: it is not known, so all of them."""
        if self._seen is None:
            return None
        query = sa.select(alert_events.c.alert_id).where(alert_events.c.id > self._seen).distinct()
        return tuple(connection.execute(query.order_by(alert_events.c.alert_id)).scalars())

    def acknowledge(self, numbers: Collection[int], by: str) -> dict[int, Event]:
        """Note that a person knows, of these and of those they speak for; who did first, by number."""
        now = self._clock()
        with self._database.write(PAGER) as connection:
            acknowledge(connection, [Event(alert=one, at=now, what=Happened.ACKNOWLEDGED, actor=by) for one in numbers])
            return _first(connection, numbers, Happened.ACKNOWLEDGED)

    def told_by(self, is_it: Callable[[str], bool]) -> tuple[int, ...]:
        """The alerts of which a message of the last days told, chosen by its key; ``()``: there was none."""
        sent = (alert_events.c.what == Happened.SENT.value, alert_events.c.at > self._clock() - _ANSWERED)
        query = sa.select(alert_events.c.message, alert_events.c.alert_id).where(*sent).order_by(alert_events.c.id)
        with self._database.read() as connection:
            return tuple(row.alert_id for row in connection.execute(query) if is_it(row.message))

    def list(self, *, all_of_them: bool = False, limit: int = 200) -> tuple[Alert, ...]:
        """Open ones, or the last of all, the newest first."""
        wanted = sa.true() if all_of_them else alerts.c.closed_at.is_(None)
        with self._database.read() as connection:
            return read(connection, sa.select(alerts).where(wanted).order_by(alerts.c.id.desc()).limit(limit))

    def show(self, numbers: Collection[int]) -> tuple[Alert, ...]:
        """These, with all that happened to them."""
        with self._database.read() as connection:
            return read(connection, sa.select(alerts).where(alerts.c.id.in_(list(numbers))).order_by(alerts.c.id))

    def states(self, keys: Collection[str]) -> dict[str, str]:
        """Where messages stand, by key."""
        with self._database.read() as connection:
            query = sa.select(outbox.c.key, outbox.c.state).where(outbox.c.key.in_(list(keys)))
            return {row.key: row.state for row in connection.execute(query)}

    def wait(self, timeout_s: float) -> None:
        """Until a settlement raised or withdrew one, or a person acknowledged; at most ``timeout_s``."""
        self._ear.wait_until(lambda: None, self._clock, timeout_s)

    def close(self) -> None:
        """Stop listening."""
        self._ear.close()

    def _book(self, connection: Connection, since: Since, new: Collection[int] | None = None) -> Book:
        wanted = sa.true() if new is None else _concerned(new)
        open_ones = read(connection, sa.select(alerts).where(not_done_rows, wanted).order_by(alerts.c.id))
        if not open_ones:
            return Book(alerts=())
        now = self._clock()
        called = now - since.called
        return Book(
            alerts=open_ones,
            units=_units(connection, open_ones, now),
            sent=_sent(connection, now - since.sent),
            raised_today=_raised(connection, since.day) if since.day else {},
            called=_called(connection, min(since.day, called) if since.day else called),
        )

    def _hear(self, connection: Connection) -> None:
        """What became of the messages: a line in the alert's life each."""
        for row in _fates(connection):
            sent = row.state == MessageState.SENT
            event = Event(
                alert=row.alert_id,
                at=row.sent_at if sent and row.sent_at else self._clock(),
                what=Happened.DELIVERED if sent else Happened.UNDELIVERABLE,
                actor=_PAGER,
                channel=row.channel,
                why="" if sent else row.reason,
                message=row.message,
            )
            note(connection, [event])
            connection.execute(alert_events.update().where(alert_events.c.id == row.id).values(pending=False))

    def _write(self, connection: Connection, change: Change) -> None:
        now = self._clock()
        for outgoing, finding in change.outgoing:
            row = connection.execute(
                sa.select(findings.c.id, findings.c.arrival_id).where(findings.c.key == finding)
            ).one_or_none()
            put(
                connection,
                outgoing,
                now,
                arrival_id=row.arrival_id if row else None,
                finding_id=row.id if row else None,
            )
        for number, since in change.since.items():
            connection.execute(alerts.update().where(alerts.c.id == number).values(since=since))
        end(connection, change.closed, now)
        if change.done:
            connection.execute(alerts.update().where(alerts.c.id.in_(sorted(change.done))).values(done=True))
        note(connection, change.events)


def _fates(connection: Connection) -> Sequence[sa.Row[Any]]:
    """Messages about alerts that have ended, and whose alerts do not know it."""
    ended = outbox.c.state.in_([MessageState.SENT, MessageState.BURIED])
    joined = alert_events.join(outbox, outbox.c.key == alert_events.c.message)
    query = sa.select(alert_events, outbox.c.state, outbox.c.reason, outbox.c.sent_at).select_from(joined)
    return connection.execute(query.where(pending_rows, ended).order_by(alert_events.c.id)).all()


def _first(connection: Connection, numbers: Collection[int], what: Happened) -> dict[int, Event]:
    query = sa.select(alert_events).where(alert_events.c.alert_id.in_(list(numbers)), alert_events.c.what == what.value)
    rows = connection.execute(query.order_by(alert_events.c.id.desc())).all()
    return {row.alert_id: event_of(row) for row in rows}


def _units(connection: Connection, open_ones: Sequence[Alert], now: datetime) -> dict[str, str]:
    """Where the persons of alerts are, as the admission feed says; ``""``: they have left since the ECG was taken."""
    asked = {one.raised.person: one for one in open_ones if one.raised.person and not one.acknowledged}
    if not asked or connection.execute(sa.select(movements.c.id).limit(1)).first() is None:
        return {}
    found = {}
    for person, alert in asked.items():
        where = whereabouts(visits(connection, person), now)
        if isinstance(where, Whereabouts):
            found[person] = where.unit
        elif where is not None and where.since > _taken(alert):
            found[person] = ""
    return found


def _taken(alert: Alert) -> datetime:
    said = alert.raised.said.get("acquired_at")
    return datetime.fromisoformat(said) if said else alert.raised_at


def _concerned(new: Collection[int]) -> sa.ColumnElement[bool]:
    """These, and whatever is of the same person or recording: one may speak for the other."""
    these = alerts.alias("these")
    same = sa.or_(
        sa.and_(these.c.person == alerts.c.person, these.c.person != ""), these.c.recording == alerts.c.recording
    )
    return sa.or_(alerts.c.id.in_(list(new)), sa.exists().where(these.c.id.in_(list(new)), same))


def _last(connection: Connection) -> int:
    number: int | None = connection.execute(sa.select(sa.func.max(alert_events.c.id))).scalar()
    return number or 0


def _sent(connection: Connection, since: datetime) -> tuple[Sent, ...]:
    query = sa.select(alert_events).where(alert_events.c.what == Happened.SENT.value, alert_events.c.at > since)
    rows = connection.execute(query.order_by(alert_events.c.id))
    return tuple(Sent(at=row.at, channel=row.channel, message=row.message, why=row.why) for row in rows)


def _raised(connection: Connection, day: datetime) -> dict[str, int]:
    query = (
        sa.select(alerts.c.unit, sa.func.count().label("raised"))
        .where(alerts.c.raised_at >= day)
        .group_by(alerts.c.unit)
    )
    return {row.unit: row.raised for row in connection.execute(query)}


def _called(connection: Connection, since: datetime) -> dict[str, datetime]:
    query = sa.select(alert_events.c.why, alert_events.c.at)
    called = query.where(alert_events.c.what == Happened.CALLED.value, alert_events.c.at >= since)
    return {row.why: row.at for row in connection.execute(called.order_by(alert_events.c.id))}
