"""The thresholds as they were: a row whenever others came into force."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from store.database import Database
from store.postgresql import settling
from store.tables import configurations


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """``content``: every level written out. ``texts``: by file, the block as it was written (``None``: it had none).

    ``changes``: what changed against the one before, in words.
    """

    id: int
    made_at: datetime
    sha256: str
    content: Mapping[str, Any]
    texts: Mapping[str, str | None]
    changes: Sequence[str]


def keep(
    database: Database,
    *,
    sha256: str,
    content: Mapping[str, Any],
    texts: Mapping[str, str | None],
    changes: Sequence[str],
    now: datetime,
) -> bool:
    """Write which thresholds are in force from now on; ``False`` where they are already: another worker was first."""
    with database.write() as connection:
        settling(connection)
        last = sa.select(configurations.c.sha256).order_by(configurations.c.id.desc()).limit(1)
        if connection.execute(last).scalar() == sha256:
            return False
        row = {"made_at": now, "sha256": sha256, "content": content, "texts": texts, "changes": list(changes)}
        connection.execute(configurations.insert().values(row))
    return True


def history(database: Database, most: int = 100) -> tuple[Configuration, ...]:
    """The latest first."""
    query = sa.select(configurations).order_by(configurations.c.id.desc()).limit(most)
    with database.read() as connection:
        return tuple(Configuration(**row._mapping) for row in connection.execute(query))
