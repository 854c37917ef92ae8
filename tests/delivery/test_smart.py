"""SMART Backend Services: what is signed, when a token is asked for again, which key, and what is never said."""

import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import jwt as pyjwt
import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey

from config.schema import Smart
from delivery.access import Access
from delivery.smart import ASSERTION_TYPE, Tokens, assertion, keys_of
from delivery.wire import Wire
from domain.errors import Permanent, Transient
from domain.reason import Reason
from tests.delivery import findings

START = datetime(2026, 5, 1, 8, tzinfo=UTC)
ES = ECKey.generate_key("P-384", {"kid": "2026-05"}, private=True)
RSA = RSAKey.generate_key(2048, {"kid": "2025-11"}, private=True)


def jwks(*keys, private=True):
    return json.dumps({"keys": [key.as_dict(private=private) for key in keys]})


class Clock:
    now = START

    def __call__(self):
        return self.now


class Endpoint:
    """A server that says what it is told: ``script`` gives status and body, path by path, last one for ever."""

    def __init__(self):
        self.script, self.asked = {}, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append((self.path, self.headers, b""))
                self._say()

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.asked.append((self.path, self.headers, body))
                self._say()

            def _say(self):
                answers = outer.script[self.path]
                status, body = answers.pop(0) if len(answers) > 1 else answers[0]
                if callable(body):
                    status, body = body(self.headers)
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def forms(self):
        return [parse_qs(body.decode()) for path, _, body in self.asked if path == "/token"]

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


@pytest.fixture
def endpoint():
    made = Endpoint()
    made.script = {"/token": [(200, token("t1"))]}
    yield made
    made.close()


def token(text, expires_in=300):
    return {"access_token": text, "token_type": "bearer", "expires_in": expires_in, "scope": "system/*.read"}


@contextmanager
def asking(endpoint, tmp_path, *keys, clock=None, **changes):
    file = tmp_path / "keys.jwks"
    file.write_text(jwks(*(keys or (RSA, ES))))
    smart = Smart(**{"client_id": "ecgd", "jwks_file": file, "token_url": f"{endpoint.url}/token", **changes})
    wire = Wire(timeout_s=5)
    yield Tokens(smart, endpoint.url, clock or Clock()), wire, file
    wire.close()


@pytest.mark.parametrize(("key", "algorithm"), [(ES, "ES384"), (RSA, "RS384")])
def test_an_assertion_is_as_the_guide_has_it(key, algorithm):
    signed = assertion(key, "ecgd", "https://ehr/token", START, "j1")
    assert pyjwt.get_unverified_header(signed) == {"alg": algorithm, "kid": key.kid, "typ": "JWT"}
    public = pyjwt.PyJWK(key.as_dict(private=False), algorithm=algorithm).key
    claims = pyjwt.decode(
        signed, public, algorithms=[algorithm], audience="https://ehr/token", options={"verify_exp": False}
    )
    assert (claims["iss"], claims["sub"], claims["jti"]) == ("ecgd", "ecgd", "j1")
    assert 0 < claims["exp"] - START.timestamp() <= 300


def test_the_token_is_asked_for_once_and_again_before_it_ends(endpoint, tmp_path):
    clock = Clock()
    endpoint.script["/token"] = [(200, token("t1")), (200, token("t2"))]
    with asking(endpoint, tmp_path, clock=clock) as (tokens, wire, _):
        assert [tokens.get(wire) for _ in range(3)] == ["t1"] * 3
        clock.now = START + timedelta(seconds=239)
        assert tokens.get(wire) == "t1"
        clock.now = START + timedelta(seconds=240)
        assert tokens.get(wire) == "t2"
    first, second = endpoint.forms()
    assert first["grant_type"] == ["client_credentials"]
    assert first["client_assertion_type"] == [ASSERTION_TYPE]
    assert first["scope"] == ["system/*.read system/*.write"]
    numbers = {
        pyjwt.decode(one["client_assertion"][0], options={"verify_signature": False})["jti"] for one in (first, second)
    }
    assert len(numbers) == 2


@pytest.mark.parametrize(
    ("expires_in", "after_s"),
    [(60, 30), (None, 240), ("soon", 240), (-1, 240), (float("nan"), 240), (3600, 3540)]
    + [(said, 86340) for said in (10**13, 10**400, float("inf"))],
)
def test_a_token_of_any_life_is_renewed_before_its_end(endpoint, tmp_path, expires_in, after_s):
    clock = Clock()
    endpoint.script["/token"] = [(200, token("t1", expires_in)), (200, token("t2"))]
    with asking(endpoint, tmp_path, clock=clock) as (tokens, wire, _):
        tokens.get(wire)
        clock.now = START + timedelta(seconds=after_s - 1)
        assert tokens.get(wire) == "t1"
        clock.now = START + timedelta(seconds=after_s)
        assert tokens.get(wire) == "t2"


@pytest.mark.parametrize("said", ["Bearer", "bearer", "BearerToken", None])
def test_a_bearer_token_is_used_however_its_type_is_written(endpoint, tmp_path, said):
    endpoint.script["/token"] = [(200, token("t1") | {"token_type": said})]
    with asking(endpoint, tmp_path) as (tokens, wire, _):
        assert tokens.get(wire) == "t1"


def _kid(form):
    return pyjwt.get_unverified_header(form["client_assertion"][0])["kid"]


def test_the_newest_key_signs_and_the_one_before_it_where_the_server_does_not_know_it_yet(endpoint, tmp_path):
    refused = (401, {"error": "invalid_client", "error_description": "Ada"})
    endpoint.script["/token"] = [refused, (200, token("t1"))]
    with asking(endpoint, tmp_path, RSA, ES) as (tokens, wire, _):
        assert tokens.get(wire) == "t1"
    assert [_kid(form) for form in endpoint.forms()] == ["2026-05", "2025-11"]


