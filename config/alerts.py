"""Who hears of a critical finding, when, again, and who hears next when nobody answers."""

import re
from collections.abc import Iterator
from datetime import time
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, HttpUrl, model_validator

from config.base import Name, Port, Strict, TimeZone
from config.mistakes import Fault, Faults, Place, twice
from config.secrets import Secret

Content = Literal["none", "minimal", "identified"]
Channel = Annotated[
    str,
    Field(
        pattern=r"^(webhook|smtp|apprise|fhir|hl7v2):[a-z][a-z0-9_-]{0,31}$",
        description="kind:name of a channel, or of a destination (fhir: a Communication, hl7v2: an ORU)",
    ),
]
DESTINATIONS = ("fhir:", "hl7v2:")
_HOURS = re.compile(r"^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)$")


def _hours(text: str) -> str:
    found = _HOURS.match(text)
    if found is None or found[1] + found[2] == found[3] + found[4]:
        raise ValueError('hours are written as "19:00-07:00", from and until, in alerts.timezone')
    return text


def span(hours: str) -> tuple[time, time]:
    """From when until when; the end is not part of it, and a night goes over midnight."""
    start, _, end = hours.partition("-")
    return time.fromisoformat(start), time.fromisoformat(end)


class _Told(Strict):
    """What a channel may carry. ``safe: false``: strangers may read it, so no content at all."""

    name: Name = Field(description="its channel is kind:name, e.g. webhook:pager")
    content: Content = Field("minimal", description="none: only that there is an alert; identified: record number too")
    safe: bool = Field(True, description="false: strangers may read it, and it carries no content")

    @model_validator(mode="after")
    def _nothing_where_unsafe(self) -> Self:
        if not self.safe and self.content != "none":
            raise ValueError("a channel that is not safe carries nothing of a patient: write content: none")
        return self


class Webhook(_Told):
    """An alert as JSON by POST, signed (``X-Ecgd-Signature: sha256=...``) when ``secret_file`` is set."""

    url: HttpUrl = Field(description="where the alert is posted")
    secret_file: Secret | None = Field(None, description="where the key of the signature is; absent: not signed")
    timeout_s: float = Field(10, gt=0, le=60, description="for one answer")


class Smtp(_Told):
    """An alert by mail; no names."""

    host: str = Field(description="the mail relay")
    port: Port = Field(25, description="its port")
    starttls: bool = Field(False, description="refuse to send in the clear")
    username: str | None = Field(None, description="where the relay wants a login, with secret_file")
    secret_file: Secret | None = Field(None, description="where its password is")
    sender: str = Field(description="the address in From")
    recipients: tuple[str, ...] = Field(min_length=1, description="addresses")
    timeout_s: float = Field(20, gt=0, le=120, description="for one mail")


class Apprise(_Told):
    """A pager, SMS or chat through apprise; its URL holds a secret and stands in a file. Not safe unless said so."""

    url_file: Secret = Field(description="one apprise URL a line, e.g. pagerduty://key@api")
    timeout_s: float = Field(20, gt=0, le=120, description="for one message")
    content: Content = Field("none", description="none: only that there is an alert")
    safe: bool = Field(False, description="false: strangers may read it, and it carries no content")


class Step(Strict):
    """Channels that are told together, ``after_s`` after the alert while nobody has acknowledged it."""

    to: tuple[Channel, ...] = Field(min_length=1, description="channels, all told together")
    after_s: float = Field(0, ge=0, le=86400, description="so long after the alert, while nobody has acknowledged it")


class Route(Strict):
    """Who hears of which alerts; the first route that matches is taken. An empty list matches all."""

    name: Name = Field(description="told in logs")
    severities: tuple[Literal["abnormal", "critical"], ...] = Field(
        ("critical",), min_length=1, description="how grave"
    )
    units: tuple[str, ...] = Field((), description="patterns of the unit the patient is in now, e.g. ED*")
    hours: Annotated[str, AfterValidator(_hours)] | None = Field(None, description='"19:00-07:00"')
    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = Field(
        (), description="in alerts.timezone; empty: every day"
    )
    models: tuple[str, ...] = Field((), description="names of models; empty: any")
    risks: tuple[Literal["arrest", "potassium_high", "potassium_low"], ...] = Field(
        (), description="of what; empty: of anything"
    )
    steps: tuple[Step, ...] = Field(min_length=1, description="the chain of escalation; the first at once")
    repeat_s: float | None = Field(None, ge=30, le=86400, description="again while unacknowledged; absent: never")
    repeats: int = Field(3, ge=1, le=100, description="how often at most")
    operations_after_s: float | None = Field(None, gt=0, le=86400, description="unacknowledged: tell operations too")

    @property
    def takes_every_critical(self) -> bool:
        """Whether no critical alert passes it by."""
        narrow = self.units or self.hours or self.days or self.models or self.risks
        return not narrow and "critical" in self.severities

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        times = [step.after_s for step in self.steps]
        if times[0] != 0:
            raise ValueError("the first step is told at once: leave its after_s out")
        if times != sorted(set(times)):
            raise ValueError("each step's after_s must be greater than the one before")
        if self.operations_after_s is not None and self.operations_after_s <= times[-1]:
            raise ValueError("operations_after_s must be greater than the last step's after_s")
        return self


