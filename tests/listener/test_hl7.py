"""Real sockets on port 0; the store is a callable that answers when it is told."""

import errno
import itertools
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from ipaddress import ip_network
from time import monotonic

import pytest

from config.schema import Hl7Door
from domain.arrival import Arrival, Format, Receipt
from domain.errors import Transient
from domain.reason import Reason
from listener.hl7 import Hl7Server
from listener.hl7_connection import MOST_IN_FLIGHT
from listener.mllp import FS_CR, framed

WAIT_S = 20.0
Serve = Callable[..., Hl7Server]


class Store:
    """Futures in the order of the arrivals, ended by the test."""

    def __init__(self) -> None:
        self.waiting: queue.Queue[tuple[Arrival, Future[Receipt]]] = queue.Queue()

    def __call__(self, arrival: Arrival) -> Future[Receipt]:
        future: Future[Receipt] = Future()
        self.waiting.put((arrival, future))
        return future

    def take(self, count: int) -> list[tuple[Arrival, Future[Receipt]]]:
        return [self.waiting.get(timeout=WAIT_S) for _ in range(count)]


def at_once(arrival: Arrival) -> Future[Receipt]:
    future: Future[Receipt] = Future()
    future.set_result(Receipt.NEW)
    return future


class Events:
    """What a door reported; ``wait`` for one."""

    def __init__(self) -> None:
        self.seen: queue.Queue[tuple[str, dict[str, object]]] = queue.Queue()

    def __call__(self, name: str, /, **fields: object) -> None:
        self.seen.put((name, fields))

    def wait(self, name: str, **fields: object) -> dict[str, object]:
        while True:
            found, said = self.seen.get(timeout=WAIT_S)
            if found == name and fields.items() <= said.items():
                return said


@pytest.fixture
def serve() -> Iterator[Serve]:
    started: list[Hl7Server] = []

    def start(accept: Callable[[Arrival], Future[Receipt]], events: Events | None = None, **settings: object):
        server = Hl7Server(Hl7Door.model_validate({"port": 0, **settings}), accept, on_event=events or Events())
        server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop(WAIT_S)


class Peer:
    """A sender."""

    def __init__(self, server: Hl7Server) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_S)
        self._kept = b""

    def send(self, *messages: bytes) -> None:
        self.socket.sendall(b"".join(map(framed, messages)))

    def answer(self) -> dict[str, str]:
        """The next acknowledgement: code, MSA-2, ERR."""
        while FS_CR not in self._kept:
            chunk = self.socket.recv(65536)
            if not chunk:
                raise EOFError
            self._kept += chunk
        text, _, self._kept = self._kept.partition(FS_CR)
        segments = text.removeprefix(b"\x0b").decode().split("\r")
        fields = [*segments[1].split("|"), ""]
        return {"code": fields[1], "id": fields[2], "err": segments[2] if len(segments) > 3 else ""}

    def answers(self, count: int) -> list[tuple[str, str]]:
        return [(answer["code"], answer["id"]) for answer in (self.answer() for _ in range(count))]

    def closed(self) -> bool:
        """Whether the server closes without another word."""
        try:
            return self._kept == b"" and self.socket.recv(1) == b""
        except ConnectionError:
            return True


@pytest.fixture
def connect() -> Iterator[Callable[[Hl7Server], Peer]]:
    peers: list[Peer] = []

    def open_peer(server: Hl7Server) -> Peer:
        peers.append(Peer(server))
        return peers[-1]

    yield open_peer
    for peer in peers:
        peer.socket.close()


Connect = Callable[[Hl7Server], Peer]


def oru(control: str | int, *, body: str = "", tail: str = "") -> bytes:
    return f"MSH|^~\\&|MUSE|ED|ECGD|HOSP|20240101||ORU^R01|{control}|P|2.5.1{tail}\rPID|1\r{body}".encode()


