import threading
from concurrent.futures import Future

import pytest
import sqlalchemy as sa

from domain.arrival import Receipt
from domain.errors import Transient
from domain.reason import Reason
from store.inbox import Inbox
from store.report import counts
from store.tables import arrivals, jobs
from tests.store.values import arrival


def rows(database, column):
    with database.read() as connection:
        return list(connection.execute(sa.select(column).order_by(arrivals.c.id)).scalars())


@pytest.mark.parametrize(
    ("sent", "receipts"),
    [
        ([b"one"], ["new"]),
        ([b"one", b"one"], ["new", "duplicate"]),
        ([b"one", b" one "], ["new", "duplicate"]),  # other bytes, same content
        ([b"one", b"two"], ["new", "conflict"]),
        ([b"one", b"two", b"two"], ["new", "conflict", "conflict"]),
        ([b"one", b"two", b"one"], ["new", "conflict", "duplicate"]),
        ([b"one", b"two", b"three"], ["new", "conflict", "conflict"]),
    ],
)
def test_what_was_sent_before_is_known(accept, sent, receipts):
    assert [accept(arrival(payload=payload)) for payload in sent] == receipts


def test_an_acknowledged_arrival_is_kept_as_it_came(accept, database):
    accept(arrival("k", b"\0\xff\x0b payload"))
    with database.read() as connection:
        row = connection.execute(sa.select(arrivals)).one()
    assert (row.key, bytes(row.payload), row.size) == ("k", b"\0\xff\x0b payload", 11)
    assert row.received_at == arrival().received_at
    assert row.sha256 == "9eb9f19dbaeb0dbdb3897b2fbe966af7db52b43c0915315a44896f44ffd00e93"  # sha256sum


def test_conflicting_content_is_quarantined_once_under_a_key_of_its_own(accept, database):
    for payload in (b"one", b"two", b"two"):
        accept(arrival("k", payload))
    first, second = rows(database, arrivals.c.key)
    assert first == "k"
    assert second == "k#3fc4ccfe745870e2"  # sha256sum of "two"
    assert counts(database).job_reasons == {"same_key_other_content": 1}
    assert counts(database).jobs == {"quarantined": 1, "waiting": 1}


def test_a_key_made_to_look_like_anothers_quarantine_hides_nothing(accept, database):
    accept(arrival("k", b"one"))
    accept(arrival("k#3fc4ccfe745870e2", b"other"))
    assert accept(arrival("k", b"two")) == "conflict"
    assert accept(arrival("k", b"two")) == "conflict"
    assert [bytes(payload) for payload in rows(database, arrivals.c.payload)] == [b"one", b"other", b"two"]


@pytest.mark.parametrize("key", ["hl7:a\0b:1", "hl7:\ud800:1", "hl7:" + "x" * 100_000, "hl7:Ä^日本:1"])
def test_odd_keys_are_kept_and_known_again(accept, key):
    assert accept(arrival(key)) == "new"
    assert accept(arrival(key)) == "duplicate"
    assert accept(arrival(key + "2")) == "new"


def test_odd_sources_are_kept(accept):
    assert accept(arrival(source="hl7:a\0\ud800")) == "new"


def test_content_that_cannot_be_compared_is_kept_apart(database, store_settings):
    def fails(_format, _kept, _new):
        raise ArithmeticError

    inbox = Inbox(database, same_content=fails, settings=store_settings)
    receipts = [inbox.accept(arrival(payload=payload)).result(30) for payload in (b"one", b"two")]
    inbox.close()
    assert receipts == ["new", "conflict"]


def test_everybody_at_once_is_kept_once(inbox, database):
    receipts: list[Future[Receipt]] = []

    def send(sender):
        receipts.extend(inbox.accept(arrival(f"k{number}", b"same")) for number in range(sender, sender + 50))

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers = [receipt.result(30) for receipt in receipts]
    assert answers.count(Receipt.NEW) == 57
    assert answers.count(Receipt.DUPLICATE) == 400 - 57
    assert counts(database).arrivals == 57


def test_the_same_key_with_other_content_in_one_batch_is_a_conflict(inbox, database):
    receipts = [inbox.accept(arrival("k", payload)) for payload in (b"1", b"2", b"1", b"2", b"3")]
    answers = [receipt.result(30) for receipt in receipts]
    assert answers == ["new", "conflict", "duplicate", "conflict", "conflict"]
    assert counts(database).arrivals == 3


def test_beyond_max_waiting_new_ones_wait_at_the_door_and_known_ones_are_answered(database, new_store, clock):
    settings = new_store(max_waiting=3)
    inbox = Inbox(database, same_content=lambda *_: False, settings=settings, clock=clock)
    for number in range(3):
        inbox.accept(arrival(f"k{number}")).result(30)
    with pytest.raises(Transient) as caught:
        inbox.accept(arrival("another")).result(30)
    assert caught.value.reason is Reason.QUEUE_FULL
    assert inbox.accept(arrival("k0")).result(30) == "duplicate"
    with database.write() as connection:
        connection.execute(jobs.update().where(jobs.c.arrival_id == 1).values(state="ignored", reason="no_ecg"))
    assert inbox.accept(arrival("another")).result(30) == "new"
    inbox.close()


def test_after_close_the_door_is_told_to_try_again(database, store_settings):
    inbox = Inbox(database, same_content=lambda *_: False, settings=store_settings)
    pending = [inbox.accept(arrival(f"k{number}")) for number in range(20)]
    inbox.close()
    assert [receipt.result(0) for receipt in pending] == ["new"] * 20
    with pytest.raises(Transient):
        inbox.accept(arrival("late")).result(0)
    assert not inbox.alive


def test_a_door_that_gives_up_does_not_stop_the_writer(inbox):
    assert inbox.accept(arrival("k")).cancel() is False
    assert inbox.accept(arrival("l")).result(30) == "new"
    assert inbox.alive


def test_a_new_arrival_wakes_the_workers(inbox, database):
    listening = database.wake.listen("work")
    inbox.accept(arrival()).result(30)
    assert listening.wait(30)
    listening.close()


def test_when_the_writer_dies_nobody_waits_for_ever(inbox, monkeypatch):
    def out_of_memory(*_):
        raise MemoryError

    monkeypatch.setattr("threading.excepthook", lambda _: None)
    monkeypatch.setattr(inbox, "_keep", out_of_memory)
    pending = [inbox.accept(arrival(f"k{number}")) for number in range(3)]
    assert all(isinstance(receipt.exception(30), Transient) for receipt in pending)
    assert isinstance(inbox.accept(arrival("later")).exception(30), Transient)
    assert not inbox.alive
