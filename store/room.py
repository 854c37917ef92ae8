"""Whether there is room for another arrival: on the disk, and in the line of those not yet settled.

ECGs and what is only administrative stand in lines of their own, each as long: neither closes the door to the other.
"""

import time
from collections import Counter
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy import Connection

from config import schema
from domain.reason import Reason
from store.database import Database
from store.tables import jobs, open_rows

RECOUNT_S = 1.0  # other processes settle and fill the line too
_OPEN = sa.select(jobs.c.turn, sa.func.count().label("waiting")).where(open_rows).group_by(jobs.c.turn)


class Room:
    """Counts rarely: between two counts what this process added is added up, which can only err on the full side."""

    def __init__(self, database: Database, settings: schema.Store) -> None:
        self._database = database
        self._free_needed = settings.free_disk_mib * 2**20
        self._most = settings.max_waiting
        self._counted = Counter[int]()
        self._counted_at = -RECOUNT_S

    def lacking(self, connection: Connection, coming: Mapping[int, int], coming_bytes: int) -> dict[int, Reason]:
        """Say why more arrivals must wait at the door, by turn; ``coming``: how many there are of each."""
        free = self._database.free_bytes()
        if free is not None and free - coming_bytes < self._free_needed:
            return dict.fromkeys(coming, Reason.DISK_LOW)
        stale = time.monotonic() - self._counted_at >= RECOUNT_S
        if stale or any(self._counted[turn] + count > self._most for turn, count in coming.items()):
            self._counted = Counter({row.turn: row.waiting for row in connection.execute(_OPEN)})
            self._counted_at = time.monotonic()
        return {turn: Reason.QUEUE_FULL for turn in coming if self._counted[turn] >= self._most}

    def taken(self, counts: Mapping[int, int]) -> None:
        """Add what was committed."""
        self._counted.update(counts)
