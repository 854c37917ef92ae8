"""What one bundle said, read for comparison."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa

from domain.answers import Answers, Kept
from domain.finding import Output, Severity
from domain.mode import Mode
from domain.scores import Words
from store.database import Database
from store.scores import AT_ONCE
from store.tables import scores

_TIMES = ("decided_at", "recorded_at")
_WORDS = ("person", "unit", "level")
_NUMBERS = {
    "finding_id": np.int64,
    "arrival_id": np.int64,
    "decided_at": np.int64,
    "recorded_at": np.int64,
    "value": float,
    "severity": np.int8,
}


def kept(database: Database) -> tuple[Kept, ...]:
    """Every bundle of which answers stand, the one that answered last first."""
    group = (scores.c.bundle_sha256, scores.c.model, scores.c.output)
    last = sa.func.max(scores.c.id)
    counted = sa.select(
        *group, last, sa.func.count(), sa.func.min(scores.c.decided_at), sa.func.max(scores.c.decided_at)
    )
    with database.read() as connection:
        rows = connection.execute(counted.where(scores.c.stands).group_by(*group).order_by(last.desc())).all()
        modes = {
            row[3]: connection.execute(sa.select(scores.c.mode).where(scores.c.id == row[3])).scalar_one()
            for row in rows
        }
    return tuple(
        Kept(
            model=row.model,
            sha256=row.bundle_sha256,
            mode=Mode(modes[row[3]]),
            output=Output(row.output),
            answers=row[4],
            first=row[5],
            last=row[6],
        )
        for row in rows
    )


def of_bundle(database: Database, sha256: str, since: datetime, until: datetime) -> Answers:
    """What stands of a bundle's answers, decided from ``since`` to before ``until``, by finding."""
    # times as they are kept: a datetime made of each number would cost more than all the rest
    columns = [
        sa.type_coerce(scores.c[name], sa.BigInteger) if name in _TIMES else scores.c[name]
        for name in (*_NUMBERS, *_WORDS)
    ]
    wanted = sa.select(*columns).where(
        scores.c.bundle_sha256 == sha256,
        scores.c.decided_at >= since,
        scores.c.decided_at < until,
        scores.c.stands,
    )
    known: dict[str, dict[str, int]] = {name: {} for name in _WORDS}
    parts: dict[str, list[Any]] = {name: [] for name in (*_NUMBERS, *_WORDS)}
    with database.read() as connection:
        for rows in connection.execution_options(yield_per=AT_ONCE).execute(wanted).partitions():
            for name, values in zip(parts, zip(*rows, strict=True), strict=True):
                parts[name].append(_column(name, values, known))
    found = {name: np.concatenate(part) if part else np.empty(0) for name, part in parts.items()}
    order = np.argsort(found["finding_id"], kind="stable")
    columns_by_name: dict[str, Any] = {name: found[name][order].astype(kind) for name, kind in _NUMBERS.items()}
    words: dict[str, Any] = {
        name: Words(codes=found[name][order].astype(np.int32), names=tuple(known[name])) for name in _WORDS
    }
    return Answers(
        finding=columns_by_name["finding_id"],
        arrival=columns_by_name["arrival_id"],
        decided_us=columns_by_name["decided_at"],
        recorded_us=columns_by_name["recorded_at"],
        value=columns_by_name["value"],
        critical=columns_by_name["severity"] == int(Severity.CRITICAL),
        **words,
    )


def _column(name: str, values: Sequence[Any], known: dict[str, dict[str, int]]) -> Any:
    if name in known:
        seen = known[name]
        return np.fromiter((seen.setdefault(value, len(seen)) for value in values), np.int32, len(values))
    return np.array(values, _NUMBERS[name])
