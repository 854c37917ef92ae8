"""One ECG, three doors: which earlier ECG an ECG is a copy of, which copy is scored, and what it takes the place of."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from adapters.identity import Sameness, by_minute, by_number, by_order, compare, other_order, persons, says_whose, seen
from config.schema import Settings
from config.thresholds import Thresholds
from delivery.subject import known
from delivery.superseded import superseding
from domain.alert import Raised
from domain.context import Earlier
from domain.ecg import Ecg, Identifier, Patient, ReadWarning
from domain.outgoing import Outgoing
from domain.person import person_key
from domain.seen import Attachment, Known, Looked, Past, Seen
from ecgd.census import Nobody, People

NOBODY = Nobody()


class Memory(Protocol):
    """What the store remembers of earlier ECGs; see ``store.memory``."""

    def looked(self, arrival_id: int) -> Looked | None:
        """How far one sees now."""

    def like(self, arrival_id: int, seen: Seen) -> tuple[Known, ...]:
        """What may be the same by patient and time."""

    def said(self, arrival_id: int, seen: Seen) -> tuple[Known, ...]:
        """What was said of an ECG that may be this one."""

    def past(self, arrival_id: int, part: int, ecg: str) -> tuple[Past, ...]:
        """What was decided of a recording."""

    def sent(self, key: str) -> bytes | None:
        """The body of a message."""

    def attached(self, arrival_id: int) -> tuple[Attachment, ...]:
        """Whose its ECGs were said to be."""

    def scores(self, person: str, at: datetime, within_h: float, besides: Collection[int]) -> tuple[Earlier, ...]:
        """What models said of a person's ECGs of the hours before ``at``, the latest first."""


class Nothing:
    """A memory without anything in it: for what is scored by hand."""

    def looked(self, arrival_id: int) -> None:
        """See nothing."""

    def like(self, arrival_id: int, seen: Seen) -> tuple[Known, ...]:
        """Nothing is like it."""
        return ()

    def said(self, arrival_id: int, seen: Seen) -> tuple[Known, ...]:
        """Nothing was said of it."""
        return ()

    def past(self, arrival_id: int, part: int, ecg: str) -> tuple[Past, ...]:
        """Nothing was decided."""
        return ()

    def sent(self, key: str) -> bytes | None:
        """Nothing was sent."""
        return None

    def attached(self, arrival_id: int) -> tuple[Attachment, ...]:
        """Nothing was said."""
        return ()

    def scores(self, person: str, at: datetime, within_h: float, besides: Collection[int]) -> tuple[Earlier, ...]:
        """Nothing was answered."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Place:
    """An ECG among those before it.

    ``key``: names it for ``finding_key``; another one once it was attached, for the EHR keeps what it has under a key.
    ``name``: the recording's, the same for all its copies. ``past``: what was decided of them, its own included.
    ``said``: what messages without an ECG say of it and of none before. ``corrects``: its sender replaces what it sent
    before; ``copied``: which by its signal is the same recording. ``withdrawn``: a message that came after it took it
    back, and was worked on before it.
    """

    arrival_id: int
    part: int
    key: str
    name: str
    ecg: Ecg
    seen: Seen
    past: tuple[Past, ...]
    said: tuple[Known, ...]
    corrects: bool = False
    copied: bool = False
    withdrawn: bool = False

    @property
    def retracted(self) -> bool:
        """Whether the recording's result was taken back; only its sender's correction is another one."""
        if self.withdrawn:
            return True
        own = (one for one in self.past if one.arrival_id == self.arrival_id and one.part == self.part)
        return any(one.retracted for one in (own if self.corrects else self.past))

    @property
    def others(self) -> tuple[Past, ...]:
        """What stands of other copies; another part of the same arrival is none."""
        return tuple(one for one in self.past if one.current and one.arrival_id != self.arrival_id)

    def yields_to(self, *, scored: bool) -> Past | None:
        """The result that stands: of a copy as good or better. What a model answered beats what none did.

        A correction yields only to a better copy of its own signal.
        """
        ours = (scored, self.seen.worth)
        best = max(self.others, key=lambda one: (one.scored, one.worth or 0), default=None)
        if best is None:
            return None
        theirs = (best.scored, best.worth or 0)
        if self.corrects and (not self.copied or theirs == ours):
            return None
        return best if theirs >= ours else None

    def takes_place_of(self, key: str) -> dict[str, str]:
        """What no longer stands once ``key`` does: other copies' results, and its own under another key."""
        own = (one for one in self.past if one.current and (one.arrival_id, one.part) == (self.arrival_id, self.part))
        return {one.key: key for one in (*self.others, *own) if one.key != key}

    def earlier(self, received_at: datetime, thresholds: Thresholds, memory: Memory) -> tuple[Earlier, ...]:
        """What models said of the person's ECGs before this one; asked only where it matters. A copy is none before."""
        if not thresholds.hysteresis.on:
            return ()
        copies = {self.arrival_id, *(one.arrival_id for one in self.past)}
        at = self.ecg.acquired_at or received_at
        return memory.scores(person_key(self.ecg.patient), at, thresholds.hysteresis.within_h, copies)


