"""``ecgd alerts`` on a store with an alert."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from config.alerts import Acknowledge
from config.load import load
from ecgd.alerts import channels_of
from ecgd.check import mistakes
from ecgd.cli import app
from store.alert_rows import raise_
from store.database import migrate, open_database
from store.outbox import Outbox
from tests.delivery.alerting.alerts import SAID
from tests.store.values import RECEIVED, raised


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "ecgd.yaml"
    hooks = [{"name": name, "url": "http://127.0.0.1:9/"} for name in ("pager", "charge", "ops")]
    routes = [
        {"name": "icu", "units": ["ICU*"], "steps": [{"to": ["webhook:charge"]}]},
        {"name": "ed", "steps": [{"to": ["webhook:pager"]}, {"to": ["webhook:charge"], "after_s": 60}]},
    ]
    alerts = {"webhooks": hooks, "routes": routes, "operations": ["webhook:ops"]}
    file.write_text(yaml.safe_dump({"state_dir": str(tmp_path / "state"), "alerts": alerts}))
    return file


@pytest.fixture
def store(config):
    settings = load(config)
    database = open_database(settings.store, settings.state_dir)
    migrate(database)
    with database.write() as connection:
        raise_(connection, raised(said=SAID), RECEIVED)
    yield database
    database.close()


def run(config, *arguments):
    return CliRunner().invoke(app, ["alerts", *arguments, "--config", str(config)])


@pytest.mark.usefixtures("store")
def test_the_list_names_no_patient(config):
    done = run(config, "list")
    assert done.output.startswith("1  2025-03-30 00:59:00 UTC  open  arrest 0.31 (stand-in)  ED  told 0  finding f")
    (facts,) = json.loads(run(config, "list", "--json").output)
    assert "4711" not in json.dumps(facts)
    assert {"person", "said"} & facts["raised"].keys() == set()


def test_the_list_says_what_is_a_stand_in_s(config, store):
    with store.write() as connection:
        raise_(connection, raised("e" * 32, said=SAID, stand_in=False), RECEIVED)
    newest, first = run(config, "list").output.splitlines()
    assert ("stand-in" in newest, "  arrest 0.31 (stand-in)  ED  " in first) == (False, True)


@pytest.mark.usefixtures("store")
def test_acknowledged_by_hand_it_says_by_whom_and_when(config):
    done = run(config, "ack", "1", "--by", "Ada")
    assert done.exit_code == 0
    assert done.output.startswith("alert 1: acknowledged by Ada at 2")
    assert "by Ada" in run(config, "ack", "1", "--by", "Bob").output
    shown = run(config, "show", "1").output.splitlines()
    assert "acknowledged  arrest" in shown[0]
    assert [line.split()[3] for line in shown[1:]] == ["raised", "acknowledged"]


@pytest.mark.usefixtures("store")
def test_an_alert_that_is_not_there_is_said_to_be_none(config):
    for command in ("show", "ack"):
        done = run(config, command, "7")
        assert (done.exit_code, "no alert 7" in done.output) == (1, True)


def test_a_test_goes_to_every_channel_of_the_route_and_says_what_each_answered(config, store):
    done = run(config, "test", "--route", "ed", "--wait", "0")
    assert (done.exit_code, done.output) == (1, "webhook:charge: waiting\nwebhook:pager: waiting\n")
    messages = Outbox(store, load(config).store).claim(9)
    assert {one.outgoing.channel for one in messages} == {"webhook:pager", "webhook:charge"}
    body = json.loads(messages[0].outgoing.body)
    assert (body["kind"], body["alerts"]) == ("test", [])
    assert "no patient is concerned" in body["text"][0]


def test_without_a_route_all_are_tried_and_operations(config):
    assert channels_of(load(config), "") == {
        "webhook:charge": "icu",
        "webhook:pager": "ed",
        "webhook:ops": "operations",
    }


@pytest.mark.usefixtures("store")
def test_a_route_that_is_not_there_is_a_mistake_of_usage(config):
    done = run(config, "test", "--route", "nowhere")
    assert (done.exit_code, "there are: icu, ed" in done.output) == (2, True)


@pytest.mark.parametrize(("text", "said"), [("00" * 32, []), ("00" * 31, ["no key"]), ("not hexadecimal", ["no key"])])
def test_a_key_that_signs_nothing_is_found_by_day(config, tmp_path, text, said):
    (tmp_path / "key").write_text(text)
    page = {"url": "http://ecg.example/", "key_file": str(tmp_path / "key"), "port": 0}
    settings = load(config)
    alerts = settings.alerts.model_copy(update={"acknowledge": Acknowledge.model_validate(page)})
    found = mistakes(settings.model_copy(update={"alerts": alerts}))
    assert [
        one.what for one in found if one.where == "alerts.acknowledge.key_file" and "open to" not in one.what
    ] == said