def test_a_message_is_acknowledged_after_its_commit_and_kept_as_it_came(serve: Serve, connect: Connect) -> None:
    store, events = Store(), Events()
    peer = connect(serve(store, events))
    sent = oru("M1").replace(b"\r", b"\n")
    peer.send(sent)
    ((arrival, future),) = store.take(1)
    assert (arrival.key, arrival.source, arrival.format) == ("hl7:MUSE^ED:M1", "hl7:MUSE^ED", Format.HL7)
    assert arrival.payload == sent
    peer.socket.settimeout(0.05)
    with pytest.raises(TimeoutError):
        peer.socket.recv(1)
    peer.socket.settimeout(WAIT_S)
    future.set_result(Receipt.NEW)
    assert peer.answers(1) == [("AA", "M1")]
    said = events.wait("arrival", door="hl7", receipt="new", source="hl7:MUSE^ED", bytes=len(sent))
    assert "M1" not in str(said)


@pytest.mark.parametrize(("kind", "kept"), [(b"ADT^A40", Format.ADT), (b"ORA^R41", Format.ORA)])
def test_what_is_no_ecg_is_kept_as_what_it_is(serve: Serve, connect: Connect, kind: bytes, kept: Format) -> None:
    store = Store()
    peer = connect(serve(store))
    peer.send(oru("M1").replace(b"ORU^R01", kind))
    ((arrival, future),) = store.take(1)
    future.set_result(Receipt.NEW)
    assert (arrival.format, peer.answers(1)) == (kept, [("AA", "M1")])


def test_pipelined_messages_commit_side_by_side_and_are_answered_in_order(serve: Serve, connect: Connect) -> None:
    store = Store()
    peer = connect(serve(store))
    peer.send(*map(oru, range(20)))
    futures = [future for _, future in store.take(20)]  # all of them, before any is committed
    for future in reversed(futures):
        future.set_result(Receipt.NEW)
    assert peer.answers(20) == [("AA", str(n)) for n in range(20)]


def test_a_refused_message_keeps_its_place_among_the_answers(serve: Serve, connect: Connect) -> None:
    store = Store()
    peer = connect(serve(store))
    peer.send(oru(1), oru(2).replace(b"ORU^R01", b"ORM^O01"), oru(3))
    for _, future in store.take(2):
        future.set_result(Receipt.NEW)
    assert peer.answers(3) == [("AA", "1"), ("AR", "2"), ("AA", "3")]


def test_no_more_than_a_bounded_number_is_in_flight(serve: Serve, connect: Connect) -> None:
    store = Store()
    peer = connect(serve(store))
    total = MOST_IN_FLIGHT + 50
    sender = threading.Thread(target=peer.send, args=[oru(n) for n in range(total)])
    sender.start()
    first = store.take(MOST_IN_FLIGHT)
    with pytest.raises(queue.Empty):
        store.waiting.get(timeout=0.1)
    for _, future in first:
        future.set_result(Receipt.NEW)
    for _, future in store.take(50):
        future.set_result(Receipt.NEW)
    assert peer.answers(total) == [("AA", str(n)) for n in range(total)]
    sender.join()


def test_no_more_octets_than_one_message_may_have_are_in_flight(serve: Serve, connect: Connect) -> None:
    store = Store()
    peer = connect(serve(store, max_message_mib=1))
    half = [oru(n, body="OBX|" + "x" * 600_000) for n in range(4)]
    sender = threading.Thread(target=peer.send, args=half)
    sender.start()
    first = store.take(2)
    with pytest.raises(queue.Empty):
        store.waiting.get(timeout=0.1)
    for _, future in first:
        future.set_result(Receipt.NEW)
    for _, future in store.take(2):
        future.set_result(Receipt.NEW)
    assert len(peer.answers(4)) == 4
    sender.join()


def test_the_same_message_again_gets_the_first_answer_and_another_content_is_refused(
    serve: Serve, connect: Connect
) -> None:
    receipts = iter((Receipt.NEW, Receipt.DUPLICATE, Receipt.CONFLICT))

    def store(arrival: Arrival) -> Future[Receipt]:
        future: Future[Receipt] = Future()
        future.set_result(next(receipts))
        return future

    peer = connect(serve(store))
    peer.send(oru("M1"), oru("M1"), oru("M1", body="OBX|1\r"))
    assert peer.answers(2) == [("AA", "M1"), ("AA", "M1")]
    third = peer.answer()
    assert (third["code"], third["err"].split("|")[3].split("^")[0]) == ("AE", "205")


