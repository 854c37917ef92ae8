"""Pagers, SMS and chat through apprise, against a server that apprise's own JSON plugin talks to."""

import json

import pytest

from config.schema import Alerts
from delivery.pages import AppriseSender
from domain.errors import Permanent, Transient
from domain.outgoing import Outgoing
from simulator.ehr import Fault

BODY = json.dumps({"title": "ECG alert 17", "body": "Alert 17: look into the system."}).encode()
PAGE = Outgoing(key="k", channel="apprise:sms", content_type="application/json", body=BODY)


@pytest.fixture
def sender(tmp_path):
    def make(*urls):
        file = tmp_path / "urls"
        file.write_text("\n".join(urls) + "\n")
        return AppriseSender(
            Alerts.model_validate({"apprise": [{"name": "sms", "url_file": str(file), "timeout_s": 5}]}).apprise[0]
        )

    return make


def test_a_page_arrives_with_its_title_and_text(ehr, sender):
    made = sender(ehr.url.replace("http://", "json://") + "/alert")
    made.send(PAGE)
    (alert,) = ehr.alerts
    said = json.loads(alert.body)
    assert (said["title"], said["message"]) == ("ECG alert 17", "Alert 17: look into the system.")


def test_what_is_not_taken_is_tried_again(ehr, sender):
    ehr.fail(Fault(status=503, times=1))
    made = sender(ehr.url.replace("http://", "json://") + "/alert")
    with pytest.raises(Transient):
        made.send(PAGE)
    made.send(PAGE)
    assert len(ehr.alerts) == 1


@pytest.mark.parametrize("urls", [(), ("nonsense://x",), ("not a url",)])
def test_a_url_that_apprise_does_not_know_stops_the_channel_and_is_not_told(sender, urls):
    with pytest.raises(Permanent) as caught:
        sender(*urls).send(PAGE)
    assert "nonsense" not in caught.value.detail


def test_a_channel_of_this_kind_carries_nothing_unless_it_is_declared_safe():
    (plain,) = Alerts.model_validate({"apprise": [{"name": "sms", "url_file": "/etc/x"}]}).apprise
    assert (plain.content, plain.safe) == ("none", False)
