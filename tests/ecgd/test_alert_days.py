"""Thirty days of an emergency department, an intensive care unit and a ward, on a clock that jumps.

Shifts change, patients are moved, leave and turn out to be one another, channels die and refuse, an alarm storm breaks
loose, and the service is restarted at any moment. Whatever was sent, closed and called is held against ``alert_rules``.
"""

import random
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from config.schema import Settings, Store
from delivery.alerting.plan import plan
from domain.alert import Closing, Happened, Raised, Risk
from domain.census import Event, Movement
from domain.ecg import Identifier
from domain.finding import Severity
from domain.reason import Reason
from ecgd.pager import Pager, decided, since
from store import census, tables
from store.alert_rows import belongs, close, raise_
from store.alerts import Alerts
from store.database import migrate, open_database
from store.outbox import Outbox
from store.reconcile import reconcile
from tests.conftest import Clock
from tests.delivery.alerting.alerts import SAID
from tests.ecgd import alert_rules as rules

START = datetime(2026, 3, 20, 0, 0, tzinfo=UTC)  # Berlin goes to summer time on the 29th
DAYS = 30
UNITS = ("ED 1", "ICU 2", "WARD 7")
NAMES = ("day", "night", "icu", "ward", "charge", "chief", "ops")


def _step(channels, after):
    return {"to": list(channels), **({"after_s": after} if after else {})}


def _route(name, **matching):
    steps = [_step(*pair) for pair in zip(rules.CHAINS[name], rules.AFTER, strict=False)]
    repeat = {"repeat_s": rules.REPEAT, "repeats": rules.REPEATS, "operations_after_s": rules.OPERATIONS_AFTER}
    return {"name": name, "steps": steps, **repeat, **matching}


SETTINGS = Settings.model_validate(
    {
        "alerts": {
            "webhooks": [{"name": name, "url": f"http://{name}.example/"} for name in NAMES],
            "smtp": [{"name": "ed", "host": "h", "sender": "a@h.example", "recipients": ["b@h.example"]}],
            "routes": [
                _route("icu", units=["ICU*"]),
                _route("day", units=["ED*"], hours="07:00-19:00"),
                _route("night", units=["ED*"]),
                _route("rest"),
            ],
            "operations": [rules.OPERATIONS],
            "timezone": str(rules.ZONE),
            "expire_s": rules.LASTS,
            "undelivered_s": rules.LATE,
            "budget_per_day": rules.BUDGET,
            "storm": {
                "most": rules.MOST,
                "within_s": rules.WITHIN,
                "summary_s": rules.SUMMARY_EVERY,
                "call_s": rules.CALL_EVERY,
            },
        }
    }
)


def whose(name):
    return (Identifier(value=name, authority="SIM", type="MR"),)


def key(name):
    return census.persons(whose(name))[0]


def plan_of(seed):
    """What happens when: ECGs, moves, merges, acknowledgements and withdrawals, in order of time."""
    dice = random.Random(seed)
    happens = []
    number = 0
    for day in range(DAYS):
        for _ in range(dice.randint(1, 2)):
            at = START + timedelta(days=day, seconds=dice.randrange(86400))
            person = f"p{dice.randrange(day * 2, day * 2 + 4)}"
            for again in range(dice.choice((1, 1, 2, 3))):
                number += 1
                when = at + timedelta(seconds=again * dice.randrange(1, 5000))
                both = dice.random() < 0.2
                happens.append((when, "ecg", person, dice.choice(UNITS), round(dice.uniform(6.5, 7.5), 2), both))
            if dice.random() < 0.3:
                happens.append((at + timedelta(seconds=dice.randrange(4000)), "move", person, dice.choice(UNITS)))
            if dice.random() < 0.15:
                happens.append((at + timedelta(seconds=dice.randrange(4000)), "leave", person))
            if dice.random() < 0.1:
                happens.append((at + timedelta(seconds=dice.randrange(4000)), "merge", person, f"{person}x"))
                happens.append((at + timedelta(seconds=dice.randrange(3000)), "ecg", f"{person}x", "ED 1", 6.9, False))
            if dice.random() < 0.6:
                happens.append((at + timedelta(seconds=dice.randrange(30, 4000)), "ack"))
            if dice.random() < 0.3:
                happens.append((at + timedelta(seconds=dice.randrange(30, 4000)), "withdraw"))
    storm = START + timedelta(days=15, hours=12, seconds=3)
    seconds = range(0, 50, 2)
    happens += [(storm + timedelta(seconds=s), "ecg", f"s{s}", "ED 1", 6.6, False) for s in seconds]
    return sorted(happens, key=lambda one: one[0])


