"""Pagers, SMS and chat: whatever apprise speaks to."""

import json
import logging

from config.alerts import Apprise
from delivery.http import secret
from domain.errors import Permanent, Transient
from domain.outgoing import Outgoing
from domain.reason import Reason

logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it logs URLs, and they hold secrets


class AppriseSender:
    """Hands a title and a text to each URL of a file; safe between threads, as nothing is kept.

    apprise tells only whether all took it: when one did not, all are tried again, and a person may read it twice.
    """

    def __init__(self, settings: Apprise) -> None:
        self._settings = settings

    @property
    def longest_s(self) -> float:
        """The longest one ``send`` may take: connecting and the answer, for a few URLs."""
        return 8.0 * self._settings.timeout_s

    def send(self, outgoing: Outgoing) -> None:
        """Deliver, or ``Transient``; ``Permanent`` when the file holds no URL that apprise knows."""
        from apprise import Apprise as Notifier  # 0.3 s of imports that only who has such a channel pays

        said = json.loads(outgoing.body)
        notifier = Notifier()
        limits = f"rto={self._settings.timeout_s:g}&cto={self._settings.timeout_s:g}"
        urls = [line for line in secret(self._settings.url_file).splitlines() if line.strip()]
        known = [notifier.add(f"{url}{'&' if '?' in url else '?'}{limits}") for url in urls]
        if not known or not all(known):
            raise Permanent(
                Reason.DESTINATION_MISCONFIGURED, "the file holds no URL, or one that apprise does not know"
            )
        if not notifier.notify(title=said["title"], body=said["body"]):
            raise Transient(Reason.DESTINATION_UNAVAILABLE, "not taken by every URL")

    def close(self) -> None:
        """Nothing is kept open."""
