"""Flags: what is known of a person, what stands in the records, and the messages that tell of a change, at once."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from domain.alert import Risk
from domain.census import departures
from domain.ecg import Identifier
from domain.finding import Output, Severity, Status
from domain.flag import Evidence, Flag, Over, State
from domain.mode import Mode
from domain.outgoing import Outgoing
from store.census import group, visits
from store.database import Database
from store.ear import Ear
from store.postgresql import settling
from store.record import put
from store.tables import EPOCH, RETRACTED, findings, flags, outbox, watched
from store.wake import DELIVER

MOST = 500  # findings of one person, the newest
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a flag's messages tell of the finding it rests on: whose it is, and the model as the result names it."""

    identifiers: tuple[Identifier, ...]
    encounter: Identifier | None
    model: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """All there is to decide from: flags as they stand, what each ECG says, and when the person left."""

    person: str
    flags: tuple[Flag, ...]
    evidence: Mapping[Risk, tuple[Evidence, ...]]
    left: tuple[datetime, ...]
    told: Mapping[str, Told]


Decide = Callable[[Known], tuple[tuple[Flag, tuple[Outgoing, ...]], ...]]


class Flags:
    """Looks and writes; safe to share between threads. ``allow_stand_in``: models that are not validated may flag."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        allow_stand_in: bool = False,
    ) -> None:
        self._database, self._clock, self._allow = database, clock, allow_stand_in
        self._ear = Ear(database.wake, DELIVER)

    def due(self, besides: Collection[str] = ()) -> str | None:
        """A person whose flags may have to change: something happened, or a flag's time is over."""
        over = (flags.c.state == State.ACTIVE.value, flags.c.until <= self._clock())
        ways = (
            sa.select(watched.c.person).where(watched.c.person.not_in(besides)).order_by(watched.c.id),
            sa.select(flags.c.person).where(*over, flags.c.person.not_in(besides)).order_by(flags.c.until),
        )
        with self._database.read() as connection:
            found = (connection.execute(query.limit(1)).scalar() for query in ways)
            return next((person for person in found if person), None)

    def wait(self, timeout_s: float) -> None:
        """Until something may be due, at most ``timeout_s``."""
        self._ear.wait_until(self._next, self._clock, timeout_s)

    def close(self) -> None:
        """Stop listening."""
        self._ear.close()

    def look(self, person: str, decide: Decide) -> tuple[Flag, ...]:
        """Decide and write, messages included, in one transaction; what was changed."""
        with self._database.write(DELIVER) as connection:
            settling(connection)
            looked = connection.execute(sa.select(watched.c.id).where(watched.c.person == person)).scalars().all()
            made = decide(self._known(connection, person))
            for flag, messages in made:
                _keep(connection, flag)
                _tell(connection, flag.finding, messages, self._clock())
            connection.execute(watched.delete().where(watched.c.id.in_(looked)))
        return tuple(flag for flag, _ in made)

    def _next(self) -> datetime | None:
        with self._database.read() as connection:
            if connection.execute(sa.select(watched.c.id).limit(1)).first():
                return EPOCH
            soonest = sa.select(sa.func.min(flags.c.until)).where(flags.c.state == State.ACTIVE.value)
            found: datetime | None = connection.execute(soonest).scalar()
            return found

    def _known(self, connection: Connection, person: str) -> Known:
        keys = group(connection, person)
        kept = connection.execute(sa.select(flags).where(flags.c.person.in_(keys)).order_by(flags.c.begun)).all()
        last = sa.select(findings).where(findings.c.person.in_(keys)).order_by(findings.c.id.desc()).limit(MOST)
        rows = connection.execute(last).all()
        flagged = sa.select(findings).where(findings.c.key.in_({row.finding for row in kept}))
        about = {row.key: row.facts for row in (*connection.execute(flagged), *rows)}
        return Known(
            person=keys[0],
            flags=tuple(map(_flag, kept)),
            evidence=_evidence(rows, allow_stand_in=self._allow),
            left=departures(visits(connection, person)),
            told={key: _told(facts) for key, facts in about.items()},
        )


