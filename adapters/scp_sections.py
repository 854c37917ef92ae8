"""An SCP-ECG record's sections: EN 1064 (ISO 11073-91064) 5.2 and 5.3, all numbers little-endian."""

import binascii
from dataclasses import dataclass, field

from domain.errors import Rejected
from domain.reason import Reason

_RECORD = 6  # checksum and length
_HEADER = 16  # checksum, section, length, versions, six reserved bytes
_POINTER = 10
_LAST = 11  # sections from 12 on are manufacturers', or version 3's long-term data


@dataclass(frozen=True, slots=True, kw_only=True)
class Sections:
    """Sections' contents by number, without their headers, and the protocol's version times ten (0: not said)."""

    protocol: int
    bodies: dict[int, bytes] = field(default_factory=dict)

    def __contains__(self, number: int) -> bool:
        return number in self.bodies

    def __getitem__(self, number: int) -> "Fields":
        return Fields(self.bodies.get(number, b""))


@dataclass(frozen=True, slots=True)
class Fields:
    """Bytes read by place; what lies beyond the end is ``Rejected``, never zero."""

    data: bytes

    def u8(self, place: int) -> int:
        """One byte."""
        return self._number(place, 1, signed=False)

    def u16(self, place: int) -> int:
        """Two bytes, unsigned."""
        return self._number(place, 2, signed=False)

    def i16(self, place: int) -> int:
        """Two bytes, signed."""
        return self._number(place, 2, signed=True)

    def u32(self, place: int) -> int:
        """Four bytes, unsigned."""
        return self._number(place, 4, signed=False)

    def part(self, place: int, length: int) -> bytes:
        """``length`` bytes from ``place``."""
        if place < 0 or length < 0 or place + length > len(self.data):
            raise Rejected(Reason.UNDECODABLE, "an SCP section cut short")
        return self.data[place : place + length]

    def __len__(self) -> int:
        return len(self.data)

    def _number(self, place: int, length: int, *, signed: bool) -> int:
        return int.from_bytes(self.part(place, length), "little", signed=signed)


def sections(payload: bytes) -> Sections:
    """Find the sections by the pointers of section 0. Raises ``Rejected``."""
    record = Fields(payload)
    length = record.u32(2)
    if not _RECORD + _HEADER <= length <= len(payload):
        raise Rejected(Reason.UNDECODABLE, "an SCP record shorter than it says")
    record = Fields(payload[:length])
    if record.u16(_RECORD + 2) != 0:
        raise Rejected(Reason.UNDECODABLE, "an SCP record without its section 0")
    pointers = Fields(record.part(_RECORD, record.u32(_RECORD + 4)))
    found = {}
    for place in range(_HEADER, len(pointers) - _POINTER + 1, _POINTER):
        number, size, index = pointers.u16(place), pointers.u32(place + 2), pointers.u32(place + 6)
        if 0 < number <= _LAST and size:
            found[number] = _section(record, number, size, index - 1)
    _check_sums(found)
    return Sections(protocol=pointers.u8(9), bodies={number: whole[_HEADER:] for number, whole in found.items()})


def _section(record: Fields, number: int, size: int, start: int) -> bytes:
    whole = Fields(record.part(start, size))
    if whole.u16(2) != number:
        raise Rejected(Reason.UNDECODABLE, "an SCP section that is not where it is said to be")
    return whole.part(0, max(_HEADER, min(size, whole.u32(4))))


def _check_sums(found: dict[int, bytes]) -> None:
    """CRC-CCITT of each section. Where none agrees the sender counts another way; one that does not is damage."""
    agree = [
        binascii.crc_hqx(whole[2:], 0xFFFF) == int.from_bytes(whole[:2], "little")
        for whole in found.values()
        if any(whole[:2])
    ]
    if any(agree) and not all(agree):
        raise Rejected(Reason.UNDECODABLE, "an SCP section's checksum disagrees with it")