DEAD = {"webhook:day": (4, 6), "webhook:chief": (9, 10), "smtp:ed": (4, 12)}
REFUSING = {"webhook:night": (7, 9), "webhook:icu": (19, 22), "webhook:chief": (20, 21)}


def _away(table, now):
    days = (now - START) / timedelta(days=1)
    return {channel for channel, (start, end) in table.items() if start <= days < end}


class Service:
    """The store, the pager and the deliverer, killed now and then."""

    def __init__(self, folder, restarts):
        self.clock = Clock()
        self.dice = random.Random(restarts) if restarts else None
        self.folder = folder
        self._open()
        migrate(self.database)
        with self.database.write() as connection:
            values = {"key": "k", "sha256": "0", "format": "hl7", "source": "s", "size": 0, "received_at": START}
            connection.execute(tables.arrivals.insert().values(**values, payload=b""))

    def _open(self):
        self.database = open_database(Store(free_disk_mib=0), self.folder)
        self.alerts = Alerts(self.database, self.clock)
        self.outbox = Outbox(self.database, SETTINGS.store, self.clock)

    def look(self):
        if self.dice and self.dice.random() < 0.1:
            self._die()
        Pager(self.alerts, SETTINGS, self.clock).claim()

    def _die(self):
        """In the middle of writing, or between two turns; then a new process opens the file."""
        looks = []

        def dies(book):
            looks.append(book)
            if len(looks) == 2:
                raise KeyboardInterrupt
            return decided(plan(book, SETTINGS.alerts, self.clock()), book, SETTINGS, self.clock())

        try:
            self.alerts.turn(dies, since(SETTINGS, self.clock()))
        except KeyboardInterrupt:
            assert len(looks) == 2
        self.close()
        self._open()

    def close(self):
        self.alerts.close()
        self.outbox.close()
        self.database.close()

    def deliver(self):
        now = self.clock()
        refusing = _away(REFUSING, now)
        while messages := self.outbox.claim(50, exclude_channels=_away(DEAD, now)):
            for one in messages:
                if now >= one.outgoing.expires_at:
                    self.outbox.bury(one, Reason.EXPIRED)
                elif one.outgoing.channel in refusing:
                    self.outbox.bury(one, Reason.DESTINATION_REFUSED)
                else:
                    self.outbox.sent(one)

    def ecg(self, number, person, unit, value, *, both):
        risks = [(Risk.POTASSIUM_HIGH, value)] + ([(Risk.ARREST, round(value / 10, 3))] if both else [])
        with self.database.write() as connection:
            for risk, amount in risks:
                made = Raised(
                    finding=f"{number:032x}", person=key(person), recording=f"{number}.1", risk=risk,
                    severity=Severity.CRITICAL, level="high", value=amount, unit=unit, model="m", stand_in=False,
                    expires_at=self.clock() + timedelta(seconds=rules.LASTS),
                    said={**SAID, "acquired_at": self.clock().isoformat()},
                )  # fmt: skip
                assert raise_(connection, made, self.clock())
        return risks

    def move(self, person, unit):
        event = Event.TRANSFER if unit else Event.DISCHARGE
        with self.database.write() as connection:
            row = sa.select(sa.func.count()).select_from(tables.arrivals)
            values = {"key": f"m{connection.execute(row).scalar()}", "sha256": "0", "format": "adt", "source": "s"}
            insert = tables.arrivals.insert().values(**values, size=0, received_at=self.clock(), payload=b"")
            arrival = connection.execute(insert.returning(tables.arrivals.c.id)).scalar_one()
            said = Movement(
                event=event, at=self.clock(), rank=f"{arrival:09}", whose=whose(person), unit=unit, kind="I",
                visit=Identifier(value=person), ended=None if unit else self.clock(),
            )  # fmt: skip
            census.write(connection, arrival, [said], self.clock())

    def log(self):
        """Everything of consequence, with its time, as ``Rules`` writes it."""
        order = sa.select(tables.alert_events).order_by(tables.alert_events.c.id)
        lines = []
        with self.database.read() as connection:
            for row in connection.execute(order):
                if row.what == Happened.SENT:
                    lines.append((row.at, row.alert_id, row.channel, row.why))
                elif row.what == Happened.CLOSED and row.why != "superseded":
                    lines.append((row.at, row.alert_id, "closed", row.why.split()[0]))
                elif row.what == Happened.CALLED:
                    lines.append((row.at, "called", row.why))
        return lines