def _evidence(rows: Collection[sa.Row[Any]], *, allow_stand_in: bool) -> dict[Risk, tuple[Evidence, ...]]:
    """What each result that stands says of each risk a model of it may alert about."""
    replaced = {row.key: row.superseded_by for row in rows if row.superseded_by not in (None, RETRACTED)}
    found: dict[Risk, list[Evidence]] = {risk: [] for risk in Risk}
    for row in rows:
        if row.superseded_by is not None:
            continue
        before = frozenset(key for key in replaced if _last(key, replaced) == row.key)
        for risk, critical in _says(row.facts["assessments"], allow_stand_in=allow_stand_in).items():
            found[risk].append(Evidence(finding=row.key, at=_taken(row.facts), critical=critical, before=before))
    return {risk: tuple(each) for risk, each in found.items()}


def _last(key: str, replaced: Mapping[str, str]) -> str:
    """The finding that stands in the place of ``key`` now."""
    seen = {key}
    while (key := replaced.get(key, "")) and key in replaced and key not in seen:
        seen.add(key)
    return key


def _alerts(score: Mapping[str, Any]) -> bool:
    return bool(score.get("mode", Mode.ALERT.value) == Mode.ALERT.value)


def _says(assessments: Iterable[Mapping[str, Any]], *, allow_stand_in: bool) -> dict[Risk, bool]:
    """Whether each risk is critical; of a risk that no model answered for nothing is said."""
    said: dict[Risk, bool] = {}
    for one in assessments:
        score = one["score"]
        trusted = allow_stand_in or score["status"] == Status.SITE_VALIDATED.value
        if not trusted or not _alerts(score):
            continue
        critical = one["severity"] == Severity.CRITICAL.name.lower()
        for risk in _risks(score["output"]):
            shown = critical and (risk is Risk.ARREST or one["level"].endswith("low") == (risk is Risk.POTASSIUM_LOW))
            said[risk] = said.get(risk, False) or shown
    return said


def _risks(output: str) -> tuple[Risk, ...]:
    return (Risk.ARREST,) if output == Output.ARREST.value else (Risk.POTASSIUM_HIGH, Risk.POTASSIUM_LOW)


def _taken(facts: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(facts["ecg"]["acquired_at"] or facts["received_at"])


def _told(facts: Mapping[str, Any]) -> Told:
    visit = facts["ecg"]["order"]["encounter"]
    return Told(
        identifiers=tuple(Identifier(**one) for one in facts["ecg"]["patient"]["identifiers"]),
        encounter=Identifier(**visit) if visit else None,
        model={score["output"]: score for score in sorted((one["score"] for one in facts["assessments"]), key=_alerts)},
    )


def _flag(row: sa.Row[Any]) -> Flag:
    return Flag(
        key=row.key,
        person=row.person,
        risk=Risk(row.risk),
        raised_by=row.raised_by,
        finding=row.finding,
        begun=row.begun,
        until=row.until,
        state=State(row.state),
        ended=row.ended,
        why=Over(row.why) if row.why else None,
        changes=row.changes,
    )


def _keep(connection: Connection, flag: Flag) -> None:
    values = {name: getattr(flag, name) for name in ("key", "person", "raised_by", "finding", "begun", "until")}
    values |= {"ended": flag.ended, "changes": flag.changes, "state": flag.state.value, "risk": flag.risk.value}
    values |= {"why": flag.why.value if flag.why else None}
    insert = _INSERT[connection.dialect.name](flags)
    upsert = insert.on_conflict_do_update(index_elements=["key"], set_={name: insert.excluded[name] for name in values})
    connection.execute(upsert, values)


def _tell(connection: Connection, finding: str, messages: Collection[Outgoing], now: datetime) -> None:
    """Queue messages as a finding's own, one more each."""
    row = connection.execute(sa.select(findings.c.id, findings.c.arrival_id).where(findings.c.key == finding)).one()
    for outgoing in messages:
        put(connection, outgoing, now, arrival_id=row.arrival_id, finding_id=row.id)
    kept = sa.select(sa.func.count()).where(outbox.c.finding_id == row.id).scalar_subquery()
    connection.execute(findings.update().where(findings.c.id == row.id).values(messages=kept))
