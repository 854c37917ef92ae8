"""One recording through three doors, over a real store: one score, one alert, the best copy's result."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from adapters.formats import complete
from adapters.recording import Recording
from config.schema import Settings
from domain.alert import Closing
from domain.arrival import Arrival, Format
from domain.ecg import LEADS, Ecg, Identifier, Measurements, Order, Patient, ReadWarning
from domain.finding import Abstention, Output, Score, Status
from domain.outcome import Outcome, Settlement
from domain.reason import Reason
from domain.report import Report
from domain.seen import Attachment
from ecgd.pager import Pager
from ecgd.queues import JobQueue
from ecgd.whose import attached
from simulator.heart import ecg, varied
from store import tables
from store.alerts import Alerts
from store.database import Database
from store.inbox import Inbox
from store.jobs import Job, Jobs
from store.memory import Memory
from store.reconcile import reconcile
from store.report import trail, unidentified
from tests.conftest import Clock

AT = datetime(2026, 1, 5, 8, 0, 7, tzinfo=UTC)
WHO = Patient(identifiers=(Identifier(value="42", authority="SIM", type="MR"),))
NOBODY = Patient()
MODEL = {"model": "m", "version": "1", "bundle_sha256": "0" * 64, "status": Status.SITE_VALIDATED}
HIGH = Score(**MODEL, output=Output.POTASSIUM, value=7.0, unit="mmol/L")
NORMAL = Score(**MODEL, output=Output.POTASSIUM, value=4.0, unit="mmol/L")
NO_ANSWER = Abstention(**MODEL, output=Output.POTASSIUM, reason=Reason.LEAD_FLAT)
SETTINGS = Settings.model_validate(
    {
        "destinations": [{"base_url": "http://ehr/fhir", "patient": {"systems": {"SIM": "urn:sim"}}}],
        "alerts": {"webhooks": [{"name": "pager", "url": "http://pager/"}]},
    }
)


@dataclass
class House:
    """A worker without processes: what arrives is read as told and scored as told."""

    database: Database
    inbox: Inbox
    jobs: Jobs
    memory: Memory
    clock: Clock
    answer: Score | Abstention = HIGH
    scored: int = 0

    def __post_init__(self) -> None:
        self.ecgs: dict[str, tuple[Ecg, ...]] = {}
        self.reports: dict[str, tuple[Report, ...]] = {}
        self.between: Callable[[], object] | None = None
        self.pager = Pager(Alerts(self.database, self.clock), SETTINGS, self.clock)
        self.queue = JobQueue(
            self.jobs,
            read=lambda arrival: self.ecgs[arrival.key],
            score=self._score,
            settings=SETTINGS,
            clock=self.clock,
            stuck=lambda: None,
            memory=self.memory,
            said=lambda arrival: self.reports.get(arrival.key, ()),
        )

    def _score(self, _: Ecg) -> tuple[Score | Abstention, ...]:
        self.scored += 1
        between, self.between = self.between, None
        if between:
            between()
        return (self.answer,)

    def arrive(self, name: str, *ecgs: Ecg) -> Job:
        """Keep an arrival and claim it."""
        self.ecgs[name] = ecgs
        arrival = Arrival(key=name, format=Format.HL7, payload=name.encode(), source="s", received_at=AT)
        self.inbox.accept(arrival).result(30)
        job = self.jobs.claim()
        assert job is not None
        return job

    def through(self, name: str, *ecgs: Ecg) -> tuple[str, str | None]:
        """The whole way; state and reason."""
        return self.finish(self.arrive(name, *ecgs))

    def say(self, name: str, *reports: Report) -> tuple[str, str | None]:
        """A message without an ECG, the whole way."""
        self.reports[name] = reports
        return self.through(name)

    def finish(self, job: Job) -> tuple[str, str | None]:
        self.queue.handle(job)
        self.pager.claim()
        with self.database.read() as connection:
            row = connection.execute(sa.select(tables.jobs).where(tables.jobs.c.arrival_id == job.id)).one()
        return row.state, row.reason

    def work_off(self) -> None:
        """Whatever waits."""
        while job := self.jobs.claim():
            self.queue.handle(job)
        self.pager.claim()

    def standing(self) -> list[tuple[int, str | None]]:
        """Arrival and patient of the results that stand."""
        current = sa.select(tables.findings).where(tables.findings.c.superseded_by.is_(None))
        with self.database.read() as connection:
            rows = connection.execute(current.order_by(tables.findings.c.arrival_id)).all()
        found = [(row.arrival_id, row.facts["ecg"]["patient"]["identifiers"]) for row in rows]
        return [(number, who[0]["value"] if who else None) for number, who in found]

    def sent(self, kind: str) -> list[str]:
        """Keys of messages of a kind of channel."""
        query = sa.select(tables.outbox.c.key).where(tables.outbox.c.channel.startswith(kind))
        with self.database.read() as connection:
            return list(connection.execute(query.order_by(tables.outbox.c.id)).scalars())


@pytest.fixture
def house(database: Database, clock: Clock) -> Iterator[House]:
    inbox = Inbox(database, same_content=lambda *_: False, settings=SETTINGS.store, clock=clock)
    with closing(inbox), closing(Jobs(database, SETTINGS.store, clock)) as jobs:
        made = House(database=database, inbox=inbox, jobs=jobs, memory=Memory(database), clock=clock)
        yield made
        assert reconcile(database).discrepancies == ()


@pytest.fixture(scope="module")
def native() -> Ecg:
    leads = dict(zip(LEADS, ecg(varied(3), 3).astype(np.float64), strict=True))
    return complete(Recording(leads=leads, rate_hz=500.0, format="dicom", acquired_at=AT, patient=WHO))


@pytest.fixture(scope="module")
def page(native: Ecg) -> Ecg:
    signal = np.full_like(native.signal, np.nan)
    for row in range(6):
        column = slice(row // 3 * 1250, (row // 3 + 1) * 1250)
        signal[row, column] = native.signal[row, column]
    return replace(native, signal=signal, origin=replace(native.origin, digitised=True))


def _unnamed(one: Ecg) -> Ecg:
    origin = replace(one.origin, warnings=(*one.origin.warnings, ReadWarning.UNIDENTIFIED))
    return replace(one, patient=NOBODY, origin=origin)


def test_a_copy_from_a_source_no_better_is_ignored_and_not_scored(house: House, native: Ecg, page: Ecg) -> None:
    assert house.through("dicom", native) == (Outcome.SCORED, None)
    assert house.through("oru", native) == (Outcome.IGNORED, Reason.SAME_ECG)
    assert house.through("pdf", page) == (Outcome.IGNORED, Reason.SAME_ECG)
    assert (house.scored, house.standing()) == (1, [(1, "42")])
    assert (len(house.sent("webhook:")), len(house.sent("fhir:"))) == (1, 1)


def test_a_better_copy_later_is_scored_and_supersedes_without_a_second_alert(
    house: House, native: Ecg, page: Ecg
) -> None:
    house.through("pdf", page)
    assert house.through("dicom", native) == (Outcome.SCORED, None)
    assert (house.scored, house.standing()) == (2, [(2, "42")])
    assert len(house.sent("webhook:")) == 1
    assert [key.endswith(":superseded") for key in house.sent("fhir:")] == [False, False, True]


def test_a_better_copy_that_alone_is_critical_alerts(house: House, native: Ecg, page: Ecg) -> None:
    house.answer = NORMAL
    house.through("pdf", page)
    house.answer = HIGH
    house.through("dicom", native)
    assert len(house.sent("webhook:")) == 1


def test_a_better_copy_that_is_critical_the_other_way_alerts_again(house: House, native: Ecg, page: Ecg) -> None:
    house.through("pdf", page)
    house.answer = replace(HIGH, value=2.0)
    house.through("dicom", native)
    assert [key.split(":")[3] for key in house.sent("webhook:")] == ["new", "withdrawn", "new"]


def test_a_better_copy_that_is_not_critical_withdraws_the_alert_and_says_so(
    house: House, native: Ecg, page: Ecg
) -> None:
    house.through("pdf", page)
    house.answer = NORMAL
    house.through("dicom", native)
    assert [key.split(":")[3] for key in house.sent("webhook:")] == ["new", "withdrawn"]
    (alert,) = Alerts(house.database).list(all_of_them=True)
    assert alert.closed is Closing.SUPERSEDED
    house.pager.claim()
    assert len(house.sent("webhook:")) == 2


def test_the_third_copy_withdraws_what_the_first_raised(house: House, native: Ecg, page: Ecg) -> None:
    house.through("pdf", page)
    better = replace(native, signal=np.where(np.arange(12)[:, None] < 9, native.signal, np.nan).astype(np.float32))
    house.through("half", better)
    assert len(house.sent("webhook:")) == 1
    house.answer = NORMAL
    house.through("dicom", native)
    assert [key.split(":")[3] for key in house.sent("webhook:")] == ["new", "withdrawn"]


def test_decided_again_and_not_critical_any_more_it_is_withdrawn(house: House, native: Ecg) -> None:
    house.through("dicom", native)
    house.answer = NORMAL
    assert house.jobs.requeue(1)
    house.work_off()
    assert [key.split(":")[3] for key in house.sent("webhook:")] == ["new", "withdrawn"]


def test_a_copy_that_no_model_answers_does_not_take_the_place_of_one_that_was_scored(
    house: House, native: Ecg, page: Ecg
) -> None:
    house.through("pdf", page)
    house.answer = NO_ANSWER
    assert house.through("dicom", native) == (Outcome.IGNORED, Reason.SAME_ECG)
    assert house.standing() == [(1, "42")]


def test_a_worse_copy_is_scored_where_no_model_answered_the_better(house: House, native: Ecg, page: Ecg) -> None:
    house.answer = NO_ANSWER
    assert house.through("dicom", native)[0] == Outcome.ABSTAINED
    house.answer = HIGH
    assert house.through("pdf", page) == (Outcome.SCORED, None)
    assert (house.standing(), len(house.sent("webhook:"))) == ([(2, "42")], 1)


def test_of_two_workers_at_once_one_is_the_first(house: House, native: Ecg) -> None:
    slow = house.arrive("dicom", native)
    house.between = lambda: house.through("oru", native)
    assert house.finish(slow) == (Outcome.IGNORED, Reason.SAME_ECG)
    assert (house.standing(), len(house.sent("webhook:"))) == ([(2, "42")], 1)


def test_requeueing_any_copy_changes_nothing(house: House, native: Ecg, page: Ecg) -> None:
    for name, one in (("pdf", page), ("dicom", native), ("oru", native)):
        house.through(name, one)
    before = house.standing(), house.sent("")
    for number in (1, 2, 3, 2, 1):
        assert house.jobs.requeue(number)
        house.work_off()
    assert (house.standing(), house.sent("")) == before == ([(2, "42")], house.sent(""))


def test_many_ecgs_of_one_patient_in_a_row_are_never_merged(house: House, native: Ecg) -> None:
    heart = varied(3)
    for number in range(6):
        signal = ecg(heart, 100 + number).astype(np.float32)
        later = replace(native, signal=signal, acquired_at=AT + timedelta(seconds=11 * number))
        assert house.through(f"k{number}", later) == (Outcome.SCORED, None)
    assert len(house.standing()) == 6


def test_parts_of_one_file_are_ecgs_of_their_own(house: House, native: Ecg) -> None:
    assert house.through("two", native, native) == (Outcome.SCORED, None)
    assert house.jobs.requeue(1)
    house.work_off()
    assert house.standing() == [(1, "42"), (1, "42")]


def test_another_patient_s_ecg_is_another_though_the_signal_is_the_same(house: House, native: Ecg) -> None:
    house.through("dicom", native)
    other = replace(native, patient=Patient(identifiers=(Identifier(value="43", authority="SIM"),)))
    assert house.through("oru", other) == (Outcome.SCORED, None)


def test_an_unidentified_ecg_gets_the_patient_that_a_copy_names_and_is_sent_anew(
    house: House, native: Ecg, page: Ecg
) -> None:
    house.through("dicom", _unnamed(native))
    assert house.standing() == [(1, None)]
    assert house.through("pdf", page) == (Outcome.IGNORED, Reason.SAME_ECG)
    house.work_off()
    assert house.standing() == [(1, "42")]
    assert len(house.sent("webhook:")) == 1
    assert [key.endswith(":superseded") for key in house.sent("fhir:")] == [False, False, True]


def test_a_better_copy_that_names_nobody_is_of_the_patient_the_earlier_named(
    house: House, native: Ecg, page: Ecg
) -> None:
    house.through("pdf", page)
    house.through("dicom", _unnamed(native))
    assert house.standing() == [(2, "42")]


def test_a_person_attaches_an_unidentified_ecg(house: House, native: Ecg) -> None:
    house.through("dicom", _unnamed(native))
    attachment = Attachment(arrival_id=1, part=0, identifiers=WHO.identifiers, by="nurse")
    house.memory.attach(attachment, house.clock())
    house.work_off()
    assert house.standing() == [(1, "42")]
    assert house.through("oru", native) == (Outcome.IGNORED, Reason.SAME_ECG)
    assert len(house.sent("webhook:")) == 1


def test_an_ecg_attached_to_the_patient_of_its_copy_yields_to_it(house: House, native: Ecg, page: Ecg) -> None:
    house.through("dicom", replace(native, acquired_at=None))
    house.through("pdf", _unnamed(replace(page, acquired_at=None)))
    assert len(house.standing()) == 2  # neither patient nor time says that they are one
    house.memory.attach(Attachment(arrival_id=2, part=0, identifiers=WHO.identifiers, by="nurse"), house.clock())
    house.work_off()
    assert house.standing() == [(1, "42")]


def test_settlements_need_not_remember() -> None:
    assert Settlement(outcome=Outcome.IGNORED, reason=Reason.NO_ECG).looked is None


def test_the_command_s_words_when_an_ecg_cannot_be_attached(house: House, native: Ecg, page: Ecg) -> None:
    def attach(number: int, value: str = "42", authority: str = "SIM", part: int = 0) -> str | None:
        whose = (Identifier(value=value, authority=authority, type="MR"),)
        made = Attachment(arrival_id=number, part=part, identifiers=whose, by="nurse")
        return attached(house.database, SETTINGS, made, house.clock)

    house.through("dicom", native)
    house.through("oru", native)
    house.through("two", _unnamed(_other(native)), _unnamed(_other(native, seed=8)))
    assert attach(9) == "no arrival 9"
    assert "would not know" in (attach(3, authority="ELSEWHERE", part=1) or "")
    assert "whoever sent it" in (attach(1) or "")
    assert "the result of arrival 1 stands" in (attach(2) or "")
    assert "--part" in (attach(3) or "")
    assert "no ECG 3" in (attach(3, part=3) or "")
    assert [(one.arrival, one.part) for one in unidentified(house.database)] == [(3, 2), (3, 1)]
    assert attach(3, part=2) is None
    house.work_off()
    assert [(one.arrival, one.part) for one in unidentified(house.database)] == [(3, 1)]
    assert attach(3, "43", part=2) is None  # the last word counts
    house.work_off()
    assert sorted(house.standing(), key=str) == [(1, "42"), (3, "43"), (3, None)]
    assert trail(house.database, 2).copies == (1,)


ORDER = Order(placer="P1", filler="F1")


def _said(order: Order = ORDER, patient: Patient = WHO, at: datetime | None = AT) -> Report:
    return Report(reported=Measurements(qrs_ms=96), acquired_at=at, patient=patient, order=order)


MEASUREMENTS_ONLY = (Outcome.IGNORED, Reason.MEASUREMENTS_ONLY)


@pytest.mark.parametrize("first", ["ecg", "message"])
@pytest.mark.parametrize(
    "said", [_said(at=None), _said(Order(), at=AT + timedelta(seconds=40))], ids=["order", "minute"]
)
def test_measurements_alone_are_kept_and_linked_to_their_ecg_whichever_comes_first(
    house: House, native: Ecg, said: Report, first: str
) -> None:
    ordered = replace(native, order=ORDER)
    if first == "ecg":
        house.through("dicom", ordered)
    assert house.say("oru", said) == MEASUREMENTS_ONLY
    if first == "message":
        house.through("dicom", ordered)
    assert trail(house.database, 1).copies == (2,)
    assert (house.scored, len(house.standing())) == (1, 1)


@pytest.mark.parametrize(
    "said",
    [
        _said(Order(), at=AT + timedelta(minutes=3)),
        _said(patient=Patient(identifiers=(Identifier(value="43", authority="SIM"),))),
        _said(at=AT + timedelta(days=2)),
        _said(Order(), at=None),
    ],
    ids=["another minute", "another patient", "another day", "nothing to go by"],
)
def test_measurements_that_belong_to_no_ecg_for_certain_are_kept_alone(house: House, native: Ecg, said: Report) -> None:
    house.through("dicom", replace(native, order=ORDER))
    assert house.say("oru", said) == MEASUREMENTS_ONLY
    assert trail(house.database, 2).copies == ()


def test_measurements_that_fit_two_ecgs_of_a_minute_are_linked_to_neither(house: House, native: Ecg) -> None:
    house.through("one", native)
    house.through("two", replace(_other(native), acquired_at=AT + timedelta(seconds=20)))
    house.say("oru", _said(Order()))
    assert trail(house.database, 3).copies == ()


@pytest.mark.parametrize("first", ["ecg", "message"])
def test_the_order_s_message_says_whose_an_unidentified_ecg_is(house: House, native: Ecg, first: str) -> None:
    nobody_s = replace(_unnamed(native), order=ORDER)
    if first == "ecg":
        house.through("dicom", nobody_s)
    house.say("oru", _said())
    if first == "message":
        house.through("dicom", nobody_s)
    house.work_off()
    assert [who for _, who in house.standing()] == ["42"]
    assert len(house.sent("webhook:")) == 1


@pytest.mark.parametrize(
    "said", [_said(Order()), _said(at=None), _said(at=AT + timedelta(hours=1))], ids=["time", "order", "hour"]
)
def test_time_or_order_alone_do_not_say_whose_an_unidentified_ecg_is(house: House, native: Ecg, said: Report) -> None:
    house.through("dicom", replace(_unnamed(native), order=ORDER))
    house.say("oru", said)
    house.work_off()
    assert house.standing() == [(1, None)]


def test_a_message_that_says_nothing_of_an_ecg_is_ignored_as_before(house: House) -> None:
    assert house.say("oru") == (Outcome.IGNORED, Reason.NO_ECG)


def _other(native: Ecg, seed: int = 7) -> Ecg:
    return replace(native, signal=ecg(varied(seed), seed).astype(np.float32))
