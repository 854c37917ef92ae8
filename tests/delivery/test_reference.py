"""Over real sockets, TLS with a private CA: what may be fetched, how much of it, and what every answer leads to."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import ValidationError

from config.doors import References
from delivery.reference import Fetcher, allowed
from domain.errors import Rejected, Transient
from domain.reason import Reason
from tests.flow.certificates import Authority

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)
PDF = b"%PDF-1.4\n" + b"x" * 3000


class Site(ThreadingHTTPServer):
    """Answers each path as told; remembers what was asked."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.asked: list[str] = []
        self.done = threading.Event()
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.base = f"{'https' if context else 'http'}://localhost:{self.server_port}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.shutdown()
        self.server_close()


class _Answering(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        with suppress(OSError):
            self.server.answers[self.path.partition("?")[0]](self)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def says(status: int, body: bytes = b"", **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(to: BaseHTTPRequestHandler) -> None:
        to.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            to.send_header(name.replace("_", "-"), value)
        to.end_headers()
        to.wfile.write(body)

    return answer


def drips(done: threading.Event) -> Callable[[BaseHTTPRequestHandler], None]:
    """A byte now and then, for ever."""

    def answer(to: BaseHTTPRequestHandler) -> None:
        to.send_response(200)
        to.end_headers()
        while not done.wait(0.02):
            to.wfile.write(b"x")
            to.wfile.flush()

    return answer


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"), "hospital")


def _context(authority: Authority) -> ssl.SSLContext:
    pair = authority.sign("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


@pytest.fixture
def site(authority: Authority) -> Iterator[Site]:
    with Site(_context(authority)) as made:
        yield made


@pytest.fixture
def fetch(site: Site, authority: Authority) -> Iterator[Callable[..., bytes]]:
    made: list[Fetcher] = []

    def fetched(path: str, since: datetime = NOW, **changes: object) -> bytes:
        settings = References.model_validate(
            {"allow": [f"{site.base}/muse/"], "ca": authority.certificate, "max_mib": 1, "timeout_s": 5} | changes
        )
        made.append(Fetcher(settings, clock=lambda: NOW))
        return made[-1].fetch(path if "://" in path else site.base + path, since)

    yield fetched
    for one in made:
        one.close()


def test_a_document_is_fetched_over_tls_with_its_query(site: Site, fetch: Callable[..., bytes]) -> None:
    site.answers["/muse/ecg"] = says(200, PDF)
    assert fetch("/muse/ecg?ID=1&OutputType=PDF") == PDF
    assert site.asked == ["/muse/ecg?ID=1&OutputType=PDF"]


def test_a_server_that_the_ca_does_not_know_is_not_believed(
    site: Site, fetch: Callable[..., bytes], tmp_path: Path
) -> None:
    with pytest.raises(Transient) as caught:
        fetch("/muse/ecg", ca=Authority(tmp_path, "stranger").certificate)
    assert (caught.value.reason, site.asked) == (Reason.DESTINATION_UNAVAILABLE, [])


def test_a_redirect_within_what_is_allowed_is_followed(site: Site, fetch: Callable[..., bytes]) -> None:
    site.answers["/muse/ecg"] = says(302, Location="/muse/other")
    site.answers["/muse/other"] = says(200, PDF)
    assert fetch("/muse/ecg") == PDF


@pytest.mark.parametrize("elsewhere", ["/secret", "http://localhost/muse/x", "https://example.invalid/muse/x", "//a/b"])
def test_a_redirect_anywhere_else_is_refused_and_never_asked(
    site: Site, fetch: Callable[..., bytes], elsewhere: str
) -> None:
    site.answers["/muse/ecg"] = says(302, Location=elsewhere)
    with pytest.raises(Rejected) as caught:
        fetch("/muse/ecg")
    assert (caught.value.reason, site.asked) == (Reason.REFERENCE_NOT_ALLOWED, ["/muse/ecg"])


def test_redirects_in_a_circle_come_to_an_end(site: Site, fetch: Callable[..., bytes]) -> None:
    site.answers["/muse/ecg"] = says(302, Location="/muse/ecg")
    with pytest.raises(Rejected):
        fetch("/muse/ecg")
    assert len(site.asked) == 3


@pytest.mark.parametrize("headers", [{}, {"Content_Length": "999999999"}])
def test_more_than_is_allowed_is_not_read_to_its_end(
    site: Site, fetch: Callable[..., bytes], headers: dict[str, str]
) -> None:
    site.answers["/muse/ecg"] = says(200, bytes((1 << 20) + 1), **headers)
    with pytest.raises(Rejected) as caught:
        fetch("/muse/ecg")
    assert caught.value.reason is Reason.TOO_LARGE


def test_a_document_that_drips_is_given_up_and_tried_again(site: Site, fetch: Callable[..., bytes]) -> None:
    site.answers["/muse/ecg"] = drips(site.done)
    with pytest.raises(Transient) as caught:
        fetch("/muse/ecg", timeout_s=0.3)
    assert caught.value.reason is Reason.DESTINATION_UNAVAILABLE


def test_a_server_that_is_down_is_asked_again(site: Site, fetch: Callable[..., bytes]) -> None:
    with Site() as gone:
        address = gone.base.replace("http:", "https:")
    with pytest.raises(Transient):
        fetch(f"{address}/x", allow=[address])


def test_what_is_not_written_yet_may_come_and_what_never_came_is_told(site: Site, fetch: Callable[..., bytes]) -> None:
    site.answers["/muse/ecg"] = says(404)
    with pytest.raises(Transient) as young:
        fetch("/muse/ecg", since=NOW - timedelta(seconds=60))
    with pytest.raises(Rejected) as old:
        fetch("/muse/ecg", since=NOW - timedelta(hours=1))
    assert young.value.reason is old.value.reason is Reason.REFERENCE_MISSING


def test_a_busy_server_says_when_it_may_be_asked_again(site: Site, fetch: Callable[..., bytes]) -> None:
    site.answers["/muse/ecg"] = says(503, Retry_After="7")
    with pytest.raises(Transient) as caught:
        fetch("/muse/ecg")
    assert caught.value.retry_after_s == 7
    site.answers["/muse/ecg"] = says(200, PDF)
    assert fetch("/muse/ecg") == PDF


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, Reason.DESTINATION_FORBIDDEN), (403, Reason.DESTINATION_FORBIDDEN), (400, Reason.DESTINATION_REFUSED)],
)
def test_a_refusal_is_for_a_person(site: Site, fetch: Callable[..., bytes], status: int, reason: Reason) -> None:
    site.answers["/muse/ecg"] = says(status)
    with pytest.raises(Rejected) as caught:
        fetch("/muse/ecg")
    assert caught.value.reason is reason


