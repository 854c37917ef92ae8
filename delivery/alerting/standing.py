"""One open alert a person and risk: which of several speaks for the others, and which are over."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby

from config.alerts import Worse
from delivery.alerting.actions import Action, Close, Inherit, Join
from domain.alert import Alert, Closing, Happened, Raised, Risk


def standing(alerts: Sequence[Alert], worse_by: Worse, now: datetime) -> tuple[list[Action], list[Alert]]:
    """What follows from the others, and the alerts that speak: one a person and risk, the oldest, or a graver one."""
    actions: list[Action] = []
    leads = []
    ordered = sorted(alerts, key=lambda one: (*one.group, one.id))
    for _, members in groupby(ordered, key=lambda one: one.group):
        lead = _speaker(_unexpired(list(members), now, actions), worse_by, actions)
        leads += [lead] if lead else []
    return actions, sorted(leads, key=lambda one: one.id)


def worse(later: Raised, earlier: Raised, by: Worse) -> bool:
    """A graver level, or a value worse by the margin."""
    if later.severity != earlier.severity:
        return later.severity > earlier.severity
    if later.risk is Risk.ARREST:
        return later.value >= earlier.value + by.arrest
    sign = -1 if later.risk is Risk.POTASSIUM_LOW else 1
    return sign * (later.value - earlier.value) >= by.potassium


def _unexpired(members: list[Alert], now: datetime, actions: list[Action]) -> list[Alert]:
    """Those whose time is not over. An acknowledged one takes along what it spoke for: a person knew."""
    open_ones = []
    covering = None
    for one in members:
        if one.raised.expires_at <= now:
            actions.append(Close(alert=one.id, reason=Closing.OVER if one.acknowledged else Closing.EXPIRED))
            covering = one.id if one.acknowledged else covering
        elif covering is not None and _joined(one) == covering:
            actions.append(Close(alert=one.id, reason=Closing.COVERED, by=covering))
        else:
            open_ones.append(one)
    return open_ones


def _speaker(members: list[Alert], worse_by: Worse, actions: list[Action]) -> Alert | None:
    """The one that speaks already, unless one that no other speaks for yet is graver."""
    numbers = {one.id for one in members}
    free = [one for one in members if _joined(one) not in numbers]
    lead = free[0] if free else None
    for one in free[1:]:
        if lead and worse(one.raised, lead.raised, worse_by):
            lead = _outdone(lead, one, actions)
    gone = {action.alert for action in actions if isinstance(action, Close)}
    spoken_for = [one for one in members if lead and one.id not in gone | {lead.id} and _joined(one) != lead.id]
    actions.extend(Join(alert=one.id, lead=lead.id) for one in spoken_for if lead)
    return lead


def _outdone(old: Alert, new: Alert, actions: list[Action]) -> Alert:
    """Nobody has answered the old one: whoever would hear of it next hears of the new one now."""
    actions.append(Close(alert=old.id, reason=Closing.WORSE, by=new.id))
    if old.acknowledged or not old.tells:
        return new
    actions.append(Inherit(alert=new.id, since=old.since))
    return replace(new, since=old.since)


def _joined(alert: Alert) -> int | None:
    """Who speaks for it."""
    last = next((one for one in reversed(alert.events) if one.what is Happened.JOINED), None)
    return int(last.why) if last else None
