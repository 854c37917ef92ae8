"""What the cart said: sections 7 (global measurements), 8 and 11 (statements) of EN 1064, 5.10, 5.11 and 5.14."""

from collections.abc import Iterator
from contextlib import suppress

from adapters import reports
from adapters.scp_header import worded
from adapters.scp_sections import Fields, Sections
from domain.ecg import Measurements
from domain.errors import Rejected

_UNSAID = {0, 29_999, 0xFFFF}
_NO_AXIS = {999, 29_999, -29_999}


def reported(record: Sections) -> Measurements:
    """Take what section 7 says; nothing where it is damaged or absent."""
    try:
        return reports.reported(_measured(record[7]))[0]
    except Rejected:
        return Measurements()


def _measured(section: Fields) -> list[tuple[str, float | None, str]]:
    blocks, spikes = section.u8(0), section.u8(1)
    found = [("rr_ms", _known(section.u16(2)), "ms")]
    if blocks:
        found += _of_beat(section)
    place = 6 + 16 * blocks + 10 * spikes
    rest = Fields(section.data[place:])
    if len(rest) >= 2 and len(rest) >= 2 + rest.u16(0) + 6:
        at = 2 + rest.u16(0)
        found.insert(0, ("heart_rate_bpm", _known(rest.u16(at)), "bpm"))
        found.append(("qtc_ms", _known(rest.u16(at + 4)), "ms"))
    return found


def _of_beat(section: Fields) -> list[tuple[str, float | None, str]]:
    """The first block: the averaged beat's boundaries in ms, and the axes."""
    p_on, p_off, qrs_on, qrs_off, t_off = (_known(section.u16(6 + 2 * n)) for n in range(5))
    axes = [section.i16(16 + 2 * n) for n in range(3)]
    spans = (("p_ms", p_on, p_off), ("pr_ms", p_on, qrs_on), ("qrs_ms", qrs_on, qrs_off), ("qt_ms", qrs_on, t_off))
    names = ("p_axis_deg", "qrs_axis_deg", "t_axis_deg")
    return [
        *((name, end - start if start is not None and end is not None else None, "ms") for name, start, end in spans),
        *((name, None if axis in _NO_AXIS else axis, "deg") for name, axis in zip(names, axes, strict=True)),
    ]


def _known(value: int) -> float | None:
    return None if value in _UNSAID else float(value)


def statements(record: Sections, encoding: str) -> tuple[str, ...]:
    """Take section 8's lines, or section 11's codes where it has none."""
    for number, skipped in ((8, 0), (11, 1)):
        lines: list[str] = []
        with suppress(Rejected):  # what stands before the damage is kept
            lines.extend(_lines(record[number], skipped, encoding))
        if found := reports.statements(lines):
            return found
    return ()


def _lines(section: Fields, skipped: int, encoding: str) -> Iterator[str]:
    """Nine bytes of who and when, then statements: number, length, in section 11 a type, text."""
    place = 9
    for _ in range(section.u8(8) if len(section) else 0):
        value = section.part(place + 3, section.u16(place + 1))
        yield worded(value[skipped:], encoding)
        place += 3 + len(value)
