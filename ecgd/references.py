"""ECGs that an HL7 message only points to: asked for when the message is worked on, fetched by ``deliver``.

The worker has no network. It puts a message into the outbox for each reference, under a key that the arrival's decides,
before it settles the arrival: killed in between, it does both again and nothing twice. ``deliver`` fetches it as it
sends anything, tried again until ``delivery.give_up_s``, and keeps it as an arrival of its own: the message once more,
the document in its reference's place.
"""

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from adapters.hl7_reference import embedded, references
from config.doors import References
from delivery.reference import Fetcher, allowed
from domain.arrival import Arrival, Format, Receipt, sniff
from domain.ecg import Ecg
from domain.errors import Rejected, Transient
from domain.outgoing import Outgoing
from domain.reason import Reason

CHANNEL = "fetch:references"
_FETCHED = "reference:"  # begins the key of an arrival that was fetched: it is asked for nothing more
_COMMIT_S = 60.0


class Archive(Protocol):
    """What came before; see ``store.memory``."""

    def arrival(self, key: str) -> Arrival | None:
        """What came under a key."""


def asking(
    read: Callable[[Arrival], tuple[Ecg, ...]],
    put: Callable[[Outgoing], object],
    places: References,
    clock: Callable[[], datetime],
) -> Callable[[Arrival], tuple[Ecg, ...]]:
    """Read as ``read`` does, and ask for what a message without an ECG points to.

    Raises ``Rejected(REFERENCE_NOT_ALLOWED)``, so that a person sees it, where it points somewhere else only.
    """

    def read_and_ask(arrival: Arrival) -> tuple[Ecg, ...]:
        ecgs = read(arrival)
        if ecgs or arrival.format is not Format.HL7 or arrival.key.startswith(_FETCHED):
            return ecgs
        urls = references(arrival.payload)
        wanted = [url for url in urls if allowed(url, places)]
        if urls and not wanted:
            raise Rejected(Reason.REFERENCE_NOT_ALLOWED, "points to a place that reading.references does not allow")
        for url in wanted:
            put(_wanted(arrival.key, url, clock()))
        return ()

    return read_and_ask


def _wanted(key: str, url: str, now: datetime) -> Outgoing:
    digest = hashlib.sha256(f"{key}\n{url}".encode()).hexdigest()[:32]
    body = json.dumps({"arrival": key, "url": url, "asked_at": now.isoformat()}).encode()
    return Outgoing(key=f"{digest}:{CHANNEL}", channel=CHANNEL, content_type="application/json", body=body)


class ReferenceSender:
    """A ``delivery.channels.Sender`` that fetches; safe between threads."""

    def __init__(self, fetcher: Fetcher, archive: Archive, accept: Callable[[Arrival], "Future[Receipt]"]) -> None:
        self._fetcher, self._archive, self._accept = fetcher, archive, accept

    @property
    def longest_s(self) -> float:
        """The longest one ``send`` may take."""
        return self._fetcher.longest_s + _COMMIT_S

    def send(self, outgoing: Outgoing) -> None:
        """Fetch one document and keep it; one that is kept already is not fetched again."""
        wanted = json.loads(outgoing.body)
        key = _FETCHED + outgoing.key.partition(":")[0]
        told = self._archive.arrival(wanted["arrival"])
        if told is None:
            raise Rejected(Reason.OUR_FAULT, "the message that points to it is gone")
        if self._archive.arrival(key) is not None:
            return
        content = self._fetcher.fetch(wanted["url"], datetime.fromisoformat(wanted["asked_at"]))
        if sniff(content) in (None, Format.HL7):
            raise Rejected(Reason.UNKNOWN_FORMAT, "a reference to something that is no ECG's format")
        fetched = replace(told, key=key, payload=embedded(told.payload, wanted["url"], content))
        self._keep(fetched)

    def _keep(self, arrival: Arrival) -> None:
        """Raises ``Transient`` when there is no room for it now."""
        try:
            self._accept(arrival).result(_COMMIT_S)
        except TimeoutError:
            raise Transient(Reason.STORE_UNAVAILABLE, "not committed in time") from None

    def close(self) -> None:
        """Close the connections."""
        self._fetcher.close()
