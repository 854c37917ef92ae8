"""What `ecgd check` learns from the destinations themselves."""

import json
import socket

import pytest
from joserfc.jwk import ECKey

from config.schema import Settings
from ecgd.check_destinations import mistakes, silent
from simulator.ehr import Receiver

KEY = ECKey.generate_key("P-384", {"kid": "a"}, private=True)


@pytest.fixture
def ehr():
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def closed():
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _settings(*destinations):
    return Settings.model_validate({"destinations": destinations})


def test_a_server_that_has_what_its_profile_needs_is_in_order(ehr):
    settings = _settings({"base_url": ehr.url})
    assert list(mistakes(settings)) == []
    assert list(silent(settings)) == []


def test_what_a_server_says_it_cannot_do_is_a_mistake_with_its_place(ehr, closed):
    settings = _settings(
        {"name": "down", "base_url": f"http://127.0.0.1:{closed}"}, {"base_url": ehr.url, "profile": "oracle"}
    )
    (said,) = map(str, mistakes(settings))
    assert said.startswith("destinations[1].profile: the server cannot create a DiagnosticReport")


def test_who_does_not_answer_now_is_no_mistake_and_is_told(closed):
    settings = _settings(
        {"base_url": f"http://127.0.0.1:{closed}"}, {"kind": "hl7v2", "host": "127.0.0.1", "port": closed}
    )
    assert list(mistakes(settings)) == []
    assert [line.partition(":")[0] for line in silent(settings)] == ["destinations[0]", "destinations[1]"]


@pytest.mark.parametrize(
    ("content", "right"), [(json.dumps({"keys": [KEY.as_dict(private=True)]}), True), ("{}", False), ("s3cret", False)]
)
def test_keys_that_cannot_sign_are_a_mistake(closed, tmp_path, content, right):
    file = tmp_path / "ours.jwks"
    file.write_text(content)
    smart = {"client_id": "ecgd", "jwks_file": str(file), "token_url": f"http://127.0.0.1:{closed}/token"}
    settings = _settings({"base_url": f"http://127.0.0.1:{closed}", "auth": "smart", "smart": smart})
    said = [str(one) for one in mistakes(settings)]
    assert [line.partition(":")[0] for line in said] == ([] if right else ["destinations[0].smart.jwks_file"])
    assert "s3cret" not in str(said)
