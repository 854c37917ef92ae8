"""Claim, run, settle, stop; the only ``except Exception``.

A worker that meets an error it does not know must neither die in a loop nor lose the item: the item goes back with a
later time, its attempts are counted by the store, and the log says which kind of error it was and where it came from,
never its text, which may quote the input.
"""

import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, TypeVar

import structlog

from domain.errors import Problem, Transient

log = structlog.get_logger()
Item = TypeVar("Item")


class Source(Protocol[Item]):
    """What a loop needs of a queue."""

    def claim(self) -> Item | None:
        """The next item under a lease, or ``None``."""

    def wait(self, timeout_s: float) -> None:
        """Return when there may be something to claim, at the latest after ``timeout_s``."""

    def put_back(self, item: Item, error: Exception) -> None:
        """``item`` could not be handled now: later, or never again."""

    def named(self, item: Item) -> Mapping[str, object]:
        """What the log calls it: our own numbers and names."""


def run(
    source: Source[Item],
    handle: Callable[[Item], None],
    *,
    stop: threading.Event,
    beat: Callable[[], None],
    idle_s: float = 5.0,
    pause_s: float = 1.0,
) -> None:
    """Handle items until ``stop``; the one in hand is finished first. ``beat`` is called between items."""
    while not stop.is_set():
        beat()
        try:
            _step(source, handle, idle_s)
        except Exception as error:  # the queue itself is out of reach
            report(error)
            stop.wait(pause_s)


def _step(source: Source[Item], handle: Callable[[Item], None], idle_s: float) -> None:
    item = source.claim()
    if item is None:
        source.wait(idle_s)
        return
    try:
        handle(item)
    except Exception as error:
        report(error, **source.named(item))
        source.put_back(item, error)


def report(error: Exception, **named: object) -> None:
    """Log what failed, and where an error came from: types, files and lines, and no values."""
    if isinstance(error, Transient):
        log.warning("later", reason=error.reason, detail=error.detail, **named)
        return
    known = {"reason": error.reason, "detail": error.detail} if isinstance(error, Problem) else {"reason": "our_fault"}
    frames = [
        f"{'/'.join(frame.filename.rsplit('/', 2)[-2:])}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    log.error("unexpected", error=type(error).__name__, frames=frames[-6:], **known, **named)


def guarded(what: Callable[[], object]) -> Callable[[], None]:
    """``what``, with errors reported instead of raised: for jobs that run again anyway."""

    def run_once() -> None:
        try:
            what()
        except Exception as error:
            report(error)

    return run_once


@contextmanager
def kept_alive(extend: Callable[[], object], every_s: float) -> Iterator[None]:
    """Extend a lease from another thread while the work on it goes on."""
    done = threading.Event()

    def extend_until_done() -> None:
        while not done.wait(every_s):
            guarded(extend)()

    thread = threading.Thread(target=extend_until_done, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
