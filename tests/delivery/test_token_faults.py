"""Tokens of an authorization server that is not ours: used, renewed, and every way in which getting one goes wrong."""

import json
import time
from datetime import UTC, datetime, timedelta

import jwt as pyjwt
import pytest
from joserfc.jwk import ECKey, RSAKey

from delivery.access import Access
from delivery.smart import ASSERTION_TYPE
from domain.errors import Permanent, Transient
from domain.reason import Reason
from tests.delivery import findings
from tests.flow.peers.oauth2 import Authority

pytestmark = pytest.mark.peer

ES = ECKey.generate_key("P-384", {"kid": "2026-05"}, private=True)
RSA = RSAKey.generate_key(2048, {"kid": "2025-11"}, private=True)
KEYS = {key.kid: key for key in (RSA, ES)}
CLIENT = "ecgd-of-the-hospital"


class Clock:
    """Stands at the time of the test, which the authority has too; ahead of it when told."""

    def __init__(self):
        self.start, self.ahead = datetime.now(UTC), timedelta()

    def __call__(self):
        return self.start + self.ahead


@pytest.fixture(scope="module")
def server():
    with Authority() as running:
        yield running


@pytest.fixture
def authority(server):
    """Nothing fails yet, nothing has been asked."""
    server.fails()
    server.asked()
    return server


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def client(authority, clock, tmp_path):
    made = access(authority, clock, tmp_path, ES)
    yield made
    made.close()


def access(authority, clock, folder, *keys, **smart):
    file = folder / "keys.jwks"
    file.write_text(json.dumps({"keys": [key.as_dict(private=True) for key in keys]}))
    settings = {"client_id": CLIENT, "jwks_file": file, **smart}
    return Access(findings.settings(base_url=authority.base, auth="smart", smart=settings, timeout_s=10), clock)


def opened(client, authority):
    """The status of what needs a token."""
    return client.request("GET", authority.patients, {}).status


def proofs(authority):
    """What each request for a token said of us, held against SMART App Launch 2.2 as a strict server would."""
    forms = authority.asked()
    found = [_verified(form, authority.token_url) for form in forms]
    assert len({claims["jti"] for claims in found}) == len(found)
    return found


def _verified(form, endpoint):
    assert form["grant_type"] == "client_credentials"
    assert form["scope"] == "system/*.read system/*.write"
    assert form["client_assertion_type"] == ASSERTION_TYPE
    signed = form["client_assertion"]
    header = pyjwt.get_unverified_header(signed)
    key = KEYS[header["kid"]]
    algorithm = {"EC": "ES384", "RSA": "RS384"}[key.key_type]
    assert header == {"alg": algorithm, "kid": key.kid, "typ": "JWT"}
    public = pyjwt.PyJWK(key.as_dict(private=False), algorithm=algorithm).key
    needed = {"require": ["iss", "sub", "aud", "exp", "jti"]}
    claims = pyjwt.decode(
        signed,
        public,
        algorithms=[algorithm],
        audience=endpoint,
        issuer=CLIENT,
        options={**needed, "verify_iat": False},
    )
    assert claims["sub"] == CLIENT
    assert time.time() < claims["exp"]
    assert claims["exp"] - claims["iat"] <= 300
    return {**claims, "kid": key.kid}


@pytest.mark.parametrize("key", [ES, RSA], ids=["ES384", "RS384"])
def test_a_token_is_found_asked_for_once_and_opens_the_record(authority, clock, tmp_path, key):
    client = access(authority, clock, tmp_path, key)
    assert [opened(client, authority) for _ in range(3)] == [200] * 3
    client.close()
    (proof,) = proofs(authority)
    assert proof["kid"] == key.kid
    assert proof["exp"] <= time.time() + 300


@pytest.mark.parametrize(("says", "after_s"), [({}, 3540), ({"expires_in": 60}, 30), ({"expires_in": 0}, 240)])
def test_a_token_is_renewed_before_its_end(authority, clock, client, says, after_s):
    authority.fails(change=says)
    assert opened(client, authority) == 200
    clock.ahead = timedelta(seconds=after_s - 1)
    assert opened(client, authority) == 200
    assert len(proofs(authority)) == 1
    clock.ahead = timedelta(seconds=after_s)
    assert opened(client, authority) == 200
    assert len(proofs(authority)) == 1


@pytest.mark.parametrize("life", [1e12, 1e300, "3600", None])
def test_a_life_beyond_all_bounds_or_none_opens_the_record(authority, client, life):
    authority.fails(change={"expires_in": life})
    assert opened(client, authority) == 200


