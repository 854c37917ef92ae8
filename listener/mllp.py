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
GATHER = 65_536  # chunks below this are put together
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
    """Finds messages in a stream; every byte is looked at once and copied once, whatever the size of the chunks.

    Chunks of a message that goes on are kept as they came and joined at its end: growing one buffer would copy, and
    have the kernel clear, megabytes over and over. Small ones are gathered, so that a chunk an octet costs no more.
    """

    def __init__(self, max_message: int) -> None:
        self._max = max_message
        self._rest = b""  # the last chunk, from ``_at`` on not yet looked at
        self._at = 0
        self._pieces: list[bytes | bytearray] = []  # of the open message, before ``_rest``; its end is not in them
        self._held = 0
        self._open = False  # VT seen
        self._noise = 0
        self._over = False

    @property
    def buffered(self) -> int:
        """Bytes held."""
        return self._held + len(self._rest) - self._at

    @property
    def inside(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._open

    def feed(self, chunk: bytes) -> None:
        """Take what the peer sent; ask ``next_event`` until it needs data."""
        if not self._over:
            self._rest, self._at = self._rest[self._at :] + chunk, 0

    def next_event(self) -> Event:
        """Return the next message, or why there is none."""
        if self._over:
            return Stop.NEED_DATA
        if not self._open and not self._begin():
            return Stop.NOISE if self._noise > MOST_NOISE else Stop.NEED_DATA
        end = self._find_end()
        if end is None:
            self._keep()
            return self._too_large() if self._held > self._max + len(FS_CR) else Stop.NEED_DATA
        if self._held + end - self._at > self._max:
            self._keep()
            return self._too_large()
        return self._take(end)

    def _begin(self) -> bool:
        start = self._rest.find(VT, self._at)
        self._noise += (len(self._rest) if start < 0 else start) - self._at
        if self._noise > MOST_NOISE or start < 0:
            self._rest, self._at = b"", 0
            return False
        self._at = start + 1
        self._open, self._noise = True, 0
        return True

    def _find_end(self) -> int | None:
        """Where FS CR begins in the last chunk: -1 when FS ended the one before.

        One octet is looked for sixty times faster than two; a lone FS must not make that a loop over octets.
        """
        if self._pieces and self._pieces[-1].endswith(FS) and self._rest.startswith(b"\r"):
            return -1
        end = self._rest.find(FS, self._at)
        if end >= 0 and not self._rest.startswith(FS_CR, end):
            end = self._rest.find(FS_CR, end)
        return None if end < 0 else end

    def _keep(self) -> None:
        """Put the last chunk with the message's others."""
        piece = self._rest[self._at :] if self._at else self._rest
        self._rest, self._at = b"", 0
        self._held += len(piece)
        if len(piece) >= GATHER:
            self._pieces.append(piece)
        elif piece and self._pieces and isinstance(self._pieces[-1], bytearray) and len(self._pieces[-1]) < GATHER:
            self._pieces[-1] += piece
        elif piece:
            self._pieces.append(bytearray(piece))

    def _take(self, end: int) -> Message:
        if self._pieces:
            last = memoryview(self._rest)[self._at : max(end, 0)]
            payload = b"".join((*self._pieces, last))
            payload = payload[:-1] if end < 0 else payload  # FS
        else:
            payload = self._rest[self._at : end]
        restart = payload.rfind(VT)
        self._at = end + len(FS_CR)
        self._pieces, self._held, self._open = [], 0, False
        return Message(payload[restart + 1 :])

    def _too_large(self) -> TooLarge:
        head = b"".join(self._pieces[: HEAD + 1])[:HEAD]
        self._pieces, self._held = [], 0
        self._open, self._over = False, True
        return TooLarge(head)


def framed(message: bytes) -> bytes:
    """Put a message between VT and FS CR."""
    return b"%b%b%b" % (VT, message, FS_CR)
