"""ECGs as carts store them in SCP-ECG: EN 1064:2005 / ISO 11073-91064, sections 0 to 3 and 6 to 8.

Plain 16-bit counts, or second differences in the standard's default Huffman table, as most carts write them.
"""

import binascii
import struct
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.ecg import LEADS, Measurements, Sex
from simulator.patient import SyntheticPatient

_CODES = dict(zip(LEADS, (1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8), strict=True))  # EN 1064 table 5
_SEX = {Sex.MALE: 1, Sex.FEMALE: 2, Sex.OTHER: 9, Sex.UNKNOWN: 0}
_NOT_REPORTED = Measurements()
_VERSION = 20  # 2.0
_UNKNOWN = 29_999
_UTF8 = 0x37  # language support code
_DEFAULT_TABLE = 19_999
_P_AT_MS = 100  # where the averaged beat's P wave begins


def write_scp(
    signal: NDArray[np.floating[Any]],
    rate_hz: float,
    patient: SyntheticPatient,
    *,
    acquired_at: datetime,
    uv_per_unit: float = 2.5,
    leads: Sequence[str] = LEADS,
    huffman: bool = True,
    reported: Measurements = _NOT_REPORTED,
    statements: Iterable[str] = (),
) -> bytes:
    """Write ``signal`` ``[12, n]`` in mV, rounded to units; ``acquired_at`` is aware.

    Raises ``ValueError`` for what the format cannot hold: amplitudes beyond 16 bits, or a lead of more than 64 kB.
    """
    rows = np.rint(np.asarray(signal, np.float64)[[LEADS.index(lead) for lead in leads]] * 1000 / uv_per_unit)
    if np.abs(rows).max() > 32_767:
        raise ValueError("the signal does not fit into 16 bits at this resolution")
    counts = rows.astype(np.int64)
    data = [_huffman(_second_differences(row)) if huffman else row.astype("<i2").tobytes() for row in counts]
    sections = {
        1: _header(patient, acquired_at),
        3: _leads(leads, counts.shape[1]),
        6: _rhythm(data, uv_per_unit, rate_hz, differences=2 * huffman),
        7: _measured(reported),
        8: _said(statements, acquired_at),
    }
    if huffman:
        sections[2] = struct.pack("<H", _DEFAULT_TABLE)
    return _record(sections)


def _record(sections: dict[int, bytes]) -> bytes:
    """Checksum, length, section 0 with its pointers, the sections in order; each of even length (5.2)."""
    pointed = range(12)
    place = 7 + 16 + 10 * len(pointed)
    pointers, bodies = b"", b""
    for number in pointed:
        whole = b"" if number not in sections else _section(number, sections[number])
        if number == 0:
            pointers += struct.pack("<HII", 0, place - 7, 7)
        else:
            pointers += struct.pack("<HII", number, len(whole), place if whole else 0)
        place += len(whole)
        bodies += whole
    rest = _section(0, pointers, b"SCPECG") + bodies
    counted = struct.pack("<I", len(rest) + 6) + rest
    return _checksum(counted) + counted


def _section(number: int, body: bytes, reserved: bytes = bytes(6)) -> bytes:
    body += b"\0" * (len(body) % 2)
    rest = struct.pack("<HIBB", number, 16 + len(body), _VERSION, _VERSION) + reserved + body
    return _checksum(rest) + rest


def _checksum(data: bytes) -> bytes:
    """CRC-CCITT from all ones (5.2.7)."""
    return struct.pack("<H", binascii.crc_hqx(data, 0xFFFF))


def _header(patient: SyntheticPatient, at: datetime) -> bytes:
    """Section 1: who, when, and the machine (5.4)."""
    offset = at.utcoffset()
    if offset is None:
        raise ValueError("acquired_at has a time zone")
    born = patient.birth_date
    machine = bytes(6) + struct.pack("<BB6sBBBB", 0, 255, b"heart\0", _VERSION, 0xA0, _UTF8, 0) + bytes(17) + b"\0"
    tags = (
        (0, _text(patient.family)), (1, _text(patient.given)), (2, _text(patient.id)),
        (5, struct.pack("<HBB", born.year, born.month, born.day)), (8, bytes((_SEX[patient.sex],))),
        (14, machine + b"\0".join((b"1", b"0", b"1", b"1", b"ecgd simulator", b""))), (18, _text(patient.location)),
        (25, struct.pack("<HBB", at.year, at.month, at.day)), (26, bytes((at.hour, at.minute, at.second))),
        (34, struct.pack("<hH", round(offset.total_seconds() / 60), 0) + b"\0"), (255, b""),
    )  # fmt: skip
    return b"".join(struct.pack("<BH", tag, len(value)) + value for tag, value in tags)


