"""One FHIR server and how it lets us in: none, basic, bearer, SMART Backend Services; mutual TLS beside each."""

import threading
from collections.abc import Callable
from datetime import datetime

import httpx

from config.schema import Fhir
from delivery.smart import Tokens
from delivery.wire import Answer, Wire, client_context, secret


class Access:
    """Requests with our credentials. Safe between threads.

    Certificates, secrets and keys are read when first needed, so that a file that is missing stops this destination and
    no other, and again after a 401: they may have been renewed.
    """

    def __init__(self, settings: Fhir, clock: Callable[[], datetime]) -> None:
        self._settings, self._clock = settings, clock
        self.base = str(settings.base_url).rstrip("/")
        self._opening = threading.Lock()
        self._open: Wire | None = None
        self._secret: str | None = None
        self._tokens = Tokens(settings.smart, self.base, clock) if settings.smart else None

    def request(self, method: str, url: str, headers: dict[str, str], body: bytes | None = None) -> Answer:
        """Send, and once more with a new token or the secret read again when it was not accepted."""
        proof = self._proof()
        answer = self._sent(method, url, headers | proof, body)
        if answer.status == 401 and proof:
            self._distrust(proof)
            answer = self._sent(method, url, headers | self._proof(), body)
        return answer

    def _sent(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Answer:
        return self._wire().request(method, httpx.URL(url), {"Accept": "application/fhir+json", **headers}, body)

    def _wire(self) -> Wire:
        """Open the destination's connections at the first use. Raises ``Permanent`` when a TLS file cannot be used."""
        settings = self._settings
        with self._opening:
            if self._open is None:
                tls = client_context(settings.ca, settings.certificate, settings.key)
                self._open = Wire(timeout_s=settings.timeout_s, tls=tls, clock=self._clock)
            return self._open

    def _proof(self) -> dict[str, str]:
        if self._tokens is not None:
            return {"Authorization": f"Bearer {self._tokens.get(self._wire())}"}
        if self._settings.auth == "bearer":
            return {"Authorization": f"Bearer {self._password()}"}
        if self._settings.auth == "basic":
            return {"Authorization": _basic(self._settings.username or "", self._password())}
        return {}

    def _distrust(self, proof: dict[str, str]) -> None:
        self._secret = None
        if self._tokens is not None:
            self._tokens.refused(proof["Authorization"].removeprefix("Bearer "))

    def _password(self) -> str:
        """Read the secret at its first use and after a 401. Raises ``Permanent`` when it cannot be read."""
        if (found := self._secret) is None:
            file = self._settings.secret_file
            found = self._secret = secret(file) if file else ""
        return found

    def close(self) -> None:
        """Close the connections."""
        if self._open is not None:
            self._open.close()


def _basic(username: str, password: str) -> str:
    request = next(httpx.BasicAuth(username, password).auth_flow(httpx.Request("GET", "http://localhost")))
    return request.headers["Authorization"]
