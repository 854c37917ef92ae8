"""An alert: what was raised, what has happened to it since, and what is written about it in one go."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from domain.finding import Assessment, Output, Severity
from domain.outgoing import Outgoing


class Risk(StrEnum):
    """What a person is alerted about; one open alert a person and risk."""

    ARREST = "arrest"
    POTASSIUM_HIGH = "potassium_high"
    POTASSIUM_LOW = "potassium_low"


def risk_of(assessment: Assessment) -> Risk:
    """The risk an assessment that is not normal is about."""
    if assessment.score.output is Output.ARREST:
        return Risk.ARREST
    return Risk.POTASSIUM_LOW if assessment.level.endswith("low") else Risk.POTASSIUM_HIGH


class Happened(StrEnum):
    """What an event tells of an alert."""

    RAISED = "raised"
    SENT = "sent"  # a message to a channel was queued; ``why`` says which
    DELIVERED = "delivered"  # the channel took it
    UNDELIVERABLE = "undeliverable"  # the message was buried
    JOINED = "joined"  # another alert of the same person and risk speaks for it
    ESCALATED = "escalated"  # the next step of the chain was reached
    ACKNOWLEDGED = "acknowledged"
    CALLED = "called"  # operations were told of a storm or a budget
    CLOSED = "closed"


class Why(StrEnum):
    """Why a message about an alert goes out."""

    NEW = "new"
    WORSE = "worse"
    REPEAT = "repeat"
    ESCALATION = "escalation"
    SUMMARY = "summary"
    WITHDRAWN = "withdrawn"
    TEST = "test"
    CALL = "call"  # to operations, about no one alert


class Closing(StrEnum):
    """Why an alert is over."""

    OVER = "over"  # acknowledged, and its time has passed
    EXPIRED = "expired"  # its time has passed, and nobody acknowledged it
    WORSE = "worse"  # a later, graver one of the same person and risk took its place
    COVERED = "covered"  # the acknowledged one that spoke for it is over
    SUPERSEDED = "superseded"  # a better copy of the recording does not say so any more
    RETRACTED = "retracted"
    DISCHARGED = "discharged"
    MERGED = "merged"
    NO_ROUTE = "no_route"  # not critical, and no route wants it


MUST_BE_TOLD = frozenset({Closing.SUPERSEDED, Closing.RETRACTED})
"""Who heard of an alert hears that it is withdrawn; the other ends need no word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """What a settlement raises: one risk of one finding.

    ``person``: see ``domain.person.person_key``, ``""`` unidentified. ``recording``: the ECG, whatever door its copies
    came through. ``unit``: of care, as the sender names it. ``value``: a probability, or mmol/L. ``said``: what its
    messages may tell, as JSON (``delivery.alerting.said``).
    """

    finding: str
    person: str
    recording: str
    risk: Risk
    severity: Severity
    level: str
    value: float
    unit: str
    model: str
    stand_in: bool
    expires_at: datetime
    said: Mapping[str, Any] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """Whose it is; an unidentified ECG stands for itself."""
        return self.person or self.recording or self.finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of an alert's life. ``message``: the outbox key of what was sent, delivered or buried."""

    alert: int
    at: datetime
    what: Happened
    actor: str
    channel: str = ""
    why: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alert with its events, in order.

    ``since``: when its chain of escalation began; a graver one inherits it from the one nobody acknowledged.
    """

    id: int
    raised: Raised
    raised_at: datetime
    since: datetime
    closed: Closing | None = None
    events: tuple[Event, ...] = ()

    @property
    def group(self) -> tuple[str, Risk]:
        """Alerts of one group speak for one another."""
        return self.raised.subject, self.raised.risk

    @property
    def acknowledged(self) -> bool:
        """Whether a person has said that they know."""
        return any(one.what is Happened.ACKNOWLEDGED for one in self.events)

    @property
    def tells(self) -> tuple[Event, ...]:
        """What was sent to say that it stands, in order."""
        return tuple(one for one in self.events if one.what is Happened.SENT and one.why != Why.WITHDRAWN)

    def sent(self, channel: str) -> tuple[Event, ...]:
        """What of it was sent to a channel."""
        return tuple(one for one in self.tells if one.channel == channel)

    def fate(self, message: str) -> Happened | None:
        """``DELIVERED``, ``UNDELIVERABLE``, or ``None``: still on its way."""
        ends = (Happened.DELIVERED, Happened.UNDELIVERABLE)
        return next((one.what for one in reversed(self.events) if one.message == message and one.what in ends), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """What a record answers to a message about alerts. ``message``: the number it had there; ``by``: ``""``, nobody."""

    message: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message to a channel, however many alerts it told of."""

    at: datetime
    channel: str
    message: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """What the planner sees: alerts that are not done with, and what was lately sent and called.

    ``units``: where persons are now, ``""`` for who has left; who is not in it is where the sender said.
    ``raised_today``: alerts a unit since the day began. ``called``: when operations were last told of a thing.
    """

    alerts: tuple[Alert, ...]
    units: Mapping[str, str] = field(default_factory=dict)
    sent: tuple[Sent, ...] = ()
    raised_today: Mapping[str, int] = field(default_factory=dict)
    called: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is written in one transaction. ``done``: alerts nobody needs to look at again."""

    events: tuple[Event, ...] = ()
    outgoing: tuple[tuple[Outgoing, str], ...] = ()  # each with the key of the finding that caused it, or ""
    closed: Mapping[int, Closing] = field(default_factory=dict)
    since: Mapping[int, datetime] = field(default_factory=dict)
    done: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.events or self.outgoing or self.closed or self.since or self.done)
