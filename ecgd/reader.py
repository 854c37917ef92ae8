"""Untrusted bytes are parsed in a child process with limits on memory and time.

The child answers with JSON and raw arrays, never with pickled objects: a reader that has been taken over by the file
it reads cannot run code in the process that holds the models and the database.
"""

import json
import os
import resource
import select
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from config.schema import Reading
from domain.alert import Acknowledgement
from domain.arrival import Arrival, Format
from domain.census import Movement
from domain.ecg import Ecg
from domain.errors import Permanent, Rejected
from domain.reason import Reason
from domain.report import Report
from ecgd import facts
from ecgd.child import die_with_parent, say_last_words

_LENGTHS = struct.Struct("<IQ")  # JSON header, bytes that follow it
_MOST = 1 << 30
_START_S = 60.0
ECGS, REPORTS, WITHDRAWN, MOVEMENTS, ACKNOWLEDGED = "ecgs", "reports", "withdrawn", "movements", "acknowledged"
_REPORT, _MOVEMENT, _ACKNOWLEDGED = TypeAdapter(Report), TypeAdapter(Movement), TypeAdapter(Acknowledgement)

Blob = bytes | memoryview


class Reader:
    """One warm child; ``read`` restarts it when it hangs, dies or runs out of memory. Not thread-safe."""

    def __init__(self, settings: Reading) -> None:
        self._settings = settings
        self._child = _Child(settings)

    def read(self, arrival: Arrival) -> tuple[Ecg, ...]:
        """``adapters.formats.read`` at arm's length. Raises Rejected, also with READER_TIMEOUT, _MEMORY, _CRASHED."""
        return _ecgs(*self._asked(arrival, ECGS))

    def said(self, arrival: Arrival) -> tuple[Report, ...]:
        """``adapters.hl7_report.said`` at arm's length; raises as ``read`` does."""
        header, _ = self._asked(arrival, REPORTS)
        return tuple(map(_REPORT.validate_python, header[REPORTS]))

    def withdrawn(self, arrival: Arrival) -> tuple[Report, ...]:
        """``adapters.hl7_report.withdrawn`` at arm's length; raises as ``read`` does."""
        header, _ = self._asked(arrival, WITHDRAWN)
        return tuple(map(_REPORT.validate_python, header[WITHDRAWN]))

    def moved(self, arrival: Arrival) -> tuple[Movement, ...]:
        """``adapters.hl7_adt.moved`` at arm's length; raises as ``read`` does."""
        header, _ = self._asked(arrival, MOVEMENTS)
        return tuple(map(_MOVEMENT.validate_python, header[MOVEMENTS]))

    def acknowledged(self, arrival: Arrival) -> tuple[Acknowledgement, ...]:
        """``adapters.hl7_ora.acknowledged`` at arm's length; raises as ``read`` does."""
        header, _ = self._asked(arrival, ACKNOWLEDGED)
        return tuple(map(_ACKNOWLEDGED.validate_python, header[ACKNOWLEDGED]))

    def _asked(self, arrival: Arrival, what: str) -> tuple[dict[str, Any], memoryview]:
        for _ in range(2):  # a child killed from outside is not the file's fault: it gets one more try
            try:
                return self._child.ask(arrival, what)
            except EOFError:
                self._restart()
            except Permanent:
                self._restart()  # it did not even start: perhaps it will for the next one
                raise
            except TimeoutError as error:
                self._restart()
                raise Rejected(Reason.READER_TIMEOUT, f"not read within {self._settings.timeout_s:g} s") from error
        raise Rejected(Reason.READER_CRASHED, "the reader process died on this file, twice")

    def close(self) -> None:
        """End the child."""
        self._child.kill()

    def _restart(self) -> None:
        self._child.kill()
        self._child = _Child(self._settings)


class _Child:
    """The parent's end of the two pipes."""

    def __init__(self, settings: Reading) -> None:
        self._timeout_s = settings.timeout_s
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ecgd.reader", settings.model_dump_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self._ready = False

    def ask(self, arrival: Arrival, what: str) -> tuple[dict[str, Any], memoryview]:
        assert self._process.stdin
        self._await_ready()
        head = {"key": arrival.key, "format": arrival.format, "source": arrival.source}
        head |= {"received_at": arrival.received_at.isoformat(), "what": what}
        try:
            _send(self._process.stdin, head, [arrival.payload])
        except BrokenPipeError as error:
            raise EOFError from error
        answer, body = self._receive(self._timeout_s)
        if "reason" in answer:
            raise Rejected(Reason(answer["reason"]), answer["detail"])
        return answer, body

    def _await_ready(self) -> None:
        if not self._ready:
            try:
                self._receive(_START_S)
            except (EOFError, TimeoutError) as error:
                raise Permanent(Reason.OUR_FAULT, "the reader process does not start; see its output above") from error
            self._ready = True

    def _receive(self, timeout_s: float) -> tuple[dict[str, Any], memoryview]:
        until = time.monotonic() + timeout_s
        head, size = _LENGTHS.unpack(self._exactly(_LENGTHS.size, until))
        if head + size > _MOST:
            raise EOFError
        header = json.loads(bytes(self._exactly(head, until)))
        return header, memoryview(self._exactly(size, until))

    def _exactly(self, size: int, until: float) -> bytearray:
        assert self._process.stdout
        buffer = bytearray(size)
        view, got = memoryview(buffer), 0
        while got < size:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                raise TimeoutError
            count = os.readv(self._process.stdout.fileno(), [view[got:]])
            if not count:
                raise EOFError
            got += count
        return buffer

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


