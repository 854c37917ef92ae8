"""Whether there is room for another arrival: on the disk, and in the line of those not yet settled."""

import time

import sqlalchemy as sa
from sqlalchemy import Connection

from config import schema
from domain.reason import Reason
from store.database import Database
from store.tables import jobs, open_rows

RECOUNT_S = 1.0  # other processes settle and fill the line too
_OPEN = sa.select(sa.func.count()).select_from(jobs).where(open_rows)


class Room:
    """Counts rarely: between two counts what this process added is added up, which can only err on the full side."""

    def __init__(self, database: Database, settings: schema.Store) -> None:
        self._database = database
        self._free_needed = settings.free_disk_mib * 2**20
        self._most = settings.max_waiting
        self._counted = 0
        self._counted_at = -RECOUNT_S

    def lacking(self, connection: Connection, coming: int, coming_bytes: int) -> Reason | None:
        """Say why ``coming`` more arrivals must wait at the door, or ``None``."""
        free = self._database.free_bytes()
        if free is not None and free - coming_bytes < self._free_needed:
            return Reason.DISK_LOW
        stale = time.monotonic() - self._counted_at >= RECOUNT_S
        if stale or self._counted + coming > self._most:
            self._counted = connection.execute(_OPEN).scalar_one()
            self._counted_at = time.monotonic()
        return Reason.QUEUE_FULL if self._counted >= self._most else None

    def taken(self, count: int) -> None:
        """Add what was committed."""
        self._counted += count
