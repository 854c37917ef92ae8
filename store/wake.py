"""Waking whoever waits: a byte to every socket of a topic, or PostgreSQL's NOTIFY.

A wake-up is a hint, never the truth: who is woken looks into the tables, and who is not looks there when its wait ends.
"""

import os
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Protocol

WORK = "work"
DELIVER = "deliver"
PAGER = "pager"


class Listening(Protocol):
    """One waiter's ear on one topic."""

    def wait(self, timeout_s: float) -> bool:
        """Return ``True`` as soon as the topic was notified, ``False`` after ``timeout_s``."""

    def close(self) -> None:
        """Stop listening."""


class Wake(Protocol):
    """How processes tell each other that there is something to do."""

    def notify(self, topic: str) -> None:
        """Wake every listener of ``topic``; never fails, never blocks."""

    def listen(self, topic: str) -> Listening:
        """Hear every ``notify`` from now on."""


class Sockets:
    """AF_UNIX datagram sockets in one directory: for processes that share a machine and a database file."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory

    def notify(self, topic: str) -> None:
        """Send a byte to every socket of the topic, removing those whose process has died."""
        with (
            suppress(OSError),
            _reachable(self._directory) as prefix,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
        ):
            sender.setblocking(False)
            for name in os.listdir(prefix):
                if name.startswith(f"{topic}-"):
                    _send(sender, f"{prefix}/{name}")

    def listen(self, topic: str) -> "SocketListening":
        """Bind a socket of this process's own."""
        return SocketListening(self._directory, topic)


def _send(sender: socket.socket, path: str) -> None:
    try:
        sender.sendto(b"!", path)
    except ConnectionRefusedError:  # bound once, closed since: its process died
        with suppress(FileNotFoundError):
            os.unlink(path)
    except (BlockingIOError, FileNotFoundError, PermissionError):
        pass  # a full buffer is already a wake-up; a vanished one needs none


@contextmanager
def _reachable(directory: Path) -> Iterator[str]:
    """Give a short path: sun_path holds 108 bytes, a state directory may be longer (unix(7), proc(5))."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


class SocketListening:
    """A bound socket; several threads may wait on it, each byte wakes one."""

    _number = count()
    _turn = Lock()

    def __init__(self, directory: Path, topic: str) -> None:
        with self._turn:
            name = f"{topic}-{os.getpid()}-{next(self._number)}.sock"
        self._path = directory / name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        with suppress(FileNotFoundError):
            self._path.unlink()  # left by a dead process that had our number
        with _reachable(directory) as prefix:
            self._socket.bind(f"{prefix}/{name}")
        self._path.chmod(0o600)

    def wait(self, timeout_s: float) -> bool:
        """Wait for a byte and swallow all that came."""
        readable, _, _ = select.select([self._socket], [], [], max(timeout_s, 0))
        if not readable:
            return False
        with suppress(BlockingIOError):
            while self._socket.recv(16):
                pass
        return True

    def close(self) -> None:
        """Close and remove the socket."""
        self._socket.close()
        with suppress(FileNotFoundError):
            self._path.unlink()
