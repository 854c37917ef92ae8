"""Fetch what an HL7 message points to: from allowed places and to them only, bounded in size and time."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from urllib.parse import unquote

import httpx

from config.doors import References
from delivery.answers import retry_after
from delivery.http import client_context
from domain.errors import Problem, Rejected, Transient
from domain.reason import Reason

_MOST_HOPS = 3
_MISSING = {404, 410}
_REFUSED = {401, 403, 407}
_LATER = {408, 425, 429}


def allowed(url: str, settings: References) -> bool:
    """Whether a reference begins with an allowed address: scheme, host and port the same, the path below its own.

    A user, dots that climb, or anything a server may read otherwise than we do (``%2e``, backslashes) is not allowed.
    """
    try:
        asked = httpx.URL(url)
        path = unquote(asked.path)
    except (httpx.InvalidURL, ValueError):
        return False
    odd = asked.userinfo or "\\" in path or "%" in path or {".", ".."} & set(path.split("/"))
    return not odd and any(_below(asked, path, httpx.URL(str(base))) for base in settings.allow)


def _below(asked: httpx.URL, path: str, base: httpx.URL) -> bool:
    same = (asked.scheme, asked.host, _port(asked)) == (base.scheme, base.host, _port(base))
    return same and (path == base.path or path.startswith(base.path.rstrip("/") + "/"))


def _port(url: httpx.URL) -> int | None:
    return url.port or {"https": 443, "http": 80}.get(url.scheme)


class Fetcher:
    """Safe between threads. Raises ``Rejected`` (a person has to look) or ``Transient`` (try again)."""

    def __init__(
        self,
        settings: References,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._clock, self._monotonic = settings, clock, monotonic
        self._opening = threading.Lock()
        self._open: httpx.Client | None = None

    def _client(self) -> httpx.Client:
        """The CA is read when first needed: a file that is missing stops this and nothing else."""
        with self._opening:
            if self._open is None:
                self._open = httpx.Client(
                    verify=client_context(self._settings.ca, None, None),
                    follow_redirects=False,
                    trust_env=False,  # neither a proxy nor a netrc from the environment
                    headers={"User-Agent": "ecgd", "Accept-Encoding": "identity"},
                )
            return self._open

    @property
    def longest_s(self) -> float:
        """The longest one ``fetch`` may take: what is left of the time when a phase begins may pass once more."""
        return 2 * self._settings.timeout_s + 10

    def fetch(self, url: str, asked_at: datetime) -> bytes:
        """Return the document at ``url``; ``asked_at``: since when it is wanted, for it may not be written yet."""
        deadline = self._monotonic() + self._settings.timeout_s
        for _ in range(_MOST_HOPS):
            if not allowed(url, self._settings):
                raise Rejected(Reason.REFERENCE_NOT_ALLOWED, "a place that reading.references does not allow")
            answer = self._answer(url, asked_at, deadline)
            if isinstance(answer, bytes):
                return answer
            url = answer
        raise Rejected(Reason.DESTINATION_REFUSED, "redirected too often")

    def _answer(self, url: str, asked_at: datetime, deadline: float) -> bytes | str:
        """The document, or where it is instead."""
        left = deadline - self._monotonic()
        if left <= 0:
            raise _too_slow()
        try:
            with self._client().stream("GET", url, timeout=left) as response:
                if response.is_redirect:
                    return str(response.request.url.join(response.headers["Location"]))
                if failed := self._problem(response, asked_at):
                    raise failed
                return b"".join(self._bounded(response, deadline))
        except httpx.TimeoutException:
            raise _too_slow() from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:  # its text may hold the URL
            raise Transient(Reason.DESTINATION_UNAVAILABLE, type(error).__name__) from None

    def _problem(self, response: httpx.Response, asked_at: datetime) -> Problem | None:
        status = response.status_code
        if status == 200:
            return None
        detail = f"HTTP {status}"
        if status >= 500 or status in _LATER:
            wait_s = retry_after(response.headers.get("Retry-After"), self._clock())
            return Transient(Reason.DESTINATION_UNAVAILABLE, detail, retry_after_s=wait_s)
        if status in _MISSING:
            young = (self._clock() - asked_at).total_seconds() < self._settings.missing_s
            return (Transient if young else Rejected)(Reason.REFERENCE_MISSING, detail)
        return Rejected(Reason.DESTINATION_FORBIDDEN if status in _REFUSED else Reason.DESTINATION_REFUSED, detail)

    def _bounded(self, response: httpx.Response, deadline: float) -> Iterator[bytes]:
        said, size = response.headers.get("Content-Length", ""), 0
        self._check_size(int(said) if said.isdecimal() and len(said) < 20 else 0)
        for chunk in response.iter_bytes():
            size += len(chunk)
            self._check_size(size)
            if self._monotonic() > deadline:
                raise _too_slow()
            yield chunk

    def _check_size(self, size: int) -> None:
        if size > self._settings.max_mib << 20:
            raise Rejected(Reason.TOO_LARGE, f"a reference to more than {self._settings.max_mib} MiB")

    def close(self) -> None:
        """Close the connections."""
        if self._open is not None:
            self._open.close()


def _too_slow() -> Transient:
    return Transient(Reason.DESTINATION_UNAVAILABLE, "time-out")
