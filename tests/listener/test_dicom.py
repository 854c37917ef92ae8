import errno
import gc
import io
import logging
import socket
import ssl
import struct
import subprocess
import threading
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from queue import Queue
from time import monotonic

import pytest
from pydicom import dcmread, dcmwrite
from pydicom.data import get_testdata_file
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit
from pynetdicom import AE, build_context
from pynetdicom.dimse_primitives import C_FIND, C_STORE
from pynetdicom.dsutils import encode

import listener.dicom
from config.schema import DicomDoor, DicomPeer, Tls
from domain.arrival import Format, Receipt
from domain.errors import Permanent, Rejected, Transient
from domain.reason import Reason
from listener.dicom import STORAGE, DicomServer
from listener.dicom_object import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, TRANSFER_SYNTAXES
from listener.dicom_upper import MAX_PDU, SPARE_CONNECTIONS
from tests import peers
from tests.flow.certificates import Authority

WAIT_S = 10
NOW = datetime(2026, 1, 1, tzinfo=UTC)
VERIFICATION = "1.2.840.10008.1.1"
ECG, GENERAL, _, PDF = STORAGE
PEER = DicomPeer(ae_title="CART1", addresses=("127.0.0.1/32",))
SECRET = "DOE^JANE"

# A sender's library, not what is tested, closes its sockets late.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module", autouse=True)
def collected():
    """What the sender's library left open is collected here, and not within another module's test."""
    yield
    gc.collect()


class Store:
    """Keeps what it is given and answers ``answer``: a receipt, an exception, or a future that somebody resolves."""

    def __init__(self):
        self.arrivals = []
        self.answer = Receipt.NEW
        self.came = Queue()

    def __call__(self, arrival):
        self.arrivals.append(arrival)
        self.came.put(arrival)
        if isinstance(self.answer, Future):
            return self.answer
        future = Future()
        if isinstance(self.answer, Receipt):
            future.set_result(self.answer)
        else:
            future.set_exception(self.answer)
        return future


class Events(list):
    def __call__(self, name, /, **fields):
        self.append((name, fields))

    def of(self, name):
        return [fields for found, fields in self if found == name]


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def events():
    return Events()


@contextmanager
def running(store, events, **settings):
    settings = {"port": 0, "peers": (PEER,), **settings}
    server = DicomServer(DicomDoor(**settings), store, clock=lambda: NOW, on_event=events)
    server.start()
    try:
        yield server
    finally:
        server.stop(WAIT_S)


@pytest.fixture
def server(store, events):
    with running(store, events) as server:
        yield server


