"""Where results go."""

from config.schema import Settings
from delivery.route import messages
from tests.delivery import findings


def settings(**changes):
    return Settings(**{"destinations": (findings.settings(),), **changes})


def channels(finding, **changes):
    return [one.channel for one in messages(finding, settings(**changes))]


def test_every_finding_goes_to_the_ehr():
    for finding in (findings.NORMAL, findings.TABLE["moderate"], findings.TABLE["abstained"], findings.CRITICAL):
        assert channels(finding) == ["fhir:ehr"]


def test_nothing_configured_nothing_sent():
    assert messages(findings.CRITICAL, Settings()) == ()


def test_keys_are_the_finding_s_and_the_channel_s():
    assert [one.key for one in messages(findings.CRITICAL, settings())] == [f"{findings.CRITICAL.key}:fhir:ehr"]


def test_messages_are_the_same_bytes_every_time():
    assert messages(findings.CRITICAL, settings()) == messages(findings.CRITICAL, settings())


def test_results_never_expire():
    (result,) = messages(findings.CRITICAL, settings())
    assert result.expires_at is None
