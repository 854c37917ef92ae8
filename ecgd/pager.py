"""The pager: looks at the alerts when the store says that there is something, and every second; decides, and writes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from config.schema import Settings
from config.secrets import read_secret
from delivery.alerting.actions import Tell
from delivery.alerting.link import key_of
from delivery.alerting.plan import plan
from delivery.alerting.words import Message
from delivery.alerting.write import change, outgoing
from domain.alert import Book, Change, Happened
from domain.outgoing import Outgoing
from ecgd import health, loop
from store.alerts import Alerts

log = structlog.get_logger()
LOOK_S = 1.0
"""The longest a step of a chain is late, and an undeliverable message unnoticed."""


class Pager:
    """What a loop needs of it: a turn is its claim, and nothing is ever claimed."""

    def __init__(self, alerts: Alerts, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._alerts, self._settings, self._clock = alerts, settings, clock

    def claim(self) -> None:
        """One look at everything that is not done with."""
        own = self._settings.alerts
        now = self._clock()
        lately = max(own.storm.within_s, own.storm.summary_s, own.storm.call_s)
        written = self._alerts.turn(
            lambda book: decided(book, self._settings, now),
            day=midnight(now, own.timezone),
            lately=timedelta(seconds=lately),
        )
        _tell(written)

    def wait(self, timeout_s: float) -> None:
        """Until a settlement raises or withdraws one, or a second is over."""
        self._alerts.wait(min(timeout_s, LOOK_S))

    def handle(self, _item: None) -> None:
        """Nothing is claimed."""

    def put_back(self, _item: None, _error: Exception) -> None:
        """Nothing is claimed: what a failed turn has not written is due at the next."""


def decided(book: Book, settings: Settings, now: datetime) -> Change:
    """What follows for the store from what the planner says."""
    actions = plan(book, settings.alerts, now)
    page = settings.alerts.acknowledge
    key = key_in(page.key_file) if page and any(isinstance(one, Tell) for one in actions) else None
    return change(actions, book, settings, now, key=key, render=rendered)


def rendered(message: Message, settings: Settings) -> Outgoing:
    """A message that cannot be written as it should goes out without content: it must keep back no other."""
    made: list[Outgoing] = []
    loop.guarded(lambda: made.append(outgoing(message, settings)))()
    return made[0] if made else outgoing(replace(message, content="none"), settings)


def key_in(file: Path) -> bytes | None:
    """The key of the links; ``None``, and said loudly, when it cannot be read: an alert without a link is still one."""
    try:
        return key_of(read_secret(file))
    except (OSError, ValueError) as error:
        log.error("no key for links", error=type(error).__name__)
        return None


def midnight(now: datetime, timezone: str) -> datetime:
    """When today began, by the hospital's clock."""
    return now.astimezone(ZoneInfo(timezone)).replace(hour=0, minute=0, second=0, microsecond=0)


def _tell(written: Change) -> None:
    for one in written.events:
        health.ALERTS.labels(one.what.value, one.why if one.what is Happened.SENT else "").inc()
        log.info("alert", alert=one.alert, what=one.what.value, why=one.why, channel=one.channel or None)
