"""What every door asks of the store, and no more."""

from concurrent.futures import Future
from contextlib import suppress
from typing import Protocol

from domain.arrival import Arrival, Receipt

Field = str | int | float


class Accept(Protocol):
    """Commit an arrival.

    The future is resolved by another thread, and only after the commit. Its exception is ``Transient``
    (``STORE_UNAVAILABLE``, ``DISK_LOW``, ``QUEUE_FULL``) when the store cannot take the arrival now.
    """

    def __call__(self, arrival: Arrival) -> Future[Receipt]:
        """Hand the arrival over; returns at once."""
        ...


class OnEvent(Protocol):
    """Hear what a door did, for logs and metrics; no field ever holds a patient's data."""

    def __call__(self, name: str, /, **fields: Field) -> None:
        """Take note; called on the door's own thread, so it returns at once."""
        ...


def harmless(on_event: OnEvent) -> OnEvent:
    """Report without ever failing: a log on a full disk must not cost an acknowledgement, or a door its thread."""

    def report(name: str, /, **fields: Field) -> None:
        with suppress(Exception):  # whatever a listener does wrong, serving goes on
            on_event(name, **fields)

    return report


def unheard(name: str, /, **fields: Field) -> None:
    """Listen to nothing: a door's ``on_event`` when nobody wants to know."""
