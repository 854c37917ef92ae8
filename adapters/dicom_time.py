"""When a DICOM object's ECG was taken: Acquisition DateTime (0008,002A) and what stands in for it, PS3.5 6.2."""

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from adapters.codes import clean
from domain.ecg import ReadWarning

_DT = re.compile(r"(\d{8})(\d{2})(\d{2})(?:(\d{2})(?:\.(\d{1,6}))?)?([+-]\d{4})?")
_DA = re.compile(r"(\d{4})[.-]?(\d{2})[.-]?(\d{2})")
_OFFSET = re.compile(r"([+-])(\d{2})(\d{2})")
_EARLIEST = 1970  # masked dates are 1900 or 1901


def acquired_at(
    dataset: Any, assumed_zone: str, *, document: bool = False
) -> tuple[datetime | None, tuple[ReadWarning, ...]]:
    """Return the moment of acquisition with its zone, and whether the zone had to be assumed.

    The zone is the value's own, else Timezone Offset From UTC (0008,0201), else ``assumed_zone``. Content date and time
    stand in for a waveform's acquisition, not for a ``document``'s: there they say when it was written.
    """
    pairs = [("AcquisitionDate", "AcquisitionTime")] + [("ContentDate", "ContentTime")] * (not document)
    texts = [
        _text(dataset, "AcquisitionDateTime"),
        *(_text(dataset, day) + _text(dataset, time) for day, time in pairs),
    ]
    for text in texts:
        if (match := _DT.fullmatch(text.replace(":", ""))) and (naive := _naive(match)):
            zone = _offset(match[6] or "") or _offset(_text(dataset, "TimezoneOffsetFromUTC"))
            assumed = () if zone else (ReadWarning.TIME_ZONE_ASSUMED,)
            return naive.replace(tzinfo=zone or ZoneInfo(assumed_zone)), assumed
    return None, ()


def _text(dataset: Any, keyword: str) -> str:
    return clean(str(dataset.get(keyword) or ""))


def _naive(match: re.Match[str]) -> datetime | None:
    day, hour, minute, second, fraction = match[1], match[2], match[3], match[4] or "0", match[5] or "0"
    try:
        moment = datetime.strptime(day + hour + minute, "%Y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError:
        return None
    if moment.year < _EARLIEST or int(second) > 60:
        return None
    second = min(int(second), 59)  # PS3.5 allows 60, a leap second
    return moment.replace(tzinfo=None, second=second, microsecond=int(fraction.ljust(6, "0")))


def _offset(text: str) -> tzinfo | None:
    match = _OFFSET.fullmatch(text)
    if not match or int(match[2]) > 14 or int(match[3]) > 59:
        return None
    offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return timezone(-offset if match[1] == "-" else offset)


def day(text: str) -> date | None:
    """Read a DA value, also in the forms of older versions (``1971.01.23``); ``None`` where it is none."""
    match = _DA.fullmatch(clean(text))
    if not match:
        return None
    try:
        return date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return None
