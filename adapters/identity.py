"""Whether two ECGs are one recording that came through two doors: by patient, by time, and above all by signal.

What is kept of an ECG for this is a ``Seen``, small enough for a row in the store. The signal is kept as its change
over 80 ms, 125 times a second: baseline wander, and most of what carts' filters differ in, fall out of it, gaps stay
gaps, and what is left is when each beat came and how it looked in each lead. A patient's next ECG has the same beats
at other moments, and all twelve leads say so at once.
"""

import hashlib
import struct
import zlib
from datetime import timedelta
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len

from adapters.signal import resampled
from domain.ecg import LEADS, RATE_HZ, Ecg, Order, Patient, ReadWarning
from domain.errors import Permanent
from domain.person import record_numbers
from domain.reason import Reason
from domain.report import Report
from domain.seen import Seen, Source

POINTS_HZ = 125
APART = timedelta(minutes=5)  # more than a cart's clock and an order's time usually differ
_SAME_MINUTE, _SAME_ORDER = timedelta(minutes=1), timedelta(days=1)
_CHANGE = 10  # points: 80 ms, so that QRS complexes (5 to 15 Hz) weigh most and wander below 0.5 Hz hardly anything
_LONGEST_S = 20
_SLACK = 38  # points: two doors may disagree by 0.3 s about where a recording begins
_LEAST = POINTS_HZ  # points in common below which a lead says nothing
_LEAST_LEADS = 4
_AT_ONCE = 4  # leads compared before the next are looked at
_UNKNOWN = -128
_HEAD = struct.Struct("<BI")
_VERSION = 1

SAME_MOMENT_R, SAME_MINUTE_R, SAME_HOUR_R = 0.96, 0.97, 0.985
"""What a quarter of the leads may fall short of, and no more, for one recording: by how well the times agree."""
OTHER_R = 0.90
"""Below it in a quarter of the leads the recordings are two; in between nobody knows."""

Points = NDArray[np.float32]


class Sameness(StrEnum):
    """Whether two ECGs are one recording; ``UNSURE`` is not acted upon."""

    SAME = "same"
    OTHER = "other"
    UNSURE = "unsure"


def seen(ecg: Ecg) -> Seen:
    """Keep of an ECG what knows it again."""
    at = ecg.acquired_at
    return Seen(
        patients=persons(ecg.patient),
        acquired_at=at,
        clock=at.replace(tzinfo=None) if at else None,
        source=_source(ecg),
        quarters=round(np.count_nonzero(~np.isnan(ecg.signal)) / RATE_HZ / 30),
        print=b"" if _averaged(ecg) else fingerprint(ecg.signal),
        orders=numbers(ecg.order),
    )


def _source(ecg: Ecg) -> Source:
    if not ecg.origin.digitised:
        return Source.NATIVE
    return Source.RASTER if ReadWarning.SCANNED in ecg.origin.warnings else Source.VECTOR


def seen_of(report: Report) -> Seen:
    """Keep of what was said of an ECG what finds the ECG."""
    at = report.acquired_at
    return Seen(
        patients=persons(report.patient),
        acquired_at=at,
        clock=at.replace(tzinfo=None) if at else None,
        source=Source.SAID,
        quarters=0,
        print=b"",
        orders=numbers(report.order),
    )


def by_order(said: Seen, ecg: Seen) -> bool:
    """Whether what was said is of this ECG's order: same number, no other patient, within a day where both say when."""
    away = _away(said, ecg)
    other = said.patients and ecg.patients and not said.patients & ecg.patients
    return bool(said.orders & ecg.orders) and not other and (away is None or away <= _SAME_ORDER)


def says_whose(said: Seen, ecg: Seen) -> bool:
    """Whether the order's number and the time both agree: numbers of two departments may be the same."""
    away = _away(said, ecg)
    return by_order(said, ecg) and away is not None and away <= APART


def by_minute(said: Seen, ecg: Seen) -> bool:
    """Whether what was said is of the same patient and minute."""
    away = _away(said, ecg)
    return bool(said.patients & ecg.patients) and away is not None and away <= _SAME_MINUTE


def persons(patient: Patient) -> frozenset[str]:
    """Digest the record numbers; by value alone, for a page names no authority; leading zeros are padding."""
    values = (one.value.strip().lstrip("0").casefold() for one in record_numbers(patient))
    return frozenset(_digest(value) for value in values if value)


def numbers(order: Order) -> frozenset[str]:
    """Digest the order's numbers, each with whose it is."""
    named = (("placer", order.placer), ("filler", order.filler))
    return frozenset(_digest(f"{whose}:{value.strip()}") for whose, value in named if value.strip())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def _averaged(ecg: Ecg) -> bool:
    """Whether it is a median beat, which is no recording: patients have hundreds that look like it."""
    return any(defect.reason is Reason.MEDIAN_ONLY for defect in ecg.unfit)


def fingerprint(signal: NDArray[np.float32]) -> bytes:
    """Keep a signal ``[12, n]`` in mV at 500 Hz as int8, each lead at its own scale, -128 where not known; some 5 kB.

    Empty for less than a second.
    """
    sparse = resampled(signal[:, : _LONGEST_S * RATE_HZ].astype(np.float64), RATE_HZ, POINTS_HZ)
    change = sparse[:, _CHANGE:] - sparse[:, :-_CHANGE]
    if change.shape[1] < _LEAST:
        return b""
    known = np.isfinite(change)
    size = np.max(np.abs(change), axis=1, where=known, initial=0.0, keepdims=True)
    scaled = np.rint(change * np.divide(127.0, size, where=size > 0, out=np.zeros_like(size)))
    rows = np.where(known, scaled, _UNKNOWN).astype(np.int8)
    return _HEAD.pack(_VERSION, change.shape[1]) + zlib.compress(rows.tobytes())