class Storm(Strict):
    """More than ``most`` messages to one channel within ``within_s``: from then on one summary in ``summary_s``."""

    most: int = Field(10, ge=1, description="messages")
    within_s: float = Field(60, gt=0, le=3600, description="the window in which they are counted")
    summary_s: float = Field(15, gt=0, le=60, description="the longest an alert waits in a storm")
    call_s: float = Field(600, gt=0, le=86400, description="operations are called again after this")


class Worse(Strict):
    """By how much a later value must be worse to alert again while an alert is open."""

    arrest: float = Field(0.1, gt=0, le=1, description="probability")
    potassium: float = Field(0.5, gt=0, le=5, description="mmol/L")


class Acknowledge(Strict):
    """A page where the signed link of a message leads: it shows a button, and only the button acknowledges."""

    url: HttpUrl = Field(description="where recipients reach the page, e.g. https://ecg.hospital/")
    key_file: Secret = Field(description="at least 32 random bytes in hexadecimal; renewing it ends all links")
    bind: str = Field("127.0.0.1", description="address to listen at")
    port: Port = 9464
    certificate: Path | None = Field(None, description="TLS, with key; absent: behind a proxy that has it")
    key: Path | None = Field(None, description="PEM file of its private key")

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        return self


class Alerts(Strict):
    """Who hears of a critical finding. An alert older than ``expire_s`` misleads and is over."""

    webhooks: tuple[Webhook, ...] = ()
    smtp: tuple[Smtp, ...] = ()
    apprise: tuple[Apprise, ...] = ()
    routes: tuple[Route, ...] = Field((), description="empty: every channel at once")
    operations: tuple[Channel, ...] = Field((), description="who hears of storms, budgets, and alerts nobody took")
    timezone: TimeZone = Field("UTC", description="of hours, days and budgets")
    expire_s: float = Field(
        4 * 3600, gt=0, description="an alert older than this would mislead: what is not sent is buried"
    )
    undelivered_s: float = Field(60, gt=0, le=3600, description="a channel that fails this long: the next one is told")
    worse: Worse = Worse()
    storm: Storm = Storm()
    budget_per_day: int | None = Field(None, ge=1, description="alerts a unit and day; beyond it operations are told")
    acknowledge: Acknowledge | None = None

    @property
    def channels(self) -> dict[str, Webhook | Smtp | Apprise]:
        """The alert channels of its own, by kind and name."""
        hooks = {f"webhook:{one.name}": one for one in self.webhooks}
        mails = {f"smtp:{one.name}": one for one in self.smtp}
        return hooks | mails | {f"apprise:{one.name}": one for one in self.apprise}

    @property
    def all_routes(self) -> tuple[Route, ...]:
        """As written, or, where none is, one to every channel at once; empty: nobody is alerted."""
        if self.routes or not self.channels:
            return self.routes
        return (Route(name="everyone", steps=(Step(to=tuple(self.channels)),)),)

    @property
    def named(self) -> Iterator[tuple[Place, str]]:
        """Every channel that somebody is told by, and where it is named."""
        for number, route in enumerate(self.routes):
            for at, step in enumerate(route.steps):
                yield from ((("routes", number, "steps", at, "to", n), channel) for n, channel in enumerate(step.to))
        yield from ((("operations", number), channel) for number, channel in enumerate(self.operations))

    @model_validator(mode="after")
    def _whole(self) -> Self:
        faults = [*self._twice(), *self._unheard(), *self._unknown()]
        if faults:
            raise Faults(*faults)
        return self

    def _twice(self) -> Iterator[Fault]:
        kinds = {"webhooks": self.webhooks, "smtp": self.smtp, "apprise": self.apprise}
        yield from twice(((kind, n, "name"), one.name) for kind, all_ in kinds.items() for n, one in enumerate(all_))
        yield from twice((("routes", number, "name"), route.name) for number, route in enumerate(self.routes))

    def _unheard(self) -> Iterator[Fault]:
        if self.routes and not self.routes[-1].takes_every_critical:
            right = "leave out its units, hours, days, models and risks, or add one below it"
            what = f"the last route, {self.routes[-1].name}, must take every critical alert at any hour"
            yield Fault(("routes", len(self.routes) - 1), what, right)

    def _unknown(self) -> Iterator[Fault]:
        for place, channel in self.named:
            if channel not in self.channels and not channel.startswith(DESTINATIONS):
                yield Fault(place, f"no such channel: {channel}", f"there are: {', '.join(self.channels) or 'none'}")
