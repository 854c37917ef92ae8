"""One MLLP connection: messages in, commits under way side by side, acknowledgements out in the messages' order.

At the bounds:

- ``MOST_IN_FLIGHT`` messages or ``max_message_mib`` not yet committed: nothing more is read until some are.
- The peer does not read its acknowledgements: nothing more is read, and it is closed after ``idle_s``.
- A message larger than ``max_message_mib``: AR or CR 207, then closed; what still comes is thrown away.
- Nothing received for ``idle_s`` and nothing in flight: closed.
- A message that takes longer than ``idle_s``: closed once slower than ``SLOWEST``.
- Noise before VT, so no MLLP: closed.
- Cut, the connection ends within a message: no answer to it; what was complete is committed.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, cast

from config.schema import Hl7Door
from domain.arrival import Arrival, Format, Receipt
from domain.errors import Problem, Transient
from domain.reason import Reason
from listener import ack, mllp
from listener.accept import Accept, OnEvent
from listener.msh import Header, read_header

MOST_IN_FLIGHT = 256
SLOWEST = 1024  # octets/s
LINGER_S = 2.0  # an answer followed by a reset is an answer lost (RFC 9112 9.6), so the peer may finish first


class Desk(Protocol):
    """What a connection needs of its server."""

    settings: Hl7Door
    accept: Accept
    clock: Callable[[], datetime]
    on_event: OnEvent

    def watch(self, connection: "Connection", future: Future[Receipt]) -> None:
        """Call ``connection.turn`` on the event loop once the future is done."""

    def control_ids(self) -> tuple[str, str]:
        """Two new values for MSH-10."""

    def remember(self, connection: "Connection") -> None:
        """The connection is open."""

    def forget(self, connection: "Connection") -> None:
        """The connection is over."""


@dataclass(slots=True)
class _Slot:
    """A message's place in the queue of answers."""

    header: Header | None
    size: int
    since: float
    fault: ack.Fault | None = None
    future: Future[Receipt] | None = None


_FORMATS = {"ADT": Format.ADT, "ORA": Format.ORA}
_REASONS = {100: Reason.UNKNOWN_FORMAT, 101: Reason.MISSING_FIELD, 102: Reason.BAD_VALUE}