def test_a_token_of_a_key_that_the_authority_has_changed_is_replaced_within_the_request(authority, client):
    assert opened(client, authority) == 200
    authority.rotate()
    assert opened(client, authority) == 200
    assert len(proofs(authority)) == 2


def test_tokens_that_have_ended_when_they_come_are_tried_twice_and_not_believed(authority, client):
    authority.fails(claims={"exp": int(time.time()) - 60})
    answer = client.request("GET", authority.patients, {})
    with pytest.raises(Transient) as caught:
        answer.check()
    assert caught.value.reason is Reason.UNAUTHORISED
    assert len(proofs(authority)) == 2
    authority.fails()
    assert opened(client, authority) == 200


PAGE = "<html><title>Login</title>Bearer eyJhbGciOi.s3cret</html>"
UNAUTHORISED = (Transient, Reason.UNAUTHORISED)
MISCONFIGURED = (Permanent, Reason.DESTINATION_MISCONFIGURED)
FAULTS = {
    "invalid_client, 400": ({"status": 400, "body": {"error": "invalid_client"}}, UNAUTHORISED),
    "invalid_client, 401": ({"status": 401, "body": {"error": "invalid_client"}}, UNAUTHORISED),
    "401 without a word": ({"status": 401, "body": {}}, UNAUTHORISED),
    "a code nobody knows": ({"status": 400, "body": {"error": "s3cret"}}, UNAUTHORISED),
    "invalid_scope": ({"status": 400, "body": {"error": "invalid_scope"}}, MISCONFIGURED),
    "unauthorized_client": ({"status": 400, "body": {"error": "unauthorized_client"}}, MISCONFIGURED),
    "too many": ({"status": 429, "body": {}, "headers": {"Retry-After": "17"}}, UNAUTHORISED),
    "maintenance": ({"status": 503, "body": {}, "headers": {"Retry-After": "17"}}, UNAUTHORISED),
    "our fault, it says": ({"status": 500, "body": {"error": "server_error"}}, UNAUTHORISED),
    "sent elsewhere": ({"status": 302, "body": {}, "headers": {"Location": "http://127.0.0.1:1/"}}, UNAUTHORISED),
    "a page": ({"text": PAGE}, UNAUTHORISED),
    "half an answer": ({"text": '{"access_token": "eyJs3cret'}, UNAUTHORISED),
    "no token": ({"body": {"token_type": "Bearer", "expires_in": 300}}, UNAUTHORISED),
    "an empty token": ({"change": {"access_token": ""}}, UNAUTHORISED),
    "a token with an end of line": ({"change": {"access_token": "eyJ\r\ns3cret"}}, UNAUTHORISED),
    "a token that ends in a space": ({"change": {"access_token": "eyJs3cret "}}, UNAUTHORISED),
    "a token of another type": ({"change": {"token_type": "DPoP"}}, MISCONFIGURED),
    "a token of a type that is none": ({"change": {"token_type": 3}}, MISCONFIGURED),
    "hanging up": ({"hang_up": True}, (Transient, Reason.DESTINATION_UNAVAILABLE)),
}


@pytest.mark.parametrize(("fault", "meaning"), FAULTS.values(), ids=FAULTS)
def test_a_fault_has_its_meaning_tells_no_secret_and_is_over_when_it_is_over(authority, client, caplog, fault, meaning):
    caplog.set_level("DEBUG")
    authority.fails(**fault)
    with pytest.raises(meaning[0]) as caught:
        opened(client, authority)
    assert caught.value.reason is meaning[1]
    if "Retry-After" in fault.get("headers", {}):
        assert caught.value.retry_after_s == 17
    assert caught.value.__cause__ is None  # a traceback would tell what str() does not
    for secret in ("eyJ", "s3cret", CLIENT):
        assert secret not in f"{caught.value} {caught.value!r}"
        assert secret not in caplog.text
    authority.fails()
    assert opened(client, authority) == 200
    proofs(authority)


def test_a_fault_while_a_token_is_good_is_met_only_when_that_ends(authority, clock, client):
    assert opened(client, authority) == 200
    authority.fails(status=503, body={})
    assert opened(client, authority) == 200
    clock.ahead = timedelta(seconds=3540)
    with pytest.raises(Transient):
        opened(client, authority)
    authority.fails()
    assert opened(client, authority) == 200


def test_every_key_is_tried_where_the_authority_knows_none(authority, clock, tmp_path):
    client = access(authority, clock, tmp_path, RSA, ES)
    authority.fails(status=400, body={"error": "invalid_client"})
    with pytest.raises(Transient) as caught:
        opened(client, authority)
    client.close()
    assert caught.value.reason is Reason.UNAUTHORISED
    assert [proof["kid"] for proof in proofs(authority)] == ["2026-05", "2025-11"]
