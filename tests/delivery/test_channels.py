"""Webhooks and mail over real sockets."""

import hashlib
import hmac
import ssl
import subprocess
from contextlib import contextmanager

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from config.schema import Alerts, Settings, Smtp, Webhook
from delivery.alerting.plan import plan
from delivery.alerting.said import raised
from delivery.alerting.write import change
from delivery.channels import SmtpSender, WebhookSender, senders
from delivery.route import messages
from domain.alert import Alert, Book
from domain.errors import Permanent, Rejected, Transient
from domain.outgoing import Outgoing
from domain.reason import Reason
from simulator.ehr import Fault
from tests.delivery import findings
from tests.flow.certificates import Authority

BODY = b'{"severity":"critical"}'
ALERT = Outgoing(key="k:webhook:pager", channel="webhook:pager", content_type="application/json", body=BODY)


def hook(ehr, **changes):
    return WebhookSender(Webhook(name="pager", url=f"{ehr.url}/alert", **changes))


def test_every_configured_channel_has_a_sender():
    alerts = Alerts(
        webhooks=(Webhook(name="pager", url="http://127.0.0.1:1/"),),
        smtp=(Smtp(name="ed", host="127.0.0.1", sender="a@h.example", recipients=("b@h.example",)),),
    )
    settings = Settings(destinations=(findings.settings(),), alerts=alerts)
    made = senders(settings)
    assert set(made) == {"fhir:ehr", "webhook:pager", "smtp:ed"}
    assert set(alerts.channels) | {"fhir:ehr"} == set(made)
    for sender in made.values():
        sender.close()
    assert senders(Settings()) == {}


def test_a_missing_file_of_one_channel_stops_no_other(ehr, tmp_path):
    fhir = findings.settings(base_url=ehr.url, auth="bearer", secret_file=tmp_path / "none", ca=tmp_path / "none")
    alerts = Alerts(webhooks=(Webhook(name="pager", url=f"{ehr.url}/alert"),))
    made = senders(Settings(destinations=(fhir,), alerts=alerts))
    made["webhook:pager"].send(ALERT)
    assert len(ehr.alerts) == 1
    with pytest.raises(Permanent):
        made["fhir:ehr"].send(messages(findings.CRITICAL, Settings(destinations=(fhir,)))[0])
    for sender in made.values():
        sender.close()


def test_every_sender_says_how_long_one_message_may_take():
    alerts = Alerts(
        webhooks=(Webhook(name="pager", url="http://127.0.0.1:1/", timeout_s=10),),
        smtp=(Smtp(name="ed", host="127.0.0.1", sender="a@h.example", recipients=("b@h.example",), timeout_s=20),),
    )
    made = senders(Settings(destinations=(findings.settings(timeout_s=30),), alerts=alerts))
    assert made["fhir:ehr"].longest_s > 4 * 30
    assert made["webhook:pager"].longest_s >= 10
    assert made["smtp:ed"].longest_s >= 8 * 20
    for sender in made.values():
        sender.close()


def test_a_webhook_arrives_as_it_is_with_its_key(ehr):
    sender = hook(ehr)
    sender.send(ALERT)
    sender.close()
    alert = ehr.alerts[0]
    assert alert.body == BODY
    assert alert.headers["idempotency-key"] == "k:webhook:pager"
    assert alert.headers["content-type"] == "application/json"
    assert "x-ecgd-signature" not in alert.headers


def test_a_webhook_is_signed_so_that_openssl_agrees(ehr, tmp_path):
    file = tmp_path / "secret"
    file.write_text("s3cret\n")
    sender = hook(ehr, secret_file=file)
    sender.send(ALERT)
    made = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", "s3cret"], input=BODY, capture_output=True, check=True
    )
    assert ehr.alerts[0].headers["x-ecgd-signature"] == f"sha256={made.stdout.split()[-1].decode()}"
    file.write_text("renewed\n")
    sender.send(ALERT)
    expected = hmac.new(b"renewed", BODY, hashlib.sha256).hexdigest()
    assert ehr.alerts[1].headers["x-ecgd-signature"] == f"sha256={expected}"
    sender.close()


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        (Fault(status=400), Rejected, Reason.DESTINATION_REFUSED),
        (Fault(status=401), Transient, Reason.UNAUTHORISED),
        (Fault(status=403), Permanent, Reason.DESTINATION_FORBIDDEN),
        (Fault(status=404), Transient, Reason.DESTINATION_UNAVAILABLE),
        (Fault(status=500), Transient, Reason.DESTINATION_UNAVAILABLE),
        (Fault(cut=True), Transient, Reason.DESTINATION_UNAVAILABLE),
        (Fault(status=301, headers={"Location": "/metadata"}), Permanent, Reason.DESTINATION_MISCONFIGURED),
    ],
)
def test_a_webhook_that_is_not_taken(ehr, fault, kind, reason):
    sender = hook(ehr)
    ehr.fail(fault)
    with pytest.raises(kind) as caught:
        sender.send(ALERT)
    assert (type(caught.value), caught.value.reason) == (kind, reason)
    sender.close()


def test_a_webhook_is_asked_to_wait(ehr):
    sender = hook(ehr)
    ehr.fail(Fault(status=503, headers={"Retry-After": "3"}))
    with pytest.raises(Transient) as caught:
        sender.send(ALERT)
    assert caught.value.retry_after_s == 3.0
    sender.close()


