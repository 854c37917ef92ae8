import hashlib
import os
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from time import monotonic

import pytest

from config.schema import FolderDoor
from domain.arrival import Arrival, Format, Receipt
from domain.errors import Permanent, Transient
from domain.reason import Reason
from listener.folder import GIVE_UP_S, FolderWatcher
from listener.folder_files import being_written, left_alone

PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
HL7 = b"MSH|^~\\&|CART|ED|ECGD|ED|20260101||ORU^R01|1|P|2.5\r"
DICOM = bytes(128) + b"DICM" + b"\x02\x00\x00\x00UL\x04\x00\x00\x00\x00\x00"
WAIT_S = 10


class Store:
    """Keeps what it is given; ``answers`` are used up one by one, then everything is new or a duplicate."""

    def __init__(self):
        self.arrivals: list[Arrival] = []
        self.answers: list[BaseException] = []
        self.came: Queue[tuple[Arrival, float]] = Queue()

    def __call__(self, arrival):
        future = Future()
        if self.answers:
            future.set_exception(self.answers.pop(0))
            return future
        known = any(arrival.key == other.key for other in self.arrivals)
        self.arrivals.append(arrival)
        self.came.put((arrival, monotonic()))
        future.set_result(Receipt.DUPLICATE if known else Receipt.NEW)
        return future


class Events(list):
    def __init__(self):
        super().__init__()
        self.queue = Queue()

    def __call__(self, name, /, **fields):
        self.append((name, fields))
        self.queue.put((name, fields))

    def wait_for(self, name):
        while True:
            found, fields = self.queue.get(timeout=WAIT_S)
            if found == name:
                return fields

    def reasons(self):
        return [fields["reason"] for name, fields in self if name == "refused"]


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "incoming"
    path.mkdir()
    return path


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def events():
    return Events()


@pytest.fixture
def watcher(folder, store, clock, events):
    """A watcher that is not started: only ``sweep`` looks."""
    watcher = FolderWatcher(FolderDoor(path=folder, settle_s=2, max_file_mib=1), store, clock=clock, on_event=events)
    (folder / "done").mkdir()
    (folder / "refused").mkdir()
    yield watcher
    watcher.stop(WAIT_S)


@contextmanager
def running(folder, store, events, **settings):
    watcher = FolderWatcher(FolderDoor(path=folder, **settings), store, on_event=events)
    watcher.start()
    try:
        yield watcher
    finally:
        watcher.stop(WAIT_S)


def settle(watcher, clock, seconds=2):
    first = watcher.sweep()
    clock.pass_s(seconds)
    return first + watcher.sweep()


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_file() or path.is_symlink())


@pytest.mark.parametrize(
    ("name", "content", "format"),
    [
        ("a.pdf", PDF, Format.PDF),
        ("a.hl7", HL7, Format.HL7),
        ("a.dcm", DICOM, Format.DICOM),
        ("noname", PDF, Format.PDF),
    ],
)
def test_a_settled_file_is_accepted_under_its_content_and_moved_to_done(
    watcher, folder, store, clock, name, content, format
):
    (folder / name).write_bytes(content)
    assert settle(watcher, clock) == 1
    (arrival,) = store.arrivals
    assert arrival == Arrival(
        key=f"file:{hashlib.sha256(content).hexdigest()}",
        format=format,
        payload=content,
        source="folder:incoming",
        received_at=clock(),
    )
    assert names(folder) == []
    assert (folder / "done" / name).read_bytes() == content


def test_a_file_seen_for_the_first_time_is_not_read(watcher, folder, store):
    (folder / "a.pdf").write_bytes(PDF)
    os.utime(folder / "a.pdf", (0, 0))  # an old date proves nothing: some copiers set it first
    assert watcher.sweep() == 0
    assert store.arrivals == []


def test_a_file_that_grows_between_looks_waits_again(watcher, folder, store, clock):
    path = folder / "a.hl7"
    path.write_bytes(HL7)
    watcher.sweep()
    clock.pass_s(2)
    path.write_bytes(HL7 + b"PID|\r")
    assert watcher.sweep() == 0
    clock.pass_s(2)
    assert watcher.sweep() == 1
    assert store.arrivals[0].payload == HL7 + b"PID|\r"