@contextmanager
def associated(server, *, calling="CART1", called="ECGD", contexts=None, tls=None):
    """An association of pynetdicom's, whatever became of it."""
    entity = AE(calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = WAIT_S
    contexts = contexts or [build_context(uid, EXPLICIT_LITTLE) for uid in (VERIFICATION, *STORAGE)]
    tls_args = (tls, "localhost") if tls else None
    association = entity.associate("127.0.0.1", server.port, contexts, called, tls_args=tls_args)
    # Its idle loop may wake between two calls and eat the answer to the second: let it put the answer back.
    association._serve_request = lambda message, context: association.dimse.msg_queue.put((context, message))
    try:
        yield association
    finally:
        if association.is_established:
            association.release()
        association.kill()


@pytest.fixture
def ecg():
    data_set = dcmread(get_testdata_file("waveform_ecg.dcm"))
    data_set.PatientName = SECRET
    del data_set.WaveformSequence[1:]
    del data_set.WaveformAnnotationSequence
    return data_set


def store_raw(association, sop_class, sop_instance, data, context_class=None):
    """Send a C-STORE request that need not fit its data set; the status, or ``None`` when the association ended."""
    request = C_STORE()
    request.MessageID = 1
    request.AffectedSOPClassUID = sop_class
    request.AffectedSOPInstanceUID = sop_instance
    request.Priority = 2
    request.DataSet = io.BytesIO(data)
    context = next(c for c in association.accepted_contexts if c.abstract_syntax == (context_class or sop_class))
    association._reactor_checkpoint.clear()
    association.dimse.send_msg(request, context.context_id)
    _, response = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    return response


def rejection(association):
    answer = association.acceptor.primitive
    return (answer.result, answer.result_source, answer.diagnostic)


def test_an_echo_is_answered(server):
    with associated(server) as association:
        assert association.send_c_echo().Status == 0x0000


def transcoded(data_set, transfer_syntax):
    out = io.BytesIO()
    data_set.file_meta.TransferSyntaxUID = transfer_syntax
    implicit, little = transfer_syntax == IMPLICIT_LITTLE, transfer_syntax != EXPLICIT_BIG
    dcmwrite(out, data_set, implicit_vr=implicit, little_endian=little, force_encoding=True)
    out.seek(0)
    return dcmread(out)


@pytest.mark.parametrize("sop_class", STORAGE)
@pytest.mark.parametrize("transfer_syntax", TRANSFER_SYNTAXES)
def test_an_object_is_handed_on_as_a_dicom_file_under_its_instance_uid(server, store, ecg, sop_class, transfer_syntax):
    ecg.SOPClassUID = sop_class
    ecg = transcoded(ecg, transfer_syntax)
    with associated(server, contexts=[build_context(sop_class, transfer_syntax)]) as association:
        assert association.send_c_store(ecg).Status == 0x0000
    (arrival,) = store.arrivals
    assert arrival.key == f"dicom:{ecg.SOPInstanceUID}"
    assert arrival.format is Format.DICOM
    assert arrival.source == "dicom:CART1"
    assert arrival.received_at == NOW
    kept = dcmread(io.BytesIO(arrival.payload))
    assert kept.file_meta.TransferSyntaxUID == transfer_syntax
    assert kept.file_meta.MediaStorageSOPInstanceUID == ecg.SOPInstanceUID
    assert kept.PatientName == SECRET
    assert len(kept.WaveformSequence[0].WaveformData) == len(ecg.WaveformSequence[0].WaveformData)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Receipt.NEW, 0x0000),
        (Receipt.DUPLICATE, 0x0000),
        (Receipt.CONFLICT, 0x0111),
        (Transient(Reason.STORE_UNAVAILABLE), 0xA700),
        (Transient(Reason.DISK_LOW), 0xA700),
        (Transient(Reason.QUEUE_FULL), 0xA700),
        (Rejected(Reason.BAD_VALUE), 0xC000),
        (Permanent(Reason.OUR_FAULT), 0x0110),
    ],
)
def test_the_stores_answer_becomes_the_status(server, store, ecg, answer, status):
    store.answer = answer
    with associated(server) as association:
        assert association.send_c_store(ecg).Status == status
        assert association.send_c_echo().Status == 0x0000


def test_a_fault_nobody_foresaw_is_answered_0110_and_ends_the_association(server, store, events, ecg):
    store.answer = ZeroDivisionError(SECRET)
    with associated(server) as association:
        assert association.send_c_store(ecg).Status == 0x0110
        association.join(WAIT_S)
        assert not association.is_established
    (fault,) = events.of("refused")
    assert fault["reason"] is Reason.OUR_FAULT
    assert fault["detail"].startswith("ZeroDivisionError at ")
    assert SECRET not in str(fault)
    with associated(server) as association:
        assert association.is_established


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_commit_that_comes_too_late_is_answered_a700(server, store, ecg, monkeypatch, cancelled):
    monkeypatch.setattr(listener.dicom, "COMMIT_WITHIN_S", 0.01)
    store.answer = Future()
    if cancelled:
        store.answer.cancel()
    with associated(server) as association:
        assert association.send_c_store(ecg).Status == 0xA700


def test_success_is_answered_only_after_the_commit(server, store, ecg):
    store.answer = Future()
    answered = Queue()
    with associated(server) as association:
        sender = threading.Thread(target=lambda: answered.put(association.send_c_store(ecg).Status))
        sender.start()
        store.came.get(timeout=WAIT_S)
        assert answered.empty()
        store.answer.set_result(Receipt.NEW)
        assert answered.get(timeout=WAIT_S) == 0x0000
        sender.join()


