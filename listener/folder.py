"""The drop folder: settled files in, then ``done/`` or ``refused/``.

A file counts as settled when the system says so (closed after writing, or renamed into the folder: inotify) or, on
shares where it does not, when it looked the same ``settle_s`` apart. Either way nobody on this machine may have it open
for writing, a PDF or XML has to have its end, and what was read has to look as before afterwards. An empty file and one
without its end may still be filled: they are judged only after ``settle_s`` and ``GIVE_UP_S``.

A file leaves the folder after its commit. Killed in between, we take it again at the next sweep: its key is its
content, so the store answers "duplicate" and it is moved then. Links, folders, pipes and names that say "unfinished"
stay as they are.
"""

import hashlib
import os
import select
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import CancelledError
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

from inotify_simple import INotify, flags

from config.schema import FolderDoor
from domain.arrival import Arrival, Format, sniff
from domain.errors import Problem, Rejected, Transient
from domain.reason import Reason
from listener.accept import Accept, OnEvent, harmless, unheard
from listener.folder_files import (
    Look,
    being_written,
    free,
    left_alone,
    look,
    move,
    note_of,
    opened,
    read_all,
    whole,
    write_durably,
)

COMMIT_WITHIN_S = 60.0
PAUSE_S = 1.0
GIVE_UP_S = 600.0  # a file without its end that nobody touched for so long will not get one
_WATCHED = flags.CLOSE_WRITE | flags.MOVED_TO | flags.ONLYDIR

_ADVICE = {
    Reason.UNKNOWN_FORMAT: "This is neither a PDF, PNG, JPEG or DICOM, nor an ECG in XML or SCP, nor HL7 version 2.\n"
    "Export the ECG again as one of these and drop the new file.",
    Reason.TOO_LARGE: "The file is larger than this folder takes (doors.folder.max_file_mib).\n"
    "Export single ECGs, or ask the operator of this service to raise the limit.",
    Reason.MISSING_FIELD: "The file is empty. Export the ECG again and drop the new file.",
    Reason.UNDECODABLE: "The file is cut short: its end is missing (%%EOF in a PDF, the last tag of XML).\n"
    "The export or the copy did not finish. Export the ECG again and drop the new file.",
}


