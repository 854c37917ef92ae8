"""Local date and time as a moment: what vendors' XML and SCP-ECG give apart, without a zone."""

import re
from datetime import UTC, date, datetime, tzinfo
from zoneinfo import ZoneInfo

from domain.ecg import ReadWarning

_EARLIEST = 1970  # masked dates are 1900 or 1901
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6})\d*)?)?")
_DAY = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")

Doubts = tuple[ReadWarning, ...]


def moment(
    day: date | None, time: str, assumed_zone: str, zone: tzinfo | None = None
) -> tuple[datetime | None, Doubts]:
    """Join a day and ``HH:MM[:SS[.ffffff]]``, or ``None``; also whether the zone had to be assumed."""
    match = _TIME.fullmatch(time.strip())
    if day is None or match is None or day.year < _EARLIEST:
        return None, ()
    hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
    fraction = int((match[4] or "0").ljust(6, "0"))
    try:
        naive = datetime(day.year, day.month, day.day, hour, minute, min(second, 59), fraction, tzinfo=UTC)
    except ValueError:
        return None, ()
    assumed = (ReadWarning.TIME_ZONE_ASSUMED,) if zone is None else ()
    return naive.replace(tzinfo=zone or ZoneInfo(assumed_zone)), assumed


def ymd(text: str) -> date | None:
    """Read ``YYYY-MM-DD``."""
    match = _DAY.fullmatch(text.strip())
    return calendar(match[1], match[2], match[3]) if match else None


def calendar(year: str | int, month: str | int, day: str | int) -> date | None:
    """Make a date of its parts, ``None`` where they are none."""
    try:
        return date(int(year), int(month), int(day))
    except (ValueError, OverflowError):
        return None
