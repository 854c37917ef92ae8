"""The one database: opening it, reading and writing in it, keeping its files small and private."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

import sqlalchemy as sa

from config import schema
from domain.errors import Permanent, Transient
from domain.reason import Reason
from store import postgresql, sqlite
from store.failures import opening, translated
from store.wake import Sockets, Wake

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """An engine and what differs between the two kinds. ``path``: the file, ``None`` for PostgreSQL."""

    engine: Engine
    wake: Wake
    path: Path | None
    _turn: RLock = field(default_factory=RLock)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Read in one snapshot; raise ``Transient`` when the database cannot be reached."""
        with translated(), self.engine.connect() as connection:
            yield connection.execution_options(**(postgresql.READING if self.path is None else sqlite.READING))

    @contextmanager
    def write(self, *topics: str) -> Iterator[Connection]:
        """Write in one transaction, committed at the end, then wake the topics.

        SQLite has one writer: threads of this process queue on a lock rather than in its sleeping busy handler.
        """
        with ExitStack() as stack:
            if self.path is not None:
                stack.enter_context(self._turn)
            stack.enter_context(translated())
            connection = stack.enter_context(self.engine.begin())
            yield connection
            if self.path is None:  # heard at the commit; a transaction of its own would wait for the disk once more
                postgresql.notify(connection, topics)
        if self.path is not None:
            for topic in topics:
                self.wake.notify(topic)

    def free_bytes(self) -> int | None:
        """Space left where the file lies; ``None`` where the disk is the server's own affair."""
        try:
            return None if self.path is None else shutil.disk_usage(self.path.parent).free
        except OSError as error:
            raise Transient(Reason.STORE_UNAVAILABLE, f"the disk cannot be asked: errno {error.errno}") from None

    def tidy(self) -> None:
        """Copy the WAL into the file without waiting for anybody."""
        if self.path is not None:
            with translated(), self.engine.connect() as connection:
                sqlite.checkpoint(connection)

    def integrity(self) -> tuple[str, ...]:
        """What is wrong with the file, in SQLite's words; empty when nothing is (PostgreSQL checks its own pages)."""
        if self.path is None:
            return ()
        try:
            with self.read() as connection:
                words = connection.exec_driver_sql("PRAGMA quick_check").scalars().all()
        except Permanent as problem:
            return (problem.detail,)
        return () if words == ["ok"] else tuple(map(str, words))

    def close(self) -> None:
        """Give up every connection."""
        self.engine.dispose()


def open_database(settings: schema.Store, state_dir: Path) -> Database:
    """Open what ``settings.url`` names; a relative SQLite path is relative to ``state_dir``."""
    url = sa.make_url(settings.url)
    if url.get_backend_name() == "sqlite":
        path = state_dir / (url.database or "ecgd.db")
        engine, sockets = sqlite.engine(path), state_dir / "wake"
        with opening(sockets):
            return Database(engine=engine, wake=Sockets(sockets), path=path)
    engine = postgresql.engine(url, settings.password_file)
    return Database(engine=engine, wake=postgresql.Notices(engine), path=None)


def migrate(database: Database) -> None:
    """Bring the schema up to this program's; raise ``Permanent`` when it is newer. Several may start at once."""
    from store.migrations.upgrade import upgrade  # alembic takes 0.2 s to import, and only this needs it

    with database.write() as connection:
        upgrade(connection)