class Connection(asyncio.Protocol):
    """Runs on its server's event loop, one for each peer."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._max = desk.settings.max_message_mib << 20
        self._framer = mllp.Framer(self._max)
        self._slots: deque[_Slot] = deque()
        self._in_flight = 0  # octets
        self._blocked = False  # the peer does not read
        self._ending = False  # nothing more is taken
        self._reading = True
        self._outcome = "closed"
        self._loop = asyncio.get_running_loop()
        self._heard = self._begun = self._loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._timer = self._loop.call_later(self._desk.settings.idle_s, self._check_idle)
        self._desk.remember(self)
        self._desk.on_event("connection", door="hl7", outcome="opened")

    def data_received(self, data: bytes) -> None:
        """Take a chunk."""
        self._heard = self._loop.time()
        if not self._framer.inside:
            self._begun = self._heard
        self._framer.feed(data)
        self.turn()

    def eof_received(self) -> bool:
        """Finish what was complete; TLS cannot be half closed."""
        self._end("cut" if self._framer.inside else "closed")
        self.turn()
        return bool(self._slots) and self._transport.get_extra_info("sslcontext") is None

    def connection_lost(self, exc: Exception | None) -> None:
        """Commits under way go on; the sender, unanswered, will send again and hear the same answer."""
        self._timer.cancel()
        if self._framer.inside and not self._ending:
            self._outcome = "cut"
        self._ending = True
        self._desk.on_event("connection", door="hl7", outcome=self._outcome)
        self._desk.forget(self)

    def pause_writing(self) -> None:
        """The peer does not read its acknowledgements."""
        self._blocked = True
        self._regulate()

    def resume_writing(self) -> None:
        """It does again."""
        self._blocked = False
        self.turn()

    def finish(self) -> None:
        """Answer what is in flight, then close."""
        self._end("stopped")
        self.turn()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def turn(self) -> None:
        """Take what there is room for and answer what is settled, until neither is left."""
        self._pump()
        while self._answer():
            self._pump()
        self._regulate()
        if self._ending and not self._slots and self._outcome != "too_large":
            self._transport.close()

    def _end(self, outcome: str) -> None:
        if not self._ending:
            self._ending, self._outcome = True, outcome

    def _full(self) -> bool:
        return self._blocked or len(self._slots) >= MOST_IN_FLIGHT or self._in_flight >= self._max

    def _regulate(self) -> None:
        """Read on only while there is room; after an oversized message read on to throw away."""
        wanted = self._outcome == "too_large" if self._ending else not self._full()
        if wanted != self._reading and not self._transport.is_closing():
            self._reading = wanted
            (self._transport.resume_reading if wanted else self._transport.pause_reading)()

    def _pump(self) -> None:
        while not self._ending and not self._full():
            event = self._framer.next_event()
            if isinstance(event, mllp.Message):
                self._take(event.payload)
            elif isinstance(event, mllp.TooLarge):
                self._enqueue(_Slot(read_header(event.head), len(event.head), self._loop.time(), ack.TOO_LARGE))
                self._end("too_large")
            elif event is mllp.Stop.NOISE:
                self._end("noise")
            else:
                return

    def _take(self, payload: bytes) -> None:
        """Check the header and hand the message to the store."""
        desk, now = self._desk, self._loop.time()
        self._begun = now
        header = read_header(payload)
        fault = ack.check(header, processing_ids=desk.settings.processing_ids, versions=desk.settings.versions)
        slot = _Slot(header, len(payload), now, fault)
        if header is not None and fault is None:
            slot.future = self._commit(header, payload)
        self._enqueue(slot)
        if slot.future is not None:
            desk.watch(self, slot.future)

    def _commit(self, header: Header, payload: bytes) -> Future[Receipt]:
        arrival = Arrival(
            key=f"hl7:{header.key}",
            format=_FORMATS.get(header.component(9, 1), Format.HL7),
            payload=payload,
            source=f"hl7:{header.sender}",
            received_at=self._desk.clock(),
        )
        try:
            return self._desk.accept(arrival)
        except Transient as problem:  # refused without a future: the same to the sender
            refused: Future[Receipt] = Future()
            refused.set_exception(problem)
            return refused

    def _enqueue(self, slot: _Slot) -> None:
        self._slots.append(slot)
        self._in_flight += slot.size

    def _answer(self) -> bool:
        """Answer from the front of the queue as far as it is settled; say whether there was anything."""
        settled: list[_Slot] = []
        while self._slots and ((future := self._slots[0].future) is None or future.done()):
            settled.append(self._slots.popleft())
            self._in_flight -= settled[-1].size
        replies = [reply for slot in settled for reply in self._replies(slot)]
        if replies and not self._transport.is_closing():
            self._transport.write(b"".join(mllp.framed(reply) for reply in replies))
        if self._ending and self._outcome == "too_large" and settled and not self._slots:
            self._linger()
        return bool(settled)

    def _replies(self, slot: _Slot) -> Sequence[bytes]:
        fault = slot.fault if slot.future is None else self._settled(slot, slot.future)
        if slot.future is None and fault is not None:
            reason = Reason.TOO_LARGE if fault is ack.TOO_LARGE else _REASONS.get(fault.code, Reason.UNSUPPORTED_OBJECT)
            self._desk.on_event("refused", door="hl7", reason=reason)
        return ack.answers(slot.header, fault, control_ids=self._desk.control_ids(), now=self._desk.clock())

    def _settled(self, slot: _Slot, future: Future[Receipt]) -> ack.Fault | None:
        """Turn the store's receipt into the protocol's fault, or none."""
        problem = None if future.cancelled() else future.exception()
        if future.cancelled() or problem is not None:
            reason = problem.reason if isinstance(problem, Problem) else Reason.STORE_UNAVAILABLE
            self._desk.on_event("refused", door="hl7", reason=reason)
            return ack.UNAVAILABLE
        receipt = future.result()
        self._desk.on_event(
            "arrival",
            door="hl7",
            source=f"hl7:{slot.header.sender}" if slot.header else "hl7:",
            receipt=receipt,
            bytes=slot.size,
            seconds=self._loop.time() - slot.since,
        )
        return ack.CONFLICT if receipt is Receipt.CONFLICT else None

    def _linger(self) -> None:
        if self._transport.is_closing():
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._timer.cancel()
        self._timer = self._loop.call_later(LINGER_S, self._transport.abort)

    def _check_idle(self) -> None:
        idle_s, now = self._desk.settings.idle_s, self._loop.time()
        took = now - self._begun
        slow = self._framer.inside and took > idle_s and self._framer.buffered < SLOWEST * took
        left = self._heard + idle_s - now
        if not self._slots and (left <= 0 or slow):
            self._end("idle")
            self._transport.abort()  # nothing is owed, and a peer that does not read would keep a close waiting
            return
        self._timer = self._loop.call_later(left if left > 0 else idle_s, self._check_idle)
