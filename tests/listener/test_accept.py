"""A listener that fails, at every door."""

import errno
import socket
from concurrent.futures import Future

import pytest

from config.schema import DicomDoor, DicomPeer, FolderDoor, Hl7Door
from domain.arrival import Receipt
from listener.accept import harmless
from listener.dicom import DicomServer
from listener.folder import FolderWatcher
from listener.hl7 import Hl7Server
from listener.mllp import framed
from tests.listener.test_dicom import associated

WAIT_S = 20
MESSAGE = b"MSH|^~\\&|CART|ED|ECGD|ED|20260101||ORU^R01|1|P|2.5\r"


def full_disk(name, /, **fields):
    raise OSError(errno.ENOSPC, "no space left")


def at_once(arrival):
    future = Future()
    future.set_result(Receipt.NEW)
    return future


@pytest.mark.parametrize("failure", [OSError, ValueError, RuntimeError])
def test_a_report_that_fails_is_nobodys_concern(failure):
    def fails(name, /, **fields):
        raise failure

    harmless(fails)("arrival", door="hl7")


def test_an_hl7_message_is_acknowledged_though_nothing_can_be_reported():
    server = Hl7Server(Hl7Door(port=0, max_connections=1), at_once, on_event=full_disk)
    server.start()
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_S) as peer:
            for _ in range(2):
                peer.sendall(framed(MESSAGE))
                assert b"MSA|AA|1" in peer.recv(4096)
            with socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_S) as one_too_many:
                assert one_too_many.recv(1) == b""
            peer.sendall(framed(MESSAGE.replace(b"ORU", b"ORM")))
            assert b"MSA|AR|1" in peer.recv(4096)
        assert server.alive
    finally:
        server.stop(WAIT_S)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_dicom_caller_is_answered_though_nothing_can_be_reported():
    peer = DicomPeer(ae_title="CART1", addresses=("127.0.0.1/32",))
    server = DicomServer(DicomDoor(port=0, peers=(peer,)), at_once, on_event=full_disk)
    server.start()
    try:
        with associated(server, calling="STRANGER") as refused:
            assert refused.is_rejected
        with associated(server) as association:
            assert association.send_c_echo().Status == 0x0000
        assert server.alive
    finally:
        server.stop(WAIT_S)


def test_a_dropped_file_is_taken_though_nothing_can_be_reported(tmp_path):
    watcher = FolderWatcher(FolderDoor(path=tmp_path, settle_s=0), at_once, on_event=full_disk)
    watcher.start()
    try:
        (tmp_path / "a.gif").write_bytes(b"GIF89a")
        (tmp_path / "a.hl7").write_bytes(MESSAGE)
        watcher.sweep()
        assert (tmp_path / "done" / "a.hl7").exists()
        assert (tmp_path / "refused" / "a.gif.reason.txt").exists()
        assert watcher.alive
    finally:
        watcher.stop(WAIT_S)


@pytest.mark.parametrize("kind", ["hl7", "dicom", "folder"])
def test_a_door_is_alive_from_start_to_stop(tmp_path, kind):
    door = {
        "hl7": lambda: Hl7Server(Hl7Door(port=0), at_once),
        "dicom": lambda: DicomServer(DicomDoor(port=0), at_once),
        "folder": lambda: FolderWatcher(FolderDoor(path=tmp_path), at_once),
    }[kind]()
    assert not door.alive
    door.start()
    assert door.alive
    door.stop(WAIT_S)
    assert not door.alive
