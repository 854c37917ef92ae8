"""The pager: looks at the alerts when the store says that there is something, and every second; decides, and writes."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from config.schema import Settings
from config.secrets import read_secret
from delivery.alerting.actions import Action, Tell
from delivery.alerting.link import key_of
from delivery.alerting.plan import plan
from delivery.alerting.words import Message
from delivery.alerting.write import change, outgoing
from domain.alert import Book, Change, Happened, Why
from domain.outgoing import Outgoing
from ecgd import health, loop
from store.alerts import Alerts, Since

log = structlog.get_logger()
LOOK_S = 1.0
"""The longest a step of a chain is late, and an undeliverable message unnoticed."""


class _Storm(Exception):
    """A summary names all that waits, so all of it has to be looked at."""


class Pager:
    """What a loop needs of it: a turn is its claim, and nothing is ever claimed."""

    def __init__(self, alerts: Alerts, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._alerts, self._settings, self._clock = alerts, settings, clock
        self._looked: datetime | None = None

    def claim(self) -> None:
        """Look at everything that is not done with, once a second; in between at what is new."""
        now = self._clock()
        recently = self._looked is not None and timedelta(0) <= now - self._looked < timedelta(seconds=LOOK_S)
        try:
            self._turn(now, only_new=recently)
        except _Storm:
            recently = False
            self._turn(now, only_new=False)
        self._looked = self._looked if recently else now

    def _turn(self, now: datetime, *, only_new: bool) -> None:
        def decide(book: Book) -> Change:
            actions = plan(book, self._settings.alerts, now)
            if only_new and any(isinstance(one, Tell) and one.why is Why.SUMMARY for one in actions):
                raise _Storm
            return decided(actions, book, self._settings, now)

        _tell(self._alerts.turn(decide, since(self._settings, now), only_new=only_new))

    def wait(self, timeout_s: float) -> None:
        """Until a settlement raises or withdraws one, or a second is over."""
        self._alerts.wait(min(timeout_s, LOOK_S))

    def handle(self, _item: None) -> None:
        """Nothing is claimed."""

    def named(self, _item: None) -> dict[str, object]:
        """Nothing is claimed."""
        return {}

    def put_back(self, _item: None, _error: Exception) -> None:
        """Nothing is claimed: what a failed turn has not written is due at the next."""


def decided(actions: Sequence[Action], book: Book, settings: Settings, now: datetime) -> Change:
    """What follows for the store from what the planner says."""
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


def since(settings: Settings, now: datetime) -> Since:
    """How far back the planner has to see."""
    own = settings.alerts
    return Since(
        sent=timedelta(seconds=max(own.storm.within_s, own.storm.summary_s)),
        called=timedelta(seconds=own.storm.call_s),
        day=midnight(now, own.timezone) if own.budget_per_day is not None else None,
    )


def midnight(now: datetime, timezone: str) -> datetime:
    """When today began, by the hospital's clock."""
    return now.astimezone(ZoneInfo(timezone)).replace(hour=0, minute=0, second=0, microsecond=0)


def _tell(written: Change) -> None:
    for one in written.events:
        health.ALERTS.labels(one.what.value, one.why if one.what is Happened.SENT else "").inc()
        log.info("alert", alert=one.alert, what=one.what.value, why=one.why, channel=one.channel or None)
