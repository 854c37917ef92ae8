"""The storm breaker: past so many messages to one channel within so long, one summary in a while, and nothing lost.

A person whose pager rings fifty times a minute hears none of it. So the messages over the bound become one that lists
all their alerts, at once for the first, then one every ``summary_s`` at most. What is held back is not written down
anywhere: it is still due at the next turn, so no restart forgets it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from config.alerts import Storm
from delivery.alerting.actions import Action, Call, Tell
from domain.alert import Book, Sent, Why


def broken(tells: Sequence[Tell], book: Book, settings: Storm, now: datetime) -> list[Action]:
    """The messages as they go out: single ones where a channel can bear them, else a summary, or none yet."""
    out: list[Action] = []
    for channel, group in groupby(sorted(tells, key=lambda one: one.channel), key=lambda one: one.channel):
        mine = list(group)
        since = now - timedelta(seconds=settings.within_s)
        lately = [one for one in book.sent if one.channel == channel and one.at > since]
        if len({one.message for one in lately}) + len(mine) <= settings.most:
            out += mine
        else:
            out += _summary(channel, mine, book.sent, settings, now)
            out += _call(channel, mine, book, settings, now)
    return out


def _summary(channel: str, tells: list[Tell], sent: Iterable[Sent], settings: Storm, now: datetime) -> list[Tell]:
    recent = (one for one in sent if one.channel == channel and one.why == Why.SUMMARY)
    if any(now - one.at < timedelta(seconds=settings.summary_s) for one in recent):
        return []
    alerts = tuple(sorted({number for one in tells for number in one.alerts}))
    return [Tell(alerts=alerts, channel=channel, why=Why.SUMMARY, number=max(one.number for one in tells))]


def _call(channel: str, tells: list[Tell], book: Book, settings: Storm, now: datetime) -> list[Call]:
    about = f"storm {channel}"
    before = book.called.get(about)
    if before is not None and now - before < timedelta(seconds=settings.call_s):
        return []
    return [Call(alert=min(number for one in tells for number in one.alerts), about=about)]
