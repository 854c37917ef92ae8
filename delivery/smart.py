"""SMART Backend Services (HL7 SMART App Launch 2.2, backend-services): an access token for a signed assertion.

The JWKS file holds our private keys, RSA for RS384 or EC P-384 for ES384, each with its ``kid``. The last one is the
newest and signs; where the server does not know it yet, the one before it is tried. So a key is changed without a gap:
append the new one, give the server its public half, take the old one out when the server has it. The file is read for
every token. A token is asked for anew before it ends.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from config.schema import Smart
from config.secrets import read_secret
from delivery.answers import problem
from delivery.wire import Answer, Wire
from domain.errors import Permanent, Transient
from domain.reason import Reason

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFETIME = timedelta(minutes=4)  # 5 at most by the guide: clocks differ
EARLY = timedelta(seconds=60)  # renewed so long before its end, or at half of a life shorter than two minutes
UNSAID_S = 300  # RFC 6749 5.1 lets a server leave expires_in out
LONGEST_S = 86400  # whatever a server says: some mean for ever by a number that no date can hold
_ERRORS = {"invalid_client", "invalid_grant", "invalid_request", "invalid_scope", "unauthorized_client"}
Key = RSAKey | ECKey


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and when to ask for the next."""

    text: str
    renew_at: datetime


def keys_of(text: str) -> tuple[Key, ...]:
    """The private keys of a JWKS, the newest first. Raises ``ValueError`` where one is not fit; its text names none."""
    try:
        content = json.loads(text)
        named = all(one["kid"] for one in content["keys"])  # joserfc would name one by its thumbprint
        found = tuple(KeySet.import_key_set(content).keys)
    except (JoseError, ValueError, KeyError, TypeError, AttributeError):
        raise ValueError("not a JWKS, or a key without kid") from None
    fit = tuple(key for key in found if isinstance(key, RSAKey | ECKey) and key.is_private and _signs(key))
    if not named or not fit or len(fit) != len(found):
        raise ValueError("every key has to be private, and RSA or EC P-384")
    return fit[::-1]


def _signs(key: Key) -> bool:
    return isinstance(key, RSAKey) or key.as_dict(private=False).get("crv") == "P-384"


def assertion(key: Key, client_id: str, audience: str, now: datetime, jti: str) -> str:
    """A JWT that proves who we are to the token endpoint ``audience``, once."""
    header = {"alg": "RS384" if isinstance(key, RSAKey) else "ES384", "kid": key.kid, "typ": "JWT"}
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": jti,
        "iat": int(now.timestamp()),
        "exp": int((now + LIFETIME).timestamp()),
    }
    return jwt.encode(header, claims, key, algorithms=["RS384", "ES384"])


def token_of(answer: Answer, now: datetime) -> Token:
    """The token in an endpoint's answer. Raises ``Transient`` or ``Permanent``; nothing it says is kept but a code."""
    body = answer.json()
    said = body.get("error") if isinstance(body, dict) else None
    code = said if isinstance(said, str) and said in _ERRORS else ""
    if code == "invalid_client" or answer.status == 401:
        raise Transient(Reason.UNAUTHORISED, f"token endpoint: {code or answer.status}")
    if code:
        raise Permanent(Reason.DESTINATION_MISCONFIGURED, f"token endpoint: {code}")
    failed = problem(answer.status, retry_after_s=answer.retry_after_s)
    if failed:
        raise Transient(Reason.UNAUTHORISED, f"token endpoint: {answer.status}", retry_after_s=answer.retry_after_s)
    text = body.get("access_token") if isinstance(body, dict) else None
    if not isinstance(text, str) or not _fits_header(text):
        raise Transient(Reason.UNAUTHORISED, "token endpoint: answer without a token")
    if not str(body.get("token_type") or "bearer").lower().startswith("bearer"):  # RFC 6749 7.1; Apigee: BearerToken
        raise Permanent(Reason.DESTINATION_MISCONFIGURED, "token endpoint: not a bearer token")
    return Token(text, now + _life(body.get("expires_in")))


def _fits_header(text: str) -> bool:
    """Whether a request can carry it; one that is kept and cannot be sent stops the destination for all its life."""
    return text.isascii() and text.isprintable() and text.split() == [text]


def _life(seconds: Any) -> timedelta:
    said = seconds if isinstance(seconds, int | float) and seconds > 0 else UNSAID_S
    whole = timedelta(seconds=min(said, LONGEST_S))
    return max(whole - EARLY, whole / 2)


class Tokens:
    """One destination's token, asked for when there is none or it is about to end. Safe between threads."""

    def __init__(self, settings: Smart, base_url: str, clock: Callable[[], datetime]) -> None:
        self._settings, self._base, self._clock = settings, base_url, clock
        self._turn = threading.Lock()
        self._endpoint = str(settings.token_url) if settings.token_url else ""
        self._token: Token | None = None

    def get(self, wire: Wire) -> str:
        """Return a token that will last a while."""
        with self._turn:
            if self._token is None or self._clock() >= self._token.renew_at:
                self._token = self._fetched(wire)
            return self._token.text

    def refused(self, text: str) -> None:
        """Forget a token that the server does not take; not one that came in its place meanwhile."""
        with self._turn:
            if self._token is not None and self._token.text == text:
                self._token = None

    def _fetched(self, wire: Wire) -> Token:
        endpoint = self._endpoint or self._discovered(wire)
        last: Transient | None = None
        for key in self._keys():
            try:
                return self._asked(wire, endpoint, key)
            except Transient as error:
                if "invalid_client" not in error.detail:
                    raise
                last = error
        raise last or Transient(Reason.UNAUTHORISED, "no key")

    def _asked(self, wire: Wire, endpoint: str, key: Key) -> Token:
        signed = assertion(key, self._settings.client_id, endpoint, self._clock(), uuid4().hex)
        form = {
            "grant_type": "client_credentials",
            "scope": self._settings.scope,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": signed,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        return token_of(wire.request("POST", httpx.URL(endpoint), headers, urlencode(form).encode()), self._clock())

    def _keys(self) -> tuple[Key, ...]:
        try:
            return keys_of(read_secret(self._settings.jwks_file))
        except (OSError, ValueError):
            raise Permanent(Reason.DESTINATION_MISCONFIGURED, "JWKS file cannot be used") from None

    def _discovered(self, wire: Wire) -> str:
        """The token endpoint by ``.well-known/smart-configuration``, over TLS where the server itself is."""
        url = httpx.URL(f"{self._base}/.well-known/smart-configuration")
        answer = wire.request("GET", url, {"Accept": "application/json"})
        answer.check()
        body = answer.json()
        found = body.get("token_endpoint") if isinstance(body, dict) else None
        if not isinstance(found, str) or not found.startswith(("https://", f"{url.scheme}://")):
            raise Permanent(Reason.DESTINATION_MISCONFIGURED, "smart-configuration names no usable token_endpoint")
        self._endpoint = found
        return found
