"""Flags: a risk stands in a patient's record from the ECG that showed it until something says that it is over.

What flags there are follows from all that is known of a person, in the order in which it happened, not in which it
came: critical ECGs raise and renew, a later ECG below the threshold, time and a discharge end. So a late older ECG, a
retraction or a merge each have a plain answer: put it together again and compare.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from domain.alert import Risk


class State(StrEnum):
    """As FHIR names it (R4 9.8.2)."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    ERROR = "entered-in-error"


class Over(StrEnum):
    """Why a flag is not active any more."""

    BELOW = "below"  # a later ECG below the threshold
    TIME = "time"
    DISCHARGED = "discharged"
    MERGED = "merged"  # another flag of the same person, who was two, stands
    RETRACTED = "retracted"  # the results it stood on were taken back
    OFF = "off"  # flags are no longer wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one ECG says of a risk; ``before``: the keys of findings whose place its finding took."""

    finding: str
    at: datetime
    critical: bool
    before: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One risk of one person. ``finding``: the last that was critical. ``changes``: how often it was told of."""

    key: str
    person: str
    risk: Risk
    raised_by: str
    finding: str
    begun: datetime
    until: datetime
    state: State = State.ACTIVE
    ended: datetime | None = None
    why: Over | None = None
    changes: int = 0


@dataclass(frozen=True, slots=True)
class _Episode:
    """The critical ECGs of one flag, in order."""

    shown: tuple[Evidence, ...]
    ended: datetime | None = None
    why: Over | None = None

    @property
    def findings(self) -> frozenset[str]:
        return frozenset(key for one in self.shown for key in (one.finding, *one.before))


def changed(
    stored: Sequence[Flag],
    person: str,
    risk: Risk,
    evidence: Iterable[Evidence],
    left: Collection[datetime],
    *,
    lasts: timedelta,
    now: datetime,
) -> tuple[Flag, ...]:
    """The flags of a person's risk that are not as they stand in ``stored``: to be written, and told of.

    ``left``: when the person was discharged. A flag keeps its key as long as any ECG that raised it stands.
    """
    made: list[Flag] = []
    episodes = list(_episodes(sorted(evidence, key=lambda one: (one.at, one.finding)), sorted(left), lasts, now))
    for one in episodes:
        until = one.shown[-1].at + lasts
        mine = sorted((flag for flag in stored if flag.raised_by in one.findings), key=lambda flag: flag.begun)
        if mine or one.ended is None:
            flag = mine[0] if mine else _raised(person, risk, one, until)
            made.append(
                replace(
                    flag,
                    person=person,
                    finding=one.shown[-1].finding,
                    begun=min(flag.begun, one.shown[0].at),
                    until=until,
                    state=State.INACTIVE if one.ended else State.ACTIVE,
                    ended=one.ended,
                    why=one.why,
                )
            )
            made += [_over(flag, State.INACTIVE, Over.MERGED, now) for flag in mine[1:]]
    known = frozenset(key for one in episodes for key in one.findings)
    made += [_over(flag, State.ERROR, Over.RETRACTED, now) for flag in stored if flag.raised_by not in known]
    return tuple(replace(one, changes=one.changes + 1) for one in made if one not in stored)


def switched_off(stored: Iterable[Flag], now: datetime) -> tuple[Flag, ...]:
    """Where flags are no longer wanted, none is left active in a record."""
    active = (one for one in stored if one.state is State.ACTIVE)
    return tuple(replace(_over(one, State.INACTIVE, Over.OFF, now), changes=one.changes + 1) for one in active)


def _episodes(
    evidence: Sequence[Evidence], left: Sequence[datetime], lasts: timedelta, now: datetime
) -> Iterator[_Episode]:
    """Split the critical ECGs where something ended what they showed."""
    shown: list[Evidence] = []
    for one in evidence:
        if shown and (end := _ended(shown, left, lasts, one.at)):
            yield _Episode(tuple(shown), *end)
            shown = []
        if one.critical:
            shown.append(one)
        elif shown:
            yield _Episode(tuple(shown), one.at, Over.BELOW)
            shown = []
    if shown:
        yield _Episode(tuple(shown), *(_ended(shown, left, lasts, now) or ()))


def _ended(
    shown: Sequence[Evidence], left: Sequence[datetime], lasts: timedelta, at: datetime
) -> tuple[datetime, Over] | None:
    """What ended it up to ``at``, whichever was first."""
    last = shown[-1].at
    ends = [(last + lasts, Over.TIME), *((when, Over.DISCHARGED) for when in left if when > last)]
    end = min(ends)
    return end if end[0] <= at else None


def _raised(person: str, risk: Risk, episode: _Episode, until: datetime) -> Flag:
    first = episode.shown[0]
    key = hashlib.sha256(f"{risk}|{first.finding}".encode()).hexdigest()[:32]
    return Flag(
        key=key, person=person, risk=risk, raised_by=first.finding, finding=first.finding, begun=first.at, until=until
    )


def _over(flag: Flag, state: State, why: Over, now: datetime) -> Flag:
    """Ended now, unless it had ended so already."""
    return flag if flag.why is why else replace(flag, state=state, why=why, ended=flag.ended or now)
