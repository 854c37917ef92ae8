"""Arrivals kept a second, and how long a lone one takes, beside plain sqlite3 with one commit each in the same run.

    python -m benchmarks.store [--folder DIR] [--url postgresql://...]

Peer: the standard library's sqlite3 on the same disk, with WAL, synchronous=FULL and the same page size, one thread,
a table of key and payload: the least that keeping an arrival durably can cost with SQLite. The ratios count; the
milliseconds are the machine's.
"""

import argparse
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

from config import schema
from domain.arrival import Arrival, Format, Receipt
from store import sqlite
from store.database import migrate, open_database
from store.inbox import Inbox

SIZES = {"2 kB": 2_000, "290 kB": 290_000, "3 MB": 3_000_000}
THREADS = (4, 16)
IN_FLIGHT = 8  # of each thread: a pipelining sender, or the connections that share a door
SECONDS = 3.0


def arrival(key: str, payload: bytes) -> Arrival:
    return Arrival(key=key, format=Format.HL7, payload=payload, source="bench", received_at=datetime.now(UTC))


def timed(keepers: Sequence[Callable[[str, bytes], object]], size: int, count: int) -> list[list[float]]:
    """Milliseconds of ``count`` lone arrivals with each keeper in turn, so that a busy machine is so for all."""
    taken: list[list[float]] = [[] for _ in keepers]
    for number in range(count):
        payload = os.urandom(size)
        for keep, times in zip(keepers, taken, strict=True):
            began = time.perf_counter()
            keep(f"lone-{size}-{number}", payload)
            times.append((time.perf_counter() - began) * 1e3)
    return taken


def plain(folder: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(folder / "plain.db", isolation_level=None)
    connection.execute(f"PRAGMA page_size = {sqlite.PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = WAL")
    for pragma in sqlite._EACH_CONNECTION:
        connection.execute(pragma)
    connection.execute("CREATE TABLE arrivals (id INTEGER PRIMARY KEY, key TEXT UNIQUE, payload BLOB)")
    return connection


def keep_plainly(connection: sqlite3.Connection) -> Callable[[str, bytes], object]:
    def keep(key: str, payload: bytes) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO arrivals (key, payload) VALUES (?, ?)", (key, payload))
        connection.execute("COMMIT")

    return keep


def plain_rate(connection: sqlite3.Connection, size: int) -> float:
    keep, base, done = keep_plainly(connection), os.urandom(size), 0
    began = time.perf_counter()
    while time.perf_counter() - began < SECONDS / 2:
        keep(f"rate-{size}-{began}-{done}", base)
        done += 1
    return done / (time.perf_counter() - began)


def inbox_rate(inbox: Inbox, size: int, threads: int, in_flight: int) -> float:
    """Acknowledged arrivals a second; each thread has at most ``in_flight`` unacknowledged."""
    base, kept = os.urandom(size), []
    end = time.perf_counter() + SECONDS

    def send(sender: int) -> None:
        pending: list[Future[Receipt]] = []
        number = 0
        while time.perf_counter() < end:
            key = f"{size}-{threads}-{in_flight}-{sender}-{number}"
            pending.append(inbox.accept(arrival(key, base + key.encode())))
            number += 1
            if len(pending) >= in_flight:
                pending.pop(0).result()
        for receipt in pending:
            receipt.result()
        kept.append(number)

    senders = [Thread(target=send, args=(sender,)) for sender in range(threads)]
    began = time.perf_counter()
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    return sum(kept) / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--url", default="sqlite:///ecgd.db")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name, closing(plain(Path(name))) as peer:
        settings = schema.Store(url=asked.url, free_disk_mib=64, max_waiting=10**8)
        database = open_database(settings, Path(name))
        migrate(database)
        inbox = Inbox(database, same_content=lambda *_: False, settings=settings)
        for words, size in SIZES.items():
            count = 200 if size < 1_000_000 else 30
            ours, theirs = timed([lambda *it: inbox.accept(arrival(*it)).result(), keep_plainly(peer)], size, count)
            best, worst = statistics.median(ours), sorted(ours)[int(count * 0.95)]
            print(
                f"lone {words}: {best:.2f} ms (95 %: {worst:.2f}), plain sqlite3 {statistics.median(theirs):.2f} ms,",
                end=" ",
            )
            print(f"ratio {best / statistics.median(theirs):.2f}")
        for words, size in SIZES.items():
            for threads in THREADS:
                for in_flight in (1, IN_FLIGHT):
                    base = plain_rate(peer, size)
                    rate = inbox_rate(inbox, size, threads, in_flight)
                    print(
                        f"{threads} threads x {in_flight} of {words}: {rate:.0f}/s, {rate * size / 1e6:.0f} MB/s,",
                        end=" ",
                    )
                    print(f"plain sqlite3 {base:.0f}/s, ratio {rate / base:.2f}")
        inbox.close()
        database.close()


if __name__ == "__main__":
    main()
