"""Who, which order and when: MSH, PID, PV1, ORC and OBR of an HL7 v2 message, parsed by hl7apy in TOLERANT mode.

Only these segments are given to hl7apy, which takes ms for each; a message's hundreds of OBX are split by hand.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from hl7apy import SUPPORTED_LIBRARIES
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.exceptions import HL7apyException
from hl7apy.parser import parse_segment

from adapters.hl7_text import Separators, words
from domain.ecg import Identifier, Order, Patient, Sex

_SEX = {"M": Sex.MALE, "F": Sex.FEMALE, "O": Sex.OTHER, "A": Sex.OTHER}  # HL7 table 0001
_TIME = re.compile(r"(\d{8})(\d{2})(\d{2})(?:(\d{2})(?:\.(\d{1,6})\d*)?)?([+-]\d{4})?")
_MOST_IDENTIFIERS = 20
_LONGEST = 65_536  # octets of a segment given to hl7apy
_EARLIEST = 1970


@dataclass(frozen=True, slots=True)
class Segment:
    """A parsed segment: field number -> repetitions as sent."""

    separators: Separators
    fields: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def part(self, number: int, place: int = 1, *, repetition: int = 0) -> str:
        """Component ``place``, from 1, unescaped, its first subcomponent; ``""`` when absent or HL7's null."""
        repetitions = self.fields.get(number, ())
        return component(repetitions[repetition], place, self.separators) if repetition < len(repetitions) else ""


def component(text: str, place: int, separators: Separators, *, subcomponent: int = 1) -> str:
    """Return a component's subcomponent, both from 1, as readable text."""
    for separator, wanted in ((separators.component, place), (separators.subcomponent, subcomponent)):
        parts = text.split(separator)
        text = parts[wanted - 1] if wanted <= len(parts) else ""
    return "" if text == '""' else words(separators.unescaped(text)).replace("\0", "").strip()


def parsed(text: str, separators: Separators, version: str) -> Segment:
    """Parse one segment; one that hl7apy cannot read counts as empty, since an ECG is not lost for its header."""
    encoding = {
        "FIELD": separators.field, "COMPONENT": separators.component, "REPETITION": separators.repetition,
        "ESCAPE": separators.escape, "SUBCOMPONENT": separators.subcomponent, "SEGMENT": "\r", "GROUP": "\r",
    }  # fmt: skip
    known = version if version in SUPPORTED_LIBRARIES else "2.5.1"
    try:
        found = parse_segment(text[:_LONGEST], known, encoding, VALIDATION_LEVEL.TOLERANT)
    except HL7apyException:
        return Segment(separators)
    fields: dict[int, tuple[str, ...]] = {}
    for child in found.children:
        if child.name and child.name.rpartition("_")[2].isdigit():
            number = int(child.name.rpartition("_")[2])
            fields[number] = (*fields.get(number, ()), child.to_er7(encoding))
    return Segment(separators, fields)


def split(line: str, separators: Separators) -> tuple[str, Segment]:
    """Name a segment and split it, where parsing takes too long; MSH-1 is the separator, so MSH counts from 2."""
    name, *fields = line.split(separators.field)
    first = 2 if name == "MSH" else 1
    repetitions = {n: tuple(text.split(separators.repetition)) for n, text in enumerate(fields, first) if text}
    return name, Segment(separators, repetitions)


def patient(pid: Segment) -> Patient:
    """PID-3 with authority and type (PID-2 up to 2.3, or where PID-3 is empty), PID-5, 7 and 8."""
    return Patient(
        identifiers=identifiers(pid, 3) or identifiers(pid, 2),
        family=pid.part(5, 1),
        given=pid.part(5, 2),
        birth_date=day(pid.part(7)),
        sex=_SEX.get(pid.part(8).upper(), Sex.UNKNOWN),
    )


def identifiers(segment: Segment, number: int) -> tuple[Identifier, ...]:
    """Read a field of CX: each identifier with its authority and type, at most twenty."""
    count = min(len(segment.fields.get(number, ())), _MOST_IDENTIFIERS)
    found = (_identifier(segment, number, repetition) for repetition in range(count))
    return tuple(identifier for identifier in found if identifier)


def _identifier(segment: Segment, number: int, repetition: int = 0) -> Identifier | None:
    """CX: identifier, check digit, its scheme, assigning authority (HD: name or universal identifier), type."""
    value = segment.part(number, 1, repetition=repetition)
    if not value:
        return None
    whole = segment.fields[number][repetition]
    names = (component(whole, 4, segment.separators, subcomponent=n) for n in (1, 2))
    authority = next((name for name in names if name), "")
    return Identifier(value=value, authority=authority, type=segment.part(number, 5, repetition=repetition))


def order(orc: Segment, obr: Segment, pv1: Segment) -> Order:
    """OBR-2 and OBR-3, else ORC-2 and ORC-3; PV1-19 and the point of care in PV1-3."""
    return Order(
        placer=obr.part(2) or orc.part(2),
        filler=obr.part(3) or orc.part(3),
        encounter=_identifier(pv1, 19) if pv1.fields.get(19) else None,
        location=pv1.part(3),
    )


def moment(text: str, assumed_zone: str) -> tuple[datetime | None, bool]:
    """Read a time stamp to the minute or better, and say whether its zone had to be assumed.

    Escaped blanks within it are dropped. A date alone is no time, and neither is a masked one before 1970.
    """
    match = _TIME.fullmatch(text.replace("%20", "").replace(" ", ""))
    if match is None:
        return None, False
    fraction = (match[5] or "0").ljust(6, "0")
    try:
        naive = datetime.strptime(match[1] + match[2] + match[3], "%Y%m%d%H%M").replace(tzinfo=UTC)
        naive += timedelta(seconds=int(match[4] or 0), microseconds=int(fraction))
    except ValueError:
        return None, False
    if naive.year < _EARLIEST or int(match[4] or 0) > 60:
        return None, False
    zone = _offset(match[6]) if match[6] else None
    return naive.replace(tzinfo=zone or ZoneInfo(assumed_zone)), zone is None


def _offset(text: str) -> timezone | None:
    hours, minutes = int(text[1:3]), int(text[3:5])
    if hours > 14 or minutes > 59:
        return None
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)


def day(text: str) -> date | None:
    """Read the date of a time stamp; ``None`` when it is less than a day or none."""
    try:
        return datetime.strptime(text[:8], "%Y%m%d").replace(tzinfo=UTC).date() if len(text) >= 8 else None
    except ValueError:
        return None
