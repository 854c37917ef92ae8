"""The rhythm of an SCP-ECG record: EN 1064 5.6 to 5.9 (sections 3 to 6)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from adapters import codes
from adapters.recording import FASTEST_HZ, LONGEST_S, MOST_LEADS, Samples
from adapters.scp_huffman import Counts, decoded, summed, tables
from adapters.scp_sections import Fields, Sections
from adapters.strips import Strip
from domain.errors import Rejected
from domain.reason import Reason

_SUBTRACTED = 0x01  # section 3's flags: a reference beat was taken off
_LEAD = 9  # bytes
_ZONE = 14
_MOST_ZONES = 10_000
_NV = 1e-6  # of a mV


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """Section 3: first and last sample, from 1, on the axis that all leads share."""

    code: int
    first: int
    last: int

    @property
    def samples(self) -> int:
        """How many."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """Section 5 or 6: counts of every lead, nV a count, us a sample."""

    nv: int
    interval_us: int
    rows: list[Counts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """Section 4: where the reference beat was taken off, by samples from 1."""

    first: int
    fiducial: int
    last: int


def strips(record: Sections) -> tuple[list[Strip], bool]:
    """Read the rhythm's leads, or the reference beat's where there is no rhythm (``True``). Raises ``Rejected``."""
    if 3 not in record:
        raise Rejected(Reason.NO_WAVEFORM, "no lead definition")
    leads = list(_leads(record[3]))
    if 6 not in record:
        if 5 not in record:
            raise Rejected(Reason.NO_WAVEFORM, "neither rhythm nor reference beat")
        beat = _beat(record, leads)
        whole = [Lead(code=lead.code, first=1, last=len(row)) for lead, row in zip(leads, beat.rows, strict=True)]
        return list(_strips(whole, beat, _millivolts(beat))), True
    rhythm = _block(record, 6, leads, [lead.samples for lead in leads])
    if record[6].u8(5) and record.protocol < 30:
        raise Rejected(Reason.UNSUPPORTED_OBJECT, "bimodal compression: a rhythm of two sampling rates")
    rows = _millivolts(rhythm)
    if record[3].u8(1) & _SUBTRACTED:
        _add_beats(rows, record, leads, rhythm)
    return list(_strips(leads, rhythm, rows)), False


def _millivolts(block: Block) -> list[Samples]:
    return [np.asarray(row * (block.nv * _NV), np.float64) for row in block.rows]


def _leads(section: Fields) -> Iterator[Lead]:
    count = section.u8(0)
    if not 0 < count <= MOST_LEADS:
        raise Rejected(Reason.NO_WAVEFORM if not count else Reason.TOO_LARGE, "no leads, or more than an ECG has")
    for place in range(2, 2 + _LEAD * count, _LEAD):
        lead = Lead(first=section.u32(place), last=section.u32(place + 4), code=section.u8(place + 8))
        if lead.first < 1 or not 0 < lead.samples <= LONGEST_S * FASTEST_HZ:
            raise Rejected(Reason.BAD_VALUE, "a lead's first and last sample")
        yield lead


def _block(record: Sections, number: int, leads: list[Lead], samples: list[int]) -> Block:
    """Multiplier, interval, differences, a length for each lead, and the leads' data."""
    section = record[number]
    nv, interval_us, differences = section.u16(0), section.u16(2), section.u8(4)
    if not nv:
        raise Rejected(Reason.UNKNOWN_UNIT, "an amplitude multiplier of 0")
    if not interval_us:
        raise Rejected(Reason.UNKNOWN_RATE, "a sample interval of 0")
    known = tables(record[2]) if 2 in record else ()
    place = 6 + 2 * len(leads)
    rows = []
    for index, count in enumerate(samples):
        data = section.part(place, section.u16(6 + 2 * index))
        values = decoded(data, count, known) if known else _plain(data, count)
        rows.append(summed(values, differences))
        place += len(data)
    return Block(nv=nv, interval_us=interval_us, rows=rows)


def _plain(data: bytes, count: int) -> Counts:
    if len(data) < 2 * count:
        raise Rejected(Reason.UNDECODABLE, "less SCP data than samples declared")
    return np.frombuffer(data, "<i2", count).astype(np.int64)


def _beat(record: Sections, leads: list[Lead]) -> Block:
    """Section 5: the reference beat of type 0, as long as section 4 says in ms."""
    interval_us = record[5].u16(2)
    length = round(record[4].u16(0) * 1000 / interval_us) if interval_us and 4 in record else 0
    if not length:
        raise Rejected(Reason.UNDECODABLE, "a reference beat of no length")
    return _block(record, 5, leads, [length] * len(leads))


def _add_beats(rows: list[Samples], record: Sections, leads: list[Lead], rhythm: Block) -> None:
    """Add the reference beat wherever it was taken off (5.7): residual and beat have multipliers of their own."""
    if 4 not in record or 5 not in record:
        raise Rejected(Reason.UNDECODABLE, "a rhythm less its reference beat, without that beat")
    beat, at = _beat(record, leads), record[4].u16(2)
    if beat.interval_us != rhythm.interval_us:
        raise Rejected(Reason.UNSUPPORTED_OBJECT, "a reference beat at another rate than the rhythm")
    zones = list(_zones(record[4]))
    for row, lead, shape in zip(rows, leads, beat.rows, strict=True):
        beat_mv = shape * beat.nv * _NV
        for zone in zones:
            shift = at - zone.fiducial  # beat's sample = rhythm's sample + shift, both from 1
            first = max(zone.first, lead.first, 1 - shift)
            last = min(zone.last, lead.last, len(beat_mv) - shift)
            if first <= last:
                row[first - lead.first : last - lead.first + 1] += beat_mv[first + shift - 1 : last + shift]


def _zones(section: Fields) -> Iterator[Zone]:
    """Beats of type 0; those of other types had nothing taken off."""
    count = section.u16(4)
    if count > _MOST_ZONES:
        raise Rejected(Reason.TOO_LARGE, "more beats than an ECG has")
    for place in range(6, 6 + _ZONE * count, _ZONE):
        zone = Zone(first=section.u32(place + 2), fiducial=section.u32(place + 6), last=section.u32(place + 10))
        if section.u16(place) == 0:
            yield zone


def _strips(leads: list[Lead], block: Block, rows: list[Samples]) -> Iterator[Strip]:
    rate_hz = 1e6 / block.interval_us
    seen: dict[tuple[str, int], Samples] = {}
    for lead, row in zip(leads, rows, strict=True):
        name = codes.lead(f"5.6.3-9-{lead.code}", "SCPECG")
        if name is None:
            continue
        if name == "-aVR":  # Cabrera's sequence stores it upside down
            name, row = "aVR", -row
        if not np.array_equal(seen.setdefault((name, lead.first), row), row):
            raise Rejected(Reason.UNKNOWN_LEAD, "two leads have the same code")
        yield Strip(lead=name, samples=row.astype(np.float64), rate_hz=rate_hz, start_s=(lead.first - 1) / rate_hz)
