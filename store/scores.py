"""What each model said of each ECG, in narrow rows: for hysteresis, for comparing models, for trying thresholds."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy import Connection

from domain.context import Context, Earlier
from domain.finding import Assessment, Finding, Output
from domain.mode import Mode
from domain.person import person_key
from domain.scores import Scores, Words
from store.database import Database
from store.tables import scores

AT_ONCE = 50_000  # rows held as Python objects while they become columns
_JOINED = ("unit", "device", "door", "model", "mode")
_BETWEEN = "\x1f"
_INTS = {"id": "id", "arrival_id": "arrival"}
_TYPES = {"age_years": np.float64, "value": np.float64, "paced": np.bool_}
_TIMES = {"decided_at": "decided_us", "recorded_at": "recorded_us"}


def keep(connection: Connection, finding_id: int, finding: Finding) -> None:
    """Write what the models said of a finding's ECG, in place of what they said of it before."""
    connection.execute(scores.delete().where(scores.c.finding_id == finding_id))
    said = [*finding.assessments, *(one for one in finding.shadow if isinstance(one, Assessment))]
    if said:
        shared = _of_ecg(finding_id, finding)
        connection.execute(scores.insert(), [shared | _of_model(one) for one in said])


def fall(connection: Connection, finding_id: int) -> None:
    """Say that a finding no longer stands: its answers decide and count nothing any more."""
    connection.execute(scores.update().where(scores.c.finding_id == finding_id).values(stands=False))


def earlier(
    connection: Connection, person: str, at: datetime, within_h: float, besides: Collection[int] = ()
) -> tuple[Earlier, ...]:
    """What models said of a person's ECGs of the hours before ``at``, the latest first; not of arrivals ``besides``."""
    query = (
        sa.select(scores)
        .where(scores.c.person == person, scores.c.recorded_at.between(at - timedelta(hours=within_h), at))
        .where(scores.c.arrival_id.not_in(sorted(besides)), scores.c.stands)
        .order_by(scores.c.recorded_at.desc(), scores.c.id.desc())
    )
    return tuple(map(_earlier, connection.execute(query))) if person else ()


def read(
    database: Database,
    output: Output,
    since: datetime,
    until: datetime,
    modes: Collection[Mode] = (Mode.ALERT, Mode.REPORT),
) -> Scores:
    """Read what stands of one output, decided from ``since`` to before ``until``, in the order of writing."""
    names = [*_INTS, *_TIMES, "person", "age_years", "paced", "value"]
    # as they are kept: a time made of each number would cost more than all the rest, and so would five words of a few
    columns = [sa.type_coerce(scores.c[name], sa.BigInteger) if name in _TIMES else scores.c[name] for name in names]
    joined: sa.ColumnElement[Any] = scores.c[_JOINED[0]]
    for name in _JOINED[1:]:
        joined = joined + _BETWEEN + scores.c[name]
    wanted = sa.select(*columns, joined.label("joined")).where(
        scores.c.decided_at >= since,
        scores.c.decided_at < until,
        scores.c.output == output.value,
        scores.c.mode.in_([mode.value for mode in modes]),
        scores.c.stands,
    )
    known = {"person": _Codes(), "joined": _Codes()}
    names.append("joined")
    parts: dict[str, list[Any]] = {name: [] for name in names}
    with database.read() as connection:
        for rows in _pages(connection, wanted):
            for name, values in zip(names, zip(*rows, strict=True), strict=True):
                parts[name].append(_column(values, known.get(name), _TYPES.get(name, np.int64)))
    return _scores({name: np.concatenate(part) if part else np.empty(0) for name, part in parts.items()}, known)


def span(database: Database) -> tuple[datetime, datetime] | None:
    """When the first and the last answer was decided; ``None`` where there is none."""
    at = scores.c.decided_at
    with database.read() as connection:
        ends = [
            connection.execute(sa.select(sa.func.min(at), sa.func.max(at)).where(scores.c.output == output.value)).one()
            for output in Output
        ]
    told = [(first, last) for first, last in ends if first is not None]
    return (min(first for first, _ in told), max(last for _, last in told)) if told else None


