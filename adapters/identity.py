"""Whether two ECGs are one recording that came through two doors: by patient, by time, and above all by signal.

What is kept of an ECG for this is a ``Seen``, small enough for a row in the store; its signal as a fingerprint
(``adapters.fingerprint``). A patient's next ECG has the same beats at other moments, and all twelve leads say so at
once; where a steady rhythm puts them at the same moments, nothing in it says so, and the two are kept apart.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import numpy as np

from adapters.fingerprint import fingerprint, points
from adapters.likeness import OTHER_R, Likeness, likeness
from domain.ecg import RATE_HZ, Ecg, Order, Patient, ReadWarning
from domain.person import record_numbers
from domain.reason import Reason
from domain.report import Report
from domain.seen import Seen, Source

APART = timedelta(minutes=5)  # more than a cart's clock and an order's time usually differ
_SAME_MINUTE, _SAME_ORDER = timedelta(minutes=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Bar:
    """What one recording reaches: ``alike`` at least, and ``odds`` at most (``adapters.likeness``)."""

    alike: float
    odds: float


SAME_MOMENT, SAME_MINUTE, SAME_HOUR = _Bar(0.96, 0.4), _Bar(0.97, 0.2), _Bar(0.985, 0.2)
"""By how well the times agree. Short of it, and not another recording for certain, nobody knows."""


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


def by_number(first: Seen, second: Seen) -> bool:
    """Whether both are of one order's number and minute, whoever the patients are said to be."""
    away = _away(first, second)
    return bool(first.orders & second.orders) and away is not None and away <= _SAME_MINUTE


def other_order(first: Seen, second: Seen) -> bool:
    """Whether both name orders, and none is common."""
    return bool(first.orders and second.orders and not first.orders & second.orders)


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
    bar = _bar(first, second)
    if bar is None:
        return Sameness.OTHER
    a, b = points(first.print), points(second.print)
    alike = likeness(a, b) if a is not None and b is not None else None
    return Sameness.UNSURE if alike is None else _judged(alike, bar)


def _judged(alike: Likeness, bar: _Bar) -> Sameness:
    if alike.here < OTHER_R:
        return Sameness.OTHER
    return Sameness.SAME if alike.here >= bar.alike and alike.odds <= bar.odds else Sameness.UNSURE


def _bar(first: Seen, second: Seen) -> _Bar | None:
    """What is asked of the signals, ``None`` when the times rule it out; samples and samples must always be alike."""
    away = _away(first, second)
    if away is None or first.clock is None or second.clock is None:
        return SAME_HOUR
    if away > APART:
        return None
    if first.source is second.source is Source.NATIVE:
        return SAME_HOUR
    if away <= timedelta(seconds=1):
        return SAME_MOMENT
    whole = 0 in (first.clock.second, second.clock.second)  # many pages print no seconds
    return SAME_MINUTE if whole and away < timedelta(minutes=1) else SAME_HOUR


def _away(first: Seen, second: Seen) -> timedelta | None:
    """How far apart, as moments or as clocks read, whichever is nearer; ``None`` where either does not say when."""
    if first.acquired_at is None or second.acquired_at is None or first.clock is None or second.clock is None:
        return None
    return min(abs(first.acquired_at - second.acquired_at), abs(first.clock - second.clock))
