"""Which route an alert takes now."""

from collections.abc import Iterable
from datetime import datetime, time
from fnmatch import fnmatchcase

from config.alerts import Route, span
from domain.alert import Raised

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def route_of(raised: Raised, unit: str, local: datetime, routes: Iterable[Route]) -> Route | None:
    """The first that matches. ``unit``: where the patient is now; ``local``: now, by the hospital's clock."""
    return next((one for one in routes if matches(one, raised, unit, local)), None)


def matches(route: Route, raised: Raised, unit: str, local: datetime) -> bool:
    """Whether every list that is not empty names it."""
    return (
        raised.severity.name.lower() in route.severities
        and (not route.units or any(fnmatchcase(unit.casefold(), one.casefold()) for one in route.units))
        and (not route.models or raised.model in route.models)
        and (not route.risks or raised.risk in route.risks)
        and _on_duty(route, local)
    )


def _on_duty(route: Route, local: datetime) -> bool:
    """A night that begins on Friday is Friday's until it ends."""
    day, now = local.weekday(), local.time()
    if route.hours:
        start, end = span(route.hours)
        if not _within(now, start, end):
            return False
        if start > end and now < end:
            day -= 1
    return not route.days or _DAYS[day % 7] in route.days


def _within(now: time, start: time, end: time) -> bool:
    return start <= now < end if start < end else now >= start or now < end
