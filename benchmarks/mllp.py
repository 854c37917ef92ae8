"""Acknowledged HL7 messages a second: our MLLP door with a durable commit, beside python-hl7's asyncio server without.

    python -m benchmarks.mllp [--runs 5] [--state-dir DIR]

Both servers run in processes of their own and are asked by the same client in turn, over loopback. Ours commits every
message to SQLite (WAL, synchronous=FULL) before it answers; python-hl7's (``hl7.mllp.start_hl7_server``, its documented
use) parses the message, builds the acknowledgement and keeps nothing. ``--state-dir`` says on which disk to commit.
"""

import argparse
import asyncio
import itertools
import multiprocessing as mp
import os
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from rich import print as show

END = b"\x1c\r"
SMALL, LARGE = 2_000, 3_000_000
WINDOW = 64
_numbers = itertools.count()
Make = Callable[[int], bytes]


def _head() -> str:
    """MSH to OBR, with a control ID of its own."""
    return (
        f"MSH|^~\\&|BENCH|ED|ECGD|HOSP|20240101120000||ORU^R01^ORU_R01|B{os.getpid()}-{next(_numbers)}|P|2.5.1\r"
        "PID|1||4711^^^HOSP^MR||Bench^Mark||19700101|M\rPV1|1|E|ED^1^2\rOBR|1||F1|93000^ECG|||20240101115900\r"
    )


def page(size: int) -> bytes:
    """A framed ORU^R01 of about ``size`` octets, nearly all of them in one OBX: an embedded page."""
    head = _head() + "OBX|1|ED|PDF^Report||^application^pdf^Base64^"
    return b"\x0b" + head.encode() + b"A" * (size - len(head)) + b"||||||F\r" + END


def values(size: int) -> bytes:
    """A framed ORU^R01 of about ``size`` octets as ECG managers send measurements: one OBX of 60 octets each."""
    said = [
        ("8867-4", "Heart rate"),
        ("8625-6", "P-R Interval"),
        ("8633-0", "QRS duration"),
        ("8634-8", "Q-T interval"),
    ]
    text = _head()
    for number, (code, name) in enumerate(itertools.cycle(said), 1):
        row = f"OBX|{number}|NM|{code}^{name}^LN||{60 + number}|ms^^UCUM|||||F\r"
        if len(text) + len(row) > size:
            return b"\x0b" + text.encode() + END
        text += row
    raise AssertionError


def serve_ours(state_dir: str, told: Connection) -> None:
    """The door and the store, wired as ``ecgd listen`` has them."""
    from config.schema import Hl7Door, Store
    from listener.hl7 import Hl7Server
    from store.database import migrate, open_database
    from store.inbox import Inbox

    settings = Store(free_disk_mib=0, max_waiting=1_000_000)
    database = open_database(settings, Path(state_dir))
    migrate(database)
    inbox = Inbox(database, same_content=lambda *_: False, settings=settings)
    server = Hl7Server(Hl7Door(port=0), inbox.accept)
    server.start()
    told.send(server.port)
    told.recv()
    server.stop(5)
    inbox.close()
    database.close()


def serve_peer(_: str, told: Connection) -> None:
    """python-hl7's server as its documentation shows it, with a limit that lets 3 MB through."""
    from hl7.mllp import start_hl7_server

    async def talk(reader, writer) -> None:  # type: ignore[no-untyped-def]
        try:
            while not writer.is_closing():
                received = await reader.readmessage()
                writer.writemessage(received.create_ack())
                await writer.drain()
        except asyncio.IncompleteReadError:
            writer.close()

    async def run() -> None:
        server = await start_hl7_server(talk, "127.0.0.1", 0, limit=1 << 24)
        told.send(server.sockets[0].getsockname()[1])
        await asyncio.get_running_loop().run_in_executor(None, told.recv)
        server.close()

    asyncio.run(run())


@contextmanager
def serving(serve: Callable[[str, Connection], None], state_dir: str) -> Iterator[int]:
    """Run a server in its own process; its port."""
    context = mp.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(state_dir, theirs))
    process.start()
    theirs.close()  # so that a server that dies is an EOFError here, not a wait
    yield ours.recv()
    ours.send("stop")
    process.join()


def talk(port: int, messages: list[bytes], window: int) -> None:
    """Send on one connection with at most ``window`` unanswered."""
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        waiting, answered, kept = iter(messages), 0, b""
        peer.sendall(b"".join(itertools.islice(waiting, window)))
        while answered < len(messages):
            kept += peer.recv(65536)
            count = kept.count(END)
            if kept.count(b"MSA|AA|") < count:
                raise RuntimeError("a message was refused")
            answered, kept = answered + count, kept.rpartition(END)[2]
            if count and (more := b"".join(itertools.islice(waiting, count))):
                peer.sendall(more)


def seconds(port: int, *, make: Make, size: int, count: int, connections: int, window: int) -> float:
    """Time a number of messages, made beforehand, over parallel connections."""
    share = [[make(size) for _ in range(count // connections)] for _ in range(connections)]
    threads = [threading.Thread(target=talk, args=(port, own, window)) for own in share]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started


CASES: dict[str, dict[str, Any]] = {
    "2 kB of values, 1 connection, one at a time": {"make": values, "count": 300, "connections": 1, "window": 1},
    "2 kB of values, 4 connections, one at a time": {"make": values, "count": 800, "connections": 4, "window": 1},
    "2 kB of values, 1 connection, pipelined": {"make": values, "count": 2000, "connections": 1, "window": WINDOW},
    "2 kB of values, 4 connections, pipelined": {"make": values, "count": 2000, "connections": 4, "window": WINDOW},
    "2 kB in one OBX, 1 connection, one at a time": {"make": page, "count": 300, "connections": 1, "window": 1},
    "2 kB in one OBX, 4 connections, pipelined": {"make": page, "count": 2000, "connections": 4, "window": WINDOW},
    "3 MB page, 1 connection, one at a time": {"make": page, "size": LARGE, "count": 10, "connections": 1, "window": 1},
}


def fsync_ms(folder: str) -> float:
    """What the disk takes for 4 kB, for comparison: no commit is faster."""
    with tempfile.TemporaryFile(dir=folder) as file:
        times = []
        for _ in range(50):
            file.write(b"x" * 4096)
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e3


def main() -> None:
    """Measure in turn, print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--state-dir", type=Path, default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.state_dir) as folder:
        show(f"fsync of 4 kB: {fsync_ms(folder):.2f} ms; median of {options.runs} alternating runs\n")
        with serving(serve_ours, folder) as ours, serving(serve_peer, folder) as peer:
            print("| messages | ecgd, committed | python-hl7, not kept | ratio |\n|---|---|---|---|")
            for name, case in CASES.items():
                measure(name, case, ours, peer, options.runs)


def measure(name: str, case: dict[str, Any], ours: int, peer: int, runs: int) -> None:
    """One line of the table: a warm-up, then the two in turn."""
    case = {"size": SMALL, **case}
    times: dict[int, list[float]] = {ours: [], peer: []}
    for run, port in itertools.product(range(runs + 1), (ours, peer)):
        took = seconds(port, **case)
        times[port] += [took] * (run > 0)
    rates = [case["count"] / statistics.median(times[port]) for port in (ours, peer)]
    texts = [f"{rate:,.0f}/s" if rate > 100 else f"{1e3 / rate:.1f} ms each" for rate in rates]
    print(f"| {name} | {texts[0]} | {texts[1]} | {rates[0] / rates[1]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
