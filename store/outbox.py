"""The deliverers' side: claim messages, say what became of them.

waiting -> leased         claim: oldest first, not before ``available_at``, passing over channels that are held up
                          and messages behind an earlier one of their lane that is waiting or leased; one that is
                          buried holds up nobody
leased -> leased          claim, when the lease has ended: sent perhaps, but sending twice is harmless
leased -> sent | buried   sent, bury
leased -> waiting         retry
any but leased -> waiting requeue, by a person
waiting, buried -> waiting put, with a new body: the arrival was decided again
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from config import schema
from domain.outgoing import Outgoing
from domain.reason import Reason
from store.database import Database
from store.ear import Ear
from store.lease import candidates, leased, next_due, write_if_held
from store.record import put
from store.tables import EPOCH, MessageState, outbox
from store.wake import DELIVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message, ours while the lease lasts.

    ``created_at``: when it was queued, last; its age counts from there. ``reason``: the last retry's.
    """

    id: int
    outgoing: Outgoing
    attempts: int
    created_at: datetime
    lease: int
    arrival_id: int | None = None
    reason: Reason | None = None


class Outbox:
    """Claims and marks; safe to share between threads."""

    def __init__(
        self, database: Database, settings: schema.Store, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._ear = Ear(database.wake, DELIVER)

    def claim(self, limit: int, exclude_channels: Collection[str] = ()) -> list[Message]:
        """Lease the oldest ``limit`` messages that wait, oldest first, none of an excluded channel."""
        now = self._clock()
        others = outbox.c.channel.not_in(list(exclude_channels))
        due = next_due(self._database, outbox, others, _HEAD)
        if due is None or due > now:
            return []
        with self._database.write() as connection:
            query = candidates(connection, outbox, outbox.c.id, now, limit, others, _FIRST)
            oldest = connection.execute(query).scalars().all()
            update = (
                outbox.update()
                .where(outbox.c.id.in_(oldest))
                .values(
                    state=MessageState.LEASED,
                    attempts=outbox.c.attempts + 1,
                    lease=outbox.c.lease + 1,
                    **leased(now, self._settings.lease_s),
                )
                .returning(outbox)
            )
            rows = connection.execute(update).all()
        return [_message(row) for row in sorted(rows, key=lambda row: row.id)]  # RETURNING has no order

    def extend(self, message: Message) -> bool:
        """Lease for another ``lease_s`` from now; ``False`` when another deliverer has it."""
        return self._write(message, leased(self._clock(), self._settings.lease_s))

    def sent(self, message: Message) -> bool:
        """The destination has it."""
        values = {"state": MessageState.SENT, "sent_at": self._clock(), "leased_until": None, "reason": None}
        return self._write(message, values, *_next(message))

    def retry(self, message: Message, reason: Reason, at: datetime, *, restart_age: bool = False) -> bool:
        """Give it back until ``at``; the attempt counts. ``restart_age``: what it waits for now began now."""
        age = {"queued_at": self._clock()} if restart_age else {}
        return self._write(message, _waiting(at) | {"reason": reason} | age, DELIVER)

    def bury(self, message: Message, reason: Reason) -> bool:
        """Nobody tries again unless a person says so."""
        values = {"state": MessageState.BURIED, "reason": reason, "leased_until": None}
        return self._write(message, values, *_next(message))

    def requeue(self, id: int) -> bool:
        """Send it again, sent or buried as it may be; ``False`` when there is none or a deliverer has it."""
        values = _waiting(EPOCH) | {"attempts": 0, "reason": None, "queued_at": self._clock(), "sent_at": None}
        update = outbox.update().where(outbox.c.id == id, outbox.c.state != MessageState.LEASED).values(values)
        with self._database.write(DELIVER) as connection:
            return connection.execute(update).rowcount == 1

    def put(self, outgoing: Outgoing) -> bool:
        """Queue a message that no finding caused; ``False`` when one of its key was sent or is being sent."""
        with self._database.write(DELIVER) as connection:
            return put(connection, outgoing, self._clock())

    def wait(self, timeout_s: float, exclude_channels: Collection[str] = ()) -> None:
        """Wait until something of another channel may be claimed, at most ``timeout_s``."""
        others = outbox.c.channel.not_in(list(exclude_channels))
        self._ear.wait_until(lambda: next_due(self._database, outbox, others, _HEAD), self._clock, timeout_s)

    def close(self) -> None:
        """Stop listening."""
        self._ear.close()

    def _write(self, message: Message, values: dict[str, Any], *topics: str) -> bool:
        return write_if_held(self._database, outbox, (message.id, message.lease), values, *topics)


# Their conditions are written out, for the partial index.
_earlier, _heads = outbox.alias("earlier"), outbox.alias("heads")
_FIRST = sa.or_(
    outbox.c.lane == "",
    ~sa.exists().where(
        _earlier.c.channel == outbox.c.channel,
        _earlier.c.lane == outbox.c.lane,
        _earlier.c.id < outbox.c.id,
        sa.text("earlier.state IN ('waiting', 'leased')"),
    ),
)
"""Nothing of the lane is before it: quick where the first few rows may go."""
_HEAD = sa.or_(
    outbox.c.lane == "",
    outbox.c.id.in_(
        sa.select(sa.func.min(_heads.c.id))
        .where(sa.text("heads.state IN ('waiting', 'leased')"))
        .group_by(_heads.c.channel, _heads.c.lane)
    ),
)
"""The same, all lanes at once: quick where thousands wait behind others, as when a destination is down."""


def _next(message: Message) -> tuple[str, ...]:
    """Whom to wake: another deliverer may wait for the rest of the lane."""
    return (DELIVER,) if message.outgoing.lane else ()


def _waiting(at: datetime) -> dict[str, Any]:
    return {"state": MessageState.WAITING, "available_at": at, "leased_until": None}


def _message(row: sa.Row[Any]) -> Message:
    outgoing = Outgoing(
        key=row.key,
        channel=row.channel,
        content_type=row.content_type,
        body=bytes(row.body),
        expires_at=row.expires_at,
        lane=row.lane,
    )
    return Message(
        id=row.id,
        outgoing=outgoing,
        attempts=row.attempts,
        created_at=row.queued_at,
        lease=row.lease,
        arrival_id=row.arrival_id,
        reason=row.reason and Reason(row.reason),
    )
