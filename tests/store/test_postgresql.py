import threading

import pytest

from config import schema
from domain.errors import Permanent, Transient
from domain.reason import Reason
from store import keep
from store.database import migrate, open_database
from store.inbox import Inbox
from store.jobs import Jobs
from store.report import counts
from tests import peers
from tests.store.values import arrival

pytestmark = pytest.mark.peer


@pytest.fixture
def cluster():
    running = peers.postgresql()
    yield running
    if not (running.data / "postmaster.pid").exists():
        running.start()


@pytest.fixture
def settings(cluster, request):
    name = "p" + "".join(letter for letter in request.node.name if letter.isalnum())[:50].lower()
    cluster.sql(f"CREATE DATABASE {name}")
    return schema.Store(url=cluster.url(name), free_disk_mib=0)


@pytest.fixture
def server(settings, tmp_path):
    opened = open_database(settings, tmp_path)
    migrate(opened)
    yield opened
    opened.close()


def test_a_server_that_went_away_means_later_and_everything_works_when_it_is_back(cluster, server, settings):
    inbox = Inbox(server, same_content=lambda *_: False, settings=settings)
    jobs = Jobs(server, settings)
    inbox.accept(arrival("before")).result(30)
    jobs.wait(0.01)
    cluster.stop()
    problem = inbox.accept(arrival("meanwhile")).exception(60)
    assert isinstance(problem, Transient)
    assert problem.reason is Reason.STORE_UNAVAILABLE
    with pytest.raises(Transient):
        jobs.claim()
    with pytest.raises(Transient):
        jobs.wait(0.01)
    cluster.start()
    assert inbox.accept(arrival("meanwhile")).result(60) == "new"
    assert jobs.claim().arrival.key == "before"
    assert jobs.claim().arrival.key == "meanwhile"
    inbox.close()
    jobs.close()


def test_a_connection_lost_in_the_middle_of_a_transaction_means_later(cluster, server, settings, monkeypatch):
    place = keep.Batch.place

    def lost(batch, item):
        receipt = place(batch, item)
        name = settings.url.split("/")[3].split("?")[0]
        cluster.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        return receipt

    inbox = Inbox(server, same_content=lambda *_: False, settings=settings)
    monkeypatch.setattr(keep.Batch, "place", lost)
    problem = inbox.accept(arrival("k")).exception(60)
    monkeypatch.setattr(keep.Batch, "place", place)
    assert isinstance(problem, Transient)
    assert inbox.accept(arrival("k")).result(60) == "new"
    inbox.close()


def test_a_waiter_survives_a_restart_and_is_woken_again(cluster, server):
    listening = server.wake.listen("work")
    cluster.stop()
    listening.wait(0.01)
    cluster.start()
    while listening.wait(0):
        pass  # it looks again after every loss
    server.wake.notify("work")
    assert listening.wait(30)
    listening.close()


def test_a_notice_sent_after_the_restart_reaches_an_old_listener(cluster, server):
    listening = server.wake.listen("work")
    cluster.stop()
    cluster.start()
    server.wake.notify("work")
    assert listening.wait(30)
    listening.close()


def test_the_password_comes_from_its_file_each_time(cluster, settings, tmp_path):
    secret = tmp_path / "password"
    secret.write_text(peers.PASSWORD + "\n")
    name = settings.url.split("/")[3].split("?")[0]
    opened = open_database(schema.Store(url=cluster.tcp_url(name), password_file=secret), tmp_path)
    migrate(opened)
    opened.close()
    secret.write_text("wrong")
    with pytest.raises(Transient) as caught, opened.read() as connection:
        connection.exec_driver_sql("SELECT 1")
    assert caught.value.reason is Reason.STORE_UNAVAILABLE
    secret.unlink()
    with pytest.raises(Permanent, match="password_file"), opened.read() as connection:
        connection.exec_driver_sql("SELECT 1")
    opened.close()


def test_two_machines_claim_each_arrival_once(server, settings, tmp_path):
    inbox = Inbox(server, same_content=lambda *_: False, settings=settings)
    for receipt in [inbox.accept(arrival(f"k{number}")) for number in range(60)]:
        receipt.result(30)
    inbox.close()
    claimed = []

    def machine():
        own = open_database(settings, tmp_path)
        jobs = Jobs(own, settings)
        while job := jobs.claim():
            claimed.append(job.id)
        own.close()

    threads = [threading.Thread(target=machine) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(set(claimed))
    assert len(claimed) == 60


def test_two_doors_keep_the_same_arrival_once(server, settings, tmp_path):
    other = open_database(settings, tmp_path)
    inboxes = [Inbox(each, same_content=lambda *_: False, settings=settings) for each in (server, other)]
    receipts = [inbox.accept(arrival(f"k{number}")) for number in range(50) for inbox in inboxes]
    answers = [receipt.result(60) for receipt in receipts]
    for inbox in inboxes:
        inbox.close()
    other.close()
    assert (answers.count("new"), answers.count("duplicate")) == (50, 50)
    assert counts(server).arrivals == 50


def test_every_commit_waits_for_the_disk(server):
    with server.read() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
