"""What the planner decides; numbers are the alerts'."""

from dataclasses import dataclass
from datetime import datetime

from domain.alert import Closing, Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """One message to one channel. ``number``: how many of this kind the first alert's channel had before."""

    alerts: tuple[int, ...]
    channel: str
    why: Why
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """``lead`` speaks for it; it stays open."""

    alert: int
    lead: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalate:
    """A later step of the chain is reached, counted from 1; ``unheard``: since the one before could not be told."""

    alert: int
    step: int
    unheard: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """``by``: the alert that takes its place or spoke for it."""

    alert: int
    reason: Closing
    by: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inherit:
    """The chain of escalation goes on from where the outdone alert's began."""

    alert: int
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Operations hear of something that is not one alert's: ``about`` names it, e.g. ``storm webhook:pager``."""

    alert: int
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Closed, and everybody who had to hear of that has been told."""

    alert: int


Action = Tell | Join | Escalate | Close | Inherit | Call | Finish
