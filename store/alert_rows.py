"""An alert's rows: raised, closed, read back; in whatever transaction they belong to."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from domain.alert import MUST_BE_TOLD, Alert, Closing, Event, Happened, Raised, Risk
from domain.finding import Severity
from store.tables import alert_events, alerts

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_WORKER = "ecgd work"


def raise_(connection: Connection, raised: Raised, now: datetime) -> int | None:
    """Keep an alert; ``None``: its finding raised it before, and whatever became of it since stands."""
    values = {
        **{name: getattr(raised, name) for name in ("finding", "person", "recording", "level", "value", "unit")},
        **{name: getattr(raised, name) for name in ("model", "stand_in", "expires_at")},
        "risk": raised.risk.value,
        "severity": int(raised.severity),
        "said": dict(raised.said),
        "raised_at": now,
        "since": now,
        "done": False,
    }
    insert = _INSERT[connection.dialect.name](alerts).on_conflict_do_nothing(index_elements=["finding", "risk"])
    number: int | None = connection.execute(insert.returning(alerts.c.id), values).scalar()
    if number is not None:
        note(connection, [Event(alert=number, at=now, what=Happened.RAISED, actor=_WORKER)])
    return number


def close(
    connection: Connection,
    *,
    reason: Closing,
    actor: str,
    now: datetime,
    person: str | None = None,
    finding: str | None = None,
    recording: str | None = None,
    still: Collection[Risk] = (),
) -> tuple[int, ...]:
    """Close the open alerts of a person, a finding or a recording, but for risks that ``still`` stand; their numbers.

    Whoever was told of one that is superseded or retracted hears of that from the pager.
    """
    named = {alerts.c.person: person, alerts.c.finding: finding, alerts.c.recording: recording}
    conditions = [column == value for column, value in named.items() if value]
    if not conditions:
        raise ValueError("close whose alerts?")
    stands = alerts.c.risk.not_in([risk.value for risk in still])
    open_ones = sa.select(alerts.c.id).where(alerts.c.closed_at.is_(None), stands, *conditions).order_by(alerts.c.id)
    numbers = tuple(connection.execute(open_ones).scalars())
    if numbers:
        end(connection, dict.fromkeys(numbers, reason), now)
        what = Happened.CLOSED
        note(connection, [Event(alert=one, at=now, what=what, actor=actor, why=reason.value) for one in numbers])
    return numbers


def standing(connection: Connection, findings: Collection[str]) -> dict[str, frozenset[tuple[Risk, Severity]]]:
    """What people were alerted to because of findings, and was not withdrawn since."""
    gone = sa.and_(alerts.c.closed_at.is_not(None), alerts.c.reason.in_([reason.value for reason in MUST_BE_TOLD]))
    query = sa.select(alerts.c.finding, alerts.c.risk, alerts.c.severity)
    found: dict[str, set[tuple[Risk, Severity]]] = {key: set() for key in findings}
    for row in connection.execute(query.where(alerts.c.finding.in_(list(findings)), ~gone)):
        found[row.finding].add((Risk(row.risk), Severity(row.severity)))
    return {key: frozenset(risks) for key, risks in found.items()}


def belongs(connection: Connection, recording: str, person: str) -> None:
    """An ECG's open alerts are from now on its patient's: whose it is was said later, or the person was merged."""
    if person:
        mine = (alerts.c.recording == recording, alerts.c.closed_at.is_(None), alerts.c.person != person)
        connection.execute(alerts.update().where(*mine).values(person=person))


def end(connection: Connection, closed: Mapping[int, Closing], now: datetime) -> None:
    """Mark as closed, and as done where nobody has to hear of it."""
    for number, reason in closed.items():
        values = {"closed_at": now, "reason": reason.value, "done": reason not in MUST_BE_TOLD}
        connection.execute(alerts.update().where(alerts.c.id == number, alerts.c.closed_at.is_(None)).values(values))


def note(connection: Connection, events: Sequence[Event]) -> None:
    """Append to their alerts' lives."""
    rows = [
        {
            "alert_id": one.alert,
            "at": one.at,
            "what": one.what.value,
            "actor": one.actor,
            "channel": one.channel,
            "why": str(one.why),
            "message": one.message,
            "pending": one.what is Happened.SENT,
        }
        for one in events
    ]
    if rows:
        connection.execute(alert_events.insert(), rows)


def acknowledge(connection: Connection, said: Sequence[Event]) -> None:
    """Note of alerts, and of those they speak for, that a person knows; the first word counts."""
    for event in said:
        unknown = [one for one in _group(connection, event.alert) if not one.acknowledged]
        note(connection, [replace(event, alert=one.id) for one in unknown])


def _group(connection: Connection, number: int) -> tuple[Alert, ...]:
    """An alert, and the open ones of the same person and risk."""
    (own,) = read(connection, sa.select(alerts).where(alerts.c.id == number)) or (None,)
    if own is None:
        return ()
    same = [alerts.c.risk == own.raised.risk.value, alerts.c.closed_at.is_(None)]
    person, recording = own.raised.person, own.raised.recording
    same.append(alerts.c.person == person if person else alerts.c.recording == recording)
    others = read(connection, sa.select(alerts).where(*same)) if own.closed is None else ()
    return (own, *(one for one in others if one.id != number and one.group == own.group))


def read(connection: Connection, query: sa.Select[Any]) -> tuple[Alert, ...]:
    """The alerts of a query, with their events, in its order."""
    rows = connection.execute(query).all()
    if not rows:
        return ()
    of = alert_events.c.alert_id.in_([row.id for row in rows])
    events: dict[int, list[Event]] = {row.id: [] for row in rows}
    for row in connection.execute(sa.select(alert_events).where(of).order_by(alert_events.c.id)):
        events[row.alert_id].append(event_of(row))
    return tuple(_alert(row, tuple(events[row.id])) for row in rows)


def event_of(row: sa.Row[Any]) -> Event:
    """An event as it is kept."""
    return Event(
        alert=row.alert_id,
        at=row.at,
        what=Happened(row.what),
        actor=row.actor,
        channel=row.channel,
        why=row.why,
        message=row.message,
    )


def _alert(row: sa.Row[Any], events: tuple[Event, ...]) -> Alert:
    raised = Raised(
        **{name: getattr(row, name) for name in ("finding", "person", "recording", "level", "value", "unit")},
        **{name: getattr(row, name) for name in ("model", "stand_in", "expires_at", "said")},
        risk=Risk(row.risk),
        severity=Severity(row.severity),
    )
    return Alert(
        id=row.id,
        raised=raised,
        raised_at=row.raised_at,
        since=row.since,
        closed=Closing(row.reason) if row.closed_at is not None else None,
        events=events,
    )
