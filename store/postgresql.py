"""PostgreSQL as an engine: psycopg 3, the password from a file, and NOTIFY for wake-ups."""

import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import psycopg
import sqlalchemy as sa
from sqlalchemy import event

from config.secrets import read_secret
from domain.errors import Permanent, Problem
from domain.reason import Reason
from store.failures import translated

AGAIN_S = 1.0  # between attempts to reach a server that is away
READING = {"isolation_level": "REPEATABLE READ"}  # one snapshot for a report of several statements

_CONNECT = {
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # ms; a server that vanished is noticed while somebody waits for the answer
    "application_name": "ecgd",
    "options": "-c synchronous_commit=on -c statement_timeout=60s -c lock_timeout=20s -c timezone=UTC",
}


def engine(url: sa.URL, password_file: Path | None) -> sa.Engine:
    """Make an engine; a connection that died with its server is replaced when it is next taken."""
    made = sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={name: value for name, value in _CONNECT.items() if name not in url.query},
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=8,
        max_overflow=24,
        pool_timeout=10,
    )
    if password_file is not None:
        event.listen(made, "do_connect", _password(password_file))
    return made


def _password(path: Path) -> Any:
    def give(_dialect: object, _record: object, _arguments: object, keywords: dict[str, Any]) -> None:
        try:
            keywords["password"] = read_secret(path)  # each time: passwords are rotated
        except OSError as error:
            raise Permanent(Reason.OUR_FAULT, f"store.password_file cannot be read: {error.strerror}") from None

    return give


_SETTLING = 0x65636765  # beside the migrations' "ecgd"
_PAGING = 0x65636766


def settling(connection: sa.Connection) -> None:
    """Let one settlement after the other look and write, until the transaction ends; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _SETTLING})


def paging(connection: sa.Connection) -> None:
    """Let one pager after the other look and write, until the transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _PAGING})


def notify(connection: sa.Connection, topics: Iterable[str]) -> None:
    """Notify when the transaction commits."""
    for topic in topics:
        connection.exec_driver_sql(f"NOTIFY ecgd_{topic}")


class Notices:
    """``NOTIFY ecgd_<topic>``."""

    def __init__(self, made: sa.Engine) -> None:
        self._engine = made

    def notify(self, topic: str) -> None:
        """Notify by itself; what is lost here is found when the listeners' waits end."""
        with suppress(Problem), translated(), self._engine.begin() as connection:
            notify(connection, [topic])

    def listen(self, topic: str) -> "NoticeListening":
        """Hear the topic on a connection of its own."""
        return NoticeListening(self._engine, topic)


class NoticeListening:
    """A connection outside the pool that LISTENs; made again when the server went away."""

    def __init__(self, made: sa.Engine, topic: str) -> None:
        self._engine = made
        self._topic = topic
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        with suppress(Problem):
            self._connect()

    def wait(self, timeout_s: float) -> bool:
        """Wait for a notice; ``True`` too when the connection was lost, as nobody knows what was missed."""
        end = time.monotonic() + timeout_s
        try:
            connection = self._connection or self._connect()
            return any(True for _ in connection.notifies(timeout=max(end - time.monotonic(), 0), stop_after=1))
        except Problem:
            time.sleep(max(0.0, min(end - time.monotonic(), AGAIN_S)))
        except psycopg.Error:
            self.close()
        return True

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        with translated():
            pooled = self._engine.connect()
            pooled.detach()
            raw = cast("psycopg.Connection[tuple[Any, ...]]", pooled.connection.dbapi_connection)
            raw.autocommit = True
            raw.execute(f"LISTEN ecgd_{self._topic}".encode())
        self._connection = raw
        return raw

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
