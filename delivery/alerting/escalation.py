"""How far down its chain an alert has come: by time while nobody acknowledges it, or because nobody could be told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from config.alerts import Alerts, Route
from domain.alert import Alert, Happened


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A step of the chain, counted from 0. ``unheard``: reached since the step before could not be told."""

    number: int
    channels: tuple[str, ...]
    unheard: bool = False


def reached(alert: Alert, route: Route, settings: Alerts, now: datetime) -> tuple[Reached, ...]:
    """The steps whose channels have to know by now, operations the last."""
    found: list[Reached] = []
    for number, (channels, after_s) in enumerate(_chain(route, settings)):
        due = after_s is not None and alert.since + timedelta(seconds=after_s) <= now
        unheard = bool(found) and deaf(alert, found[-1].channels, settings.undelivered_s, now)
        if not channels or not (due or unheard):
            break
        found.append(Reached(number=number, channels=tuple(channels), unheard=unheard and not due))
    return tuple(found)


def deaf(alert: Alert, channels: Sequence[str], undelivered_s: float, now: datetime) -> bool:
    """Whether of channels that were sent the alert none has taken it, and one refused or has taken too long."""
    last = [sent[-1] for sent in (alert.sent(channel) for channel in channels) if sent]
    fates = [alert.fate(one.message) for one in last]
    late = any(
        fate is None and now - one.at >= timedelta(seconds=undelivered_s) for one, fate in zip(last, fates, strict=True)
    )
    return Happened.DELIVERED not in fates and (late or Happened.UNDELIVERABLE in fates)


def _chain(route: Route, settings: Alerts) -> list[tuple[Sequence[str], float | None]]:
    """The route's steps, and as its end operations, or, where there are none, every other channel."""
    named = {channel for step in route.steps for channel in step.to}
    others = settings.operations or [one for one in settings.channels if one not in named]
    return [*((step.to, step.after_s) for step in route.steps), (others, route.operations_after_s)]
