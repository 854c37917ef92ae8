"""How an arrival ended, and everything that follows from it, written in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from domain.alert import Event, Raised, Risk
from domain.census import Movement
from domain.finding import Finding
from domain.outgoing import Outgoing
from domain.reason import Reason
from domain.seen import Attachment, Looked, Retraction, Sighting


class Outcome(StrEnum):
    """Every acknowledged arrival ends in exactly one of these."""

    SCORED = "scored"
    ABSTAINED = "abstained"
    IGNORED = "ignored"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Settlement:
    """What the worker made of one arrival. ``timings``: s spent in each stage (``read``, ``score``, ``decide``).

    ``sightings``: its ECGs as they are to be remembered, given how far the worker had ``looked``. ``superseded``: keys
    of earlier findings and of what takes their place; messages may be theirs. ``attached``: whose ECGs of others are.
    ``linked``: arrival and part of what was said of one of its ECGs before it came, and the ECG's name. ``movements``:
    what it says of where people are. ``retracted``: keys of findings that no longer stand, with nothing in their place.
    ``raised``: what people are to be alerted to. ``standing``: of each recording it decided, the risks that stand now.
    ``acknowledged``: of each alert a person knows of, who says so and since when.
    """

    outcome: Outcome
    reason: Reason | None = None
    findings: tuple[Finding, ...] = ()
    outgoing: tuple[Outgoing, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    sightings: tuple[Sighting, ...] = ()
    superseded: Mapping[str, str] = field(default_factory=dict)
    attached: tuple[Attachment, ...] = ()
    linked: Mapping[tuple[int, int], str] = field(default_factory=dict)
    looked: Looked | None = None
    movements: tuple[Movement, ...] = ()
    retracted: Mapping[str, Retraction] = field(default_factory=dict)
    raised: tuple[Raised, ...] = ()
    standing: Mapping[str, frozenset[Risk]] = field(default_factory=dict)
    acknowledged: tuple[Event, ...] = ()

    def __post_init__(self) -> None:
        if (self.outcome is Outcome.SCORED) == (self.reason is not None):
            raise ValueError("every outcome but 'scored' has a reason, and 'scored' has none")