def test_a_file_open_for_writing_is_not_read_however_long_it_looks_the_same(watcher, folder, store, clock):
    with (folder / "a.pdf").open("wb") as half:
        half.write(PDF)
        half.flush()
        assert settle(watcher, clock, 3600) == 0
    assert settle(watcher, clock) == 1


def test_a_pdf_without_its_end_waits_and_is_refused_only_long_after(watcher, folder, store, clock):
    (folder / "a.pdf").write_bytes(PDF[:20])
    assert settle(watcher, clock) == 0
    assert names(folder) == ["a.pdf"]
    clock.pass_s(GIVE_UP_S)
    watcher.sweep()
    assert names(folder / "refused") == ["a.pdf", "a.pdf.reason.txt"]
    assert store.arrivals == []


def test_a_pdf_that_gets_its_end_late_is_accepted(watcher, folder, store, clock):
    path = folder / "a.pdf"
    path.write_bytes(PDF[:20])
    settle(watcher, clock)
    path.write_bytes(PDF)
    assert settle(watcher, clock) == 1


@pytest.mark.parametrize(
    ("content", "reason", "words"),
    [
        (b"GIF89a", Reason.UNKNOWN_FORMAT, "neither a PDF"),
        (b"", Reason.MISSING_FIELD, "empty"),
        (PDF + bytes(2**20) + b"%%EOF", Reason.TOO_LARGE, "max_file_mib"),
    ],
)
def test_what_cannot_be_taken_goes_to_refused_with_a_note_beside_it(
    watcher, folder, store, clock, events, content, reason, words
):
    (folder / "Doe_Jane.bin").write_bytes(content)
    assert settle(watcher, clock) == 0
    assert names(folder) == []
    assert (folder / "refused" / "Doe_Jane.bin").read_bytes() == content
    note = (folder / "refused" / "Doe_Jane.bin.reason.txt").read_text()
    assert note.startswith(f"{reason}\n")
    assert words in note
    assert "Doe" not in note
    assert events.reasons() == [reason]
    assert store.arrivals == []


@pytest.mark.parametrize(
    "name", [".a.pdf", "~a.pdf", "a.pdf~", "a.pdf.part", "a.TMP", "a.pdf.filepart", "a.crdownload"]
)
def test_names_that_say_unfinished_are_left_alone(watcher, folder, store, clock, name):
    (folder / name).write_bytes(PDF)
    assert settle(watcher, clock) == 0
    assert names(folder) == [name]
    assert left_alone(name)


def test_links_folders_and_pipes_are_left_alone(watcher, folder, store, clock, tmp_path):
    (tmp_path / "secret.pdf").write_bytes(PDF)
    (folder / "link.pdf").symlink_to(tmp_path / "secret.pdf")
    (folder / "dangling.pdf").symlink_to(tmp_path / "nothing")
    (folder / "folder.pdf").mkdir()
    os.mkfifo(folder / "pipe.pdf")
    assert settle(watcher, clock) == 0
    assert store.arrivals == []
    assert names(folder) == ["dangling.pdf", "link.pdf"]


def test_a_name_already_in_done_is_not_overwritten(watcher, folder, clock):
    for content in (PDF, PDF + b"\n%%EOF", PDF):
        (folder / "a.pdf").write_bytes(content)
        assert settle(watcher, clock) == 1
    kept = [path.read_bytes() for path in (folder / "done").iterdir()]
    assert sorted(kept) == sorted([PDF, PDF, PDF + b"\n%%EOF"])


@pytest.mark.parametrize("problem", [Transient(Reason.DISK_LOW), Permanent(Reason.OUR_FAULT)])
def test_a_file_the_store_cannot_take_stays_and_is_taken_at_a_later_sweep(
    watcher, folder, store, clock, events, problem
):
    (folder / "a.pdf").write_bytes(PDF)
    store.answers.append(problem)
    assert settle(watcher, clock) == 0
    assert names(folder) == ["a.pdf"]
    assert events.reasons() == [problem.reason]
    assert watcher.sweep() == 1


def test_a_file_committed_but_not_moved_is_moved_when_the_store_calls_it_a_duplicate(watcher, folder, store, clock):
    digest = hashlib.sha256(PDF).hexdigest()
    store.arrivals.append(
        Arrival(key=f"file:{digest}", format=Format.PDF, payload=PDF, source="x", received_at=clock())
    )
    (folder / "a.pdf").write_bytes(PDF)
    assert settle(watcher, clock) == 1
    assert names(folder / "done") == ["a.pdf"]


