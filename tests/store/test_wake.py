import os
import socket
import time

import pytest

from store.wake import Sockets


@pytest.fixture
def sockets(tmp_path):
    deep = tmp_path / ("a" * 100) / ("b" * 100)  # longer than the 108 bytes of a socket's path
    return Sockets(deep / "wake")


def test_every_listener_of_the_topic_is_woken_and_no_other(sockets):
    first, second, other = (sockets.listen(topic) for topic in ("work", "work", "deliver"))
    sockets.notify("work")
    assert first.wait(30)
    assert second.wait(30)
    assert not other.wait(0)
    for listening in (first, second, other):
        listening.close()


def test_notices_before_the_wait_are_not_lost_and_count_once(sockets):
    listening = sockets.listen("work")
    for _ in range(1000):
        sockets.notify("work")  # more than the socket holds: never blocks
    assert listening.wait(30)
    assert not listening.wait(0)
    listening.close()


def test_a_dead_process_socket_is_removed(sockets, tmp_path):
    folder = next(tmp_path.rglob("wake"))
    here = os.open(folder, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(f"/proc/self/fd/{here}/work-1-0.sock")
    os.close(here)
    assert list(folder.iterdir())
    sockets.notify("work")
    assert list(folder.iterdir()) == []


def test_notifying_nobody_is_fine(sockets):
    sockets.notify("work")


def test_a_closed_listener_leaves_nothing(sockets, tmp_path):
    sockets.listen("work").close()
    assert list(next(tmp_path.rglob("wake")).iterdir()) == []


def test_both_kinds_wake_and_time_out(database):
    listening = database.wake.listen("work")
    assert not listening.wait(0.01)
    database.wake.notify("deliver")
    database.wake.notify("work")
    began = time.monotonic()
    assert listening.wait(30)
    assert time.monotonic() - began < 10
    listening.close()
