"""The page behind the link, over a real socket: looking at it does nothing, its button does."""

import urllib.error
import urllib.request
from datetime import timedelta

import pytest

from config.schema import Settings
from delivery.alerting.link import signed
from ecgd.ack_page import AckPage
from store.alert_rows import raise_
from store.alerts import Alerts
from tests.delivery.alerting.alerts import SAID
from tests.store.values import raised

KEY = bytes(range(32))


@pytest.fixture
def alerts(database, clock):
    made = Alerts(database, clock)
    with database.write() as connection:
        raise_(connection, raised(said=SAID, unit="ED <3>"), clock())
    yield made
    made.close()


@pytest.fixture
def page(tmp_path, alerts, clock):
    file = tmp_path / "key"
    file.write_text(KEY.hex() + "\n")
    told = {"acknowledge": {"url": "http://ecg.example/", "key_file": str(file), "port": 0}}
    channels = [{"name": "pager", "url": "http://p/"}, {"name": "open", "url": "http://p/", "content": "none"}]
    settings = Settings.model_validate({"alerts": {"webhooks": channels, **told}})
    made = AckPage(settings.alerts.acknowledge, settings, alerts, clock)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def link(page, clock):
    def make(*numbers, channel="webhook:pager", key=KEY):
        token = signed(numbers or (1,), channel, clock() + timedelta(hours=1), key)
        return f"http://127.0.0.1:{page.port}/ack/{token}"

    return make


def get(url, data=None):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=30) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers


def acknowledged(alerts):
    return [event.actor for event in alerts.show([1])[0].events if event.what.value == "acknowledged"]


def test_looking_at_the_link_acknowledges_nothing_however_often(alerts, link):
    for _ in range(3):
        status, text, headers = get(link())
        assert (status, acknowledged(alerts)) == (200, [])
        assert "<form method" in text
        assert "7.00 mmol/L, ED &lt;3&gt;. Nobody has acknowledged it." in text
    assert headers["Cache-Control"] == "no-store"


def test_the_button_acknowledges_once_and_keeps_who_and_over_which_channel(alerts, link):
    status, text, _ = get(link(), b"by=Ada+L.%0d%0a")
    assert (status, acknowledged(alerts)) == (200, ["Ada L. by the link sent to webhook:pager"])
    assert "Alert 1 was acknowledged at" in text
    _, text, _ = get(link(), b"by=Bob")
    assert acknowledged(alerts) == ["Ada L. by the link sent to webhook:pager"]
    assert "Ada L." in text
    assert "<form" not in get(link())[1]


def test_without_a_name_it_is_somebody(alerts, link):
    get(link(), b"")
    assert acknowledged(alerts) == ["somebody by the link sent to webhook:pager"]


def test_a_channel_without_content_has_a_page_without_content(link):
    _, text, _ = get(link(channel="webhook:open"))
    assert "Alert 1, raised" in text
    assert "mmol" not in text
    assert "ED" not in text


@pytest.mark.usefixtures("alerts")
@pytest.mark.parametrize("channel", ["webhook:pager", "webhook:open"])
def test_a_stand_in_s_alert_says_that_it_is_a_test(database, clock, link, channel):
    with database.write() as connection:
        raise_(connection, raised("e" * 32, said=SAID, stand_in=False), clock())
    assert "<p>[STAND-IN MODEL, TEST ONLY] Alert 1, raised" in get(link(1, channel=channel))[1]
    assert "STAND-IN" not in get(link(2, channel=channel))[1]


@pytest.mark.parametrize("data", [None, b"by=Eve"])
def test_a_link_that_is_not_ours_or_too_old_does_nothing(alerts, link, clock, data):
    assert get(link(key=bytes(32)), data)[0] == 410
    old = link()
    clock.now += timedelta(hours=2)
    assert get(old, data)[0] == 410
    assert acknowledged(alerts) == []


def test_a_huge_form_is_not_read(alerts, link):
    get(link(), b"by=" + b"A" * 100_000)
    assert acknowledged(alerts) == ["somebody by the link sent to webhook:pager"]