def test_a_file_exchanged_during_the_commit_stays_to_be_read(watcher, folder, store, clock):
    path = folder / "a.hl7"
    path.write_bytes(HL7)

    def exchange(arrival):
        if not store.arrivals:
            path.unlink()
            path.write_bytes(HL7 + b"OBX|\r")
        return store(arrival)

    watcher._accept = exchange
    settle(watcher, clock)
    assert path.read_bytes() == HL7 + b"OBX|\r"
    assert names(folder / "done") == []
    assert settle(watcher, clock) == 1
    assert [arrival.payload for arrival in store.arrivals] == [HL7, HL7 + b"OBX|\r"]


def test_events_hold_no_file_names(watcher, folder, clock, events):
    (folder / "Doe_Jane.pdf").write_bytes(PDF)
    (folder / "Doe_John.gif").write_bytes(b"GIF89a")
    settle(watcher, clock)
    assert [name for name, _ in events] == ["arrival", "refused"]
    assert "Doe" not in str(list(events))


def test_an_arrival_is_reported_with_its_size_and_receipt(watcher, folder, clock, events):
    (folder / "a.pdf").write_bytes(PDF)
    settle(watcher, clock)
    ((name, fields),) = events
    assert name == "arrival"
    assert fields | {"seconds": 0} == {
        "door": "folder",
        "source": "folder:incoming",
        "receipt": Receipt.NEW,
        "bytes": len(PDF),
        "seconds": 0,
    }


def test_a_closed_file_is_accepted_at_once(folder, store, events):
    with running(folder, store, events, settle_s=600):
        with (folder / "a.pdf").open("wb") as file:
            file.write(PDF[:10])
            file.flush()
            file.write(PDF[10:])
        closed = monotonic()
        arrival, came = store.came.get(timeout=WAIT_S)
    assert arrival.payload == PDF
    assert came - closed < 0.5  # a coarse bound for a loaded machine; typical is 2 ms


def test_a_file_renamed_into_the_folder_is_accepted_at_once(folder, store, events, tmp_path):
    (tmp_path / "elsewhere").write_bytes(HL7)
    with running(folder, store, events, settle_s=600):
        (tmp_path / "elsewhere").rename(folder / "a.hl7")
        assert store.came.get(timeout=WAIT_S)[0].payload == HL7


def test_a_file_finished_under_a_temporary_name_is_accepted_when_renamed(folder, store, events):
    with running(folder, store, events, settle_s=600):
        (folder / "a.pdf.part").write_bytes(PDF)
        (folder / "a.pdf.part").rename(folder / "a.pdf")
        assert store.came.get(timeout=WAIT_S)[0].payload == PDF
    assert len(store.arrivals) == 1


def test_what_came_while_we_were_down_is_taken_after_it_settled(folder, store, events):
    (folder / "a.pdf").write_bytes(PDF)
    with running(folder, store, events, settle_s=0.05):
        assert store.came.get(timeout=WAIT_S)[0].payload == PDF


def test_a_file_is_accepted_once_though_sweeps_and_the_watcher_meet(folder, store, events):
    with running(folder, store, events, settle_s=0) as watcher:
        sweepers = [threading.Thread(target=lambda: [watcher.sweep() for _ in range(20)]) for _ in range(4)]
        for sweeper in sweepers:
            sweeper.start()
        for number in range(20):
            (folder / f"{number}.pdf").write_bytes(PDF + b"%d\n%%%%EOF" % number)
        for _ in range(20):
            store.came.get(timeout=WAIT_S)
        for sweeper in sweepers:
            sweeper.join()
        with pytest.raises(Empty):
            store.came.get_nowait()
    assert len({arrival.key for arrival in store.arrivals}) == 20


def test_stop_finishes_the_file_in_hand(folder, events):
    pending = Future()
    asked = threading.Event()

    def accept(arrival):
        asked.set()
        return pending

    watcher = FolderWatcher(FolderDoor(path=folder), accept, on_event=events)
    watcher.start()
    (folder / "a.pdf").write_bytes(PDF)
    assert asked.wait(WAIT_S)
    stopping = threading.Thread(target=watcher.stop, args=(WAIT_S,))
    stopping.start()
    pending.set_result(Receipt.NEW)
    stopping.join(WAIT_S)
    assert names(folder / "done") == ["a.pdf"]


