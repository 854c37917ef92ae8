"""What goes out."""

from dataclasses import dataclass
from datetime import datetime

RESULTS = ("fhir:", "hl7v2:")
"""Channels that carry whole results to records; all others alert people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message to one destination.

    ``key``: ``<the finding's key>:<channel>``, unique and deterministic: sending it twice is harmless.
    ``channel``: ``kind:name`` as configured, e.g. ``fhir:main``, ``webhook:pager``, ``smtp:ed``.
    ``lane``: whose results these are; to one destination they go one after the other. Empty: in no order (alerts).
    ``expires_at``: after this a late message would mislead and is buried (alerts), ``None`` for results.
    """

    key: str
    channel: str
    content_type: str
    body: bytes
    expires_at: datetime | None = None
    lane: str = ""

    @property
    def is_result(self) -> bool:
        """Whether it goes to a record, and not to a person."""
        return self.channel.startswith(RESULTS)
