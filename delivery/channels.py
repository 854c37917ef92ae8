"""A sender a channel; a new kind of alert is one class here and one line in ``senders``."""

import hashlib
import hmac
import smtplib
import ssl
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

import httpx

from config.schema import Hl7v2, Settings, Smtp, Webhook
from delivery.answers import problem
from delivery.http import FhirSender, Wire, client_context, secret
from delivery.mllp import MllpSender
from delivery.pages import AppriseSender
from domain.errors import Permanent, Problem, Rejected, Transient
from domain.outgoing import Outgoing
from domain.reason import Reason

_REMEMBERED = 1000
_SMTP_STEPS = 13
"""Connecting, greeting, EHLO, STARTTLS, handshake, EHLO, three of AUTH, MAIL, DATA, its end, QUIT; RCPT is extra."""


class Sender(Protocol):
    """Carries messages to one destination; safe between threads."""

    @property
    def longest_s(self) -> float:
        """The longest one ``send`` may take: who watches the thread must be more patient than that."""

    def send(self, outgoing: Outgoing) -> None:
        """Deliver, or raise ``Rejected`` (bury), ``Transient`` (try again) or ``Permanent`` (stop the destination)."""

    def close(self) -> None:
        """Let go of connections."""


def senders(settings: Settings, lacking: Callable[[str, tuple[str, ...]], None] = lambda *_: None) -> dict[str, Sender]:
    """A sender for every configured channel, by ``Outgoing.channel``; files are read when one sends, not here.

    ``lacking`` hears of a channel what its server says it cannot do, once it has said so.
    """
    made: dict[str, Sender] = {}
    for one in settings.destinations:
        lacks = partial(lacking, one.channel)
        made[one.channel] = MllpSender(one) if isinstance(one, Hl7v2) else FhirSender(one, on_lacks=lacks)
    made |= {f"webhook:{hook.name}": WebhookSender(hook) for hook in settings.alerts.webhooks}
    made |= {f"smtp:{box.name}": SmtpSender(box) for box in settings.alerts.smtp}
    made |= {f"apprise:{one.name}": AppriseSender(one) for one in settings.alerts.apprise}
    return made


class WebhookSender:
    """POSTs an alert. ``X-Ecgd-Signature: sha256=<hex>`` is the HMAC-SHA256 of the body under the shared secret.

    ``Idempotency-Key`` is the message's key: a receiver that has seen it may drop the repeat.
    """

    def __init__(self, settings: Webhook, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._settings = settings
        self._wire = Wire(timeout_s=settings.timeout_s, tls=client_context(None, None, None), clock=clock)

    @property
    def longest_s(self) -> float:
        """The longest one ``send`` may take."""
        return self._wire.longest_s

    def send(self, outgoing: Outgoing) -> None:
        """Deliver one alert; the secret is read every time, so that renewing it needs no restart."""
        headers = {"Content-Type": outgoing.content_type, "Idempotency-Key": outgoing.key}
        if self._settings.secret_file is not None:
            headers["X-Ecgd-Signature"] = signature(outgoing.body, secret(self._settings.secret_file))
        answer = self._wire.request("POST", httpx.URL(str(self._settings.url)), headers, outgoing.body)
        failed = problem(answer.status, retry_after_s=answer.retry_after_s)
        if failed:
            raise failed

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()


def signature(body: bytes, key: str) -> str:
    """``sha256=`` and the HMAC-SHA256 (RFC 2104) of the body in hexadecimal."""
    return "sha256=" + hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


class SmtpSender:
    """Hands an alert to the mail relay, a connection a message.

    When the relay takes it for some recipients only, those are remembered and left out of the next try.
    """

    def __init__(self, settings: Smtp) -> None:
        self._settings = settings
        self._taken: OrderedDict[str, frozenset[str]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def longest_s(self) -> float:
        """The longest one ``send`` may take: each of the relay's answers as late as it is allowed."""
        return (_SMTP_STEPS + len(self._settings.recipients)) * self._settings.timeout_s

    def send(self, outgoing: Outgoing) -> None:
        """Deliver to every recipient: 4xx for any is ``Transient``, 5xx for any of the rest ``Rejected``."""
        done = self._taken.get(outgoing.key, frozenset())
        waiting = [recipient for recipient in self._settings.recipients if recipient not in done]
        refused = self._hand_over(outgoing.body, waiting) if waiting else {}
        self._remember(outgoing.key, done | (set(waiting) - set(refused)))
        if refused:
            raise _recipients_problem([code for code, _ in refused.values()], len(self._settings.recipients))

    def _hand_over(self, body: bytes, recipients: list[str]) -> dict[str, tuple[int, bytes]]:
        settings = self._settings
        with _mapped(), closing(smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout_s)) as relay:
            if settings.starttls:
                relay.starttls(context=ssl.create_default_context())
            if settings.username and settings.secret_file:
                relay.login(settings.username, secret(settings.secret_file))
            refused = _handed(relay, settings.sender, recipients, body)
            with suppress(smtplib.SMTPException, OSError):
                relay.quit()  # the message is taken: a relay that fails from here on must not make us repeat it
            return refused

    def _remember(self, key: str, recipients: frozenset[str]) -> None:
        with self._lock:
            self._taken[key] = recipients
            while len(self._taken) > _REMEMBERED:
                self._taken.popitem(last=False)

    def close(self) -> None:
        """Nothing is kept open."""


def _handed(relay: smtplib.SMTP, sender: str, recipients: list[str], body: bytes) -> dict[str, tuple[int, bytes]]:
    """Hand over; the refused recipients and what the relay said of them."""
    try:
        return relay.sendmail(sender, recipients, body)
    except smtplib.SMTPRecipientsRefused as error:
        return error.recipients


def _recipients_problem(codes: list[int], asked: int) -> Problem:
    said = f"{len(codes)} of {asked} recipients refused ({', '.join(map(str, sorted(set(codes))))})"
    if any(400 <= code < 500 for code in codes):
        return Transient(Reason.DESTINATION_UNAVAILABLE, said)
    return Rejected(Reason.DESTINATION_REFUSED, said)


@contextmanager
def _mapped() -> Iterator[None]:
    """SMTP's failures as ours; the server's words stay out, they quote addresses."""
    try:
        yield
    except smtplib.SMTPAuthenticationError as error:
        raise Transient(Reason.UNAUTHORISED, f"login refused ({error.smtp_code})") from None
    except smtplib.SMTPNotSupportedError:
        raise Permanent(Reason.DESTINATION_MISCONFIGURED, "relay lacks STARTTLS or AUTH") from None
    except smtplib.SMTPResponseException as error:
        if error.smtp_code == 530:  # RFC 3207 4, RFC 4954 6: the relay wants STARTTLS or a login
            raise Permanent(Reason.DESTINATION_MISCONFIGURED, "relay wants STARTTLS or a login") from None
        if 500 <= error.smtp_code < 600:
            raise Rejected(Reason.DESTINATION_REFUSED, f"relay refused ({error.smtp_code})") from None
        raise Transient(Reason.DESTINATION_UNAVAILABLE, f"relay not ready ({error.smtp_code})") from None
    except (smtplib.SMTPException, OSError) as error:
        raise Transient(Reason.DESTINATION_UNAVAILABLE, type(error).__name__) from None
