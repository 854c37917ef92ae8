"""SCP-ECG's Huffman coding: EN 1064 5.5 (section 2) and annex C (the default table)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.scp_sections import Fields
from domain.errors import Rejected
from domain.reason import Reason

_DEFAULT = 19_999
_ENTRY = 9  # bytes
_MOST_TABLES = 64
_MOST_CODES = 4096

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Code:
    """What follows a prefix: ``value``, plus ``extra`` bits, signed; or, at a ``switch``, the table from there on."""

    value: int
    extra: int
    switch: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Codes by their prefix, first bit first: ``"1100"``."""

    codes: Mapping[str, Code]
    longest: int


def _table(codes: Mapping[str, Code]) -> Table:
    return Table(codes, max(map(len, codes), default=0))


def _default() -> Table:
    """0; then n ones, a zero and the sign for a value of n, up to 8; then 8 or 16 bits as they are."""
    codes = {"0": Code(0, 0)}
    for size in range(1, 9):
        codes["1" * size + "00"], codes["1" * size + "01"] = Code(size, 0), Code(-size, 0)
    return _table({**codes, "1" * 9 + "0": Code(0, 8), "1" * 10: Code(0, 16)})


DEFAULT = _default()


def tables(section: Fields) -> tuple[Table, ...]:
    """Read section 2. Raises ``Rejected``."""
    count = section.u16(0)
    if count == _DEFAULT:
        return (DEFAULT,)
    if not 0 < count <= _MOST_TABLES:
        raise Rejected(Reason.UNDECODABLE, "SCP Huffman tables: none, or too many")
    found, place = [], 2
    for _ in range(count):
        size = section.u16(place)
        if size > _MOST_CODES:
            raise Rejected(Reason.TOO_LARGE, "an SCP Huffman table larger than any")
        entries = (Fields(section.part(place + 2 + _ENTRY * n, _ENTRY)) for n in range(size))
        found.append(_table(dict(map(_code, entries))))
        place += 2 + _ENTRY * size
    return tuple(found)


def _code(entry: Fields) -> tuple[str, Code]:
    """Bits of the prefix and of the whole, mode (0 switches), value, and the prefix with its first bit lowest."""
    prefix, whole = sorted((entry.u8(0), entry.u8(1)))
    if not 1 <= prefix <= 32 or whole - prefix > 32:
        raise Rejected(Reason.UNDECODABLE, "an SCP Huffman code longer than any")
    bits = f"{entry.u32(5):032b}"[::-1][:prefix]
    return bits, Code(entry.i16(3), whole - prefix, switch=entry.u8(2) == 0)


def decoded(data: bytes, count: int, known: Sequence[Table]) -> Counts:
    """Decode ``count`` values. Raises ``Rejected`` when the data ends before or holds no code."""
    bits = f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}" if data else ""
    if count > len(bits):
        raise Rejected(Reason.UNDECODABLE, "less SCP data than samples declared")
    values: list[int] = []
    table, place = known[0], 0
    while len(values) < count:
        code, place = _next(bits, place, table)
        if code.switch:
            if not 1 <= code.value <= len(known):
                raise Rejected(Reason.UNDECODABLE, "SCP data switches to a Huffman table that is not there")
            table = known[code.value - 1]
            continue
        values.append(code.value + _signed(bits[place : place + code.extra], code.extra))
        place += code.extra
    return np.array(values, dtype=np.int64)


def _next(bits: str, place: int, table: Table) -> tuple[Code, int]:
    for end in range(place + 1, min(place + table.longest, len(bits)) + 1):
        if (code := table.codes.get(bits[place:end])) is not None:
            return code, end
    raise Rejected(Reason.UNDECODABLE, "less SCP data than samples declared, or damaged")


def _signed(bits: str, width: int) -> int:
    if len(bits) < width:
        raise Rejected(Reason.UNDECODABLE, "less SCP data than samples declared")
    value = int(bits, 2) if bits else 0
    return value - (1 << width) if bits[:1] == "1" else value


def summed(values: Counts, differences: int) -> Counts:
    """Undo first or second differences; carts count in 16 bits, so sums wrap (EN 1064 5.8.3)."""
    if differences == 1:
        values = np.cumsum(values)
    elif differences == 2 and len(values) > 2:
        slopes = np.cumsum(np.concatenate((values[1:2] - values[:1], values[2:])))
        values = values[0] + np.concatenate(([0], np.cumsum(slopes)))
    elif differences not in (0, 2):
        raise Rejected(Reason.UNDECODABLE, "SCP data of third differences or more")
    return values.astype(np.int16).astype(np.int64)
