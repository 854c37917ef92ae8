"""A program that keeps arrivals and prints each key once its receipt is there; it is killed while doing so."""

import sys
from pathlib import Path
from threading import Thread

from config import schema
from store.database import open_database
from store.inbox import Inbox
from tests.store.values import arrival


def send(inbox, run, sender):
    for number in range(1_000_000):
        key = f"{run}-{sender}-{number}"
        inbox.accept(arrival(key, key.encode() * (1 + 3000 * (number % 3)))).result()
        sys.stdout.write(key + "\n")  # one write a line: lines of threads do not mix
        sys.stdout.flush()


def main(url, state_dir, run):
    settings = schema.Store(url=url, free_disk_mib=0, max_waiting=10**9)
    inbox = Inbox(open_database(settings, Path(state_dir)), same_content=lambda *_: False, settings=settings)
    for sender in range(4):
        Thread(target=send, args=(inbox, run, sender)).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