@pytest.mark.parametrize("raises", [True, False])
def test_a_store_that_cannot_take_it_now_is_an_error_and_the_connection_stays(
    serve: Serve, connect: Connect, raises: bool
) -> None:
    events = Events()
    calls = itertools.count()

    def store(arrival: Arrival) -> Future[Receipt]:
        if next(calls):
            return at_once(arrival)
        problem = Transient(Reason.DISK_LOW)
        if raises:
            raise problem
        future: Future[Receipt] = Future()
        future.set_exception(problem)
        return future

    peer = connect(serve(store, events))
    peer.send(oru(1))
    answer = peer.answer()
    assert (answer["code"], answer["err"].split("|")[3].split("^")[0]) == ("AE", "207")
    events.wait("refused", door="hl7", reason=Reason.DISK_LOW)
    peer.send(oru(1))
    assert peer.answers(1) == [("AA", "1")]


def test_enhanced_mode_accepts_at_the_commit_and_the_application_follows(serve: Serve, connect: Connect) -> None:
    peer = connect(serve(at_once))
    peer.send(oru(1, tail="|||AL|AL"), oru(2, tail="|||AL|NE"), oru(3, tail="|||NE|NE"), oru(4))
    assert peer.answers(4) == [("CA", "1"), ("AA", "1"), ("CA", "2"), ("AA", "4")]


def test_a_megabyte_message_is_taken_whole(serve: Serve, connect: Connect) -> None:
    store = Store()
    peer = connect(serve(store))
    sent = oru(1, body="OBX|1|ED|||" + "A" * 3_000_000 + "\r")
    sender = threading.Thread(target=peer.send, args=[sent])
    sender.start()
    ((arrival, future),) = store.take(1)
    assert arrival.payload == sent
    future.set_result(Receipt.NEW)
    assert peer.answers(1) == [("AA", "1")]
    sender.join()


def test_an_oversized_message_is_rejected_after_its_predecessors_and_the_connection_closed(
    serve: Serve, connect: Connect
) -> None:
    events = Events()
    peer = connect(serve(at_once, events, max_message_mib=1))
    sender = threading.Thread(target=peer.send, args=[oru(1), oru(2, body="x" * 3_000_000), oru(3)])
    sender.start()
    assert peer.answers(1) == [("AA", "1")]
    answer = peer.answer()
    assert (answer["code"], answer["id"]) == ("AR", "2")
    assert "message too large" in answer["err"]
    sender.join()
    assert peer.closed()
    events.wait("refused", reason=Reason.TOO_LARGE)


def test_a_cut_message_is_not_answered(serve: Serve, connect: Connect) -> None:
    store, events = Store(), Events()
    peer = connect(serve(store, events))
    peer.socket.sendall(framed(oru(1)) + framed(oru(2))[:-10])
    peer.socket.shutdown(socket.SHUT_WR)
    ((_, future),) = store.take(1)
    future.set_result(Receipt.NEW)
    assert peer.answers(1) == [("AA", "1")]
    assert peer.closed()
    assert store.waiting.empty()
    events.wait("connection", outcome="cut")


def test_a_sender_that_leaves_before_the_commit_disturbs_nobody(serve: Serve, connect: Connect) -> None:
    store, events = Store(), Events()
    server = serve(store, events)
    peer = connect(server)
    peer.send(oru(1))
    ((_, future),) = store.take(1)
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # reset
    peer.socket.close()
    events.wait("connection", outcome="closed")
    future.set_result(Receipt.NEW)
    events.wait("arrival", receipt="new")
    again = connect(server)
    again.send(oru(1))
    store.take(1)[0][1].set_result(Receipt.DUPLICATE)
    assert again.answers(1) == [("AA", "1")]


def test_noise_is_no_peer(serve: Serve, connect: Connect) -> None:
    events = Events()
    peer = connect(serve(at_once, events))
    peer.socket.sendall(b"GET / HTTP/1.1\r\n" * 300)
    assert peer.closed()
    events.wait("connection", outcome="noise")


