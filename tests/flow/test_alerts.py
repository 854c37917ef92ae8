"""Alerts of the running service: a dead pager, a mail and its link, a restart, a test of routes, the EHR's answer."""

import json
import re
import urllib.request
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default

import hl7
import pytest

from config.load import load
from simulator.ehr import Fault
from store.alert_rows import raise_
from store.database import migrate, open_database
from store.wake import PAGER
from tests.delivery.alerting.alerts import SAID
from tests.delivery.test_channels import Relay, listening
from tests.flow import senders
from tests.flow.harness import free_port, installed, until
from tests.flow.peers.engine import engine
from tests.store.values import raised

CHANNELS = ("hl7v2:engine", "smtp:ed", "webhook:pager")


@pytest.fixture(scope="module")
def relay():
    return Relay()


@pytest.fixture(scope="module")
def interface():
    with engine(lambda said: said.create_ack()) as running:
        yield running


@pytest.fixture(scope="module")
def ecgd(tmp_path_factory, module_ehr, relay, interface):
    folder = tmp_path_factory.mktemp("alerts")
    key, page = folder / "key", free_port()
    key.write_text(bytes(range(32)).hex())
    with listening(relay) as port:
        alerts = {
            "webhooks": [{"name": "pager", "url": f"{module_ehr.url}/alert"}],
            "smtp": [{"name": "ed", "host": "127.0.0.1", "port": port, "sender": "e@h.ex", "recipients": ["n@h.ex"]}],
            "routes": [
                {"name": "icu", "units": ["ICU"], "steps": [{"to": ["hl7v2:engine"]}]},
                {"name": "all", "steps": [{"to": ["webhook:pager"]}, {"to": ["smtp:ed"], "after_s": 3600}]},
            ],
            "undelivered_s": 2,
            "acknowledge": {"url": f"http://127.0.0.1:{page}", "key_file": str(key), "port": page},
        }
        record = {"kind": "hl7v2", "host": "127.0.0.1", "port": interface[0]}
        models = {"allow_stand_in": True}
        with installed(folder, "deliver", alerts=alerts, destinations=[record], models=models) as running:
            yield running


@pytest.fixture(scope="module")
def store(ecgd):
    settings = load(ecgd.config)
    database = open_database(settings.store, settings.state_dir)
    migrate(database)
    yield database
    database.close()


def alert(store, number, **more):
    """As a settlement raises one."""
    now = datetime.now(UTC)
    one = raised(f"{number:032x}", person=f"{number:032x}", recording=f"{number}.1", said=SAID, **more)
    with store.write(PAGER) as connection:
        return raise_(connection, type(one)(**{**_fields(one), "expires_at": now + timedelta(hours=1)}), now)


def _fields(one):
    return {name: getattr(one, name) for name in one.__slots__}


def life(ecgd, number):
    events = json.loads(ecgd.run("alerts", "show", str(number), "--json").stdout)["events"]
    return [(one["what"], one["channel"]) for one in events]


def mails(relay):
    return [message_from_bytes(content, policy=default) for _, content in relay.mails]


def test_a_pager_that_is_down_has_the_next_person_told_whose_link_acknowledges(ecgd, store, module_ehr, relay):
    module_ehr.fail(Fault(status=503))
    number = alert(store, 1)
    until(lambda: relay.mails, 30, "the mail to the next person")
    module_ehr.recover()
    (mail,) = mails(relay)
    assert "CRITICAL ECG: Potassium" in mail["Subject"]
    link = re.search(r"http://\S+/ack/\S+", mail.get_content())[0]
    with urllib.request.urlopen(link, timeout=10) as shown:  # as a mail scanner does
        assert b"Nobody has acknowledged it" in shown.read()
    assert ("acknowledged", "") not in life(ecgd, number)
    with urllib.request.urlopen(link, data=b"by=Ada", timeout=10) as done:
        assert b"by Ada by the link sent to smtp:ed" in done.read()
    until(lambda: ("delivered", "webhook:pager") in life(ecgd, number), 60, "the pager, late", every_s=1)
    told = life(ecgd, number)
    assert [what for what, _ in told].count("sent") == 2
    assert {("escalated", ""), ("delivered", "smtp:ed"), ("acknowledged", "")} <= {*told}


def test_a_restart_neither_repeats_nor_forgets(ecgd, store, module_ehr):
    before = len(module_ehr.alerts)
    number = alert(store, 2)
    until(lambda: len(module_ehr.alerts) == before + 1, 30, "the alert")
    ecgd.kill()
    later = alert(store, 3)
    ecgd.start("deliver")
    until(lambda: len(module_ehr.alerts) >= before + 2, 30, "the alert raised while nobody delivered")
    for one in (number, later):
        until(lambda one=one: ("delivered", "webhook:pager") in life(ecgd, one), 30, "both known as delivered", 1)
        assert life(ecgd, one).count(("sent", "webhook:pager")) == 1
    by_key = {one.headers["idempotency-key"]: json.loads(one.body) for one in module_ehr.alerts[before:]}
    assert [one["alerts"][0]["alert"] for one in by_key.values()] == [number, later]


def test_a_test_of_the_routes_reaches_every_channel_and_alerts_nobody(ecgd, module_ehr, relay):
    hooks, letters = len(module_ehr.alerts), len(relay.mails)
    done = ecgd.run("alerts", "test")
    assert (done.returncode, sorted(done.stdout.splitlines())) == (0, [f"{one}: sent" for one in CHANNELS])
    assert json.loads(module_ehr.alerts[hooks].body)["kind"] == "test"
    assert mails(relay)[letters]["Subject"] == "TEST of the ECG alerts: nothing is to be done"


def test_the_record_acknowledges_an_alert_by_the_number_of_the_message_it_got(ecgd, store, interface):
    _, heard = interface
    ecgd.start("listen", "work")
    number = alert(store, 4, unit="ICU")
    told = until(lambda: [one for one in heard if "Potassium" in one], 30, "the alert at the engine")
    sent = hl7.parse(told[0]).segment("MSH")[10][0]
    answer = (
        "MSH|^~\\&|EHR|HOSP|ECGD||20260302091500||ORA^R41^ORA_R41|R1|P|2.8",
        f"MSA|AA|{sent}",
        "PRT||UC||AAP^Alert Acknowledging Provider^HL70912|N4711^Byron^Ada",
        "",
    )
    for _ in range(2):  # the second time as an engine does that did not hear the answer
        (said,) = senders.mllp(ecgd.ports["hl7"], ["\r".join(answer).encode()])
        assert senders.answer(said) == ("AA", "R1")
        assert b"Byron" not in said
    until(lambda: ("acknowledged", "") in life(ecgd, number), 30, "the acknowledgement", every_s=1)
    shown = ecgd.run("alerts", "show", str(number)).stdout
    assert shown.count("acknowledged  by Ada Byron (N4711) via EHR") == 1
    assert "Byron" not in ecgd.logs()