def _points(print_: bytes) -> Points | None:
    """``[12, n]``, NaN where not known; ``None`` for none. Raises ``Permanent`` for one of another version."""
    if not print_:
        return None
    version, length = _HEAD.unpack_from(print_)
    if version != _VERSION:
        raise Permanent(Reason.OUR_FAULT, "a fingerprint of another version")
    flat = np.frombuffer(zlib.decompress(print_[_HEAD.size :]), np.int8)
    points = flat.reshape(len(LEADS), length).astype(np.float32)
    points[points == _UNKNOWN] = np.nan
    return points


def same(first: Ecg, second: Ecg) -> Sameness:
    """Whether two ECGs are one recording."""
    return compare(seen(first), seen(second))


def compare(first: Seen, second: Seen) -> Sameness:
    """Whether two ECGs are one recording: never where both name persons and none is common, or times are apart.

    How alike the signals must be depends on how well the times agree: two ECGs of one patient in a row are alike, but
    are not taken in the same second.
    """
    if first.patients and second.patients and not first.patients & second.patients:
        return Sameness.OTHER
    if not (first.patients & second.patients) and None in (first.acquired_at, second.acquired_at):
        return Sameness.UNSURE  # the signal alone does not say whose it is
    needed = _needed(first, second)
    if needed is None:
        return Sameness.OTHER
    a, b = _points(first.print), _points(second.print)
    if a is None or b is None:
        return Sameness.UNSURE
    return _by_signal(a, b, needed)


def _needed(first: Seen, second: Seen) -> float | None:
    """How alike the signals must be, ``None`` when the times rule it out; samples and samples must always be alike."""
    away = _away(first, second)
    if away is None or first.clock is None or second.clock is None:
        return SAME_HOUR_R
    if away > APART:
        return None
    if first.source is second.source is Source.NATIVE:
        return SAME_HOUR_R
    if away <= timedelta(seconds=1):
        return SAME_MOMENT_R
    whole = 0 in (first.clock.second, second.clock.second)  # many pages print no seconds
    return SAME_MINUTE_R if whole and away < timedelta(minutes=1) else SAME_HOUR_R


def _away(first: Seen, second: Seen) -> timedelta | None:
    """How far apart, as moments or as clocks read, whichever is nearer; ``None`` where either does not say when."""
    if first.acquired_at is None or second.acquired_at is None or first.clock is None or second.clock is None:
        return None
    return min(abs(first.acquired_at - second.acquired_at), abs(first.clock - second.clock))


def _by_signal(a: Points, b: Points, needed: float) -> Sameness:
    """Judge by the lead a quarter up from the worst; stop as soon as a quarter of the leads are too unlike."""
    found: list[float] = []
    shared = [row for row in range(len(LEADS)) if _common(a[row], b[row])]
    if len(shared) < _LEAST_LEADS:
        return Sameness.UNSURE
    allowed = len(shared) // 4  # a lead may be off, mislabelled or drawn over by its neighbour
    order = shared[::3] + shared[1::3] + shared[2::3]  # limb and chest leads in turn
    for start in range(0, len(order), _AT_ONCE):
        rows = order[start : start + _AT_ONCE]
        found += likeness(a[rows], b[rows]).tolist()
        if sum(r < OTHER_R for r in found) > allowed:
            return Sameness.OTHER
    return Sameness.SAME if sorted(found)[allowed] >= needed else Sameness.UNSURE


def _common(a: Points, b: Points) -> bool:
    """Whether a lead is known in both for a second, and flat in neither."""
    length = min(len(a), len(b))
    both = np.isfinite(a[:length]) & np.isfinite(b[:length])
    enough = np.count_nonzero(both) >= _LEAST
    return bool(enough and np.any(a[:length][both]) and np.any(b[:length][both]))


def likeness(a: Points, b: Points) -> NDArray[np.float64]:
    """Each lead's highest correlation within ``_SLACK``, over the points both know; -1 where they share too few.

    All sums of all shifts at once by the convolution theorem; the top between two shifts by a parabola.
    """
    size = next_fast_len(max(a.shape[1], b.shape[1]) + _SLACK, real=True)  # no more shifts are looked at
    first, second = _spectra(a, size), _spectra(b, size)
    shifts = np.arange(-_SLACK, _SLACK + 1)

    def summed(of_first: int, of_second: int) -> NDArray[np.float64]:
        return np.fft.irfft(first[of_first] * np.conj(second[of_second]), size, axis=1)[:, shifts]

    count = np.maximum(summed(1, 1), 1)
    mean_a, mean_b = summed(0, 1) / count, summed(1, 0) / count
    spread = (summed(2, 1) / count - mean_a**2) * (summed(1, 2) / count - mean_b**2)
    r = (summed(0, 0) / count - mean_a * mean_b) / np.sqrt(np.maximum(spread, 1e-6))
    r[count < _LEAST - 0.5] = -1.0
    return np.array([_top(row) for row in r])


def _spectra(points: Points, size: int) -> tuple[NDArray[np.complex128], ...]:
    """Of the values (0 where not known), of where they are known, of their squares."""
    known = np.isfinite(points)
    values = np.where(known, points, 0.0)
    return tuple(np.fft.rfft(rows, size, axis=1) for rows in (values, known.astype(np.float64), values**2))


def _top(r: NDArray[np.float64]) -> float:
    at = int(np.argmax(r))
    if not 0 < at < len(r) - 1 or r[at - 1] == -1.0 or r[at + 1] == -1.0:
        return float(r[at])
    before, here, after = r[at - 1], r[at], r[at + 1]
    bend = before - 2 * here + after
    return float(here - (after - before) ** 2 / (8 * bend)) if bend < 0 else float(here)