def live(folder, seed, restarts=None, days=DAYS):
    """The days; the log of the service, that of the rules, and what does not add up in the end."""
    service, model = Service(folder, restarts), rules.Rules()
    dice = random.Random(seed + 1)
    recordings: dict[str, list[str]] = {}
    happens = [one for one in plan_of(seed) if one[0] < START + timedelta(days=days)]
    numbers = iter(range(1, 10_000))

    def look(at):
        service.clock.now = at
        service.look()
        model.look(at)
        service.deliver()
        model.deliver(at, _away(DEAD, at), _away(REFUSING, at))

    for index, (at, what, *rest) in enumerate(happens):
        service.clock.now = at
        if what == "ecg":
            person, unit, value, both = rest
            number = next(numbers)
            recordings.setdefault(person, []).append(f"{number}.1")
            for risk, amount in service.ecg(number, person, unit, value, both=both):
                model.raises(f"{number:032x}", person, risk.value, amount, unit, at)
        elif what in ("move", "leave"):
            person, unit = rest[0], (rest[1] if what == "move" else "")
            if person not in model.left:
                service.move(person, unit)
                model.where[person] = unit
                model.left |= {} if unit else {person: at}
        elif what == "merge":
            for recording in recordings.get(rest[1], []):
                with service.database.write() as connection:
                    belongs(connection, recording, key(rest[0]))
            for one in model.records:
                one.person = rest[0] if one.person == rest[1] and not one.closed else one.person
            recordings.setdefault(rest[0], []).extend(recordings.pop(rest[1], []))
        elif model.records:
            one = dice.choice(model.records[-4:])
            if what == "ack":
                service.alerts.acknowledge([one.number], "somebody")
                model.acknowledge(one.number)
            else:
                with service.database.write() as connection:
                    finding = service.alerts.show([one.number])[0].raised
                    still = set(Risk) - {finding.risk}
                    close(
                        connection, reason=Closing.SUPERSEDED, actor="a", now=at, finding=finding.finding, still=still
                    )
                model.withdraw(one.number)
        look(at)
        until = happens[index + 1][0] if index + 1 < len(happens) else at + timedelta(hours=6)
        steps = [timedelta(seconds=seconds) for seconds in (20, 60, *range(300, 90_000, 900))]
        for step in steps:
            if at + step >= until or not model.busy():
                break
            look(at + step)
    service.close()
    service._open()
    log, left = service.log(), reconcile(service.database).discrepancies
    service.close()
    return log, model.log, left


def in_order(log):
    """Lines of one moment have no order."""
    return sorted(log, key=repr)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return live(tmp_path_factory.mktemp("days"), seed=5)


def test_thirty_days_go_by_the_rules(undisturbed):
    log, expected, _ = undisturbed
    assert in_order(log) == in_order(expected)


def test_the_thirty_days_hold_everything_that_can_happen(undisturbed):
    log, _, _ = undisturbed
    whys = {line[-1] for line in log if line[1] != "called"}
    assert whys >= {"new", "worse", "repeat", "escalation", "summary", "withdrawn", "over", "expired", "covered"}
    assert {line[-1].split()[0] for line in log if line[1] == "called"} == {"storm", "budget"}


def test_in_the_storm_every_alert_was_told_and_none_waited_longer_than_said(undisturbed):
    log, _, _ = undisturbed
    storm = START + timedelta(days=15, hours=12)
    first = {}
    for line in log:
        if line[1] != "called" and line[2].startswith("webhook:") and storm <= line[0] < storm + timedelta(minutes=30):
            first.setdefault(line[1], line[0])
    assert len(first) >= 25


def test_restarts_change_nothing(undisturbed, tmp_path):
    """To the day after the storm: what is killed in the middle of a turn has done nothing, and forgets nothing."""
    log, _, _ = live(tmp_path, seed=5, restarts=77, days=16)
    until = START + timedelta(days=15, hours=20)
    assert [line for line in log if line[0] < until] == [line for line in undisturbed[0] if line[0] < until]


def test_every_alert_of_the_thirty_days_is_accounted_for(undisturbed):
    _, _, left = undisturbed
    assert [line for line in left if "gone" in line or "told yet" in line] == []
