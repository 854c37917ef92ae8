"""One transaction's worth of arrivals: which are new, which came before, which are something else under a known key."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from domain.arrival import Receipt
from domain.reason import Reason
from store.queue import Item
from store.tables import EPOCH, JobState, arrivals, jobs, microseconds

LONGEST_KEY = 500  # PostgreSQL indexes at most 2,704 bytes; no honest key comes near

# The driver's own words and cursor: an insert of 2 kB through SQLAlchemy spends more time in Python than in SQLite.
_INSERT = (
    "INSERT INTO arrivals (key, sha256, format, source, size, received_at, payload) VALUES (?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (key) DO NOTHING RETURNING id"
)
_MARKED = {"sqlite": _INSERT, "postgresql": _INSERT.replace("?", "%s")}
_FIND = sa.select(arrivals.c.sha256).where(arrivals.c.key == sa.bindparam("key"))
_JOB = jobs.insert()


@dataclass(frozen=True, slots=True)
class Undecided:
    """Same key, other bytes: only a comparison of contents can tell, and that takes too long to do while writing."""


@dataclass(slots=True)
class Batch:
    """What one transaction wrote. ``no_room``: why nothing new of a turn may be kept; absent when it may."""

    connection: Connection
    now: datetime
    no_room: Mapping[int, Reason]
    opened: Counter[int] = field(default_factory=Counter)
    _jobs: list[dict[str, Any]] = field(default_factory=list)
    _cursor: Any = field(init=False)

    def __post_init__(self) -> None:
        """Use the transaction's own cursor."""
        self._cursor = self.connection.connection.cursor()

    def place(self, item: Item) -> Receipt | Reason | Undecided:
        """Keep one arrival if it is new; a ``Reason`` says why it could not be kept."""
        if item.apart:
            return self._place_apart(item)
        if self._insert(item, item.key, None):
            return Receipt.NEW
        found = self._sha256(item.key)
        if found is None:
            return self.no_room.get(item.turn, Reason.STORE_UNAVAILABLE)
        return Receipt.DUPLICATE if found == item.sha256 else Undecided()

    def finish(self) -> None:
        """Write the jobs that belong to what was placed."""
        if self._jobs:
            self.connection.execute(_JOB, self._jobs)

    def _place_apart(self, item: Item) -> Receipt | Reason:
        """Keep other content under a key of its own, in quarantine; the same again stays one row."""
        for key in _keys_apart(item):
            if self._insert(item, key, Reason.SAME_KEY_OTHER_CONTENT):
                return Receipt.CONFLICT
            found = self._sha256(key)
            if found == item.sha256:
                return Receipt.CONFLICT
            if found is None:
                break
        return self.no_room.get(item.turn, Reason.STORE_UNAVAILABLE)

    def _insert(self, item: Item, key: str, quarantine: Reason | None) -> bool:
        if item.turn in self.no_room:
            return False
        arrival = item.arrival
        row = (
            key,
            item.sha256,
            arrival.format.value,
            safe(arrival.source),
            len(arrival.payload),
            microseconds(arrival.received_at),
            arrival.payload,
        )
        self._cursor.execute(_MARKED[self.connection.dialect.name], row)
        inserted = self._cursor.fetchone()
        if inserted is None:
            return False
        self._jobs.append(self._job(inserted[0], item.turn, quarantine))
        self.opened[item.turn] += quarantine is None
        return True

    def _job(self, number: int, turn: int, quarantine: Reason | None) -> dict[str, Any]:
        return {
            "turn": turn,
            "arrival_id": number,
            "state": JobState.QUARANTINED if quarantine else JobState.WAITING,
            "reason": quarantine,
            "attempts": 0,
            "lease": 0,
            "available_at": EPOCH,
            "settled_at": self.now if quarantine else None,
        }

    def _sha256(self, key: str) -> str | None:
        found: str | None = self.connection.execute(_FIND, {"key": key}).scalar()
        return found


def storable_key(key: str) -> str:
    """A key as both databases can hold it: no NUL, no lone surrogate, bounded in length; others stay as they are."""
    clean = safe(key)
    if len(clean) <= LONGEST_KEY:
        return clean
    return f"{clean[:LONGEST_KEY]}#{hashlib.sha256(clean.encode()).hexdigest()}"


def safe(text: str) -> str:
    """Write out what a text column cannot hold."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")


def _keys_apart(item: Item) -> tuple[str, ...]:
    """The second is for a sender whose own keys end like our first."""
    return f"{item.key}#{item.sha256[:16]}", f"{item.key}#{item.sha256}#apart"
