"""A worker and a pager without processes: the record acknowledges an alert that it got as a message."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from adapters.hl7_ora import acknowledged
from config.schema import Reading, Settings, Store
from domain.alert import Alert, Happened, Risk
from domain.arrival import Arrival, Format, Receipt
from ecgd.answered import answered
from ecgd.pager import Pager
from ecgd.queues import JobQueue
from store import tables
from store.alert_rows import raise_
from store.alerts import Alerts
from store.database import Database
from store.inbox import Inbox
from store.jobs import Jobs
from store.outbox import Outbox
from tests.conftest import Clock
from tests.delivery.alerting.alerts import SAID
from tests.store.values import raised

SETTINGS = Settings.model_validate(
    {
        "destinations": [
            {"kind": "hl7v2", "name": "engine", "host": "engine", "port": 1},
            {"base_url": "http://ehr/fhir"},
        ],
        "alerts": {
            "webhooks": [{"name": "chief", "url": "http://chief/"}],
            "routes": [
                {
                    "name": "all",
                    "repeat_s": 600,
                    "steps": [{"to": ["hl7v2:engine", "fhir:ehr"]}, {"to": ["webhook:chief"], "after_s": 300}],
                }
            ],
        },
    }
)
PERSON = "PRT||UC||AAP^Alert Acknowledging Provider^HL70912|N7^Byron^Ada"


class Hospital:
    """What it was told stands in the outbox; what it answers comes in at the door."""

    def __init__(self, database: Database, store: Store, inbox: Inbox, clock: Clock) -> None:
        self.database, self.inbox, self.clock = database, inbox, clock
        self.alerts = Alerts(database, clock)
        self.jobs, self.outbox = Jobs(database, store, clock), Outbox(database, store, clock)
        self.pager = Pager(self.alerts, SETTINGS, clock)
        self.queue = JobQueue(
            self.jobs,
            read=lambda _: (),
            score=lambda _: (),
            settings=SETTINGS,
            clock=clock,
            stuck=lambda: None,
            answered=partial(answered, lambda arrival: acknowledged(arrival, Reading()), self.alerts.told_by),
        )

    def raise_(self, finding: str = "f" * 32, **more: object) -> list[str]:
        """An alert; the messages that tell of it, by the identifiers they carry."""
        with self.database.write() as connection:
            raise_(connection, raised(finding, said={**SAID, "verdict": "Risk"}, **more), self.clock())
        return self.told()

    def told(self) -> list[str]:
        """Let the pager look; what it sent since: MSH-10, the Communication's identifier, or the webhook's kind."""
        self.pager.claim()
        return [_number(one.outgoing.body) for one in self.outbox.claim(9) if self.outbox.sent(one)]

    def answer(self, message: str, *segments: str, control: str = "R1") -> tuple[str, str | None]:
        """An ORA^R41 that answers a message, the whole way; state and reason."""
        head = f"MSH|^~\\&|EHR|HOSP|ECGD||20260302091500||ORA^R41^ORA_R41|{control}|P|2.8"
        payload = "\r".join([head, f"MSA|AA|{message}", *segments, ""]).encode()
        arrival = Arrival(
            key=f"hl7:EHR^HOSP:{control}",
            format=Format.ORA,
            payload=payload,
            source="hl7:EHR^HOSP",
            received_at=self.clock(),
        )
        receipt = self.inbox.accept(arrival).result(30)
        self.clock.pass_s(5)
        if receipt is Receipt.NEW:
            self.queue.handle(self.jobs.claim() or pytest.fail("nothing was taken"))
        with self.database.read() as connection:
            row = connection.execute(sa.select(tables.jobs).order_by(tables.jobs.c.arrival_id.desc())).first()
            assert row is not None
        return row.state, row.reason

    def show(self, number: int) -> Alert:
        """An alert."""
        (found,) = self.alerts.show([number])
        return found


def _number(body: bytes) -> str:
    if body.startswith(b"MSH"):
        return body.split(b"|")[9].decode()
    said = json.loads(body)
    return str(said["entry"][0]["resource"]["identifier"][0]["value"] if "entry" in said else said["kind"])


@pytest.fixture
def store_settings() -> Store:
    """SQLite; ``tests/store`` tries both kinds."""
    return Store(free_disk_mib=0)


@pytest.fixture
def hospital(database: Database, store_settings: Store, clock: Clock) -> Iterator[Hospital]:
    with closing(Inbox(database, same_content=lambda *_: False, settings=store_settings, clock=clock)) as inbox:
        yield Hospital(database, store_settings, inbox, clock)


@pytest.mark.parametrize("record", [0, 1], ids=["hl7v2", "fhir"])
def test_a_person_in_the_record_acknowledges_what_the_message_told_of(hospital: Hospital, record: int) -> None:
    number = hospital.raise_()[record]
    at = hospital.clock()
    assert hospital.answer(number, PERSON) == ("ignored", "alert_acknowledged")
    (known,) = [one for one in hospital.show(1).events if one.what is Happened.ACKNOWLEDGED]
    assert (known.actor, known.at) == ("Ada Byron (N7) via EHR", at)  # when they did, not when it was settled


def by_the_record(hospital: Hospital, number: str) -> None:
    hospital.answer(number, PERSON)


def by_command(hospital: Hospital, _: str) -> None:
    hospital.clock.pass_s(5)
    hospital.alerts.acknowledge([1], "Ada")


def by_a_system(hospital: Hospital, number: str) -> None:
    assert hospital.answer(number) == ("ignored", "alert_not_acknowledged")


@pytest.mark.parametrize(
    ("said", "chief", "messages"), [(by_the_record, False, 0), (by_command, False, 0), (by_a_system, True, 4)]
)
def test_it_ends_escalation_and_repeats_as_the_command_does_and_a_system_s_receipt_does_not(
    hospital: Hospital, said: Callable[[Hospital, str], None], chief: bool, messages: int
) -> None:
    said(hospital, hospital.raise_()[0])
    told = []
    for _ in range(3):
        hospital.clock.pass_s(310)
        told += hospital.told()
    assert ("escalation" in told, len(told)) == (chief, messages)


def test_an_acknowledgement_again_or_by_another_changes_nothing(hospital: Hospital) -> None:
    number, other = hospital.raise_()
    for control, message, person in (("R1", number, PERSON), ("R1", number, PERSON), ("R2", other, "PRT||UC||AAP|B")):
        assert hospital.answer(message, person, control=control) == ("ignored", "alert_acknowledged")
    assert hospital.jobs.requeue(1)
    hospital.queue.handle(hospital.jobs.claim() or pytest.fail("nothing was requeued"))
    known = [one.actor for one in hospital.show(1).events if one.what is Happened.ACKNOWLEDGED]
    assert known == ["Ada Byron (N7) via EHR"]


def test_one_message_about_two_risks_acknowledges_both_and_no_other_person_s(hospital: Hospital) -> None:
    with hospital.database.write() as connection:
        other = raised(risk=Risk.POTASSIUM_HIGH, said=SAID)
        raise_(connection, other, hospital.clock())
    number = hospital.raise_()[0]
    hospital.raise_("e" * 32, person="b" * 32, recording="2.1")
    hospital.answer(number, PERSON)
    assert [hospital.show(one).acknowledged for one in (1, 2, 3)] == [True, True, False]


@pytest.mark.parametrize("message", ["1", "0" * 20, "f" * 32])
def test_an_alert_nobody_was_told_of_under_that_name_is_quarantined(hospital: Hospital, message: str) -> None:
    hospital.raise_()
    assert hospital.answer(message, PERSON) == ("quarantined", "alert_unknown")
    assert not hospital.show(1).acknowledged


def test_an_answer_to_no_message_is_quarantined(hospital: Hospital) -> None:
    assert hospital.answer("", PERSON) == ("quarantined", "missing_field")


def test_an_answer_after_the_alert_is_over_is_kept_with_it_and_wakes_nobody(hospital: Hospital) -> None:
    number = hospital.raise_()[0]
    hospital.clock.pass_s(10 * 3600)
    hospital.told()
    assert hospital.show(1).closed is not None
    assert hospital.answer(number, PERSON) == ("ignored", "alert_acknowledged")
    assert hospital.told() == []


def test_the_log_names_nobody(hospital: Hospital) -> None:
    number = hospital.raise_()[0]
    with capture_logs() as logs:
        hospital.answer(number, PERSON)
    assert {one["event"] for one in logs} >= {"settled"}
    assert "Byron" not in str(logs)
