"""An HL7 v2 ADT message as what it says of where people are (v2.5.1 3.3).

Segments are split, not parsed: a hospital sends thousands an hour, and only a dozen fields of theirs matter here.
Read are EVN-2 (else MSH-7), PID-3, PV1-2, 3, 19, 44, 45 and MRG-1. Names, addresses and insurances are not looked at.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from adapters.hl7_header import Segment, identifiers, moment, split
from adapters.hl7_text import decode, segments, separators
from config.schema import Reading
from domain.arrival import Arrival
from domain.census import Event, Movement
from domain.ecg import Identifier
from domain.errors import Rejected
from domain.reason import Reason

_FOLLOWED = frozenset(event.value for event in Event)


def moved(arrival: Arrival, settings: Reading) -> tuple[Movement, ...]:
    """Read what a message says; ``()``: of an event that moves nobody. Raises ``Rejected``."""
    text = decode(arrival.payload, None).text
    if not text.startswith("MSH"):
        raise Rejected(Reason.UNDECODABLE, "does not begin with MSH")
    signs = separators(text)
    found = [split(line, signs) for line in segments(text, signs.field) if line[:3] in ("MSH", "EVN", "PID", *_OF_ONE)]
    header, event = found[0][1], next((one for name, one in found if name == "EVN"), Segment(signs))
    code = header.part(9, 2) or event.part(1)
    if code not in _FOLLOWED:
        return ()
    sent, _ = moment(header.part(7), settings.timezone)
    at = moment(event.part(2), settings.timezone)[0] or sent
    if at is None:
        raise Rejected(Reason.MISSING_FIELD, "neither EVN-2 nor MSH-7 says when")
    rank = f"{(sent or at).astimezone(UTC).isoformat()} {header.part(10).zfill(20)}"
    return tuple(_movement(Event(code), at, rank, one, settings.timezone) for one in _people(found))


_OF_ONE = ("PV1", "MRG")


def _people(found: Sequence[tuple[str, Segment]]) -> Iterator[dict[str, Segment]]:
    """Yield each PID with its PV1 and MRG: a merge may tell of several."""
    person: dict[str, Segment] = {}
    for name, segment in found:
        if name == "PID" and person:
            yield person
            person = {}
        if name == "PID" or (name in _OF_ONE and person):
            person[name] = segment
    if not person:
        raise Rejected(Reason.MISSING_FIELD, "no PID")
    yield person


def _movement(event: Event, at: datetime, rank: str, person: dict[str, Segment], zone: str) -> Movement:
    whose = identifiers(person["PID"], 3) or identifiers(person["PID"], 2)
    merged = identifiers(person["MRG"], 1) if "MRG" in person else ()
    if not whose:
        raise Rejected(Reason.MISSING_FIELD, "PID-3 names nobody")
    if event is Event.MERGE:
        if not merged:
            raise Rejected(Reason.MISSING_FIELD, "a merge without MRG-1")
        return Movement(event=event, at=at, rank=rank, whose=whose, merged=merged)
    pv1 = person.get("PV1") or Segment(person["PID"].separators)
    return Movement(
        event=event,
        at=at,
        rank=rank,
        whose=whose,
        visit=_visit(pv1),
        unit=pv1.part(3, 1),
        bed="-".join(part for part in (pv1.part(3, 2), pv1.part(3, 3)) if part),
        kind=pv1.part(2).upper(),
        began=moment(pv1.part(44), zone)[0],
        ended=moment(pv1.part(45), zone)[0],
    )


def _visit(pv1: Segment) -> Identifier | None:
    return next(iter(identifiers(pv1, 19)), None)
