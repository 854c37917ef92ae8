"""What a database's failure means: try again later, or stop."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import exc

from domain.errors import Permanent, Problem, Transient
from domain.reason import Reason

_SQLITE_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_DISK_FULL = {str(sqlite3.SQLITE_FULL), "53100"}  # the latter: PostgreSQL's disk_full

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_NOT_NOW = {
    *(errno.EIO, errno.EAGAIN, errno.EINTR, errno.EBUSY, errno.ENOMEM),
    *(errno.ENFILE, errno.EMFILE, errno.ESTALE, errno.ETIMEDOUT),
}


@contextmanager
def translated() -> Iterator[None]:
    """Raise ``Transient`` or ``Permanent`` in place of a database's errors, whose texts may quote values."""
    try:
        yield
    except (exc.SQLAlchemyError, sqlite3.Error, psycopg.Error) as error:
        raise _problem(error) from None


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Raise, in place of an ``OSError``, what says whether waiting helps, and if not who must own what."""
    try:
        yield
    except OSError as error:
        number = error.errno or 0
        name = errno.errorcode.get(number, "of an unknown kind")
        if number in _NO_SPACE:
            raise Transient(Reason.DISK_LOW, f"no space to make or open {path}: {name}") from None
        if number in _NOT_NOW:
            raise Transient(Reason.STORE_UNAVAILABLE, f"{path} cannot be made or opened now: {name}") from None
        raise Permanent(
            Reason.OUR_FAULT,
            f"{path} cannot be made or opened: {name}; its directory must exist, and user {os.geteuid()} must own both",
        ) from None


def _problem(error: Exception) -> Problem:
    cause = (error.orig or error) if isinstance(error, exc.DBAPIError) else error
    code = _code(cause)
    detail = f"{type(cause).__name__} {code}".strip()
    if code in _DISK_FULL:
        return Transient(Reason.DISK_LOW, detail)
    if isinstance(cause, sqlite3.DatabaseError) and _damaged(cause):
        return Permanent(Reason.OUR_FAULT, f"the database file is damaged: {detail}")
    if _passing(error) or _passing(cause):
        return Transient(Reason.STORE_UNAVAILABLE, detail)
    return Permanent(Reason.OUR_FAULT, f"the database refused a statement: {detail}")


_PASSING = (
    *(exc.OperationalError, exc.InterfaceError, exc.TimeoutError),
    *(sqlite3.OperationalError, psycopg.OperationalError, psycopg.InterfaceError),
)


def _passing(error: BaseException) -> bool:
    return isinstance(error, _PASSING) or (isinstance(error, exc.DBAPIError) and error.connection_invalidated)


def _damaged(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _SQLITE_DAMAGED  # the low byte is the primary code


def _code(cause: BaseException) -> str:
    return str(getattr(cause, "sqlite_errorcode", None) or getattr(cause, "sqlstate", None) or "")
