"""The way in: an arrival is acknowledged only after its commit, and one commit serves everybody who waits.

    door threads --accept--> Line --> one writer thread: BEGIN, keep all that is queued, COMMIT --> receipts

While one commit waits for the disk the next batch gathers by itself; nobody is ever made to wait for company.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Thread

import sqlalchemy as sa

from config import schema
from domain.arrival import Arrival, Format, Receipt
from domain.errors import Permanent, Problem, Transient
from domain.reason import Reason
from store.database import Database
from store.keep import Batch, Undecided, storable_key
from store.queue import Item, Line
from store.room import Room
from store.tables import arrivals
from store.wake import WORK

TIDY_BYTES = 8 * 2**20  # an idle inbox empties a WAL of this size; a busy one leaves it to SQLite's own bound

SameContent = Callable[[Format, bytes, bytes], bool]


class Inbox:
    """Keeps arrivals; ``same_content`` tells whether two payloads of one key are the same thing encoded twice."""

    def __init__(
        self,
        database: Database,
        *,
        same_content: SameContent,
        settings: schema.Store,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._same_content = same_content
        self._clock = clock
        self._room = Room(database, settings)
        self._line = Line()
        self._written = 0
        self._comparing = ThreadPoolExecutor(1, thread_name_prefix="inbox-compare")
        self._writer = Thread(target=self._write, name="inbox", daemon=True)
        self._writer.start()

    @property
    def alive(self) -> bool:
        """Whether anything is still being kept; a watchdog restarts a process whose inbox died."""
        return self._writer.is_alive()

    def accept(self, arrival: Arrival) -> "Future[Receipt]":
        """Queue an arrival; the future ends after its commit, or with ``Transient`` when it could not be kept."""
        item = Item(
            arrival=arrival,
            key=storable_key(arrival.key),
            sha256=hashlib.sha256(arrival.payload).hexdigest(),
        )
        item.receipt.set_running_or_notify_cancel()  # a door that gives up cannot undo a commit
        self._queue(item)
        return item.receipt

    def close(self) -> None:
        """Keep what is queued, then stop; what comes later is told to try again."""
        self._comparing.shutdown()
        self._line.close()
        self._writer.join()

    def _queue(self, item: Item) -> None:
        if not self._line.put(item):
            item.receipt.set_exception(Transient(Reason.QUEUE_FULL, "the inbox takes no more now"))

    def _write(self) -> None:
        batch: Sequence[Item] = ()
        try:
            while batch := self._line.take():
                self._commit(batch)
                self._tidy(batch)
        finally:  # whatever ends this thread, nobody waits for ever
            self._line.close()
            while batch:
                for item in batch:
                    _fail(item, Transient(Reason.STORE_UNAVAILABLE, "the inbox stopped"))
                batch = self._line.take()

    def _commit(self, items: Sequence[Item]) -> None:
        """Keep all in one transaction; one that the database refuses must not take its neighbours down."""
        try:
            answers = self._keep(items)
        except Permanent as problem:
            if len(items) == 1:
                return _fail(items[0], Transient(Reason.STORE_UNAVAILABLE, problem.detail))
            for item in items:
                self._commit([item])
        except Problem as problem:
            for item in items:
                _fail(item, Transient(problem.reason, problem.detail))
        else:
            for item, answer in zip(items, answers, strict=True):
                self._answer(item, answer)

    def _keep(self, items: Sequence[Item]) -> list[Receipt | Reason | Undecided]:
        size = sum(len(item.arrival.payload) for item in items)
        with self._database.write(WORK) as connection:
            coming = Counter(item.turn for item in items)
            batch = Batch(connection, self._clock(), self._room.lacking(connection, coming, size))
            answers = [batch.place(item) for item in items]
            batch.finish()
        self._room.taken(batch.opened)
        return answers

    def _answer(self, item: Item, answer: Receipt | Reason | Undecided) -> None:
        if isinstance(answer, Receipt):
            _end(item, answer)
        elif isinstance(answer, Reason):
            _fail(item, Transient(answer))
        else:
            self._compare(item)

    def _compare(self, item: Item) -> None:
        """Compare contents beside the writer, then answer or put the item back to be kept apart."""

        def compared(done: "Future[bool]") -> None:
            problem = done.exception()
            if isinstance(problem, Problem):
                _fail(item, Transient(problem.reason, problem.detail))
            elif problem is None and done.result():
                _end(item, Receipt.DUPLICATE)
            else:  # what cannot be compared is kept, and a person looks at it
                item.apart = True
                self._queue(item)

        try:
            self._comparing.submit(self._same, item).add_done_callback(compared)
        except RuntimeError:  # closing
            _fail(item, Transient(Reason.STORE_UNAVAILABLE, "the inbox is closing"))

    def _same(self, item: Item) -> bool:
        with self._database.read() as connection:
            kept = connection.execute(sa.select(arrivals.c.payload).where(arrivals.c.key == item.key)).scalar_one()
        return self._same_content(item.arrival.format, kept, item.arrival.payload)

    def _tidy(self, batch: Sequence[Item]) -> None:
        self._written += sum(len(item.arrival.payload) for item in batch)
        if self._written < TIDY_BYTES or len(self._line):
            return
        self._written = 0
        try:
            self._database.tidy()
        except Problem:
            return  # the next commit will say what is wrong, to somebody who waits for it


def _end(item: Item, receipt: Receipt) -> None:
    if not item.receipt.done():
        item.receipt.set_result(receipt)


def _fail(item: Item, problem: Transient) -> None:
    if not item.receipt.done():
        item.receipt.set_exception(problem)