def test_a_missing_secret_stops_the_channel(ehr, tmp_path):
    sender = hook(ehr, secret_file=tmp_path / "none")
    with pytest.raises(Permanent):
        sender.send(ALERT)
    assert ehr.alerts == []
    sender.close()


class Relay:
    """A mail relay that answers as told."""

    def __init__(self) -> None:
        self.answers: dict[str, list[str]] = {}
        self.mails = []

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if self.answers.get(address):
            return self.answers[address].pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if self.answers.get("data"):
            return self.answers["data"].pop(0)
        self.mails.append((list(envelope.rcpt_tos), envelope.content))
        return "250 OK"


class AnyPort(Controller):
    """A controller that finds the port the system chose."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def listening(relay, **options):
    controller = AnyPort(relay, hostname="127.0.0.1", port=0, **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def box(port, **changes):
    values = {"name": "ed", "host": "127.0.0.1", "port": port, "sender": "ECG <ecg@h.example>", "timeout_s": 5}
    return Smtp(**{**values, "recipients": ("a@h.example", "b@h.example"), **changes})


def mailed(settings):
    configured = Settings(alerts=Alerts(smtp=(settings,)))
    numbered = enumerate(raised(findings.CRITICAL, configured), start=1)
    at = findings.DECIDED
    book = Book(alerts=tuple(Alert(id=n, raised=one, raised_at=at, since=at) for n, one in numbered))
    ((outgoing, _),) = change(plan(book, configured.alerts, at), book, configured, at).outgoing
    return outgoing


def test_mail_arrives_for_everybody_as_it_was_written():
    relay = Relay()
    with listening(relay) as port:
        SmtpSender(box(port)).send(mailed(box(port)))
    ((recipients, content),) = relay.mails
    assert recipients == ["a@h.example", "b@h.example"]
    assert content == mailed(box(port)).body


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        ("451 try later", Transient, Reason.DESTINATION_UNAVAILABLE),
        ("550 no such user", Rejected, Reason.DESTINATION_REFUSED),
    ],
)
@pytest.mark.parametrize("who", [["a@h.example"], ["a@h.example", "b@h.example"]])
def test_a_refused_recipient_is_a_problem_and_the_others_get_it_once(code, kind, reason, who):
    relay = Relay()
    relay.answers = {address: [code] for address in who}
    with listening(relay) as port:
        sender = SmtpSender(box(port))
        with pytest.raises(kind) as caught:
            sender.send(mailed(box(port)))
        assert (type(caught.value), caught.value.reason) == (kind, reason)
        assert "h.example" not in str(caught.value)
        sender.send(mailed(box(port)))
    got = sorted(recipient for recipients, _ in relay.mails for recipient in recipients)
    assert got == ["a@h.example", "b@h.example"]


def test_a_passing_refusal_among_final_ones_is_tried_again():
    relay = Relay()
    relay.answers = {"a@h.example": ["550 no"], "b@h.example": ["451 later"]}
    with listening(relay) as port, pytest.raises(Transient):
        SmtpSender(box(port)).send(mailed(box(port)))


@pytest.mark.parametrize(
    ("code", "kind"), [("451 later", Transient), ("554 spam", Rejected), ("530 STARTTLS first", Permanent)]
)
def test_a_message_refused_whole(code, kind):
    relay = Relay()
    relay.answers = {"data": [code]}
    with listening(relay) as port, pytest.raises(kind) as caught:
        SmtpSender(box(port)).send(mailed(box(port)))
    assert type(caught.value) is kind
    assert relay.mails == []


def test_a_relay_that_is_down_is_tried_again():
    with listening(Relay()) as port:
        pass
    with pytest.raises(Transient) as caught:
        SmtpSender(box(port)).send(mailed(box(port)))
    assert caught.value.reason is Reason.DESTINATION_UNAVAILABLE


def test_a_relay_without_starttls_gets_nothing_where_it_is_asked_for():
    relay = Relay()
    with listening(relay) as port, pytest.raises(Permanent) as caught:
        SmtpSender(box(port, starttls=True)).send(mailed(box(port)))
    assert caught.value.reason is Reason.DESTINATION_MISCONFIGURED
    assert relay.mails == []


def authenticator(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"ecgd", b"right"), handled=False)


@pytest.fixture
def tls(tmp_path, monkeypatch):
    """The relay's context; the machine's trust store holds its authority for the test."""
    authority = Authority(tmp_path, "hospital")
    pair = authority.sign("relay")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


@pytest.mark.parametrize(("password", "arrives"), [("right", True), ("wrong", False)])
def test_starttls_and_login(tls, tmp_path, password, arrives):
    relay, file = Relay(), tmp_path / "password"
    file.write_text(f"{password}\n")
    options = {"tls_context": tls, "authenticator": authenticator, "auth_required": True}
    with listening(relay, **options) as port:
        sender = SmtpSender(box(port, starttls=True, username="ecgd", secret_file=file))
        if arrives:
            sender.send(mailed(box(port)))
        else:
            with pytest.raises(Transient) as caught:
                sender.send(mailed(box(port)))
            assert caught.value.reason is Reason.UNAUTHORISED
    assert len(relay.mails) == arrives


def test_a_relay_with_a_strange_certificate_gets_nothing(tls, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    relay = Relay()
    with listening(relay, tls_context=tls) as port, pytest.raises(Transient):
        SmtpSender(box(port, starttls=True)).send(mailed(box(port)))
    assert relay.mails == []
