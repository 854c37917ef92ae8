import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.schema import Hl7Door, Tls
from domain.errors import Permanent
from domain.reason import Reason
from listener.hl7 import Hl7Server
from listener.mllp import framed
from listener.tls import server_context
from tests.flow.certificates import Authority, Pair
from tests.listener.test_hl7 import WAIT_S, Events, at_once, oru


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"), "authority")


@pytest.fixture(scope="module")
def ours(authority: Authority) -> Pair:
    return authority.sign("ecgd")


@pytest.fixture(scope="module")
def theirs(authority: Authority) -> Pair:
    return authority.sign("cart")


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def server(authority: Authority, ours: Pair, events: Events) -> Iterator[Hl7Server]:
    tls = Tls(certificate=ours.certificate, key=ours.key, client_ca=authority.certificate)
    door = Hl7Server(Hl7Door(port=0, tls=tls, max_connections=1), at_once, on_event=events)
    door.start()
    yield door
    door.stop(0)


def client(authority: Authority, pair: Pair | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.certificate))
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


def exchange(server: Hl7Server, context: ssl.SSLContext) -> bytes:
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_S) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as peer,
    ):
        peer.sendall(framed(oru("M1", body="x" * 200_000)))
        return peer.recv(4096)


def served(server: Hl7Server, context: ssl.SSLContext) -> bool:
    """An alert, a reset or an end, as the timing has it, is no service."""
    try:
        return exchange(server, context) != b""
    except OSError:
        return False


def test_a_known_client_is_served(server: Hl7Server, authority: Authority, theirs: Pair) -> None:
    assert b"MSA|AA|M1" in exchange(server, client(authority, theirs))


def test_a_client_without_a_certificate_is_not(
    server: Hl7Server, authority: Authority, theirs: Pair, events: Events
) -> None:
    assert not served(server, client(authority))
    events.wait("connection", outcome="handshake")
    assert b"MSA|AA|M1" in exchange(server, client(authority, theirs))  # and its place is free again


def test_a_client_of_another_authority_is_not(
    server: Hl7Server, authority: Authority, tmp_path: Path, events: Events
) -> None:
    stranger = Authority(tmp_path, "other").sign("stranger")
    assert not served(server, client(authority, stranger))
    events.wait("connection", outcome="handshake")


def test_plain_text_is_not(server: Hl7Server, events: Events) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_S) as peer:
        peer.sendall(framed(oru("M1")))
        assert b"MSA" not in peer.recv(4096)
    events.wait("connection", outcome="handshake")


def test_nothing_older_than_tls_1_2_is_spoken(ours: Pair) -> None:
    context = server_context(Tls(certificate=ours.certificate, key=ours.key))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_NONE
    assert all("ECDHE" in c["name"] or c["protocol"] == "TLSv1.3" for c in context.get_ciphers())


def test_files_that_do_not_fit_are_our_own_fault(ours: Pair, theirs: Pair, tmp_path: Path) -> None:
    for certificate, key in ((ours.certificate, theirs.key), (tmp_path / "none", ours.key)):
        with pytest.raises(Permanent) as caught:
            server_context(Tls(certificate=certificate, key=key))
        assert caught.value.reason is Reason.OUR_FAULT
