"""The inbox's waiting line in memory: everything queued leaves together, bounded by count and bytes."""

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition

from domain.arrival import Arrival, Format, Receipt

BATCH_COUNT = 512
BATCH_BYTES = 32 * 2**20
LINE_BYTES = 512 * 2**20  # beyond this the doors answer "later" before memory ends
LINE_COUNT = 20_000


@dataclass(slots=True, kw_only=True)
class Item:
    """One arrival on its way to the disk. ``apart``: its key is taken by content that was compared and differs."""

    arrival: Arrival
    key: str
    sha256: str
    receipt: Future[Receipt] = field(default_factory=Future)
    apart: bool = False

    @property
    def turn(self) -> int:
        """0 for what may be an ECG, 1 for what can wait: thousands of an admission feed stand in no ECG's way."""
        return int(self.arrival.format is Format.ADT)


class Line:
    """A bounded first-in first-out line between many doors and one writer."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._items: deque[Item] = deque()
        self._bytes = 0
        self._closed = False

    def put(self, item: Item) -> bool:
        """Append; ``False`` when the line is full or closed."""
        size = len(item.arrival.payload)
        with self._changed:
            full = self._items and (self._bytes + size > LINE_BYTES or len(self._items) >= LINE_COUNT)
            if self._closed or full:
                return False
            self._items.append(item)
            self._bytes += size
            self._changed.notify()
            return True

    def take(self) -> list[Item]:
        """Wait for something and take as much as one transaction should hold; empty when closed and done."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed)
            batch: list[Item] = []
            room = BATCH_BYTES
            while (
                self._items and len(batch) < BATCH_COUNT and (not batch or len(self._items[0].arrival.payload) <= room)
            ):
                batch.append(self._items.popleft())
                room -= len(batch[-1].arrival.payload)
            self._bytes -= BATCH_BYTES - room
            return batch

    def close(self) -> None:
        """Take nothing more; ``take`` still hands out what is queued."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._items)