def test_a_silent_connection_is_closed_but_not_while_it_waits_for_a_commit(serve: Serve, connect: Connect) -> None:
    store, events = Store(), Events()
    server = serve(store, events, idle_s=0.3)
    waiting = connect(server)
    waiting.send(oru(1))
    ((_, future),) = store.take(1)
    assert connect(server).closed()
    events.wait("connection", outcome="idle")
    future.set_result(Receipt.NEW)
    assert waiting.answers(1) == [("AA", "1")]


def test_a_message_that_trickles_in_is_given_up(serve: Serve, connect: Connect) -> None:
    events = Events()
    peer = connect(serve(at_once, events, idle_s=0.2))
    stop = threading.Event()

    def trickle() -> None:
        peer.socket.sendall(b"\x0b")
        while not stop.wait(0.02):
            try:
                peer.socket.sendall(b"x")
            except OSError:
                return

    sender = threading.Thread(target=trickle)
    sender.start()
    events.wait("connection", outcome="idle")
    stop.set()
    sender.join()
    assert peer.closed()


def test_connections_beyond_the_bound_are_closed_and_a_place_given_back_is_free(serve: Serve, connect: Connect) -> None:
    events = Events()
    server = serve(at_once, events, max_connections=2)
    kept = [connect(server), connect(server)]
    for peer in kept:
        peer.send(oru(1))
        peer.answer()
    assert connect(server).closed()
    events.wait("connection", outcome="too_many")
    kept[0].socket.close()
    events.wait("connection", outcome="closed")
    peer = connect(server)
    peer.send(oru(2))
    assert peer.answers(1) == [("AA", "2")]


def test_only_addresses_on_the_list_may_connect(serve: Serve, connect: Connect) -> None:
    events = Events()
    assert connect(serve(at_once, events, addresses=(ip_network("10.0.0.0/8"),))).closed()
    events.wait("connection", outcome="address")
    peer = connect(serve(at_once, addresses=(ip_network("10.0.0.0/8"), ip_network("127.0.0.0/8"))))
    peer.send(oru(1))
    assert peer.answers(1) == [("AA", "1")]


def test_stopping_answers_what_is_in_flight_and_takes_nothing_new(serve: Serve, connect: Connect) -> None:
    store, events = Store(), Events()
    server = serve(store, events)
    port, idle, busy = server.port, connect(server), connect(server)
    busy.send(oru(1), oru(2))
    futures = [future for _, future in store.take(2)]
    stopping = threading.Thread(target=server.stop, args=(WAIT_S,))
    stopping.start()
    assert idle.closed()
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
    busy.send(oru(3))
    for future in futures:
        future.set_result(Receipt.NEW)
    assert busy.answers(2) == [("AA", "1"), ("AA", "2")]
    assert busy.closed()
    stopping.join()
    assert store.waiting.empty()


def test_stopping_does_not_wait_longer_than_told(serve: Serve, connect: Connect) -> None:
    store = Store()
    server = serve(store)
    peer = connect(server)
    peer.send(oru(1))
    ((_, future),) = store.take(1)
    server.stop(0.05)
    assert peer.closed()
    future.set_result(Receipt.NEW)  # nobody is left to hear it


def test_a_port_in_use_is_said_at_the_start(serve: Serve) -> None:
    port = serve(at_once).port
    with pytest.raises(OSError, match="in use"):
        Hl7Server(Hl7Door(port=port), at_once).start()


def test_a_door_out_of_descriptors_accepts_again_later(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, failed = socket.socket.accept, threading.Event()

    def accept(listening: socket.socket) -> object:
        if not failed.is_set():
            failed.set()
            raise OSError(errno.EMFILE, "too many open files")
        return taken(listening)

    monkeypatch.setattr(socket.socket, "accept", accept)
    peer = connect(serve(at_once))
    peer.send(oru(1))
    assert peer.answers(1) == [("AA", "1")]
    assert failed.is_set()


def test_stopping_keeps_to_its_time_with_peers_that_hang(serve: Serve, connect: Connect) -> None:
    store = Store()
    server = serve(store)
    waiting, silent = connect(server), connect(server)
    waiting.send(oru(1))
    silent.socket.sendall(framed(oru(2))[:-10])
    store.take(1)
    began = monotonic()
    server.stop(0.6)
    assert monotonic() - began <= 0.65
