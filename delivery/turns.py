"""Transactions that might create the same thing take turns."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from domain.errors import Transient
from domain.reason import Reason


class Turns:
    """Keeps two transactions from creating the same Device or Patient at once.

    A conditional create looks first and creates then; FHIR does not ask servers to isolate that (R4 3.1.0.8.1 is
    silent), and where two create the same, every later one is answered 412. Transactions that share nothing still go
    side by side, and a thing once delivered is no longer waited for.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._changed = threading.Condition()
        self._there: set[str] = set()
        self._under_way: set[str] = set()

    @contextmanager
    def of(self, *, lasting: frozenset[str], passing: frozenset[str]) -> Iterator[None]:
        """Hold what is created until it is; ``lasting`` things are remembered, ``passing`` ones are too many for that.

        Raises ``Transient(DESTINATION_UNAVAILABLE)`` when the turn does not come in time.
        """
        ours = self._take(lasting | passing)
        try:
            yield
            with self._changed:
                self._there |= lasting
        finally:
            with self._changed:
                self._under_way -= ours
                self._changed.notify_all()

    def _take(self, wanted: frozenset[str]) -> frozenset[str]:
        with self._changed:
            if not self._changed.wait_for(lambda: not (wanted - self._there) & self._under_way, self._timeout_s):
                raise Transient(Reason.DESTINATION_UNAVAILABLE, "another first delivery is under way")
            ours = wanted - self._there
            self._under_way |= ours
            return ours
