"""SQLite as an engine: WAL, every commit on the disk before it is acknowledged, one writer at a time."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from store.failures import opening, translated

PAGE_BYTES = 16_384  # ECGs are BLOBs of 0.1 to 3 MB: larger pages mean fewer frames and checksums in the WAL
WAL_BYTES = 64 * 2**20
READING = {"ecgd_reading": True}

_EACH_CONNECTION = (
    "PRAGMA busy_timeout = 5000",
    "PRAGMA foreign_keys = ON",
    "PRAGMA synchronous = FULL",  # WAL with NORMAL may lose the last commits when the power fails
    "PRAGMA cache_size = -32768",
    f"PRAGMA wal_autocheckpoint = {WAL_BYTES // PAGE_BYTES}",
    f"PRAGMA journal_size_limit = {WAL_BYTES}",
)


def engine(path: Path) -> sa.Engine:
    """Make the file if need be (0600, in a directory of 0700) and an engine on it."""
    with opening(path), translated():
        _prepare(path)
    made = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)), hide_parameters=True, pool_size=8, max_overflow=24
    )
    event.listen(made, "connect", _configure)
    event.listen(made, "begin", _begin)
    return made


def checkpoint(connection: sa.Connection) -> None:
    """Copy what can be copied from the WAL; neither waits for readers nor holds up writers."""
    raw = connection.connection.dbapi_connection
    assert raw is not None
    raw.execute("PRAGMA wal_checkpoint(PASSIVE)")  # outside any transaction


def _prepare(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _create(path)
    path.chmod(0o600)  # -wal and -shm take the file's mode
    with _alone(path), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")


def _create(path: Path) -> None:
    """Make an empty file, durably; never open one that is there: closing it would drop SQLite's locks (fcntl(2))."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Going over to WAL needs the file alone and does not wait for it: concurrent starters take turns."""
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _configure(raw: Any, _record: object) -> None:
    raw.isolation_level = None  # sqlite3 begins no transactions by itself; _begin does
    for pragma in _EACH_CONNECTION:
        raw.execute(pragma)


def _begin(connection: sa.Connection) -> None:
    """Take the write lock at once: a read lock that wants to write later fails without waiting."""
    reading = connection.get_execution_options().get("ecgd_reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
