"""Senders that keep an ECG until it is acknowledged, and send it again as it was until then."""

import os
import random
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.flow import senders
from tests.flow.ecgs import Sent
from tests.flow.senders import END, START, answer, read_frames

ANSWER_S = 10.0


class Refused(AssertionError):
    """The service gave a final answer that is no acknowledgement: no honest sender would send again."""


@dataclass
class Tally:
    """What the senders met."""

    retries: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def again(self, door: str) -> None:
        """One attempt came to nothing."""
        with self._lock:
            self.retries[door] = self.retries.get(door, 0) + 1


class Pace:
    """A sender's waiting: random between ECGs, short between attempts, none left after ``give_up``."""

    def __init__(self, seed: int, between_s: float) -> None:
        self._chance, self._between_s, self._over = random.Random(seed), between_s, threading.Event()

    def between(self) -> None:
        """Before the next ECG."""
        self._over.wait(self._chance.uniform(0, 2 * self._between_s))

    def before_retry(self) -> None:
        """After an attempt that came to nothing."""
        if self._over.wait(self._chance.uniform(0.1, 0.6)):
            raise Refused("gave up: the service did not come back")

    def give_up(self) -> None:
        """End every wait."""
        self._over.set()


def store_all(port: int, paths: Sequence[Path], pace: Pace, tally: Tally, together: int = 5) -> None:
    """C-STORE each file with DCMTK's ``storescu`` until its status is 0000, a few over one association."""
    waiting = list(paths)
    while waiting:
        done = senders.storescu(port, waiting[:together])
        said = done.stdout + done.stderr
        taken = said.count("Received Store Response (Success)")  # it stops at the first that was not
        waiting = waiting[taken:]
        if done.returncode == 0:
            pace.between()
        elif "Received Store Response" in said.split("Received Store Response (Success)")[-1] and "A700" not in said:
            raise Refused(said)
        else:
            tally.again("dicom")
            pace.before_retry()


def acknowledge_all(port: int, sents: Sequence[Sent], pace: Pace, tally: Tally, pipelined: int = 4) -> None:
    """Send each message until its own MSA-1 is AA, a few at a time over one connection."""
    waiting = {f"C{sent.number}": sent.payload for sent in sents}
    while waiting:
        some = list(waiting)[:pipelined]
        for acknowledgement in _answers(port, [waiting[control_id] for control_id in some]):
            code, control_id = answer(acknowledgement)
            if code == "AA" and control_id in some:
                waiting.pop(control_id, None)
            elif b"|207" not in acknowledgement:
                raise Refused(f"acknowledged with {code}")
        if set(some) & set(waiting):
            tally.again("hl7")
            pace.before_retry()
        else:
            pace.between()


def _answers(port: int, messages: Sequence[bytes]) -> list[bytes]:
    try:
        with closing(socket.create_connection(("127.0.0.1", port), ANSWER_S)) as connection:
            connection.sendall(b"".join(START + message + END for message in messages))
            return _frames_until_closed(connection, len(messages))
    except OSError:
        return []


def _frames_until_closed(connection: socket.socket, count: int) -> list[bytes]:
    def read(size: int) -> bytes:
        try:
            return connection.recv(size)
        except OSError:
            return b""  # reset by a killed peer: what was answered before still counts

    return read_frames(read, count)


def drop_all(folder: Path, sents: Sequence[Sent], pace: Pace, tally: Tally) -> None:
    """Write each file elsewhere on the same file system and rename it in; then it is the folder's."""
    elsewhere = folder.with_name("outside")
    elsewhere.mkdir(exist_ok=True)
    for sent in sents:
        name = f"{sent.number}{sent.suffix}"
        (elsewhere / name).write_bytes(sent.payload)
        os.rename(elsewhere / name, folder / name)
        pace.between()


def all_at_once(jobs: Sequence[Callable[[], None]], pace: Pace, timeout_s: float) -> None:
    """Run senders side by side; the first refusal, or a sender that is not done in time, is an AssertionError."""
    overdue = threading.Timer(timeout_s, pace.give_up)
    overdue.start()
    try:
        with ThreadPoolExecutor(len(jobs)) as pool:
            for future in [pool.submit(job) for job in jobs]:
                future.result()
    finally:
        overdue.cancel()
        pace.give_up()
