"""FHIR over HTTP: find the patient, post the transaction, believe the answer only after reading every entry."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from config.schema import Fhir
from delivery.access import Access
from delivery.answers import entries_problem
from delivery.capability import Capability, capability, lacks, supposed
from delivery.singly import Singly, references, search, under_our_ids
from delivery.turns import Turns
from delivery.wire import LARGEST_ANSWER, PHASES, Wire, client_context, secret
from domain.errors import Problem, Rejected, Transient
from domain.outgoing import Outgoing
from domain.reason import Reason

__all__ = ["LARGEST_ANSWER", "FhirSender", "Wire", "client_context", "secret"]
ASK_AGAIN = timedelta(minutes=10)
"""A server that was not there when it was asked what it can do is asked again, but not before every message."""
_ENTRIES = 16


class FhirSender:
    """Sends transactions to one FHIR server; safe between threads.

    ``send`` raises ``Rejected`` (bury), ``Transient`` (try again; ``PATIENT_UNKNOWN`` is the caller's to bound) or
    ``Permanent`` (stop the destination): see ``delivery.answers``. ``on_lacks`` hears once what the server says it
    cannot do and its profile needs; ``can``: what it can do, where that is known.
    """

    def __init__(
        self,
        settings: Fhir,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_lacks: Callable[[tuple[str, ...]], None] = lambda _: None,
        can: Capability | None = None,
    ) -> None:
        self._settings, self._clock, self._on_lacks = settings, clock, on_lacks
        self._access = Access(settings, clock)
        self._turns = Turns(settings.timeout_s)
        self._asking = threading.Lock()
        self._can = can
        self._ask_at: datetime | None = None

    @property
    def longest_s(self) -> float:
        """The longest one ``send`` may take: its turn, then search and post of every entry, each again after a 401."""
        requests = 2 if self._settings.profile == "r4" else 2 * _ENTRIES
        return self._settings.timeout_s + 2 * requests * PHASES * self._settings.timeout_s

    def can(self) -> Capability:
        """What the server says it can do; asked at the first use, and supposed as long as it does not answer."""
        with self._asking:
            if self._can is None and (self._ask_at is None or self._clock() >= self._ask_at):
                self._ask_at = self._clock() + ASK_AGAIN
                self._can = self._asked()
                if self._can is not None:
                    self._on_lacks(tuple(lacks(self._can, self._settings)))
            return self._can or supposed(self._settings)

    def _asked(self) -> Capability | None:
        try:
            answer = self._access.request("GET", f"{self._access.base}/metadata", {})
        except Problem:
            return None
        return capability(answer.json(), self._settings) if answer.status == 200 else None

    def send(self, outgoing: Outgoing) -> None:
        """Deliver one transaction; returns only when the server says that every entry is stored."""
        bundle = json.loads(outgoing.body)
        kinds = [(entry["resource"]["resourceType"], entry["fullUrl"]) for entry in bundle["entry"]]
        devices = frozenset(url for kind, url in kinds if kind == "Device")
        patients = frozenset(url for kind, url in kinds if kind == "Patient")
        with self._turns.of(lasting=devices, passing=patients):
            self._deliver(outgoing, bundle)

    def _deliver(self, outgoing: Outgoing, bundle: dict[str, Any]) -> None:
        can = self.can()
        found = {query: self._patient(query) for query in _conditional(bundle)}
        resolved = under_our_ids(_resolved(bundle, found), can)
        if not can.transactions:
            Singly(self._access, can, outgoing.key).send(resolved)
            return
        body = json.dumps(resolved, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {"Content-Type": outgoing.content_type, "X-Request-Id": outgoing.key, "Prefer": "return=minimal"}
        answer = self._access.request("POST", self._access.base or "/", headers, body)
        answer.check()
        failed = entries_problem(answer.json(), len(bundle["entry"]))
        if failed:
            raise failed

    def _patient(self, query: str) -> str:
        """Look up ``Patient/id`` for ``Patient?identifier=..``; none: wait for one, several: a task for a person."""
        ids = search(self._access.request, f"{self._access.base}/{query}&_count=2", "Patient")
        if not ids:
            raise Transient(Reason.PATIENT_UNKNOWN, "no patient with this identifier")
        if len(ids) > 1:
            raise Rejected(Reason.AMBIGUOUS_MATCH, "several patients with this identifier")
        return f"Patient/{ids[0]}"

    def close(self) -> None:
        """Close the connections."""
        self._access.close()


def _conditional(bundle: dict[str, Any]) -> set[str]:
    return {one["reference"] for one in references(bundle) if one["reference"].startswith("Patient?")}


def _resolved(bundle: dict[str, Any], found: dict[str, str]) -> dict[str, Any]:
    """Literal references in place of conditional ones: many servers take only those."""
    for one in references(bundle):
        one["reference"] = found.get(one["reference"], one["reference"])
    return bundle
