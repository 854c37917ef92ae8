"""FHIR over HTTP: find the patient, post the transaction, believe the answer only after reading every entry."""

import json
import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from config.schema import Fhir
from config.secrets import read_secret
from delivery.answers import entries_problem, issue_codes, problem, retry_after
from delivery.turns import Turns
from domain.errors import Permanent, Rejected, Transient
from domain.outgoing import Outgoing
from domain.reason import Reason

_PHASES = 6
"""httpx bounds each by itself: a free connection, connecting, the handshake, sending, the answer's head, its body."""
LARGEST_ANSWER = 16 * 1024 * 1024
"""Bytes; a server may echo the transaction, picture included."""

for _name in ("httpx", "httpcore"):  # at INFO they log URLs, and a search for a patient is one
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a body of bounded size."""

    status: int
    body: bytes
    retry_after_s: float | None

    def json(self) -> Any:
        """The body as JSON, ``None`` when it is none (a proxy's page)."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def check(self) -> None:
        """Raise what the status means, with an OperationOutcome's codes and never its texts."""
        found = problem(self.status, issues=issue_codes(self.json()), retry_after_s=self.retry_after_s)
        if found:
            raise found


class Wire:
    """One destination's connections: bounded in time and size, redirects not followed. Safe between threads."""

    def __init__(
        self,
        *,
        timeout_s: float,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = httpx.Client(
            timeout=timeout_s,
            verify=tls or ssl.create_default_context(),
            follow_redirects=False,
            trust_env=False,  # a proxy from the environment would read patient data
            headers={"User-Agent": "ecgd", "Accept-Encoding": "identity"},
        )
        self._timeout_s, self._clock, self._monotonic = timeout_s, clock, monotonic

    @property
    def longest_s(self) -> float:
        """The longest one request may take, every phase as long as it is allowed."""
        return _PHASES * self._timeout_s

    def request(self, method: str, url: httpx.URL, headers: dict[str, str], body: bytes | None = None) -> Answer:
        """Send and read the answer; every failure of the network is ``Transient(DESTINATION_UNAVAILABLE)``."""
        deadline = self._monotonic() + self._timeout_s
        try:
            with self._client.stream(method, url, headers=headers, content=body) as response:
                wait = retry_after(response.headers.get("Retry-After"), self._clock())
                return Answer(response.status_code, b"".join(self._bounded(response, deadline)), wait)
        except httpx.TimeoutException:
            raise Transient(Reason.DESTINATION_UNAVAILABLE, "time-out") from None
        except httpx.HTTPError as error:  # its text may hold the URL
            raise Transient(Reason.DESTINATION_UNAVAILABLE, type(error).__name__) from None

    def _bounded(self, response: httpx.Response, deadline: float) -> Iterator[bytes]:
        size = 0
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > LARGEST_ANSWER:
                raise Transient(Reason.DESTINATION_UNAVAILABLE, f"answer over {LARGEST_ANSWER} bytes")
            if self._monotonic() > deadline:
                raise Transient(Reason.DESTINATION_UNAVAILABLE, "answer too slow")
            yield chunk

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def client_context(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or later, the hospital's CA where there is one, a client certificate for mutual TLS.

    Raises ``Permanent(DESTINATION_MISCONFIGURED)`` when a file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if certificate is not None:
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError):
        raise Permanent(Reason.DESTINATION_MISCONFIGURED, "CA, certificate or key cannot be used") from None
    return context


def secret(path: Path) -> str:
    """A secret from where it is; ``Permanent(DESTINATION_MISCONFIGURED)`` when it cannot be read."""
    try:
        return read_secret(path)
    except (OSError, UnicodeDecodeError):
        raise Permanent(Reason.DESTINATION_MISCONFIGURED, "secret file cannot be read") from None


class FhirSender:
    """Sends transactions to one FHIR server; safe between threads.

    ``send`` raises ``Rejected`` (bury), ``Transient`` (try again; ``PATIENT_UNKNOWN`` is the caller's to bound) or
    ``Permanent`` (stop the destination): see ``delivery.answers``. Certificates and the secret are read when first
    needed, so that a file that is missing stops this destination and no other.
    """

    def __init__(self, settings: Fhir, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._settings = settings
        self._base = str(settings.base_url).rstrip("/")
        self._clock = clock
        self._opening = threading.Lock()
        self._open: Wire | None = None
        self._secret: str | None = None
        self._turns = Turns(settings.timeout_s)

    @property
    def longest_s(self) -> float:
        """The longest one ``send`` may take: its turn, then search and post, each again after a 401."""
        return self._settings.timeout_s + 2 * 2 * _PHASES * self._settings.timeout_s

    def send(self, outgoing: Outgoing) -> None:
        """Deliver one transaction; returns only when the server says that every entry is stored."""
        bundle = json.loads(outgoing.body)
        kinds = [(entry["request"]["url"], entry["fullUrl"]) for entry in bundle["entry"]]
        devices = frozenset(url for kind, url in kinds if kind == "Device")
        patients = frozenset(url for kind, url in kinds if kind == "Patient")
        with self._turns.of(lasting=devices, passing=patients):
            self._deliver(outgoing, bundle)

    def _deliver(self, outgoing: Outgoing, bundle: dict[str, Any]) -> None:
        found = {query: self._patient(query) for query in _conditional(bundle)}
        body = json.dumps(_resolved(bundle, found), ensure_ascii=False, separators=(",", ":")).encode()
        headers = {"Content-Type": outgoing.content_type, "X-Request-Id": outgoing.key, "Prefer": "return=minimal"}
        answer = self._request("POST", self._base or "/", headers, body)
        answer.check()
        failed = entries_problem(answer.json(), len(bundle["entry"]))
        if failed:
            raise failed

    def _patient(self, query: str) -> str:
        """Look up ``Patient/id`` for ``Patient?identifier=..``; none: wait for one, several: a task for a person."""
        answer = self._request("GET", f"{self._base}/{query}&_count=2", {})
        answer.check()
        body = answer.json()
        if not isinstance(body, dict) or body.get("resourceType") != "Bundle":
            raise Transient(Reason.DESTINATION_UNAVAILABLE, "answer is not a searchset")
        ids = [patient["id"] for patient in _resources(body) if patient.get("resourceType") == "Patient"]
        if not ids:
            raise Transient(Reason.PATIENT_UNKNOWN, "no patient with this identifier")
        if len(ids) > 1:
            raise Rejected(Reason.AMBIGUOUS_MATCH, "several patients with this identifier")
        return f"Patient/{ids[0]}"

    def _request(self, method: str, url: str, headers: dict[str, str], body: bytes | None = None) -> Answer:
        """Send, and once more with the secret read again when it was not accepted: it may have been renewed."""
        answer = self._authorised(method, url, headers, body)
        if answer.status == 401 and self._settings.secret_file:
            self._secret = None
            answer = self._authorised(method, url, headers, body)
        return answer

    def _authorised(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Answer:
        sent = {"Accept": "application/fhir+json", **headers, **self._authorisation()}
        return self._wire().request(method, httpx.URL(url), sent, body)

    def _wire(self) -> Wire:
        """Open the destination's connections at the first use. Raises ``Permanent`` when a TLS file cannot be used."""
        settings = self._settings
        with self._opening:
            if self._open is None:
                tls = client_context(settings.ca, settings.certificate, settings.key)
                self._open = Wire(timeout_s=settings.timeout_s, tls=tls, clock=self._clock)
            return self._open

    def _authorisation(self) -> dict[str, str]:
        if self._settings.auth == "bearer":
            return {"Authorization": f"Bearer {self._password()}"}
        if self._settings.auth == "basic":
            return {"Authorization": _basic(self._settings.username or "", self._password())}
        return {}

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


def _resources(bundle: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The resources of a searchset that have an id, whatever else the server put there."""
    entries = bundle.get("entry")
    for entry in entries if isinstance(entries, list) else ():
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict) and isinstance(resource.get("id"), str):
            yield resource


def _references(value: Any) -> Iterator[dict[str, Any]]:
    """Every element with a ``reference``, at any depth."""
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _conditional(bundle: dict[str, Any]) -> set[str]:
    return {one["reference"] for one in _references(bundle) if one["reference"].startswith("Patient?")}


def _resolved(bundle: dict[str, Any], found: dict[str, str]) -> dict[str, Any]:
    """Literal references in place of conditional ones: many servers take only those."""
    for one in _references(bundle):
        one["reference"] = found.get(one["reference"], one["reference"])
    return bundle
