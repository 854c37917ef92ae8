"""Who is where: what an admission feed says, put together; pure, and the same in whatever order its messages came.

Every movement is kept and where a person is follows from all of them, ordered by their own times. So a late older
message changes nothing that a newer one said, and a message that came twice says nothing twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from domain.ecg import Identifier


class Event(StrEnum):
    """The events followed (HL7 v2.5.1 3.3)."""

    ADMIT = "A01"
    TRANSFER = "A02"
    DISCHARGE = "A03"
    REGISTER = "A04"
    UPDATE = "A08"
    CANCEL_ADMIT = "A11"
    CANCEL_TRANSFER = "A12"
    CANCEL_DISCHARGE = "A13"
    MERGE = "A40"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A unit (PV1-3's point of care), its room and bed, and since when."""

    unit: str
    bed: str = ""
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """What one message says of one person.

    ``at``: the event's own time; ``rank`` orders those of one time. ``kind``: the class of the visit (table 0004: E, I,
    O, ...). ``began`` and ``ended``: the visit's, where the sender says. ``merged``: for a merge, the identifiers that
    ``whose`` takes the place of.
    """

    event: Event
    at: datetime
    rank: str
    whose: tuple[Identifier, ...]
    visit: Identifier | None = None
    unit: str = ""
    bed: str = ""
    kind: str = ""
    began: datetime | None = None
    ended: datetime | None = None
    merged: tuple[Identifier, ...] = ()

    @property
    def order(self) -> tuple[datetime, str]:
        """When, among others."""
        return self.at, self.rank

    @property
    def place(self) -> Place | None:
        """Where to, if it says so."""
        return Place(unit=self.unit, bed=self.bed, since=self.at) if self.unit else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A stay: its number where it has one, its places in order, and when it ended."""

    number: Identifier | None
    kind: str
    began: datetime
    places: tuple[Place, ...] = ()
    ended: datetime | None = None

    def open_at(self, at: datetime) -> bool:
        """Whether the person was there then."""
        return self.began <= at and not self.over(at)

    def over(self, at: datetime) -> bool:
        """Whether it had ended; outpatients are often never discharged, so theirs ends by itself."""
        lasts = _LASTS.get(self.kind)
        last = max(self.began, self.places[-1].since if self.places else self.began)
        return (self.ended is not None and self.ended <= at) or (lasts is not None and last + lasts <= at)


_LASTS = {"O": timedelta(days=1), "R": timedelta(days=1), "P": timedelta(0)}  # outpatient, recurring, not yet there


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """The person is in ``unit``."""

    unit: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Discharged:
    """The person has left."""

    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """Person ``old`` is ``new``, whose identifiers are ``whose``."""

    old: str
    new: str
    at: datetime
    rank: str
    whose: tuple[Identifier, ...]


def visits(movements: Iterable[Movement]) -> tuple[Visit, ...]:
    """Put a person's movements together, in the order of their own times."""
    found: dict[tuple[str, str], Visit] = {}
    for one in sorted(movements, key=lambda each: each.order):
        key = (one.visit.value, one.visit.authority) if one.visit else _unsaid(found, one)
        before = found.pop(key, None)
        after = _moved(before, one)
        if after is not None:
            found[key] = after  # last: where something happened last
    return tuple(found.values())


def _unsaid(found: Mapping[tuple[str, str], Visit], one: Movement) -> tuple[str, str]:
    """Of which visit a message speaks that does not say: the last one open, else one of its own."""
    return next((key for key in reversed(list(found)) if not found[key].over(one.at)), ("", one.rank))


def _moved(visit: Visit | None, one: Movement) -> Visit | None:
    """Say what follows from one movement for its visit; ``None``: there is no such visit."""
    if one.event is Event.CANCEL_ADMIT:
        return None
    made = visit or Visit(number=one.visit, kind=one.kind, began=one.began or one.at)
    made = replace(made, kind=one.kind or made.kind, began=min(made.began, one.began or made.began))
    match one.event:
        case Event.DISCHARGE:
            return _there(replace(made, ended=one.ended or one.at), one)
        case Event.UPDATE if made.ended is not None:
            return made  # what is written up after the person has left
        case Event.UPDATE:
            return _there(replace(made, ended=one.ended), one)
        case Event.CANCEL_TRANSFER if not one.unit:
            return replace(made, places=made.places[:-1] if len(made.places) > 1 else made.places)
    return _there(replace(made, ended=None), one)


def _there(visit: Visit, one: Movement) -> Visit:
    """In the place the message names; the same unit and bed again is no move."""
    last = visit.places[-1] if visit.places else None
    place = one.place
    if place is None or (last and (last.unit, last.bed) == (place.unit, place.bed)):
        return visit
    return replace(visit, places=(*visit.places, place))


def whereabouts(found: Sequence[Visit], now: datetime) -> Whereabouts | Discharged | None:
    """Where the person is: of several open visits a stay before an outpatient's, then the last moved."""
    stays = [visit for visit in found if visit.ended is None and not visit.over(now)]  # whatever the feed's clock says
    here = [visit for visit in stays if visit.places]
    if here:
        place = max(here, key=lambda visit: (visit.kind not in _LASTS, visit.places[-1].since)).places[-1]
        return Whereabouts(unit=place.unit, since=place.since)
    left = departures(found)
    return Discharged(since=left[-1]) if left and not stays else None


def departures(found: Sequence[Visit]) -> tuple[datetime, ...]:
    """When the person left, and was in no other visit; in order."""
    ends = sorted(visit.ended for visit in found if visit.ended is not None)
    return tuple(end for end in ends if not any(visit.open_at(end) for visit in found))


def visit_at(found: Sequence[Visit], at: datetime) -> Identifier | None:
    """The number of the one visit that was open then; ``None`` when there was none, or nobody knows which."""
    there = [visit for visit in found if visit.open_at(at)]
    return there[0].number if len(there) == 1 else None


def survivors(merges: Iterable[Merge]) -> dict[str, Merge]:
    """Whom each merged person is now: the last word on each counts, and words that go round end with the last."""
    last: dict[str, Merge] = {}
    for one in sorted(merges, key=lambda each: (each.at, each.rank, each.new)):
        last[one.old] = one
    return {old: _end(old, last) for old in last if _end(old, last).new != old}


def _end(old: str, last: Mapping[str, Merge]) -> Merge:
    path = [last[old]]
    while path[-1].new in last:
        step = last[path[-1].new]
        if step in path:
            return max(path[path.index(step) :], key=lambda each: (each.at, each.rank, each.new))
        path.append(step)
    return path[-1]
