"""When an alert that nobody has acknowledged is sent again."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from config.alerts import Route
from domain.alert import Alert


def is_due(alert: Alert, channels: Sequence[str], route: Route, now: datetime) -> bool:
    """Whether the interval has passed since anybody was told, and it was not repeated as often as it may be."""
    sent = [alert.sent(channel) for channel in channels]
    if route.repeat_s is None or not all(sent):
        return False
    last = max(events[-1].at for events in sent)
    most = max(len(events) for events in sent)
    return most <= route.repeats and now - last >= timedelta(seconds=route.repeat_s)
