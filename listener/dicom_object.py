"""What a door has to know of a DICOM object: that it is whole, and whose UIDs it carries. No sockets, no values kept.

``examine`` walks the elements' headers to the last byte and skips every value, so that an object cut short on its way
is answered C000 while the sender still has it; what the values mean is for the adapters to say.
"""

import re
import struct
from typing import NamedTuple

from domain.errors import Rejected
from domain.reason import Reason

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
TRANSFER_SYNTAXES = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG)

IMPLEMENTATION_CLASS = "2.25.111758577396822113548260597646001560762"  # PS3.5 B.2: a UUID as a UID
IMPLEMENTATION_VERSION = "ECGD"  # no number: the same object stays the same bytes in the next version

_UID = re.compile(r"[0-9]+(\.[0-9]+)+\Z")
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_SOP_CLASS, _SOP_INSTANCE = 0x00080016, 0x00080018
_LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_SHORT = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_MOST_NESTED = 64


class Identity(NamedTuple):
    """SOP Class and SOP Instance UID as the data set has them; empty where absent."""

    sop_class: str
    sop_instance: str


def valid_uid(uid: str) -> bool:
    """Tell whether ``uid`` is made as PS3.5 9.1 has it; leading zeros, which some carts send, pass."""
    return len(uid) <= 64 and _UID.match(uid) is not None


def part10_head(sop_class: str, sop_instance: str, transfer_syntax: str) -> bytes:
    """Preamble and File Meta Information (PS3.10 7.1) to stand before a data set that came over the network."""
    meta = b"".join(
        (
            struct.pack("<HH2sHL", 2, 0x0001, b"OB", 0, 2) + b"\x00\x01",
            _uid_element(0x0002, sop_class),
            _uid_element(0x0003, sop_instance),
            _uid_element(0x0010, transfer_syntax),
            _uid_element(0x0012, IMPLEMENTATION_CLASS),
            struct.pack("<HH2sH", 2, 0x0013, b"SH", len(IMPLEMENTATION_VERSION)) + IMPLEMENTATION_VERSION.encode(),
        )
    )
    return bytes(128) + b"DICM" + struct.pack("<HH2sHL", 2, 0x0000, b"UL", 4, len(meta)) + meta


def _uid_element(element: int, uid: str) -> bytes:
    value = uid.encode("ascii")
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HH2sH", 2, element, b"UI", len(value)) + value


class _Encoding(NamedTuple):
    implicit: bool
    tag: struct.Struct
    short: struct.Struct
    long: struct.Struct


def _encoding(implicit: bool, order: str) -> _Encoding:
    return _Encoding(implicit, struct.Struct(order + "HH"), struct.Struct(order + "H"), struct.Struct(order + "L"))


_ENCODINGS = {
    IMPLICIT_LITTLE: _encoding(True, "<"),
    EXPLICIT_LITTLE: _encoding(False, "<"),
    EXPLICIT_BIG: _encoding(False, ">"),
}


def examine(data: bytes | memoryview, transfer_syntax: str, start: int = 0) -> Identity:
    """Walk the data set from ``start`` to its end. Raises ``Rejected(UNDECODABLE)`` where it is not well formed.

    Values and sequences of known length are skipped; those of undefined length are entered, as their end can only be
    found by walking (PS3.5 7.5). Unknown (UN) ones are Implicit VR Little Endian inside (PS3.5 6.2.2 note 2).
    """
    open_items: list[_Encoding] = []  # the encoding outside each sequence or item of undefined length
    now = _ENCODINGS[transfer_syntax]
    found = {_SOP_CLASS: "", _SOP_INSTANCE: ""}
    at, end = start, len(data)
    while end - at >= 8:
        tag, vr, length, at = _header(data, at, now)
        if length != _UNDEFINED:
            if length > end - at:
                raise Rejected(Reason.UNDECODABLE, "the data set ends inside a value")
            if not open_items and tag in found:
                found[tag] = bytes(data[at : at + length]).rstrip(b"\0 ").decode("ascii", "replace")
            at += length
        elif len(open_items) < _MOST_NESTED:
            open_items.append(now)
            now = _ENCODINGS[IMPLICIT_LITTLE] if vr == b"UN" else now
        else:
            raise Rejected(Reason.UNDECODABLE, "sequences nest too deep")
        if tag in (_ITEM_END, _SEQUENCE_END):
            if not open_items:
                raise Rejected(Reason.UNDECODABLE, "a sequence ends that did not begin")
            now = open_items.pop()
    if open_items or any(data[at:]):  # a few NULs of padding do no harm
        raise Rejected(Reason.UNDECODABLE, "the data set ends inside an element")
    return Identity(found[_SOP_CLASS], found[_SOP_INSTANCE])


def _header(data: bytes | memoryview, at: int, encoding: _Encoding) -> tuple[int, bytes, int, int]:
    """Read one element's header: tag, VR (empty where implicit), length and where the value starts."""
    group, element = encoding.tag.unpack_from(data, at)
    if encoding.implicit or group == 0xFFFE:  # items and delimiters never have a VR, PS3.5 7.5
        return group << 16 | element, b"", encoding.long.unpack_from(data, at + 4)[0], at + 8
    vr = bytes(data[at + 4 : at + 6])
    if vr in _SHORT:
        return group << 16 | element, vr, encoding.short.unpack_from(data, at + 6)[0], at + 8
    if vr not in _LONG or len(data) - at < 12:
        raise Rejected(Reason.UNDECODABLE, "an element has no known value representation")
    return group << 16 | element, vr, encoding.long.unpack_from(data, at + 8)[0], at + 12
