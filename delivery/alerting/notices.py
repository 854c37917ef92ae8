"""What is told of no one alert: operations are called, and routes are tested."""

from datetime import datetime

from delivery.alerting.words import Message
from domain.alert import Why

_TEST = (
    "TEST of the ECG alerts: nothing is to be done",
    "TEST of the alert channels of ecgd: no patient is concerned, nothing is to be done.",
    "If you can read this, alerts of route {route} reach you over {channel}.",
)
_STORM = (
    "ECG alerts: storm on {what}",
    "More alerts than {what} can bear are raised: its recipients get summaries until it calms down.",
    "No alert is lost: each is open, and `ecgd alerts list` shows them. Find out whether patients, a threshold, "
    "a recorder or a model is the cause.",
)
_BUDGET = (
    "ECG alerts: {what} is over its budget",
    "Unit {what} has had more alerts today than alerts.budget_per_day. None is held back.",
    "`ecgd alerts list --all` shows them; too many alarms teach people to ignore them: see the thresholds.",
)


def call(about: str, channel: str, key: str, now: datetime) -> Message:
    """``about``: what the planner calls it, a kind and a name."""
    kind, _, what = about.partition(" ")
    lines = _STORM if kind == "storm" else _BUDGET
    said = tuple(line.format(what=what or "(no unit given)") for line in lines)
    return Message(key=key, channel=channel, why=Why.CALL, now=now, notice=said)


def test(route: str, channel: str, now: datetime) -> Message:
    """Tells whoever reads it that it would have reached them."""
    said = tuple(line.format(route=route, channel=channel) for line in _TEST)
    return Message(key=f"test:{channel}:{now.isoformat()}", channel=channel, why=Why.TEST, now=now, notice=said)
