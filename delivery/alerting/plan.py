"""What to do now about every alert that is not done with: pure, so that doing it twice does nothing the second time."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from config.alerts import Alerts, Route
from delivery.alerting import repeat
from delivery.alerting.actions import Action, Close, Escalate, Finish, Tell
from delivery.alerting.budget import overdrawn
from delivery.alerting.escalation import Reached, reached
from delivery.alerting.routing import route_of
from delivery.alerting.standing import standing
from delivery.alerting.storm import broken
from domain.alert import Alert, Book, Closing, Happened, Why
from domain.finding import Severity


def plan(book: Book, settings: Alerts, now: datetime) -> tuple[Action, ...]:
    """Decide from what has happened.

    A critical alert waits for no other person's, and none keeps it back; only the storm breaker may, and says how long.
    """
    local = now.astimezone(ZoneInfo(settings.timezone))
    ended = [one for one in book.alerts if one.closed]
    withdrawn = _together((tell for one in ended for tell in _withdrawn(one)), ended)
    actions, leads = standing([one for one in book.alerts if not one.closed], settings.worse, now)
    outdoing = {one.by for one in actions if isinstance(one, Close) and one.reason is Closing.WORSE}
    tells: list[Tell] = []
    for alert in leads:
        unit = book.units.get(alert.raised.person, alert.raised.unit)
        route = route_of(alert.raised, unit, local, settings.all_routes)
        if route is None:
            actions += _unrouted(alert)
        elif not alert.acknowledged:
            said, steps = _due(alert, route, settings, now, worse=alert.id in outdoing)
            tells += said
            actions += steps
    sent = broken(_together(tells, book.alerts), book, settings.storm, now)
    escalated = _heeded(actions, sent)
    finished = (Finish(alert=one.id) for one in ended)
    return (*withdrawn, *finished, *escalated, *sent, *overdrawn(book, settings.budget_per_day, _day(local)))


def _due(
    alert: Alert, route: Route, settings: Alerts, now: datetime, *, worse: bool
) -> tuple[list[Tell], list[Escalate]]:
    """Whoever has to know by now and was not told; all of them again when that is due."""
    steps = reached(alert, route, settings, now)
    channels = list(dict.fromkeys(channel for step in steps for channel in step.channels))
    new = [
        Tell(alerts=(alert.id,), channel=channel, why=_why(step, worse))
        for step in steps
        for channel in step.channels
        if not alert.sent(channel)
    ]
    if new or not repeat.is_due(alert, channels, route, now):
        return list({one.channel: one for one in reversed(new)}.values())[::-1], list(_escalated(alert, steps))
    return [_again(alert, channel) for channel in channels], []


def _why(step: Reached, worse: bool) -> Why:
    if step.number:
        return Why.ESCALATION
    return Why.WORSE if worse else Why.NEW


def _again(alert: Alert, channel: str) -> Tell:
    return Tell(alerts=(alert.id,), channel=channel, why=Why.REPEAT, number=len(alert.sent(channel)))


def _escalated(alert: Alert, steps: Sequence[Reached]) -> Iterable[Escalate]:
    known = {one.why.partition(" ")[0] for one in alert.events if one.what is Happened.ESCALATED}
    for step in steps:
        if step.number and str(step.number) not in known:
            yield Escalate(alert=alert.id, step=step.number, unheard=step.unheard)


def _heeded(actions: list[Action], sent: Sequence[Action]) -> list[Action]:
    """Escalation is written down when it goes out, not when a storm holds it back."""
    told = {number for one in sent if isinstance(one, Tell) for number in one.alerts}
    return [one for one in actions if not isinstance(one, Escalate) or one.alert in told]


def _unrouted(alert: Alert) -> list[Action]:
    """Not critical, and nobody wants it now; a critical one always has a route."""
    grave = alert.raised.severity is Severity.CRITICAL
    return [] if grave or alert.tells else [Close(alert=alert.id, reason=Closing.NO_ROUTE)]


def _withdrawn(alert: Alert) -> Iterable[Tell]:
    """Everybody who was told hears that it stands no more."""
    for channel in dict.fromkeys(one.channel for one in alert.tells):
        yield Tell(alerts=(alert.id,), channel=channel, why=Why.WITHDRAWN)


def _together(tells: Iterable[Tell], alerts: Sequence[Alert]) -> list[Tell]:
    """Of one ECG one message a channel, however many risks it is critical for."""
    finding = {one.id: one.raised.finding for one in alerts}

    def of_one(tell: Tell) -> tuple[str, str, str, int]:
        return finding[tell.alerts[0]], tell.channel, tell.why, tell.number

    grouped = groupby(sorted(tells, key=of_one), key=of_one)
    made = [(list(group)) for _, group in grouped]
    return [replace(group[0], alerts=tuple(sorted(n for one in group for n in one.alerts))) for group in made]


def _day(local: datetime) -> datetime:
    """When today began, by the hospital's clock."""
    return local.replace(hour=0, minute=0, second=0, microsecond=0)