def _text(words: str) -> bytes:
    return words.encode() + b"\0"


def _leads(leads: Sequence[str], samples: int) -> bytes:
    """Section 3: all recorded together, no reference beat taken off (5.6)."""
    rows = (struct.pack("<IIB", 1, samples, _CODES[lead]) for lead in leads)
    return struct.pack("<BB", len(leads), 0x04 | min(len(leads), 31) << 3) + b"".join(rows)


def _rhythm(data: list[bytes], uv_per_unit: float, rate_hz: float, *, differences: int) -> bytes:
    """Section 6: nV a unit, us a sample (5.9)."""
    if max(map(len, data)) > 65_535:
        raise ValueError("a lead does not fit into 64 kB")
    sizes = struct.pack(f"<{len(data)}H", *map(len, data))
    return (
        struct.pack("<HHBB", round(uv_per_unit * 1000), round(1e6 / rate_hz), differences, 0) + sizes + b"".join(data)
    )


def _second_differences(row: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first two counts as they are; all in 16 bits, so differences wrap."""
    made = row.copy()
    made[2:] = row[2:] - 2 * row[1:-1] + row[:-2]
    return made.astype(np.int16).astype(np.int64)


def _huffman(values: NDArray[np.int64]) -> bytes:
    """Annex C's default table: 0; n ones, a zero and the sign up to 8; else 8 or 16 bits behind a long prefix."""
    bits = "".join(_CODE_OF.get(value) or _escaped(value) for value in values.tolist())
    bits += "0" * (-len(bits) % 16)
    return int(bits or "0", 2).to_bytes(len(bits) // 8, "big")


_CODE_OF = {0: "0"} | {sign * n: "1" * n + ("00" if sign > 0 else "01") for n in range(1, 9) for sign in (1, -1)}


def _escaped(value: int) -> str:
    if -128 <= value <= 127:
        return "1" * 9 + "0" + f"{value & 0xFF:08b}"
    return "1" * 10 + f"{value & 0xFFFF:016b}"


def _measured(reported: Measurements) -> bytes:
    """Section 7: one averaged beat's boundaries from the intervals, the axes, rate and QTc (5.10)."""
    rate = reported.heart_rate_bpm
    p_on = _P_AT_MS if reported.pr_ms else None
    qrs_on = _P_AT_MS + (reported.pr_ms or 0)
    ends = (
        p_on,
        p_on + reported.p_ms if p_on and reported.p_ms else None,
        qrs_on,
        qrs_on + reported.qrs_ms if reported.qrs_ms else None,
        qrs_on + reported.qt_ms if reported.qt_ms else None,
    )
    marks = struct.pack("<5H", *(_UNKNOWN if end is None else round(end) for end in ends))
    axes = (reported.p_axis_deg, reported.qrs_axis_deg, reported.t_axis_deg)
    block = marks + struct.pack("<3h", *(999 if axis is None else round(axis) for axis in axes))
    rr_ms = _UNKNOWN if not rate else round(60_000 / rate)
    rates = struct.pack("<3HB", round(rate or 0), _UNKNOWN, round(reported.qtc_ms or _UNKNOWN), 1)
    return struct.pack("<BBHH", 1, 0, rr_ms, _UNKNOWN) + block + struct.pack("<H", 0) + rates + bytes(8)


def _said(statements: Iterable[str], at: datetime) -> bytes:
    """Section 8: an original report of numbered lines (5.11)."""
    lines = [_text(line) for line in statements]
    head = struct.pack("<BHBBBBBB", 0, at.year, at.month, at.day, at.hour, at.minute, at.second, len(lines))
    return head + b"".join(struct.pack("<BH", n, len(line)) + line for n, line in enumerate(lines, 1))