def test_another_class_in_the_data_set_is_answered_a900(server, store, ecg):
    with associated(server) as association:
        response = store_raw(association, GENERAL, ecg.SOPInstanceUID, encode(ecg, False, True))
        assert response.Status == 0xA900
    assert store.arrivals == []


def test_another_instance_in_the_data_set_is_answered_a900(server, store, ecg):
    with associated(server) as association:
        assert store_raw(association, ECG, "1.2.3", encode(ecg, False, True)).Status == 0xA900
    assert store.arrivals == []


@pytest.mark.parametrize("spoil", [lambda data: data[:-1], lambda data: b"\xff" * 100, lambda data: data + data[:20]])
def test_an_undecodable_data_set_is_answered_c000(server, store, ecg, spoil):
    with associated(server) as association:
        response = store_raw(association, ECG, ecg.SOPInstanceUID, spoil(encode(ecg, False, True)))
        assert response.Status == 0xC000
        assert association.send_c_echo().Status == 0x0000
    assert store.arrivals == []


def test_a_uid_of_letters_is_answered_0117(server, store, ecg):
    with associated(server) as association:
        assert store_raw(association, ECG, "1.2.JANE", b"\0").Status == 0x0117
    assert store.arrivals == []


def test_a_class_other_than_the_presentation_contexts_is_answered_0122(server, store, ecg):
    with associated(server) as association:
        response = store_raw(association, ECG, ecg.SOPInstanceUID, encode(ecg, False, True), context_class=GENERAL)
        assert response.Status == 0x0122
    assert store.arrivals == []


def test_another_service_is_answered_0211(server):
    request = C_FIND()
    request.MessageID = 1
    request.AffectedSOPClassUID = ECG
    request.Priority = 2
    request.Identifier = io.BytesIO(b"\0\0")
    with associated(server) as association:
        association._reactor_checkpoint.clear()
        association.dimse.send_msg(request, association.accepted_contexts[1].context_id)
        assert association.dimse.get_msg(block=True)[1].Status == 0x0211
        association._reactor_checkpoint.set()


def test_a_context_that_was_not_accepted_aborts(server, ecg):
    with associated(server) as association:
        request = C_STORE()
        request.MessageID = 1
        request.AffectedSOPClassUID = ECG
        request.AffectedSOPInstanceUID = "1.2.3"
        request.Priority = 2
        request.DataSet = io.BytesIO(b"\0\0")
        association.dimse.send_msg(request, 99)
        association.join(WAIT_S)
        assert association.is_aborted


def test_an_object_over_the_bound_is_answered_a700_and_the_next_one_comes_through(store, events, ecg):
    with running(store, events, max_object_mib=1) as server, associated(server) as association:
        response = store_raw(association, ECG, "1.2.3", bytes(2**20 + 2))
        assert response.Status == 0xA700
        assert response.ErrorComment == "larger than 1 MiB"
        assert association.send_c_store(ecg).Status == 0x0000
    assert [fields["reason"] for fields in events.of("refused")] == [Reason.TOO_LARGE]
    assert len(store.arrivals) == 1


@pytest.mark.parametrize("transfer_syntax", [DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit])
def test_compressed_syntaxes_are_refused_at_negotiation(server, transfer_syntax):
    contexts = [build_context(ECG, transfer_syntax), build_context(GENERAL, [transfer_syntax, IMPLICIT_LITTLE])]
    with associated(server, contexts=contexts) as association:
        assert [context.abstract_syntax for context in association.accepted_contexts] == [GENERAL]
        assert association.accepted_contexts[0].transfer_syntax == [IMPLICIT_LITTLE]
        assert association.rejected_contexts[0].result == 4  # PS3.8 table 9-18: transfer syntaxes not supported


def test_other_storage_classes_are_refused_at_negotiation(server):
    contexts = [build_context("1.2.840.10008.5.1.4.1.1.2"), build_context(ECG)]
    with associated(server, contexts=contexts) as association:
        assert association.rejected_contexts[0].result == 3  # abstract syntax not supported