def _pages(connection: Connection, wanted: sa.Select[Any]) -> Iterator[Sequence[Sequence[Any]]]:
    """The rows, so many at once, in the order of the index; ``id`` and ``decided_at`` are their first and third."""
    place = sa.tuple_(sa.type_coerce(scores.c.decided_at, sa.BigInteger), scores.c.id)
    page = wanted.order_by(scores.c.decided_at, scores.c.id).limit(AT_ONCE)
    rows = _fetched(connection, page)
    while rows:
        yield rows
        rows = _fetched(connection, page.where(place > (rows[-1][2], rows[-1][0]))) if len(rows) == AT_ONCE else []


def _fetched(connection: Connection, query: sa.Select[Any]) -> Sequence[Sequence[Any]]:
    """As the driver gives them: SQLAlchemy's rows cost as much again."""
    result = connection.execute(query)
    assert result.cursor is not None
    rows: Sequence[Sequence[Any]] = result.cursor.fetchall()
    result.close()
    return rows


class _Codes(dict[str, int]):
    """The number of each word, given when it is first asked for."""

    def __missing__(self, word: str) -> int:
        self[word] = number = len(self)
        return number


def _column(values: Sequence[Any], known: _Codes | None, dtype: type) -> Any:
    if known is not None:
        return np.fromiter(map(known.__getitem__, values), np.int32, len(values))
    return np.array(values, dtype)


def _scores(columns: dict[str, Any], known: dict[str, _Codes]) -> Scores:
    order = np.argsort(columns["id"], kind="stable")
    person = Words(codes=columns["person"][order].astype(np.int32), names=tuple(known["person"]))
    words: dict[str, Any] = {"person": person, **_parted(columns["joined"][order].astype(np.int32), known["joined"])}
    ints = {to: columns[name][order].astype(np.int64) for name, to in (_INTS | _TIMES).items()}
    return Scores(
        **words,
        **ints,
        age_years=columns["age_years"][order].astype(float),
        paced=columns["paced"][order].astype(bool),
        value=columns["value"][order].astype(float),
    )


def _parted(codes: NDArray[np.int32], joined: Collection[str]) -> dict[str, Words]:
    """Each of the words that were read as one; of these there are few."""
    found = {}
    for name, column in zip(_JOINED, zip(*(one.split(_BETWEEN) for one in joined), strict=True), strict=False):
        known = _Codes()
        table = np.fromiter(map(known.__getitem__, column), np.int32, len(column))
        found[name] = Words(codes=table[codes], names=tuple(known))
    return found or {name: Words(codes=codes, names=()) for name in _JOINED}


def _of_ecg(finding_id: int, finding: Finding) -> dict[str, Any]:
    context = finding.context
    return {
        "finding_id": finding_id,
        "arrival_id": finding.arrival_id,
        "decided_at": context.decided_at,
        "recorded_at": context.recorded_at,
        "person": person_key(finding.ecg.patient),
        "unit": _plain(context.unit),
        "age_years": context.age_years,
        "sex": finding.ecg.patient.sex.value,
        "device": _plain(context.device),
        "door": context.door,
        "paced": context.paced,
        "stands": True,
    }


def _of_model(one: Assessment) -> dict[str, Any]:
    score = one.score
    return {
        "model": score.model,
        "bundle_sha256": score.bundle_sha256,
        "mode": score.mode.value,
        "output": score.output.value,
        "value": float(score.value),
        "level": one.level,
        "severity": int(one.severity),
        "rule": one.rule,
    }


def _earlier(row: sa.Row[Any]) -> Earlier:
    context = Context(
        recorded_at=row.recorded_at,
        decided_at=row.decided_at,
        unit=row.unit,
        age_years=row.age_years,
        device=row.device,
        door=row.door,
        paced=row.paced,
    )
    shadow = row.mode == Mode.SHADOW
    return Earlier(model=row.model, output=row.output, value=row.value, context=context, shadow=shadow)


def _plain(text: str) -> str:
    """PostgreSQL holds neither NUL nor half a character."""
    return text.replace("\0", "").replace(_BETWEEN, " ").encode("utf-8", "replace").decode("utf-8")
