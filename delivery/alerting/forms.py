"""A message in the form its channel takes."""

import hashlib
import json
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import parseaddr
from typing import Any

from config.alerts import Apprise, Smtp, Webhook
from config.destinations import Fhir, Hl7v2
from delivery.alerting.records import communication, engine
from delivery.alerting.words import Message, sentences, subject_line
from delivery.hl7 import CONTENT_TYPE
from domain.alert import Alert

SCHEMA = "ecgd-alert/2"
Form = Callable[[Message], tuple[str, bytes]]


def form(channel: Webhook | Smtp | Apprise | Fhir | Hl7v2) -> Form:
    """How a channel's messages are made: content type and body."""
    if isinstance(channel, Fhir):
        return lambda message: ("application/fhir+json", communication(message, channel))
    if isinstance(channel, Hl7v2):
        return lambda message: (CONTENT_TYPE, engine(message, channel))
    if isinstance(channel, Webhook):
        return lambda message: ("application/json", webhook(message))
    if isinstance(channel, Smtp):
        return lambda message: ("message/rfc822", mail(message, channel))
    return lambda message: ("application/json", notification(message))


def webhook(message: Message) -> bytes:
    """JSON: what, how much, where, and, where the channel may carry it, the patient, the visit and the order.

    Bytes are the same for the same message: they are signed, and a repeat must be recognisable.
    """
    body = {
        "schema": SCHEMA,
        "kind": message.why.value,
        "key": message.key,
        "text": list(sentences(message)),
        "alerts": [_alert(one, unit, message) for one, unit in zip(message.alerts, message.units, strict=True)],
        "acknowledge": message.link or None,
    }
    return _json(body)


def mail(message: Message, settings: Smtp) -> bytes:
    """A whole RFC 5322 message with CRLF. Message-ID is the message's own: an interrupted one is recognised as one."""
    made = EmailMessage(policy=WIRE)
    made["From"] = settings.sender
    made["To"] = ", ".join(settings.recipients)
    made["Subject"] = subject_line(message)
    made["Date"] = message.now
    identity = hashlib.sha256(message.key.encode()).hexdigest()[:32]
    made["Message-ID"] = f"<{identity}.{settings.name}@{_domain(settings.sender)}>"
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation replies to an alert
    made["Importance"] = "high"
    made.set_content("\n\n".join(sentences(message)) + "\n", cte="quoted-printable")
    return made.as_bytes()


def notification(message: Message) -> bytes:
    """A title and a text, for whatever apprise speaks to."""
    return _json({"title": subject_line(message), "body": "\n".join(sentences(message))})


def _alert(alert: Alert, unit: str, message: Message) -> dict[str, Any]:
    if message.content == "none":
        return {"alert": alert.id}
    raised, said = alert.raised, alert.raised.said
    told = {
        "alert": alert.id,
        "finding": raised.finding,
        "risk": raised.risk.value,
        "severity": raised.severity.name.lower(),
        "stand_in": raised.stand_in,
        "identified": said["identified"],
        "warnings": said["warnings"],
        "result": {"text": said["verdict"], **said["result"]},
        "acquired_at": said["acquired_at"],
        "received_at": said["received_at"],
        "decided_at": said["decided_at"],
        "raised_at": alert.raised_at.isoformat(),
        "location": raised.unit or None,
        "unit_now": unit or None,
    }
    if message.content == "identified":
        told |= {name: said[name] for name in ("patient", "encounter", "order")}
    return told


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _domain(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2] or "ecgd.invalid"
