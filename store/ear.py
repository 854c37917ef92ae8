"""Waiting for work: woken by a topic, by the clock when a row falls due, or by the end of patience.

Threads share one socket or connection: whoever comes first listens, and what it hears wakes the others too.
"""

import time
from collections.abc import Callable
from datetime import datetime
from threading import Condition

from store.wake import Listening, Wake


class Ear:
    """One topic's waiters in this process; listening begins with the first wait."""

    def __init__(self, wake: Wake, topic: str) -> None:
        self._wake = wake
        self._topic = topic
        self._changed = Condition()
        self._listening: Listening | None = None
        self._taken = False
        self._heard = 0

    def wait_until(self, due: Callable[[], datetime | None], clock: Callable[[], datetime], timeout_s: float) -> None:
        """Wait until ``due()`` has come, the topic is notified, or ``timeout_s`` is over, whichever is first."""
        with self._changed:
            if self._listening is None:
                self._listening = self._wake.listen(self._topic)
            listening, since = self._listening, self._heard
        moment = due()  # looked up while listening: what is committed in between is heard
        until_due = timeout_s if moment is None else (moment - clock()).total_seconds()
        self._wait(listening, since, time.monotonic() + max(0.0, min(timeout_s, until_due)))

    def close(self) -> None:
        """Stop listening."""
        with self._changed:
            if self._listening is not None:
                self._listening.close()
                self._listening = None

    def _wait(self, listening: Listening, since: int, end: float) -> None:
        with self._changed:
            while self._heard == since and (left := end - time.monotonic()) > 0:
                if self._taken:
                    self._changed.wait(left)
                else:
                    self._listen(listening, left)

    def _listen(self, listening: Listening, timeout_s: float) -> None:
        """Listen for all, without the lock; entered and left with it."""
        self._taken = True
        self._changed.release()
        heard = False
        try:
            heard = listening.wait(timeout_s)
        finally:
            self._changed.acquire()
            self._taken = False
            self._heard += heard
            self._changed.notify_all()