def test_a_key_that_is_put_into_the_file_signs_the_next_time(endpoint, tmp_path):
    with asking(endpoint, tmp_path, RSA) as (tokens, wire, file):
        tokens.refused(tokens.get(wire))
        file.write_text(jwks(RSA, ES))
        tokens.get(wire)
    assert [_kid(form) for form in endpoint.forms()] == ["2025-11", "2026-05"]


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason"),
    [
        (401, {"error": "invalid_client"}, Transient, Reason.UNAUTHORISED),
        (400, {"error": "invalid_client"}, Transient, Reason.UNAUTHORISED),
        (400, {"error": "invalid_scope"}, Permanent, Reason.DESTINATION_MISCONFIGURED),
        (400, {"error": "unauthorized_client"}, Permanent, Reason.DESTINATION_MISCONFIGURED),
        (400, {"error": "s3cret"}, Transient, Reason.UNAUTHORISED),
        (500, {}, Transient, Reason.UNAUTHORISED),
        (503, [], Transient, Reason.UNAUTHORISED),
        (200, {}, Transient, Reason.UNAUTHORISED),
        (200, [], Transient, Reason.UNAUTHORISED),
        (200, {"access_token": "two\nlines"}, Transient, Reason.UNAUTHORISED),
        (200, {"access_token": 3}, Transient, Reason.UNAUTHORISED),
        (200, {"access_token": ""}, Transient, Reason.UNAUTHORISED),
        (200, {"access_token": "s3cret "}, Transient, Reason.UNAUTHORISED),
        (200, {"access_token": "s3cret", "token_type": "DPoP"}, Permanent, Reason.DESTINATION_MISCONFIGURED),
        (200, {"access_token": "s3cret", "token_type": ["bearer"]}, Permanent, Reason.DESTINATION_MISCONFIGURED),
    ],
)
def test_every_answer_of_a_token_endpoint_means_something(endpoint, tmp_path, status, body, kind, reason):
    endpoint.script["/token"] = [(status, body)]
    with asking(endpoint, tmp_path, ES) as (tokens, wire, _), pytest.raises(kind) as caught:
        tokens.get(wire)
    assert caught.value.reason is reason
    assert "s3cret" not in str(caught.value)


def test_the_endpoint_is_found_where_it_is_not_configured(endpoint, tmp_path):
    found = {"token_endpoint": f"{endpoint.url}/token"}
    endpoint.script["/.well-known/smart-configuration"] = [(200, found)]
    with asking(endpoint, tmp_path, token_url=None) as (tokens, wire, _):
        assert tokens.get(wire) == "t1"
        tokens.refused("t1")
        tokens.get(wire)
    assert sum(path.startswith("/.well-known") for path, _, _ in endpoint.asked) == 1


@pytest.mark.parametrize("said", [{}, [], {"token_endpoint": 3}, {"token_endpoint": "ftp://ehr/token"}])
def test_a_configuration_without_a_usable_endpoint_stops_the_destination(endpoint, tmp_path, said):
    endpoint.script["/.well-known/smart-configuration"] = [(200, said)]
    with asking(endpoint, tmp_path, token_url=None) as (tokens, wire, _), pytest.raises(Permanent):
        tokens.get(wire)


NAMELESS = {name: value for name, value in ES.as_dict(private=True).items() if name != "kid"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"keys": []}',
        '{"keys": [{"kty": "?"}]}',
        jwks(ES, private=False),
        jwks(OctKey.generate_key(256, {"kid": "a"}, private=True)),
        jwks(ECKey.generate_key("P-256", {"kid": "a"}, private=True)),
        json.dumps({"keys": [NAMELESS]}),
    ],
    ids=["empty", "none", "a list", "no key", "no kind", "public", "symmetric", "weak", "nameless"],
)
def test_a_key_file_that_cannot_be_used_is_a_mistake_and_is_not_quoted(text):
    with pytest.raises(
        ValueError, match=r"^(not a JWKS, or a key without kid|every key has to be private, and RSA or EC P-384)$"
    ):
        keys_of(text)


def test_a_missing_key_file_stops_the_destination(endpoint, tmp_path):
    with asking(endpoint, tmp_path) as (tokens, wire, file):
        file.unlink()
        with pytest.raises(Permanent) as caught:
            tokens.get(wire)
    assert caught.value.reason is Reason.DESTINATION_MISCONFIGURED


def test_a_refused_token_is_replaced_once_and_then_believed_refused(endpoint, tmp_path, caplog):
    caplog.set_level("DEBUG")
    good = {"t1": False, "t2": True}

    def resource(headers):
        return (200, {}) if good.get(headers["Authorization"].removeprefix("Bearer ")) else (401, {})

    endpoint.script |= {"/token": [(200, token("t1")), (200, token("t2"))], "/x": [(0, resource)]}
    (tmp_path / "keys.jwks").write_text(jwks(ES))
    smart = {"client_id": "ecgd", "jwks_file": tmp_path / "keys.jwks", "token_url": f"{endpoint.url}/token"}
    access = Access(findings.settings(base_url=endpoint.url, auth="smart", smart=smart), Clock())
    assert access.request("GET", f"{endpoint.url}/x", {}).status == 200
    good["t2"] = False
    assert access.request("GET", f"{endpoint.url}/x", {}).status == 401
    access.close()
    assert len(endpoint.forms()) == 3
    signed = endpoint.forms()[0]["client_assertion"][0]
    assert signed not in caplog.text
    assert "t2" not in caplog.text