def place(
    arrival_id: int, part: int, key: str, ecg: Ecg, memory: Memory, settings: Settings, people: People = NOBODY
) -> Place:
    """Find an ECG's place; whoever's it was said to be, or a copy of it says it is, it becomes."""
    attached = [one for one in memory.attached(arrival_id) if one.part in (0, part)]
    if attached:
        ecg, key = of_patient(ecg, attached[-1].identifiers), f"{key}#{attached[-1].id}"
    ecg = surviving(ecg, people)
    about, corrects = seen(ecg), ReadWarning.CORRECTED in ecg.origin.warnings
    like = memory.like(arrival_id, about)
    copied = _copied(about, like)
    name = copied or (_corrected(about, like) if corrects else None) or f"{arrival_id}.{part}"
    past = memory.past(arrival_id, part, name)
    said = [one for one in memory.said(arrival_id, about) if by_order(one.seen, about) or by_minute(one.seen, about)]
    withdrawn = any(one.withdrawn and one.arrival_id > arrival_id for one in said)
    said = [one for one in said if not one.withdrawn]
    told = [one.identifiers for one in said if says_whose(one.seen, about)]
    told += [one.identifiers for one in past if one.arrival_id != arrival_id]
    named = [whose for whose in told if is_named(whose, settings)]
    if named and not is_named(ecg.patient.identifiers, settings):
        ecg = surviving(of_patient(ecg, named[-1]), people)
        about = replace(about, patients=persons(ecg.patient))
    new = tuple(one for one in said if one.ecg == f"{one.arrival_id}.{one.part}")
    return Place(
        arrival_id=arrival_id,
        part=part,
        key=key,
        name=name,
        ecg=ecg,
        seen=about,
        past=past,
        said=new,
        corrects=corrects,
        copied=copied is not None,
        withdrawn=withdrawn,
    )


def _copied(about: Seen, known: Sequence[Known]) -> str | None:
    """The recording of which this is a copy; of several, the one whose copy is worth most, then the earliest."""
    copies = [one for one in known if compare(about, one.seen) is Sameness.SAME]
    return min(copies, key=lambda one: (-one.seen.worth, one.arrival_id)).ecg if copies else None


def _corrected(about: Seen, known: Sequence[Known]) -> str | None:
    """The recording whose place a correction takes: of the same order and minute, or of the same patient and minute.

    Whose it is may be what was wrong, so an order's number counts whoever the patient was; another order's never does.
    """
    for belongs in (by_number, by_minute):
        names = {one.ecg for one in known if belongs(one.seen, about) and not other_order(one.seen, about)}
        if names:
            return names.pop() if len(names) == 1 else None
    return None


def surviving(ecg: Ecg, people: People) -> Ecg:
    """The ECG as of whom its patient was merged into, if into anybody."""
    whose = people.survivor(ecg.patient)
    return of_patient(ecg, whose) if whose else ecg


def of_patient(ecg: Ecg, whose: tuple[Identifier, ...]) -> Ecg:
    """The ECG as of a patient; what its sender said of sex and age stays."""
    warnings = tuple(one for one in ecg.origin.warnings if one is not ReadWarning.UNIDENTIFIED)
    return replace(ecg, patient=replace(ecg.patient, identifiers=whose), origin=replace(ecg.origin, warnings=warnings))


def is_named(whose: tuple[Identifier, ...], settings: Settings) -> bool:
    """Whether a destination would know the patient; without one, whether there is a record number."""
    return known(Patient(identifiers=whose), settings.destinations)


def owner(about: Seen, known: Sequence[Known]) -> str | None:
    """The recording of which something was said; ``None``: of none that is there, or it might be of several."""
    for belongs in (by_order, by_minute):
        names = {one.ecg for one in known if belongs(about, one.seen)}
        if names:
            return names.pop() if len(names) == 1 else None
    return None


def told_of(
    arrival_id: int, whose: tuple[Identifier, ...], standing: Past, memory: Memory, settings: Settings
) -> tuple[Attachment, ...]:
    """Whose the ECG is of which a result stands, where only arrival ``arrival_id`` says so."""
    known = is_named(standing.identifiers, settings) or memory.attached(standing.arrival_id)
    if known or not is_named(whose, settings):
        return ()
    by = f"arrival {arrival_id}"
    return (Attachment(arrival_id=standing.arrival_id, part=standing.part, identifiers=whose, by=by),)


def unheard(raised: Sequence[Raised], place: Place) -> tuple[Raised, ...]:
    """Leave out what people were alerted to of another copy of the same recording, as grave as now."""
    told = [(one.key, risk, severity) for one in place.past for risk, severity in one.alerted]
    return tuple(
        one
        for one in raised
        if not any(key != one.finding and risk is one.risk and severity >= one.severity for key, risk, severity in told)
    )


def taken_back(superseded: dict[str, str], memory: Memory, settings: Settings) -> tuple[Outgoing, ...]:
    """Tell each destination what no longer stands, of what it was sent."""
    return tuple(
        superseding(body, old, new, destination)
        for old, new in superseded.items()
        for destination in settings.destinations
        if (body := memory.sent(f"{old}:{destination.channel}")) is not None
    )