@pytest.mark.parametrize(
    ("calling", "called", "addresses", "expected"),
    [
        ("STRANGER", "ECGD", "127.0.0.1/32", (1, 1, 3)),
        ("CART1", "ECGD", "10.0.0.0/8", (1, 1, 3)),
        ("CART1", "OTHER", "127.0.0.1/32", (1, 1, 7)),
    ],
)
def test_who_is_not_known_is_rejected_for_good(store, events, calling, called, addresses, expected):
    peer = DicomPeer(ae_title="CART1", addresses=(addresses,))
    with (
        running(store, events, peers=(peer,)) as server,
        associated(server, calling=calling, called=called) as association,
    ):
        assert association.is_rejected
        assert rejection(association) == expected
    assert [fields["reason"] for fields in events.of("refused")] == [Reason.UNAUTHORISED]
    (fields,) = events.of("connection")
    assert fields["outcome"] == {3: "calling_ae", 7: "called_ae"}[expected[2]]


def test_an_association_too_many_is_rejected_for_now_and_accepted_later(store, events):
    with running(store, events, max_associations=2) as server, associated(server) as first:
        (of_first,) = server._server.associations
        with associated(server) as second, associated(server) as third:
            assert second.is_established
            assert third.is_rejected
            assert rejection(third) == (2, 3, 2)
            first.release()
            assert of_first.ended.wait(WAIT_S)
            with associated(server) as fourth:
                assert fourth.is_established


def test_strangers_do_not_take_the_seats_of_peers(store, events):
    with running(store, events, max_associations=1) as server, associated(server, calling="STRANGER") as stranger:
        assert stranger.is_rejected
        with associated(server) as association:
            assert association.is_established


def test_connections_beyond_the_bound_are_closed_at_once(store, events):
    with running(store, events, max_associations=1) as server, ExitStack() as stack:
        waiting = [stack.enter_context(connected(server)) for _ in range(1 + SPARE_CONNECTIONS)]
        with connected(server) as one_more:
            assert one_more.recv(1) == b""
        assert len(waiting) == 1 + SPARE_CONNECTIONS


@contextmanager
def connected(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_S) as raw:
        yield raw


def closed(raw):
    """Whether the other side ended the connection, after whatever it still said."""
    try:
        while raw.recv(4096):
            pass
    except ConnectionResetError:
        pass
    return True


def test_a_caller_that_says_nothing_is_hung_up_on(store, events):
    with running(store, events, idle_s=0.1) as server, connected(server) as raw:
        assert closed(raw)


@pytest.mark.parametrize("said", [b"\x01", b"\x01\x00\x00\x00\x10\x00", b"\x01\x00\x00\x00\x10\x00half"])
def test_a_caller_that_stops_inside_a_pdu_is_hung_up_on(store, events, said):
    with running(store, events, idle_s=0.1) as server, connected(server) as raw:
        raw.sendall(said)
        assert closed(raw)


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x01\x00" + struct.pack(">L", MAX_PDU + 1),
        b"\x01\x00\xff\xff\xff\xff" + bytes(100),
        b"\x01\x00" + struct.pack(">L", 200) + bytes(200),
        b"\x01\x00" + struct.pack(">L", 68) + b"\xff" * 68,
        b"\x04\x00" + struct.pack(">L", 6) + b"\x00\x00\x00\x02\x01\x03",
        b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00",
    ],
    ids=["http", "too long", "4 GiB", "zeros", "ones", "data first", "release first"],
)
def test_what_is_no_association_request_ends_the_connection_and_nothing_else(server, said):
    with connected(server) as raw:
        raw.sendall(said)
        raw.shutdown(socket.SHUT_WR)
        assert closed(raw)
    with associated(server) as association:
        assert association.send_c_echo().Status == 0x0000


def test_a_pdu_longer_than_announced_ends_the_association(server):
    with associated(server) as association:
        association.dul.socket.send(b"\x04\x00" + struct.pack(">L", MAX_PDU + 1) + bytes(1000))
        association.join(WAIT_S)
        assert not association.is_established


def test_an_idle_association_is_aborted(store, events):
    with running(store, events, idle_s=0.2) as server, associated(server) as association:
        association.join(WAIT_S)
        assert association.is_aborted
    assert [fields["outcome"] for fields in events.of("connection")] == ["opened", "idle"]


