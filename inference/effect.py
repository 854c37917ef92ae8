"""What other thresholds would have done: alerts by unit and day, who is newly flagged and who missed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from domain.finding import Output
from domain.scores import Ints, Scores
from inference.replay import Bools, Replayed

RISKS = {
    "arrest": (Output.ARREST, "high"),
    "potassium_high": (Output.POTASSIUM, "severe_high"),
    "potassium_low": (Output.POTASSIUM, "severe_low"),
}
"""What a person is alerted about: the output, and the level in the YAML."""

_SLOT_US = 15 * 60 * 1_000_000  # no zone is off UTC by less than a quarter of an hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One unit's day. ``new``, ``missed``: arrivals that only the other, only the present thresholds flag."""

    unit: str
    day: str
    ecgs: int
    now: int
    then: int
    new: tuple[int, ...]
    missed: tuple[int, ...]


def by_day(scores: Scores, now: Bools, then: Bools, zone: str) -> tuple[Day, ...]:
    """Count what is flagged; days are the zone's."""
    day, names = _days(scores.decided_us, ZoneInfo(zone))
    cells, cell = np.unique(scores.unit.codes * np.int64(max(len(names), 1)) + day, return_inverse=True)
    ecgs, alerts_now, alerts_then = (
        np.bincount(cell, weights, len(cells)).astype(int) for weights in (None, now.astype(float), then.astype(float))
    )
    new, missed = _arrivals(scores, cell, then & ~now), _arrivals(scores, cell, now & ~then)
    found = (
        Day(
            unit=scores.unit.names[int(key) // len(names)],
            day=names[int(key) % len(names)],
            ecgs=int(ecgs[number]),
            now=int(alerts_now[number]),
            then=int(alerts_then[number]),
            new=new.get(number, ()),
            missed=missed.get(number, ()),
        )
        for number, key in enumerate(cells)
    )
    return tuple(sorted(found, key=lambda one: (one.day, one.unit)))


def flagged(replayed: Replayed, risk: str) -> Bools:
    """Which rows would have alerted a person about it."""
    return replayed.at(RISKS[risk][1])


def _arrivals(scores: Scores, cell: NDArray[np.intp], chosen: Bools) -> dict[int, tuple[int, ...]]:
    found: dict[int, list[int]] = {}
    rows = np.flatnonzero(chosen)
    for number, arrival in zip(cell[rows].tolist(), scores.arrival[rows].tolist(), strict=True):
        found.setdefault(number, []).append(arrival)
    return {number: tuple(arrivals) for number, arrivals in found.items()}


def _days(decided_us: Ints, zone: ZoneInfo) -> tuple[Ints, tuple[str, ...]]:
    """The number of each row's day, and the days' names."""
    slots, slot = np.unique(decided_us // _SLOT_US, return_inverse=True)
    said = [_local(int(one), zone) for one in slots]
    names = tuple(sorted(set(said)))
    place = {name: number for number, name in enumerate(names)}
    return np.array([place[one] for one in said], np.int64)[slot], names


@lru_cache(maxsize=100_000)
def _local(slot: int, zone: ZoneInfo) -> str:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=slot * _SLOT_US)
    return at.astimezone(zone).date().isoformat()


def units(days: tuple[Day, ...]) -> Iterator[tuple[str, int, int, int, int, int]]:
    """For each unit: ECGs, alerts now, alerts then, newly flagged, missed."""
    for unit in sorted({one.unit for one in days}):
        mine = [one for one in days if one.unit == unit]
        counts = ((one.ecgs, one.now, one.then, len(one.new), len(one.missed)) for one in mine)
        ecgs, now, then, new, missed = (sum(column) for column in zip(*counts, strict=True))
        yield unit, ecgs, now, then, new, missed
