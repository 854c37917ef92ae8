"""DIMSE messages without sockets: presentation data values in, C-ECHO and C-STORE requests out, answers as bytes.

Command sets are Implicit VR Little Endian (PS3.7 6.3.1) and read here, not by a general parser: nothing of a message is
decoded that the answer does not need, sizes are bounded as the pieces arrive, and no exception quotes the input.

Beyond ``max_bytes`` the pieces of a data set are counted and dropped; the request then comes out with ``oversize`` set
and no data, so that one large object is answered and the association lives on. Beyond ``MOST_DROPPED`` times that, and
whenever the order of pieces is not PS3.8 annex E's, the message is ``Rejected`` and the association has to be aborted.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from domain.errors import Rejected
from domain.reason import Reason

MOST_COMMAND_BYTES = 16_384
MOST_DROPPED = 32
_NO_DATA_SET = 0x0101


class Command(IntEnum):
    """Command Field (0000,0100), PS3.7 annex E.1."""

    C_STORE_RQ = 0x0001
    C_ECHO_RQ = 0x0030
    C_CANCEL_RQ = 0x0FFF
    RESPONSE = 0x8000  # the bit every answer has


class Status(IntEnum):
    """Status (0000,0900): PS3.7 annex C and PS3.4 table B.2-1."""

    SUCCESS = 0x0000
    PROCESSING_FAILURE = 0x0110
    DUPLICATE_INSTANCE = 0x0111
    INVALID_INSTANCE = 0x0117
    CLASS_NOT_SUPPORTED = 0x0122
    UNRECOGNISED_OPERATION = 0x0211
    OUT_OF_RESOURCES = 0xA700
    CLASS_MISMATCH = 0xA900
    CANNOT_UNDERSTAND = 0xC000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Request:
    """One complete request. ``data``: the data set as it was sent; empty where there was none, or too much."""

    context_id: int
    command: int
    message_id: int
    sop_class: str
    sop_instance: str
    data: bytes | bytearray = b""
    oversize: bool = False


def _elements(command: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(command):
        if len(command) - at < 8:
            raise Rejected(Reason.UNDECODABLE, "the command set ends inside an element")
        group, element, length = struct.unpack_from("<HHL", command, at)
        at += 8
        if group != 0 or length > len(command) - at:
            raise Rejected(Reason.UNDECODABLE, "an element does not belong to the command set")
        yield element, command[at : at + length]
        at += length


def _number(fields: dict[int, bytes], element: int) -> int:
    value = fields.get(element, b"")
    if len(value) != 2:
        raise Rejected(Reason.MISSING_FIELD, f"the command set has no (0000,{element:04X})")
    return int.from_bytes(value, "little")


def _uid(fields: dict[int, bytes], element: int) -> str:
    return fields.get(element, b"").rstrip(b"\0 ").decode("ascii", "replace")


class Assembler:
    """Puts the fragments of one association's messages together; holds at most ``max_bytes`` of data set."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._reset()

    def _reset(self) -> None:
        self._command = bytearray()
        self._fields: dict[int, bytes] | None = None  # of the command whose data set is being received
        self._context_id = 0
        self._data = bytearray()  # not a list of pieces: a byte each would cost a hundred times their size
        self._size = 0

    @property
    def busy(self) -> bool:
        """Whether part of a message has arrived."""
        return bool(self._command)

    def feed(self, context_id: int, value: bytes) -> Request | None:
        """Take one presentation data value; the request it completes, if it does. Raises ``Rejected``."""
        if not value:
            raise Rejected(Reason.UNDECODABLE, "a presentation data value is empty")
        last = bool(value[0] & 2)  # message control header, PS3.8 E.2
        body = memoryview(value)[1:]
        return self._feed_command(context_id, body, last) if value[0] & 1 else self._feed_data(context_id, body, last)

    def _feed_command(self, context_id: int, body: memoryview, last: bool) -> Request | None:
        if self._fields is not None or (self._command and context_id != self._context_id):
            raise Rejected(Reason.UNDECODABLE, "a command set inside another message")
        self._context_id = context_id
        self._command += body
        if len(self._command) > MOST_COMMAND_BYTES:
            raise Rejected(Reason.TOO_LARGE, "the command set is too long")
        if not last:
            return None
        self._fields = dict(_elements(bytes(self._command)))
        return self._finish() if _number(self._fields, 0x0800) == _NO_DATA_SET else None

    def _feed_data(self, context_id: int, body: memoryview, last: bool) -> Request | None:
        if self._fields is None or context_id != self._context_id:
            raise Rejected(Reason.UNDECODABLE, "a data set without a command set")
        self._size += len(body)
        if self._size <= self._max_bytes:
            self._data += body
        elif self._size <= self._max_bytes * MOST_DROPPED:
            self._data = bytearray()
        else:
            raise Rejected(Reason.TOO_LARGE, "the object does not end")
        return self._finish() if last else None

    def _finish(self) -> Request:
        fields = self._fields or {}
        command = _number(fields, 0x0100)
        request = Request(
            context_id=self._context_id,
            command=command,
            message_id=_number(fields, 0x0120 if command == Command.C_CANCEL_RQ else 0x0110),
            sop_class=_uid(fields, 0x0002),
            sop_instance=_uid(fields, 0x1000),
            data=self._data,
            oversize=self._size > self._max_bytes,
        )
        self._reset()
        return request


def _element(element: int, value: bytes, pad: bytes = b"\0") -> bytes:
    value += pad * (len(value) % 2)
    return struct.pack("<HHL", 0, element, len(value)) + value


def answer(request: Request, status: Status, comment: str = "") -> bytes:
    """Encode the command set that answers ``request``; ``comment`` is Error Comment (0000,0902), fixed words only."""
    body = b"".join(
        (
            _element(0x0002, request.sop_class.encode("ascii", "replace")),
            _element(0x0100, struct.pack("<H", request.command | Command.RESPONSE)),
            _element(0x0120, struct.pack("<H", request.message_id)),
            _element(0x0800, struct.pack("<H", _NO_DATA_SET)),
            _element(0x0900, struct.pack("<H", status)),
            _element(0x0902, comment[:64].encode("ascii", "replace"), b" ") if comment else b"",
            _element(0x1000, request.sop_instance.encode("ascii", "replace")) if request.sop_instance else b"",
        )
    )
    return _element(0x0000, struct.pack("<L", len(body))) + body
