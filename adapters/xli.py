"""Philips' XLI: leads one after another, each LZW in 10 bits over second differences (as sierra-ecg-tools has it)."""

import numpy as np
from numpy.typing import NDArray

from domain.errors import Rejected
from domain.reason import Reason

_HEADER = 8  # length of the chunk, two unused bytes, the first difference
_BITS = 10
_LAST = (1 << _BITS) - 2  # 1023 ends the data

Counts = NDArray[np.int64]


def unpacked(data: bytes, most: int, samples: int) -> list[Counts]:
    """Decode ``most`` leads to ``samples`` counts at least. Raises ``Rejected`` for what is cut short or damaged."""
    leads: list[Counts] = []
    place = 0
    while place < len(data) and len(leads) < most:
        size = int.from_bytes(data[place : place + 4], "little", signed=True)
        first = int.from_bytes(data[place + 6 : place + _HEADER], "little", signed=True)
        chunk = data[place + _HEADER : place + _HEADER + max(size, 0)]
        if size <= 0 or len(chunk) < size:
            raise Rejected(Reason.UNDECODABLE, "XLI chunks cut short")
        leads.append(_integrated(_words(_lzw(chunk, 2 * samples)), first))
        place += _HEADER + size
    return leads


def _lzw(chunk: bytes, enough: int) -> bytes:
    """Lempel-Ziv-Welch, codes of 10 bits, most significant first, a table that is never cleared.

    The low bytes stand after the high bytes, so a chunk cannot be cut short: twice ``enough`` is refused.
    """
    codes = _codes(chunk)
    table = [bytes((value,)) for value in range(256)]
    out, size, before = [], 0, b""
    for code in codes:
        if code > _LAST:
            break
        if code < len(table):
            entry = table[code]
        elif before and code == len(table):
            entry = before + before[:1]
        else:
            raise Rejected(Reason.UNDECODABLE, "XLI data damaged")
        if before and len(table) <= _LAST:
            table.append(before + entry[:1])
        out.append(entry)
        size += len(entry)
        if size > 2 * enough:
            raise Rejected(Reason.UNDECODABLE, "more XLI data than samples declared")
        before = entry
    if size < enough:
        raise Rejected(Reason.UNDECODABLE, "less XLI data than samples declared")
    return b"".join(out)


def _codes(chunk: bytes) -> list[int]:
    bits = np.unpackbits(np.frombuffer(chunk, np.uint8))
    rows = bits[: len(bits) // _BITS * _BITS].reshape(-1, _BITS)
    found: list[int] = (rows @ (1 << np.arange(_BITS - 1, -1, -1))).tolist()
    return found


def _words(octets: bytes) -> Counts:
    """High bytes, then low bytes, as signed 16-bit numbers."""
    raw = np.frombuffer(octets[: len(octets) // 2 * 2], np.uint8).reshape(2, -1).astype(np.uint16)
    words: Counts = (raw[0] << 8 | raw[1]).view(np.int16).astype(np.int64)
    return words


def _integrated(deltas: Counts, first: int) -> Counts:
    """Undo the second differences: the first two counts stand as they are, the rest is 64 above its difference.

    x[i] = 2 x[i-1] - x[i-2] - last, where last is the header's value, then the code before less 64.
    """
    if len(deltas) < 2:
        raise Rejected(Reason.UNDECODABLE, "an XLI lead of fewer than two samples")
    bends = np.concatenate(([first], deltas[2:-1] - 64))[: len(deltas) - 2]
    slopes = np.cumsum(np.concatenate(([deltas[1] - deltas[0]], -bends)))
    return np.concatenate((deltas[:1], deltas[0] + np.cumsum(slopes)))