def _send(pipe: IO[bytes], header: dict[str, Any], blobs: Sequence[Blob]) -> None:
    head = json.dumps(header).encode()
    _write_all(pipe, _LENGTHS.pack(len(head), sum(map(len, blobs))) + head)
    for blob in blobs:
        _write_all(pipe, blob)


def _write_all(pipe: IO[bytes], data: Blob) -> None:
    view = memoryview(data)
    while view:
        view = view[pipe.write(view) :]


def _ecgs(answer: dict[str, Any], body: memoryview) -> tuple[Ecg, ...]:
    ecgs, offset = [], 0
    for item in answer[ECGS]:
        arrays: dict[str, NDArray[Any]] = {}
        for name, kind, shape in item["arrays"]:
            dtype = np.dtype({"f4": np.float32, "u1": np.uint8}[kind])
            count = int(np.prod(shape))
            arrays[name] = np.frombuffer(body, dtype, count, offset).reshape(shape)
            offset += count * dtype.itemsize
        ecgs.append(facts.load(item["facts"], arrays))
    return tuple(ecgs)


def _answer(ecgs: tuple[Ecg, ...]) -> tuple[dict[str, Any], list[Blob]]:
    items: list[dict[str, Any]] = []
    blobs: list[Blob] = []
    for ecg in ecgs:
        arrays = [
            (name, np.ascontiguousarray(getattr(ecg, name))) for name in facts.ARRAYS if getattr(ecg, name) is not None
        ]
        kinds = [[name, f"{a.dtype.kind}{a.dtype.itemsize}", list(a.shape)] for name, a in arrays]
        items.append({"facts": facts.dump(ecg), "arrays": kinds})
        blobs += [array.data.cast("B") for _, array in arrays]
    return {ECGS: items}, blobs


def _serve(settings: Reading) -> None:
    """The child: read requests on stdin until the parent goes away."""
    pipe_in, pipe_out = os.fdopen(0, "rb", buffering=0), os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # a library that prints does not break the protocol
    say_last_words("reader")
    _limit(settings)
    sys.modules["pymupdf.layout"] = None  # type: ignore[assignment] # an ONNX model that nobody asks: 0.7 s at start
    # the parsers' libraries are loaded here, never in the parent
    from adapters import formats, hl7_adt, hl7_ora, hl7_report

    asked: dict[str, tuple[Callable[..., Any], TypeAdapter[Any]]] = {
        REPORTS: (hl7_report.said, _REPORT),
        WITHDRAWN: (hl7_report.withdrawn, _REPORT),
        MOVEMENTS: (hl7_adt.moved, _MOVEMENT),
        ACKNOWLEDGED: (hl7_ora.acknowledged, _ACKNOWLEDGED),
    }
    _send(pipe_out, {"ready": True}, [])
    while size := _read(pipe_in, _LENGTHS.size):
        head, body = _LENGTHS.unpack(size)
        header, payload = json.loads(_read(pipe_in, head)), _read(pipe_in, body)
        what = header.pop("what")
        try:
            header["format"] = Format(header["format"])
            header["received_at"] = datetime.fromisoformat(header["received_at"])
            arrival = Arrival(payload=payload, **header)
            if what == ECGS:
                answer = _answer(formats.read(arrival, settings))
            else:
                ask, kind = asked[what]
                answer = {what: [kind.dump_python(one, mode="json") for one in ask(arrival, settings)]}, []
        except Rejected as error:
            answer = {"reason": error.reason, "detail": error.detail}, []
        except MemoryError:
            answer = {"reason": Reason.READER_MEMORY, "detail": f"needs more than {settings.memory_mib} MiB"}, []
        _send(pipe_out, *answer)


def _read(pipe: IO[bytes], size: int) -> bytes:
    """Exactly ``size`` bytes, or ``b""`` at the end."""
    buffer = bytearray()
    while len(buffer) < size:
        chunk = pipe.read(size - len(buffer))
        if not chunk:
            return b""
        buffer += chunk
    return bytes(buffer)


def _limit(settings: Reading) -> None:
    die_with_parent()
    size = settings.memory_mib << 20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


if __name__ == "__main__":
    _serve(Reading.model_validate_json(sys.argv[1]))