def test_a_peer_that_vanishes_inside_an_object_leaves_nothing_behind(server, store, ecg):
    with associated(server) as association:
        (ours,) = server._server.associations
        association.dul.socket.send(b"\x04\x00" + struct.pack(">L", 100) + b"\x00\x00\x00\x60")
        association.dul.socket.socket.shutdown(socket.SHUT_RDWR)
        assert ours.ended.wait(WAIT_S)
    assert store.arrivals == []


def test_stop_answers_what_is_being_committed_and_refuses_the_rest(store, events, ecg):
    store.answer = Future()
    answered = Queue()
    with running(store, events) as server, associated(server) as association:
        sender = threading.Thread(target=lambda: answered.put(association.send_c_store(ecg).Status))
        sender.start()
        store.came.get(timeout=WAIT_S)
        port = server.port
        stopping = threading.Thread(target=server.stop, args=(WAIT_S,))
        stopping.start()
        store.answer.set_result(Receipt.NEW)
        assert answered.get(timeout=WAIT_S) == 0x0000
        stopping.join(WAIT_S)
        association.join(WAIT_S)
        assert association.is_aborted
        with pytest.raises(OSError, match=r"."):
            socket.create_connection(("127.0.0.1", port), timeout=1)
        sender.join()


def test_stop_does_not_wait_longer_than_told(store, events, ecg):
    store.answer = Future()
    with running(store, events) as server, associated(server) as association:
        sender = threading.Thread(target=association.send_c_store, args=(ecg,))
        sender.start()
        store.came.get(timeout=WAIT_S)
        server.stop(0.05)
        store.answer.set_result(Receipt.NEW)
        sender.join(WAIT_S)
        assert not sender.is_alive()