class FolderWatcher:
    """Takes settled files; ``sweep`` may be called from any thread at any time."""

    def __init__(
        self,
        settings: FolderDoor,
        accept: Accept,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_event: OnEvent = unheard,
    ) -> None:
        self._settings = settings
        self._accept = accept
        self._clock = clock
        self._on_event = harmless(on_event)
        self._path = settings.path
        self._done = settings.path / "done"
        self._refused = settings.path / "refused"
        self._seen: dict[str, tuple[Look, datetime]] = {}  # unsettled files: how they looked, and since when
        self._lock = threading.Lock()  # one file at a time, whoever found it
        self._stopping = threading.Event()
        self._inotify = INotify(nonblocking=True)
        self._waker = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        weakref.finalize(self, os.close, self._waker)  # not in stop(): a late sweep() must not write to a stranger
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Watch, and take what came while we were down. Raises ``OSError`` when the folder is unusable."""
        self._prepare()
        self._thread = threading.Thread(target=self._run, name="folder-door", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether files are being taken as they come."""
        return self._thread is not None and self._thread.is_alive() and not self._stopping.is_set()

    def stop(self, timeout_s: float) -> None:
        """Finish the file in hand, also of a sweep in another thread, then stop."""
        until = monotonic() + timeout_s
        self._stopping.set()
        if self._thread is not None:
            os.eventfd_write(self._waker, 1)
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                return  # still waiting for a commit; the file stays where it is
            self._thread = None
        if self._lock.acquire(timeout=max(0.0, until - monotonic())):  # not under a sweep's feet
            self._inotify.close()
            self._lock.release()

    def sweep(self) -> int:
        """Look at every file, take the settled ones; how many were accepted. The rest waits for another look.

        ``stop`` ends it after the file in hand; from then on it does nothing.
        """
        if self._stopping.is_set():
            return 0
        try:
            self._prepare()
            with os.scandir(self._path) as entries:
                names = sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
        except OSError:
            self._tell(Reason.OUR_FAULT, "the folder cannot be used")
            return 0
        with self._lock:
            for gone in self._seen.keys() - set(names):
                del self._seen[gone]
        taken = sum(self._take(name, closed=False) for name in names)
        os.eventfd_write(self._waker, 1)  # another look may be due earlier now
        return taken

    def _prepare(self) -> None:
        """Make ``done/`` and ``refused/``, ask to be told of changes; again at each sweep, as shares come and go."""
        for folder in (self._done, self._refused):
            folder.mkdir(mode=0o750, exist_ok=True)
        try:
            with self._lock:
                if not self._stopping.is_set():
                    self._inotify.add_watch(self._path, _WATCHED)  # the same folder again is no second watch
        except OSError:
            self._tell(Reason.OUR_FAULT, "changes are not announced: sweeping only")

    def _run(self) -> None:
        self.sweep()
        while not self._stopping.is_set():
            try:
                names = self._next_names()
            except OSError:  # no descriptors, no memory for the kernel: later there may be
                self._tell(Reason.OUR_FAULT, "changes cannot be waited for")
                self._stopping.wait(PAUSE_S)
                continue
            for name in names:
                self._take(name, closed=True)

    def _next_names(self) -> tuple[str, ...]:
        """Wait for closed files, or sweep when a second look is due; returns early when woken."""
        poller = select.poll()
        poller.register(self._waker, select.POLLIN)
        poller.register(self._inotify, select.POLLIN)
        wait_s = self._until_next_look_s()
        ready = {fd for fd, _ in poller.poll(None if wait_s is None else wait_s * 1000 + 1)}
        if self._waker in ready:
            os.eventfd_read(self._waker)
        if not ready:
            self.sweep()
        if self._inotify.fileno() not in ready:
            return ()
        events = self._inotify.read(timeout=0)
        if any(event.mask & flags.Q_OVERFLOW for event in events):
            self.sweep()
        return tuple(dict.fromkeys(event.name for event in events if event.name))

    def _until_next_look_s(self) -> float | None:
        """Time until a waiting file may have settled; those long due wait for the periodic sweep."""
        settle, now = timedelta(seconds=self._settings.settle_s), self._clock()
        with self._lock:
            waits = [(since + settle - now).total_seconds() for _, since in self._seen.values()]
        return min((wait for wait in waits if wait > 0), default=None)

    def _take(self, name: str, *, closed: bool) -> bool:
        """Accept one file if it is settled; whether it was."""
        if self._stopping.is_set() or left_alone(name) or name in ("done", "refused"):
            return False
        path = self._path / name
        try:
            with self._lock, opened(path) as fd:
                stopped = self._stopping.is_set()  # perhaps while we waited for our turn
                return fd is not None and not stopped and self._accept_file(path, fd, closed)
        except Transient as problem:  # stays, and is taken at the next sweep
            self._tell(problem.reason, problem.detail)
        except Problem as problem:
            self._tell(problem.reason, problem.detail)
        except OSError:
            self._tell(Reason.OUR_FAULT, "a file cannot be opened, read or moved")
        return False

    def _accept_file(self, path: Path, fd: int, closed: bool) -> bool:
        seen = look(fd)
        if not self._settled(path.name, fd, seen, closed):
            return False
        try:
            payload = self._payload(path.name, fd, seen)
        except Rejected as problem:
            self._refuse(path, fd, seen, problem.reason)
            return False
        if payload is None:
            return False
        self._commit(payload)
        self._seen.pop(path.name, None)
        target = free(self._done, path.name, hashlib.sha256(payload).hexdigest()[:12])
        move(path, target, fd, seen)
        return True

    def _settled(self, name: str, fd: int, seen: Look, closed: bool) -> bool:
        """Apply the rule, and remember the look for the next time."""
        before, since = self._seen.get(name, (None, self._clock()))
        if before != seen:
            since = self._clock()
        self._seen[name] = (seen, since)
        waited = self._clock() - since >= timedelta(seconds=self._settings.settle_s)
        return ((closed and seen.size > 0) or waited) and not being_written(fd)

    def _payload(self, name: str, fd: int, seen: Look) -> bytes | None:
        """Read a settled file; ``None`` when it is not whole yet. Raises ``Rejected`` for what we do not take."""
        if seen.size == 0:
            raise Rejected(Reason.MISSING_FIELD)
        if seen.size > self._settings.max_file_mib * 2**20:
            raise Rejected(Reason.TOO_LARGE)
        payload = read_all(fd, seen.size)
        if look(fd) != seen or len(payload) != seen.size:
            return None
        found = sniff(payload)
        if found is None:
            raise Rejected(Reason.UNKNOWN_FORMAT)
        if not whole(found, payload):
            if self._clock() - self._seen[name][1] < timedelta(seconds=GIVE_UP_S):
                return None
            raise Rejected(Reason.UNDECODABLE)
        return payload

    def _commit(self, payload: bytes) -> None:
        """Hand the bytes on and wait for the commit. Raises the store's ``Problem``."""
        began = monotonic()
        arrival = Arrival(
            key=f"file:{hashlib.sha256(payload).hexdigest()}",
            format=sniff(payload) or Format.PDF,
            payload=payload,
            source=f"folder:{self._path.name}",
            received_at=self._clock(),
        )
        try:
            receipt = self._accept(arrival).result(COMMIT_WITHIN_S)
        except (TimeoutError, CancelledError) as error:
            raise Transient(Reason.STORE_UNAVAILABLE, "the commit did not come in time") from error
        seconds = monotonic() - began
        self._on_event(
            "arrival", door="folder", source=arrival.source, receipt=receipt, bytes=len(payload), seconds=seconds
        )

    def _refuse(self, path: Path, fd: int, seen: Look, reason: Reason) -> None:
        """Set the file aside with a note beside it; fixed words, as others may read them.

        The note goes first: killed in between, we leave a note too early, which the next sweep makes good, and never a
        file that nobody explains.
        """
        self._seen.pop(path.name, None)
        words = f"{reason}\n\n{_ADVICE[reason]}\n".encode()
        target = free(self._refused, path.name, f"{seen.inode:x}", note=words)
        note = note_of(target)
        moved = False
        try:
            write_durably(note, words)
            moved = move(path, target, fd, seen)
        finally:
            if not moved:
                note.unlink(missing_ok=True)
        if moved:
            self._tell(reason)

    def _tell(self, reason: Reason, detail: str = "") -> None:
        self._on_event("refused", door="folder", reason=reason, detail=detail)
