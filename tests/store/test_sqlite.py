import errno
import os
import sqlite3
import threading
from contextlib import closing

import pytest

from config import schema
from domain.errors import Permanent, Transient
from domain.reason import Reason
from store import sqlite
from store.database import migrate, open_database
from store.inbox import Inbox
from store.jobs import Jobs
from store.report import counts
from tests.store.values import arrival


@pytest.fixture
def file(tmp_path):
    opened = open_database(schema.Store(free_disk_mib=0), tmp_path)
    migrate(opened)
    yield opened
    opened.close()


@pytest.fixture
def open_inbox(file):
    opened = []

    def make(**settings):
        inbox = Inbox(file, same_content=lambda *_: False, settings=schema.Store(**{"free_disk_mib": 0, **settings}))
        opened.append(inbox)
        return inbox

    yield make
    for inbox in opened:
        inbox.close()


def reason_of(receipt):
    problem = receipt.exception(60)
    assert isinstance(problem, Transient)
    return problem.reason


def test_little_space_left_means_later(open_inbox):
    inbox = open_inbox(free_disk_mib=2**40)
    assert reason_of(inbox.accept(arrival())) is Reason.DISK_LOW


def test_what_is_known_is_answered_on_a_full_disk(file, open_inbox):
    open_inbox().accept(arrival()).result(30)
    full = open_inbox(free_disk_mib=2**40)
    assert full.accept(arrival()).result(30) == "duplicate"


def test_a_full_database_means_later_and_recovers(file, open_inbox):
    inbox = open_inbox()
    inbox.accept(arrival("first")).result(30)
    with file.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    assert reason_of(inbox.accept(arrival("second", bytes(200_000)))) is Reason.DISK_LOW
    with file.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert inbox.accept(arrival("second", bytes(200_000))).result(30) == "new"
    assert counts(file).arrivals == 2


def test_a_writer_that_does_not_let_go_means_later_and_the_next_is_kept(file, open_inbox, monkeypatch):
    monkeypatch.setattr(sqlite, "_EACH_CONNECTION", ("PRAGMA busy_timeout = 10", *sqlite._EACH_CONNECTION[1:]))
    file.engine.dispose()
    inbox = open_inbox()
    with closing(sqlite3.connect(file.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert reason_of(inbox.accept(arrival())) is Reason.STORE_UNAVAILABLE
        other.execute("ROLLBACK")
    assert inbox.accept(arrival()).result(30) == "new"


def test_a_damaged_file_is_ours_to_mend(tmp_path):
    (tmp_path / "ecgd.db").write_bytes(b"not a database at all" * 1000)
    with pytest.raises(Permanent, match="damaged"):
        migrate(open_database(schema.Store(), tmp_path))


@pytest.mark.parametrize(
    ("number", "kind", "reason"),
    [
        (errno.ENOSPC, Transient, Reason.DISK_LOW),
        (errno.EDQUOT, Transient, Reason.DISK_LOW),
        (errno.EIO, Transient, Reason.STORE_UNAVAILABLE),
        (errno.EAGAIN, Transient, Reason.STORE_UNAVAILABLE),
        (errno.EMFILE, Transient, Reason.STORE_UNAVAILABLE),
        (errno.EACCES, Permanent, Reason.OUR_FAULT),
        (errno.EPERM, Permanent, Reason.OUR_FAULT),
        (errno.ENOENT, Permanent, Reason.OUR_FAULT),
    ],
)
def test_what_passes_is_tried_again_and_what_a_person_must_mend_is_said(tmp_path, monkeypatch, number, kind, reason):
    def fails(*_):
        raise OSError(number, "no")

    monkeypatch.setattr("store.sqlite.os.open", fails)
    with pytest.raises(kind, match=rf"{tmp_path}/ecgd\.db.*: {errno.errorcode[number]}") as caught:
        open_database(schema.Store(), tmp_path)
    assert caught.value.reason is reason
    assert (f"user {os.geteuid()} must own" in caught.value.detail) == (kind is Permanent)


def test_a_file_in_the_directorys_place_is_named(tmp_path):
    (tmp_path / "state").write_text("")
    with pytest.raises(Permanent, match=rf"{tmp_path}/state/ecgd\.db cannot be made or opened: (EEXIST|ENOTDIR)"):
        open_database(schema.Store(), tmp_path / "state")


def test_a_file_in_the_place_of_the_sockets_is_named(tmp_path):
    (tmp_path / "wake").write_text("")
    with pytest.raises(Permanent, match=rf"{tmp_path}/wake cannot be made or opened: EEXIST"):
        open_database(schema.Store(), tmp_path)


def test_damage_inside_is_found_by_the_check(tmp_path):
    opened = open_database(schema.Store(free_disk_mib=0), tmp_path)
    migrate(opened)
    inbox = Inbox(opened, same_content=lambda *_: False, settings=schema.Store(free_disk_mib=0))
    for number in range(50):
        inbox.accept(arrival(f"k{number}", bytes(40_000) + b"%d" % number)).result(30)
    inbox.close()
    opened.close()
    with (tmp_path / "ecgd.db").open("r+b") as raw:
        raw.seek(5 * sqlite.PAGE_BYTES)
        raw.write(b"\xff" * 2 * sqlite.PAGE_BYTES)
    opened = open_database(schema.Store(), tmp_path)
    assert opened.integrity() != ()
    opened.close()


def test_the_wal_does_not_grow_without_bound(file, open_inbox):
    inbox = open_inbox()
    receipts = [inbox.accept(arrival(f"k{number}", b"%d" % number + bytes(2 * 2**20))) for number in range(80)]
    assert [receipt.result(120) for receipt in receipts] == ["new"] * 80
    wal = file.path.with_name("ecgd.db-wal").stat().st_size
    assert wal < 1.7 * sqlite.WAL_BYTES  # 160 MB went in; the bound and one batch remain


def test_settling_a_job_does_not_rewrite_its_payload(file, open_inbox):
    open_inbox().accept(arrival("k", bytes(8 * 2**20))).result(30)
    file.tidy()
    jobs = Jobs(file, schema.Store())
    job = jobs.claim()
    with file.engine.connect() as connection:
        before = _frames(connection)
        assert jobs.extend(job)
        assert _frames(connection) - before < 10


def test_threads_that_write_at_once_all_succeed(file):
    failures = []

    def write(number):
        try:
            for step in range(20):
                with file.write() as connection:
                    connection.exec_driver_sql(
                        "INSERT INTO outbox (key, channel, content_type, state, attempts, lease, available_at,"
                        " created_at, queued_at, body) VALUES (?, 'c', 't', 'waiting', 0, 0, 0, 0, 0, x'00')",
                        (f"{number}-{step}",),
                    )
        except Transient as problem:
            failures.append(problem)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert counts(file).outbox == {"waiting": 120}


def test_opening_again_in_the_same_process_keeps_the_locks(file, tmp_path):
    """Closing any descriptor of a file drops every lock that the process holds on it (fcntl(2))."""
    with file.write():
        second = open_database(schema.Store(), tmp_path)
        with (
            closing(sqlite3.connect(file.path, isolation_level=None, timeout=0)) as other,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            other.execute("BEGIN IMMEDIATE")
        second.close()


def _frames(connection):
    _busy, frames, _done = connection.connection.dbapi_connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return frames