def test_nothing_of_the_object_or_its_uid_is_reported_logged_or_printed(server, store, events, ecg, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    data = encode(ecg, False, True)
    with associated(server) as association:
        association.send_c_store(ecg)
        store_raw(association, ECG, ecg.SOPInstanceUID, data[:-1])
        store_raw(association, GENERAL, ecg.SOPInstanceUID, data)
        store.answer = Permanent(Reason.OUR_FAULT)
        association.send_c_store(ecg)
    said = f"{list(events)}{caplog.text}{''.join(capfd.readouterr())}"
    assert "arrival" in said
    for secret in (SECRET, str(ecg.SOPInstanceUID), str(ecg.PatientID)):
        assert secret not in said


def test_an_arrival_is_reported_with_its_size_and_receipt(server, store, events, ecg):
    with associated(server) as association:
        association.send_c_store(ecg)
    (fields,) = events.of("arrival")
    assert fields.pop("seconds") >= 0
    size = len(store.arrivals[0].payload)
    assert fields == {"door": "dicom", "source": "CART1", "receipt": Receipt.NEW, "bytes": size}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"), "hospital")


@pytest.fixture(scope="module")
def carts(authority):
    """Certificates of the server, of a cart, and of somebody else's cart, all of one authority."""
    return {name: authority.sign(name) for name in ("server", "cart1", "cart2")}


@pytest.fixture
def tls_server(store, events, authority, carts):
    tls = Tls(certificate=carts["server"].certificate, key=carts["server"].key, client_ca=authority.certificate)
    peer = DicomPeer(ae_title="CART1", addresses=("127.0.0.1/32",), certificate_cn="cart1")
    with running(store, events, tls=tls, peers=(peer,), idle_s=5) as server:
        yield server


def client_tls(authority, pair=None):
    context = ssl.create_default_context(cafile=authority.certificate)
    if pair:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


def test_an_object_comes_through_tls(tls_server, store, ecg, authority, carts):
    with associated(tls_server, tls=client_tls(authority, carts["cart1"])) as association:
        assert association.send_c_store(ecg).Status == 0x0000
    assert len(store.arrivals) == 1


def test_a_certificate_of_another_is_rejected(tls_server, authority, carts):
    with associated(tls_server, tls=client_tls(authority, carts["cart2"])) as association:
        assert rejection(association) == (1, 1, 3)


def test_no_certificate_makes_no_association(tls_server, authority, events):
    with associated(tls_server, tls=client_tls(authority)) as association:
        assert not association.is_established
    assert Reason.UNAUTHORISED in [fields["reason"] for fields in events.of("refused")]


def test_tls_1_1_is_refused(tls_server, authority, carts):
    context = client_tls(authority, carts["cart1"])
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with connected(tls_server) as raw, pytest.raises(ssl.SSLError):
        context.wrap_socket(raw, server_hostname="localhost")


def test_a_caller_that_does_not_shake_hands_keeps_nobody_waiting(tls_server, authority, carts):
    with connected(tls_server), associated(tls_server, tls=client_tls(authority, carts["cart1"])) as association:
        assert association.send_c_echo().Status == 0x0000


def test_a_tls_record_without_data_keeps_stop_from_nothing(tls_server, authority, carts):
    with associated(tls_server, tls=client_tls(authority, carts["cart1"])) as association:
        assert association.send_c_echo().Status == 0x0000
        raw = association.dul.socket.socket
        socket.socket.send(raw, b"\x17\x03\x03\x40\x00half a record")  # past the TLS layer
        association._reactor_checkpoint.clear()
        began = monotonic()
        tls_server.stop(4)
        assert monotonic() - began < 2
        association._reactor_checkpoint.set()


def test_stop_keeps_to_its_time_with_a_peer_that_hangs_inside_a_pdu(server):
    with associated(server) as association:
        assert association.send_c_echo().Status == 0x0000
        association.dul.socket.socket.sendall(b"\x04\x00\x00\x00\xff\xff")
        began = monotonic()
        server.stop(0.5)
        assert monotonic() - began < 0.6
        assert not server.alive


def test_a_door_out_of_descriptors_accepts_again_later_and_is_not_busy_meanwhile(store, events, monkeypatch):
    accept, tries = socket.socket.accept, []

    def no_descriptors(listening):
        if len(tries) < 2:
            tries.append(monotonic())
            raise OSError(errno.EMFILE, "too many open files")
        return accept(listening)

    monkeypatch.setattr(socket.socket, "accept", no_descriptors)
    with running(store, events) as server, associated(server) as association:
        assert association.send_c_echo().Status == 0x0000
    assert tries[1] - tries[0] >= 0.19


def test_a_connection_for_which_there_is_no_thread_gives_its_place_back(store, events, monkeypatch):
    def no_thread(self):
        raise RuntimeError("can't start new thread")

    with running(store, events, max_associations=1) as server:
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", no_thread)
            for _ in range(SPARE_CONNECTIONS + 5):
                with connected(server) as raw:
                    assert closed(raw)
        with associated(server) as association:
            assert association.send_c_echo().Status == 0x0000


def dcmtk(program, server, *arguments):
    words = [peers.require(program), "-aet", "CART1", "-aec", "ECGD", "127.0.0.1", str(server.port), *arguments]
    return subprocess.run(words, capture_output=True, text=True, timeout=WAIT_S, check=False)


@pytest.mark.peer
def test_dcmtk_echoes(server):
    assert dcmtk("echoscu", server).returncode == 0


@pytest.mark.peer
@pytest.mark.parametrize("option", ["-xe", "-xb", "-xi"])
def test_storescu_stores_in_each_syntax(server, store, option):
    path = get_testdata_file("waveform_ecg.dcm")
    assert dcmtk("storescu", server, option, path).returncode == 0
    (arrival,) = store.arrivals
    expected, kept = dcmread(path), dcmread(io.BytesIO(arrival.payload))
    assert arrival.key == f"dicom:{expected.SOPInstanceUID}"
    assert len(kept.WaveformSequence) == len(expected.WaveformSequence)


@pytest.mark.peer
def test_dcmsend_is_told_of_a_conflict(server, store):
    store.answer = Receipt.CONFLICT
    run = dcmtk("dcmsend", server, "-v", get_testdata_file("waveform_ecg.dcm"))
    assert "0x0111" in run.stdout + run.stderr or "0x111" in run.stdout + run.stderr


@pytest.mark.peer
def test_dcmtk_says_why_it_was_rejected(store, events):
    with running(store, events, peers=()) as server:
        assert "Calling AE Title Not Recognized" in dcmtk("echoscu", server).stderr