def test_plain_http_is_fetched_only_where_the_configuration_says_so() -> None:
    with Site() as site, pytest.raises(ValidationError):
        References.model_validate({"allow": [site.base]})
    with Site() as site:
        site.answers["/x"] = says(200, PDF)
        fetcher = Fetcher(References.model_validate({"allow": [site.base], "plain_http": True}))
        assert fetcher.fetch(f"{site.base}/x", NOW) == PDF
        fetcher.close()


PLACES = References.model_validate({"allow": ["https://muse.hospital/web", "https://ecg.hospital:8443/"]})


@pytest.mark.parametrize(
    "url",
    [
        "https://muse.hospital/web",
        "https://muse.hospital/web/a.dll?ID=1&X=../..",
        "https://MUSE.hospital:443/web/a",
        "https://ecg.hospital:8443/any/thing",
    ],
)
def test_what_is_below_an_allowed_address_is_allowed(url: str) -> None:
    assert allowed(url, PLACES)


@pytest.mark.parametrize(
    "url",
    [
        "http://muse.hospital/web/a",
        "https://muse.hospital/website",
        "https://muse.hospital/",
        "https://muse.hospital/web/../admin",
        "https://muse.hospital/web/%2e%2e/admin",
        "https://muse.hospital/web/..%2fadmin",
        "https://muse.hospital/web/%252e%252e/admin",
        "https://muse.hospital/web\\..\\admin",
        "https://muse.hospital:8443/web/a",
        "https://muse.hospital.evil.example/web/a",
        "https://muse.hospital@evil.example/web/a",
        "https://evil.example/https://muse.hospital/web",
        "https://ecg.hospital/x",
        "file:///etc/passwd",
        "ftp://muse.hospital/web/a",
        "https://",
        "https://[::1",
        "",
    ],
)
def test_anything_else_is_not(url: str) -> None:
    assert not allowed(url, PLACES)
