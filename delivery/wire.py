"""HTTP as every sender needs it: bounded in time and size, nothing of a patient's in an error."""

import json
import logging
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from config.secrets import read_secret
from delivery.answers import issue_codes, problem, retry_after
from domain.errors import Permanent, Transient
from domain.reason import Reason

PHASES = 6
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
    location: str = ""

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
        return PHASES * self._timeout_s

    def request(self, method: str, url: httpx.URL, headers: dict[str, str], body: bytes | None = None) -> Answer:
        """Send and read the answer; every failure of the network is ``Transient(DESTINATION_UNAVAILABLE)``."""
        deadline = self._monotonic() + self._timeout_s
        try:
            with self._client.stream(method, url, headers=headers, content=body) as response:
                wait = retry_after(response.headers.get("Retry-After"), self._clock())
                body = b"".join(self._bounded(response, deadline))
                return Answer(response.status_code, body, wait, response.headers.get("Location", ""))
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
