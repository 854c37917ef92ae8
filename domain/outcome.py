"""How an arrival ended, and everything that follows from it, written in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from domain.finding import Finding
from domain.outgoing import Outgoing
from domain.reason import Reason


class Outcome(StrEnum):
    """Every acknowledged arrival ends in exactly one of these."""

    SCORED = "scored"
    ABSTAINED = "abstained"
    IGNORED = "ignored"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Settlement:
    """What the worker made of one arrival. ``timings``: s spent in each stage (``read``, ``score``, ``decide``)."""

    outcome: Outcome
    reason: Reason | None = None
    findings: tuple[Finding, ...] = ()
    outgoing: tuple[Outgoing, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.outcome is Outcome.SCORED) == (self.reason is not None):
            raise ValueError("every outcome but 'scored' has a reason, and 'scored' has none")
