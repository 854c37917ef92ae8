"""MLLP framing without sockets: chunks in, messages out (HL7 v2.x Transport, MLLP release 1).

    VT message FS CR

- Bytes before VT are skipped; more than ``MOST_NOISE`` of them in a row is no MLLP peer.
- A message longer than allowed is never buffered whole: its head is handed over, to answer to, and nothing after it.
- VT does not occur in a message. A sender that gave up in the middle of one starts again with VT: the cut part is
  dropped, never joined to what follows.
- FS without CR does not end a message.
"""

from dataclasses import dataclass
from enum import Enum

VT, FS, FS_CR = b"\x0b", b"\x1c", b"\x1c\r"
MOST_NOISE = 4096
HEAD = 8192  # of an oversized message: enough for its MSH


@dataclass(frozen=True, slots=True)
class Message:
    """The bytes between VT and FS CR, as they came."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class TooLarge:
    """A message passed the bound; ``head`` is its beginning. The framer yields nothing more."""

    head: bytes


class Stop(Enum):
    """Why there is no event."""

    NEED_DATA = "need_data"
    NOISE = "noise"  # no MLLP peer: close


Event = Message | TooLarge | Stop


class Framer:
    """Finds messages in a stream; every byte is looked at once and copied twice, whatever the size of the chunks."""

    def __init__(self, max_message: int) -> None:
        self._max = max_message
        self._buffer = bytearray()
        self._open = False  # VT seen; the buffer begins with the first byte after it
        self._searched = 0
        self._noise = 0
        self._over = False

    @property
    def buffered(self) -> int:
        """Bytes held."""
        return len(self._buffer)

    @property
    def inside(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._open

    def feed(self, chunk: bytes) -> None:
        """Take what the peer sent; ask ``next_event`` until it needs data."""
        if not self._over:
            self._buffer += chunk

    def next_event(self) -> Event:
        """Return the next message, or why there is none."""
        if self._over:
            return Stop.NEED_DATA
        if not self._open and not self._begin():
            return Stop.NOISE if self._noise > MOST_NOISE else Stop.NEED_DATA
        end = self._find_end()
        if end > self._max or (end < 0 and len(self._buffer) > self._max + len(FS_CR)):
            return self._too_large()
        if end < 0:
            self._searched = max(0, len(self._buffer) - 1)  # FS may be the last byte so far
            return Stop.NEED_DATA
        return self._take(end)

    def _begin(self) -> bool:
        start = self._buffer.find(VT)
        self._noise += len(self._buffer) if start < 0 else start
        if self._noise > MOST_NOISE or start < 0:
            self._buffer.clear()
            return False
        del self._buffer[: start + 1]  # bytearray drops its front without moving the rest
        self._open, self._searched, self._noise = True, 0, 0
        return True

    def _find_end(self) -> int:
        """One octet is looked for sixty times faster than two; a lone FS must not make that a loop over octets."""
        end = self._buffer.find(FS, self._searched)
        if end < 0 or self._buffer.startswith(FS_CR, end):
            return end
        return self._buffer.find(FS_CR, end)

    def _take(self, end: int) -> Message:
        restart = self._buffer.rfind(VT, 0, end)
        with memoryview(self._buffer) as view:
            payload = bytes(view[restart + 1 : end])
        del self._buffer[: end + len(FS_CR)]
        self._open = False
        return Message(payload)

    def _too_large(self) -> TooLarge:
        head = bytes(self._buffer[:HEAD])
        self._buffer.clear()
        self._open, self._over = False, True
        return TooLarge(head)


def framed(message: bytes) -> bytes:
    """Put a message between VT and FS CR."""
    return b"%b%b%b" % (VT, message, FS_CR)
