"""Alerts to plan for, written the short way."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from config.alerts import Alerts, Route, Smtp, Step, Webhook
from domain.alert import Alert, Book, Event, Happened, Raised, Risk, Why
from domain.finding import Severity

T0 = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)  # a Monday
HOOKS = tuple(Webhook(name=name, url=f"http://{name}.example/") for name in ("pager", "charge", "chief", "ops", "icu"))
MAIL = Smtp(name="ed", host="127.0.0.1", sender="ecg@h.example", recipients=("a@h.example",))
CHAIN = Route(
    name="ed",
    steps=(
        Step(to=("webhook:pager", "smtp:ed")),
        Step(to=("webhook:charge",), after_s=300),
        Step(to=("webhook:chief",), after_s=900),
    ),
    repeat_s=600,
    repeats=2,
    operations_after_s=1800,
)
SETTINGS = Alerts(webhooks=HOOKS, smtp=(MAIL,), routes=(CHAIN,), operations=("webhook:ops",))


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def alert(number=1, *events, person="p1", value=7.0, risk=Risk.POTASSIUM_HIGH, at=0.0, **changes) -> Alert:
    raised = {
        "finding": f"{number:032x}",
        "person": person,
        "recording": f"{number}.1",
        "risk": risk,
        "severity": Severity.CRITICAL,
        "level": "severe_high",
        "value": value,
        "unit": "ED 3",
        "model": "ecg12net",
        "stand_in": False,
        "expires_at": after(at + 4 * 3600),
        "said": SAID,
    }
    known = {name: changes.pop(name) for name in list(changes) if name in raised}
    made = Alert(id=number, raised=Raised(**{**raised, **known}), raised_at=after(at), since=after(at))
    return replace(made, events=tuple(replace(event, alert=number) for event in events), **changes)


def event(what: Happened, at: float, channel="", why="", message="") -> Event:
    return Event(alert=0, at=after(at), what=what, actor="a", channel=channel, why=why, message=message)


def sent(channel: str, at: float = 0.0, why=Why.NEW, *, fate: Happened | None = Happened.DELIVERED) -> list[Event]:
    """A message that was queued, and what became of it."""
    message = f"{channel}@{at}"
    events = [event(Happened.SENT, at, channel, why.value, message)]
    return events + ([event(fate, at + 1, channel, "", message)] if fate else [])


def acknowledged(at: float) -> Event:
    return event(Happened.ACKNOWLEDGED, at)


def book(*alerts: Alert, **changes) -> Book:
    return Book(alerts=alerts, **changes)


SAID = {
    "verdict": "Potassium estimated from ECG: 7.00 mmol/L, severely high.",
    "short": "Potassium estimated from ECG 7.00 mmol/L",
    "note": "An estimate by a model, not a laboratory value: confirm with a blood sample.",
    "when": "ECG recorded 2026-05-04 09:58 UTC.",
    "doubts": "",
    "find": "Find the ECG in the patient record under 00000000000000000000000000000001.",
    "identified": True,
    "warnings": [],
    "result": {"output": "potassium", "value": 7.0, "unit": "mmol/L", "comparator": None, "level": "severe_high"},
    "acquired_at": "2026-05-04T09:58:00+00:00",
    "received_at": "2026-05-04T09:59:58+00:00",
    "decided_at": "2026-05-04T09:59:59+00:00",
    "patient": [{"value": "4711", "authority": "HOSP", "type": "MR"}],
    "encounter": {"value": "E-55", "authority": ""},
    "order": {"placer": "ORD-9", "filler": None},
}