def test_stop_ends_a_sweep_after_the_file_in_hand_and_within_its_time(watcher, folder, store, clock):
    for number in range(3):
        (folder / f"{number}.hl7").write_bytes(HL7 + b"%d" % number)
    watcher.sweep()
    clock.pass_s(2)
    pending, asked = Future(), Queue()

    def accept(arrival):
        asked.put(arrival)
        return pending

    watcher._accept = accept
    taken = Queue()
    sweep = threading.Thread(target=lambda: taken.put(watcher.sweep()))
    sweep.start()
    asked.get(timeout=WAIT_S)
    began = monotonic()
    watcher.stop(0.1)
    assert watcher.sweep() == 0
    assert monotonic() - began < 0.3
    pending.set_result(Receipt.NEW)
    sweep.join(WAIT_S)
    assert taken.get(timeout=WAIT_S) == 1
    assert asked.empty()
    assert names(folder) == ["1.hl7", "2.hl7"]


@pytest.mark.parametrize("again", [b"GIF89a", b""])
def test_killed_before_the_move_the_note_is_already_there_and_the_next_sweep_makes_it_good(
    watcher, folder, clock, monkeypatch, again
):
    def killed(*_, **__):
        raise SystemExit

    (folder / "a.gif").write_bytes(b"GIF89a")
    watcher.sweep()
    clock.pass_s(2)
    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", killed)
        patched.setattr(Path, "unlink", killed)
        with pytest.raises(SystemExit):
            watcher.sweep()
    assert names(folder / "refused") == ["a.gif.reason.txt"]
    (folder / "a.gif").write_bytes(again)
    settle(watcher, clock)
    refused = names(folder / "refused")
    (kept,) = [name for name in refused if name.endswith(".gif")]
    assert f"{kept}.reason.txt" in refused
    assert names(folder) == []


def test_a_refused_file_named_like_a_note_is_not_overwritten_by_one(watcher, folder, clock):
    (folder / "a.gif.reason.txt").write_bytes(b"mine")
    settle(watcher, clock)
    (folder / "a.gif").write_bytes(b"GIF89a")
    settle(watcher, clock)
    assert (folder / "refused" / "a.gif.reason.txt").read_bytes() == b"mine"
    assert len(names(folder / "refused")) == 4


def test_a_file_exchanged_while_it_is_refused_leaves_no_note(watcher, folder, clock, monkeypatch):
    path, rename = folder / "a.gif", os.rename
    path.write_bytes(b"GIF89a")

    def exchanged(source, target):
        if source == path:
            path.unlink()
            path.write_bytes(b"GIF89a, another")
        rename(source, target)

    monkeypatch.setattr(os, "rename", exchanged)
    settle(watcher, clock)
    assert names(folder / "refused") == []
    assert names(folder) == ["a.gif"]


def test_a_sweep_after_stop_does_nothing(folder, store, events):
    with running(folder, store, events) as watcher:
        pass
    (folder / "a.pdf").write_bytes(PDF)
    assert watcher.sweep() == 0


def test_a_folder_that_vanished_is_reported_and_watched_again_when_it_is_back(folder, store, events):
    with running(folder, store, events, settle_s=600) as watcher:
        folder.rename(folder.with_name("away"))
        assert watcher.sweep() == 0
        assert set(events.reasons()) == {Reason.OUR_FAULT}  # the first sweep of its own thread may see it too
        folder.mkdir()
        watcher.sweep()
        (folder / "a.pdf").write_bytes(PDF)
        assert store.came.get(timeout=WAIT_S)[0].payload == PDF


def test_a_writer_is_noticed_by_a_lease(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"x")
    fd = os.open(path, os.O_RDONLY)
    try:
        assert not being_written(fd)
        with path.open("ab"):
            assert being_written(fd)
        assert not being_written(fd)
    finally:
        os.close(fd)


def test_xml_without_its_last_tag_waits_for_it(watcher, folder, store, clock):
    path = folder / "a.xml"
    path.write_bytes("\ufeff<?xml version='1.0'?><RestingECG>".encode("utf-16-le")[:-2])
    assert settle(watcher, clock) == 0
    path.write_bytes("\ufeff<?xml version='1.0'?><RestingECG></RestingECG>\r\n".encode("utf-16-le"))
    assert settle(watcher, clock) == 1
    assert store.arrivals[0].format is Format.XML
