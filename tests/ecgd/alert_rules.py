"""The rules of alerting once more, as plainly as they can be said: no events, no actions, one mutable record an alert.

It is written from docs/alerts.md, shares no code with the program, and says at each look who hears what.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Berlin")
CHAINS = {  # who is told at once, after 10 min, after 30 min; operations after an hour
    "icu": (("webhook:icu",), ("webhook:chief",)),
    "night": (("webhook:night", "smtp:ed"), ("webhook:chief",)),
    "day": (("webhook:day", "smtp:ed"), ("webhook:charge",), ("webhook:chief",)),
    "rest": (("webhook:ward",), ("webhook:chief",)),
}
AFTER = (0, 600, 1800)
OPERATIONS, OPERATIONS_AFTER = "webhook:ops", 3600
REPEAT, REPEATS = 1200, 2
LASTS, LATE = 7200, 60
MOST, WITHIN, SUMMARY_EVERY, CALL_EVERY = 6, 60, 15, 600
BUDGET = 9
MARGIN = {"arrest": 0.1, "potassium_high": 0.5}


@dataclass
class Record:
    number: int
    finding: str
    person: str
    risk: str
    value: float
    unit: str
    raised: datetime
    since: datetime
    acknowledged: bool = False
    closed: str = ""
    owed: bool = False
    under: int = 0
    heard: dict = field(default_factory=lambda: defaultdict(list))  # channel -> [message]


@dataclass
class Message:
    at: datetime
    channel: str
    kind: str
    expires: datetime
    fate: str = ""


class Rules:
    def __init__(self) -> None:
        self.records: list[Record] = []
        self.log: list[tuple] = []
        self.messages: list[Message] = []
        self.called: dict[str, datetime] = {}
        self.where: dict[str, str] = {}
        self.left: dict[str, datetime] = {}

    def raises(self, finding, person, risk, value, unit, now) -> None:
        number = len(self.records) + 1
        self.records.append(Record(number, finding, person, risk, value, unit, now, now))

    def acknowledge(self, number: int) -> None:
        one = self.records[number - 1]
        for other in self.records:
            same = (other.person, other.risk) == (one.person, one.risk) and not other.closed and not one.closed
            if other is one or same:
                other.acknowledged = True

    def withdraw(self, number: int) -> None:
        one = self.records[number - 1]
        if not one.closed:
            one.closed, one.owed = "superseded", True

    def look(self, now: datetime) -> None:
        for one in self.records:
            if one.owed:
                one.owed = False
                for channel in one.heard:
                    self._send(now, [one], channel, "withdrawn", now + timedelta(days=1))
        due = []
        groups = defaultdict(list)
        for one in self.records:
            if not one.closed:
                groups[one.person, one.risk].append(one)
        for members in groups.values():
            lead, kind = self._speaks(members, now)
            if lead and not lead.acknowledged:
                due += self._due(lead, kind, now)
        self._storm(due, now)
        self._budget(now)

    def _speaks(self, members, now):
        left = []
        covering = 0
        for one in members:
            if one.raised + timedelta(seconds=LASTS) <= now:
                self._close(one, "over" if one.acknowledged else "expired", now)
                covering = one.number if one.acknowledged else covering
            elif covering and one.under == covering:
                self._close(one, "covered", now)
            else:
                left.append(one)
        numbers = [one.number for one in left]
        alone = [one for one in left if one.under not in numbers]
        lead, kind = (alone[0], "new") if alone else (None, "")
        for one in alone[1:]:
            if one.value - lead.value >= MARGIN[one.risk]:
                self._close(lead, "worse", now)
                if not lead.acknowledged and lead.heard:
                    one.since = lead.since
                lead, kind = one, "worse"
        for one in left:
            if one is not lead and not one.closed:
                one.under = lead.number
        return lead, kind

    def _due(self, one, kind, now):
        unit = self._unit(one)
        chain = [*CHAINS[_route(unit, now)], (OPERATIONS,)]
        after = [*AFTER[: len(chain) - 1], OPERATIONS_AFTER]
        channels, deaf = [], False
        for step, (told, seconds) in enumerate(zip(chain, after, strict=True)):
            if not deaf and one.since + timedelta(seconds=seconds) > now:
                break
            channels += [(channel, "escalation" if step else kind) for channel in told]
            deaf = self._deaf(one, told, now)
        new = {channel: why for channel, why in reversed(channels) if not one.heard[channel]}
        if new:
            return [(one, channel, why, 0) for channel, why in new.items()]
        sent = [one.heard[channel] for channel, _ in channels]
        last = max(message.at for messages in sent for message in messages)
        if max(map(len, sent)) <= REPEATS and now - last >= timedelta(seconds=REPEAT):
            return [(one, channel, "repeat", len(one.heard[channel])) for channel in dict(channels)]
        return []

    def _unit(self, one) -> str:
        """Where the person is; who left before the last ECG was taken must have come back."""
        if one.person not in self.left:
            return self.where.get(one.person, one.unit)
        last = max(each.raised for each in self.records if each.person == one.person and self._waits(each))
        return "" if self.left[one.person] > last else one.unit

    @staticmethod
    def _waits(one) -> bool:
        return one.owed or not (one.closed or one.acknowledged)

    @staticmethod
    def _deaf(one, channels, now) -> bool:
        last = [one.heard[channel][-1] for channel in channels if one.heard[channel]]
        if any(message.fate == "delivered" for message in last):
            return False
        return any(m.fate == "buried" or now - m.at >= timedelta(seconds=LATE) for m in last)

    def _storm(self, due, now) -> None:
        by_channel = defaultdict(lambda: defaultdict(list))
        for one, channel, kind, count in due:
            by_channel[channel][one.finding, kind, count].append(one)
        for channel, wanted in by_channel.items():
            before = [m for m in self.messages if m.channel == channel]
            lately = [m for m in before if now - m.at < timedelta(seconds=WITHIN)]
            if len(lately) + len(wanted) <= MOST:
                for (_, kind, _), about in wanted.items():
                    self._send(now, about, channel, kind)
                continue
            if not any(m.kind == "summary" and now - m.at < timedelta(seconds=SUMMARY_EVERY) for m in before):
                self._send(now, [one for about in wanted.values() for one in about], channel, "summary")
            self._call(f"storm {channel}", now, timedelta(seconds=CALL_EVERY))

    def _budget(self, now) -> None:
        local = now.astimezone(ZONE)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        today = [one for one in self.records if one.raised >= midnight]
        for unit, count in Counter(one.unit for one in today).items():
            last = self.called.get(f"budget {unit}")
            if count > BUDGET and (last is None or last <= midnight):
                self._call(f"budget {unit}", now, timedelta(0))

    def _call(self, about, now, every) -> None:
        if about not in self.called or now - self.called[about] >= every:
            self.called[about] = now
            self.log.append((now, "called", about))

    def _send(self, now, about, channel, kind, expires=None) -> None:
        ends = max(one.raised for one in about) + timedelta(seconds=LASTS)
        message = Message(now, channel, kind, expires or ends)
        self.messages.append(message)
        for one in about:
            if kind != "withdrawn":
                one.heard[channel].append(message)
            self.log.append((now, one.number, channel, kind))

    def _close(self, one, why, now) -> None:
        one.closed = why
        self.log.append((now, one.number, "closed", why))

    def deliver(self, now, dead, refusing) -> None:
        for message in self.messages:
            if not message.fate and message.channel not in dead:
                gone = message.channel in refusing or now >= message.expires
                message.fate = "buried" if gone else "delivered"

    def busy(self) -> bool:
        return any(map(self._waits, self.records))


def _route(unit, now) -> str:
    if unit.startswith("ICU"):
        return "icu"
    if not unit.startswith("ED"):
        return "rest"
    return "day" if 7 <= now.astimezone(ZONE).hour < 19 else "night"
