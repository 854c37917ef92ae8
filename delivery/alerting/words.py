"""What a person reads: the sentences of a message, by why it goes out and by how much its channel may carry."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from config.alerts import Content
from delivery import narrative
from delivery.alerting.said import NOT_IDENTIFIED
from domain.alert import Alert, Happened, Why

SEE = "Please see the patient and look at the ECG now."
SUMMED = "Many alerts at once: this is a list of them. Each is open and stands for itself."
TEST_ONLY = "[STAND-IN MODEL, TEST ONLY] "
WITHDRAWN = "WITHDRAWN: what you were told of this ECG does not stand any more."


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to one channel, before it has a form.

    ``key``: its identity. ``units``: where each alert's person is. ``link``: where it is acknowledged. ``notice``: the
    title and the sentences of what is about no alert.
    """

    key: str
    channel: str
    why: Why
    now: datetime
    alerts: tuple[Alert, ...] = ()
    units: tuple[str, ...] = ()
    content: Content = "minimal"
    number: int = 0
    link: str = ""
    notice: tuple[str, ...] = ()


def subject_line(message: Message) -> str:
    """What and where in one line; ``none`` tells only that there is something."""
    if message.notice:
        return message.notice[0]
    if message.content == "none":
        return f"{test_only(message)}{_urgency(message)}ECG alert {_numbers(message.alerts)}"
    if message.why is Why.SUMMARY:
        return f"{test_only(message)}{len(message.alerts)} CRITICAL ECGs, alerts {_numbers(message.alerts)}"
    what = "; ".join(_marked(one, one.raised.said["short"], message) for one in message.alerts)
    where = f" - {message.units[0]}" if message.units[0] else ""
    grave = message.alerts[0].raised.severity.name
    return f"{test_only(message)}{_urgency(message)}{grave} ECG: {what}{where}"


def sentences(message: Message) -> tuple[str, ...]:
    """The paragraphs, what matters first."""
    if message.notice:
        return message.notice[1:]
    lines = [_why(message)]
    if message.content == "none":
        which = f"{test_only(message)}ECG alert {_numbers(message.alerts)}"
        lines += [f"{which}: look into the system of your hospital for what it is about."]
    elif message.why is Why.SUMMARY:
        lines += [SUMMED, *map(_line, message.alerts, message.units)]
    else:
        lines += _one_ecg(message)
    link = f"Acknowledge, after you have seen the patient or taken over: {message.link}" if message.link else ""
    return tuple(line for line in (*lines, link) if line)


def _one_ecg(message: Message) -> list[str]:
    first, unit = message.alerts[0].raised, message.units[0]
    said = first.said
    moved = f" Now in {unit}, as the hospital's messages say." if unit and unit != first.unit else ""
    withdrawn = message.why is Why.WITHDRAWN
    return [
        narrative.STAND_IN if test_only(message) else "",
        *(_marked(one, one.raised.said["verdict"], message) for one in message.alerts),
        "" if said["identified"] else NOT_IDENTIFIED,
        "" if withdrawn else SEE,
        *dict.fromkeys(one.raised.said["note"] for one in message.alerts),
        said["when"],
        (f"Location: {first.unit}." if first.unit else "Location: not given by the sender.") + moved,
        _patient(message),
        said["doubts"],
        said["find"],
        f"ECG alert {_numbers(message.alerts)}.",
    ]


def _patient(message: Message) -> str:
    said = message.alerts[0].raised.said
    if message.content != "identified" or not said["patient"]:
        return ""
    visit = f", visit {said['encounter']['value']}" if said["encounter"] else ""
    return f"Patient: record number {said['patient'][0]['value']}{visit}."


def _line(alert: Alert, unit: str) -> str:
    raised = alert.raised
    mark = TEST_ONLY if raised.stand_in else ""
    return f"{mark}Alert {alert.id}: {raised.said['short']}, {unit or 'place not known'}. {raised.said['find']}"


def _why(message: Message) -> str:
    first = message.alerts[0]
    since = narrative.clock(first.since)
    unheard = any(one.what is Happened.UNDELIVERABLE for one in first.events)
    return {
        Why.WORSE: "WORSE than an earlier ECG of this patient that people were alerted to.",
        Why.REPEAT: f"REMINDER {message.number}: nobody has acknowledged this since {since}.",
        Why.ESCALATION: "You are told since those before you could not be reached."
        if unheard
        else f"You are told since nobody has acknowledged this since {since}.",
        Why.WITHDRAWN: WITHDRAWN,
    }.get(message.why, "")


def _urgency(message: Message) -> str:
    return {Why.REPEAT: "REMINDER ", Why.WORSE: "WORSE ", Why.WITHDRAWN: "WITHDRAWN "}.get(message.why, "")


def test_only(message: Message) -> str:
    """Before the whole only where every alert is a stand-in's: a real one must not pass for a test."""
    return TEST_ONLY if message.alerts and all(one.raised.stand_in for one in message.alerts) else ""


def _marked(alert: Alert, words: str, message: Message) -> str:
    return f"{TEST_ONLY}{words}" if alert.raised.stand_in and not test_only(message) else words


def _numbers(alerts: Sequence[Alert]) -> str:
    return ", ".join(str(one.id) for one in alerts)
