"""What jobs and messages have in common: rows are claimed for a while, and only the holder of the last claim writes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from store.database import Database
from store.tables import open_rows


def next_due(database: Database, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> datetime | None:
    """When the next row may be claimed; in the past when one may be now."""
    with database.read() as connection:
        due: datetime | None = connection.execute(
            sa.select(sa.func.min(table.c.available_at)).where(open_rows, *conditions)
        ).scalar()
    return due


def candidates(
    connection: Connection, table: sa.Table, number: sa.ColumnElement[Any], now: datetime, limit: int, *more: Any
) -> sa.Select[Any]:
    """Oldest claimable rows; rows that another PostgreSQL session is claiming are passed over."""
    query = sa.select(number).where(open_rows, table.c.available_at <= now, *more).order_by(number).limit(limit)
    return query.with_for_update(skip_locked=True) if connection.dialect.name == "postgresql" else query


def leased(now: datetime, lease_s: float) -> dict[str, datetime]:
    """Columns of a lease that begins now."""
    until = now + timedelta(seconds=lease_s)
    return {"leased_until": until, "available_at": until}


def write_if_held(
    database: Database, table: sa.Table, held: Sequence[Any], values: dict[str, Any], *topics: str
) -> bool:
    """Update the row of a claim; ``False``, and nothing written, when it is no longer the last one."""
    with database.write(*topics) as connection:
        return update_if_held(connection, table, held, values)


def update_if_held(connection: Connection, table: sa.Table, held: Sequence[Any], values: dict[str, Any]) -> bool:
    """Update inside a transaction; ``held`` is the row's number and its lease's."""
    number, lease = held
    (key,) = table.primary_key.columns
    update = table.update().where(key == number, table.c.lease == lease, table.c.state == "leased").values(values)
    return connection.execute(update).rowcount == 1
