"""From what the planner decided to what is written: events, messages, ends."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from config.alerts import Apprise, Content, Smtp, Webhook
from config.destinations import Fhir, Hl7v2
from config.schema import Settings
from delivery.alerting.actions import Action, Call, Close, Escalate, Finish, Inherit, Join, Tell
from delivery.alerting.forms import form
from delivery.alerting.link import signed
from delivery.alerting.notices import call
from delivery.alerting.words import Message
from domain.alert import Alert, Book, Change, Event, Happened, Why
from domain.outgoing import RESULTS, Outgoing

Render = Callable[[Message, Settings], Outgoing]
ACTOR = "ecgd deliver"
LATE = timedelta(days=1)
"""After this a word about an alert's end, or to operations, is of no use any more."""


def change(
    actions: Sequence[Action],
    book: Book,
    settings: Settings,
    now: datetime,
    *,
    key: bytes | None = None,
    render: Render | None = None,
) -> Change:
    """Everything that follows, for one transaction. ``key`` signs the links; without it messages carry none."""
    render = render or outgoing
    alerts = {one.id: one for one in book.alerts}
    tells = [(one, _message(one, alerts, book, settings, now, key)) for one in actions if isinstance(one, Tell)]
    calls = [(one, _calls(one, settings, now)) for one in actions if isinstance(one, Call)]
    events = [event for one in actions for event in _events(one, now)]
    events += [event for one, message in tells for event in _sent(one, message, now)]
    return Change(
        events=tuple(sorted(events, key=lambda one: one.what is Happened.SENT)),
        outgoing=(
            *((render(message, settings), message.alerts[0].raised.finding) for _, message in tells),
            *((render(message, settings), "") for _, messages in calls for message in messages),
        ),
        closed={one.alert: one.reason for one in actions if isinstance(one, Close)},
        since={one.alert: one.since for one in actions if isinstance(one, Inherit)},
        done=frozenset(one.alert for one in actions if isinstance(one, Finish)),
    )


def _events(action: Action, now: datetime) -> Iterator[Event]:
    if isinstance(action, Join):
        yield _event(action.alert, now, Happened.JOINED, why=str(action.lead))
    elif isinstance(action, Escalate):
        yield _event(action.alert, now, Happened.ESCALATED, why=f"{action.step}{' unheard' if action.unheard else ''}")
    elif isinstance(action, Call):
        yield _event(action.alert, now, Happened.CALLED, why=action.about)
    elif isinstance(action, Close):
        by = f" {action.by}" if action.by else ""
        yield _event(action.alert, now, Happened.CLOSED, why=f"{action.reason.value}{by}")


def _sent(tell: Tell, message: Message, now: datetime) -> Iterator[Event]:
    for number in tell.alerts:
        yield _event(number, now, Happened.SENT, why=tell.why.value, channel=tell.channel, message=message.key)


def _event(alert: int, now: datetime, what: Happened, *, why: str, channel: str = "", message: str = "") -> Event:
    return Event(alert=alert, at=now, what=what, actor=ACTOR, channel=channel, why=why, message=message)


def _message(
    tell: Tell, alerts: dict[int, Alert], book: Book, settings: Settings, now: datetime, key: bytes | None
) -> Message:
    about = tuple(alerts[number] for number in tell.alerts)
    numbers = "+".join(map(str, tell.alerts[:2])) + (f"-{tell.alerts[-1]}" if tell.alerts[2:] else "")
    return Message(
        key=f"{about[0].raised.finding}:{tell.channel}:{tell.why.value}:{numbers}.{tell.number}",
        channel=tell.channel,
        why=tell.why,
        now=now,
        alerts=about,
        units=tuple(book.units.get(one.raised.person, one.raised.unit) for one in about),
        content=_content(_channel(tell.channel, settings)),
        number=tell.number,
        link=_link(tell, about, settings, key),
    )


def _link(tell: Tell, about: Sequence[Alert], settings: Settings, key: bytes | None) -> str:
    page = settings.alerts.acknowledge
    if page is None or key is None or tell.why is Why.WITHDRAWN:
        return ""
    ends = max(one.raised.expires_at for one in about)
    return f"{str(page.url).rstrip('/')}/ack/{signed(tell.alerts, tell.channel, ends, key)}"


def _calls(action: Call, settings: Settings, now: datetime) -> list[Message]:
    return [
        call(action.about, channel, f"call:{channel}:{action.about}:{now.isoformat()}", now)
        for channel in settings.alerts.operations
    ]


def outgoing(message: Message, settings: Settings) -> Outgoing:
    """Ready for the outbox. One ECG's messages to a channel keep their order: none comes after the word of its end."""
    kind, body = form(_channel(message.channel, settings))(message)
    about = message.alerts
    ends = max((one.raised.expires_at for one in about), default=message.now + LATE)
    return Outgoing(
        key=message.key,
        channel=message.channel,
        content_type=kind,
        body=body,
        expires_at=message.now + LATE if message.why is Why.WITHDRAWN else ends,
        lane=_lane(message),
    )


def _lane(message: Message) -> str:
    """A record gets it after the results it is about; elsewhere only one ECG's messages wait for each other."""
    if not message.alerts or message.why is Why.SUMMARY:
        return ""
    raised = message.alerts[0].raised
    return raised.person or raised.finding if message.channel.startswith(RESULTS) else raised.finding


def _channel(name: str, settings: Settings) -> Webhook | Smtp | Apprise | Fhir | Hl7v2:
    return settings.alerts.channels.get(name) or next(one for one in settings.destinations if one.channel == name)


def _content(channel: Webhook | Smtp | Apprise | Fhir | Hl7v2) -> Content:
    """A record knows its patients already."""
    return "identified" if isinstance(channel, Fhir | Hl7v2) else channel.content
