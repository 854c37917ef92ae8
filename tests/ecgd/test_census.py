"""A worker and a flag keeper without processes: what follows from admissions, merges, corrections and retractions."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from adapters.formats import complete
from adapters.recording import Recording
from config.schema import Settings
from domain.alert import Risk
from domain.arrival import Arrival, Format
from domain.census import Event, Movement
from domain.ecg import LEADS, Ecg, Identifier, Measurements, Order, Patient, ReadWarning
from domain.finding import Output, Score, Status
from domain.flag import Over, State
from domain.outcome import Outcome
from domain.person import person_key
from domain.reason import Reason
from domain.report import Report
from domain.seen import Looked, Retraction
from ecgd.flags import FlagKeeper
from ecgd.queues import JobQueue
from ecgd.retract import retract
from simulator.heart import ecg, varied
from store import tables
from store.census import Census
from store.database import Database
from store.flags import Flags
from store.inbox import Inbox
from store.jobs import Jobs
from store.memory import Memory
from store.reconcile import reconcile
from tests.conftest import Clock

AT = datetime(2025, 3, 30, 0, 30, tzinfo=UTC)  # half an hour before the clock
ANNA, ANNE = (Identifier(value=number, authority="SIM", type="MR") for number in ("42", "43"))
MODEL = {"model": "m", "version": "1", "bundle_sha256": "0" * 64, "status": Status.SITE_VALIDATED}
HIGH = Score(**MODEL, output=Output.POTASSIUM, value=7.0, unit="mmol/L")
NORMAL = Score(**MODEL, output=Output.POTASSIUM, value=4.0, unit="mmol/L")
PATIENTS = {"systems": {"SIM": "urn:sim"}, "default_system": "urn:sim", "encounter_systems": {"SIM": "urn:visit"}}
SETTINGS = Settings.model_validate(
    {
        "destinations": [{"base_url": "http://ehr/fhir", "patient": PATIENTS}],
        "alerts": {"webhooks": [{"name": "pager", "url": "http://pager/"}]},
    }
)


class Looking(Memory):
    """Lets something else happen once, after it was noted how far one sees."""

    def __init__(self, database: Database, ward: "Ward") -> None:
        super().__init__(database)
        self.ward = ward

    def looked(self, arrival_id: int) -> Looked:
        seen = super().looked(arrival_id)
        before, self.ward.before = self.ward.before, None
        if before:
            before()
        return seen


class Ward:
    """What arrives is read as told and scored as told."""

    def __init__(self, database: Database, inbox: Inbox, jobs: Jobs, clock: Clock) -> None:
        self.database, self.inbox, self.jobs, self.clock = database, inbox, jobs, clock
        self.ecgs: dict[str, tuple[Ecg, ...]] = {}
        self.gone: dict[str, tuple[Report, ...]] = {}
        self.moves: dict[str, tuple[Movement, ...]] = {}
        self.answer, self.scored, self.number = HIGH, 0, 0
        self.before: Callable[[], object] | None = None
        self.queue = JobQueue(
            jobs,
            read=lambda arrival: self.ecgs.get(arrival.key, ()),
            score=self._score,
            settings=SETTINGS,
            clock=clock,
            stuck=lambda: None,
            memory=Looking(database, self),
            withdraws=lambda arrival: self.gone.get(arrival.key, ()),
            moved=lambda arrival: self.moves[arrival.key],
            people=Census(database, clock),
        )
        self.keeper = FlagKeeper(Flags(database, clock), settings=SETTINGS, clock=clock)

    def _score(self, _: Ecg) -> tuple[Score, ...]:
        self.scored += 1
        return (self.answer,)

    def _arrive(self, kind: Format) -> str:
        self.number += 1
        name = f"hl7:X^Y:{self.number}"
        arrival = Arrival(key=name, format=kind, payload=name.encode(), source="hl7:X^Y", received_at=self.clock())
        self.inbox.accept(arrival).result(30)
        return name

    def arrive(self, *ecgs: Ecg, gone: tuple[Report, ...] = ()) -> int:
        """An ORU at the door; its number."""
        name = self._arrive(Format.HL7)
        self.ecgs[name], self.gone[name] = ecgs, gone
        return self.number

    def receive(self, *ecgs: Ecg, gone: tuple[Report, ...] = (), answer: Score = HIGH) -> tuple[str, str | None]:
        """An ORU, the whole way; state and reason."""
        self.answer = answer
        number = self.arrive(*ecgs, gone=gone)
        self.work_off()
        with self.database.read() as connection:
            row = connection.execute(sa.select(tables.jobs).where(tables.jobs.c.arrival_id == number)).one()
        return row.state, row.reason

    def admit(self, event: Event, minutes: int, **more: object) -> None:
        """An ADT, the whole way, and whatever it puts back to work."""
        visit = Identifier(value="V1", authority="SIM")
        given = {"whose": (ANNA,), "unit": "ED", "kind": "E", "visit": visit, **more}
        at = AT + timedelta(minutes=minutes)
        name = self._arrive(Format.ADT)
        self.moves[name] = (Movement(event=event, at=at, rank=f"{minutes:05}", **given),)  # type: ignore[arg-type]
        self.work_off()

    def merge(self, new: Identifier, old: Identifier, minutes: int = 60) -> None:
        """An A40."""
        self.admit(Event.MERGE, minutes, whose=(new,), merged=(old,))

    def work_off(self) -> None:
        """Whatever waits, then the flags."""
        while job := self.jobs.claim():
            self.queue.handle(job)
        self.look()

    def look(self) -> None:
        """Until no flag has to change any more."""
        for _ in range(20):
            person = self.keeper.claim()
            if person is None:
                return
            self.keeper.handle(person)
        raise AssertionError("flags change for ever")

    def standing(self) -> list[tuple[int, str]]:
        """Arrival and patient of the results that stand."""
        current = sa.select(tables.findings).where(tables.findings.c.superseded_by.is_(None))
        with self.database.read() as connection:
            rows = connection.execute(current.order_by(tables.findings.c.arrival_id)).all()
        return [(row.arrival_id, row.facts["ecg"]["patient"]["identifiers"][0]["value"]) for row in rows]

    def flags(self) -> list[tuple[str, str | None]]:
        """State and why."""
        with self.database.read() as connection:
            rows = connection.execute(sa.select(tables.flags).order_by(tables.flags.c.begun)).all()
        assert {row.risk for row in rows} <= {Risk.POTASSIUM_HIGH.value}
        return [(row.state, row.why) for row in rows]

    def told(self, ending: str = "") -> list[dict[str, object]]:
        """The transactions queued, of a kind, in order."""
        with self.database.read() as connection:
            rows = connection.execute(sa.select(tables.outbox).order_by(tables.outbox.c.id)).all()
        return [json.loads(row.body) for row in rows if ending in row.key]


@pytest.fixture
def ward(database: Database, clock: Clock) -> Iterator[Ward]:
    inbox = Inbox(database, same_content=lambda *_: False, settings=SETTINGS.store, clock=clock)
    with closing(inbox), closing(Jobs(database, SETTINGS.store, clock)) as jobs:
        yield Ward(database, inbox, jobs, clock)
        amiss = [line for line in reconcile(database).discrepancies if not line.endswith("(not told yet)")]
        assert amiss == []  # there is no pager here


@pytest.fixture(scope="module")
def of() -> Callable[..., Ecg]:
    """An ECG of a heart, a patient and a minute; order number as the minute."""
    made: dict[int, Ecg] = {}

    def of(
        heart: int = 3, whose: Identifier = ANNA, minutes: int = 0, *, order: str = "", corrects: bool = False
    ) -> Ecg:
        if heart not in made:
            leads = dict(zip(LEADS, ecg(varied(heart), heart).astype(np.float64), strict=True))
            made[heart] = complete(Recording(leads=leads, rate_hz=500.0, format="hl7"))
        one, doubts = made[heart], ((ReadWarning.CORRECTED,) if corrects else ())
        return replace(
            one,
            acquired_at=AT + timedelta(minutes=minutes),
            patient=Patient(identifiers=(whose,)),
            order=Order(filler=order or f"F{minutes}"),
            origin=replace(one.origin, warnings=doubts),
        )

    return of


def of_order(minutes: int, whose: Identifier = ANNA) -> tuple[Report, ...]:
    """What a message that withdraws an ECG names."""
    return (
        Report(
            reported=Measurements(),
            acquired_at=AT + timedelta(minutes=minutes),
            patient=Patient(identifiers=(whose,)),
            order=Order(filler=f"F{minutes}"),
            withdrawn=True,
        ),
    )


def resources(bundle: dict[str, object], kind: str) -> list[dict[str, object]]:
    return [one["resource"] for one in bundle["entry"] if one["resource"]["resourceType"] == kind]  # type: ignore


def test_an_admission_is_ignored_as_administrative_and_gives_an_ecg_its_visit(ward: Ward, of: Callable) -> None:
    ward.admit(Event.ADMIT, 0)
    ward.receive(of(minutes=5))
    (risk,) = resources(ward.told(":fhir:ehr")[0], "RiskAssessment")
    assert risk["encounter"]["identifier"] == {"system": "urn:visit", "value": "V1"}


def test_a_visit_named_by_the_sender_is_not_overruled(ward: Ward, of: Callable) -> None:
    ward.admit(Event.ADMIT, 0)
    own = Identifier(value="V9", authority="SIM")
    one = of(minutes=5)
    ward.receive(replace(one, order=replace(one.order, encounter=own)))
    (risk,) = resources(ward.told(":fhir:ehr")[0], "RiskAssessment")
    assert risk["encounter"]["identifier"]["value"] == "V9"


def test_a_merge_issues_results_anew_and_takes_the_old_ones_back(ward: Ward, of: Callable) -> None:
    ward.receive(of())
    ward.merge(ANNE, ANNA)
    assert ward.standing() == [(1, "43")]
    (taken,) = ward.told(":superseded")
    assert {one["status"] for one in resources(taken, "RiskAssessment")} == {"entered-in-error"}
    assert ward.flags() == [(State.ACTIVE, None)]
    last = resources(ward.told(":flag:")[-1], "Flag")[0]
    assert last["subject"]["reference"].endswith("43")


def test_a_merge_is_heard_whichever_comes_first(ward: Ward, of: Callable) -> None:
    ward.merge(ANNE, ANNA)
    ward.receive(of())
    assert ward.standing() == [(1 + 1, "43")]
    assert ward.told(":superseded") == []


def test_a_merge_of_the_merged_follows_to_the_end(ward: Ward, of: Callable) -> None:
    third = Identifier(value="44", authority="SIM", type="MR")
    ward.receive(of())
    ward.merge(ANNE, ANNA, 60)
    ward.merge(third, ANNE, 61)
    assert ward.standing() == [(1, "44")]


def test_a_number_without_authority_is_merged_where_the_configuration_says_whose_it_is(
    ward: Ward, of: Callable
) -> None:
    ward.receive(of(whose=Identifier(value="42")))
    ward.merge(ANNE, ANNA)
    assert ward.standing() == [(1, "43")]


def test_a_merge_worked_on_again_changes_nothing(ward: Ward, of: Callable) -> None:
    ward.receive(of())
    ward.merge(ANNE, ANNA)
    before = (ward.standing(), len(ward.told()))
    assert ward.jobs.requeue(2)
    ward.work_off()
    assert (ward.standing(), len(ward.told())) == before


def test_a_corrected_ecg_takes_the_place_of_the_one_of_its_order_and_minute(ward: Ward, of: Callable) -> None:
    ward.receive(of(heart=3))
    assert ward.receive(of(heart=4, corrects=True)) == (Outcome.SCORED, None)
    assert ward.standing() == [(2, "42")]
    assert len(ward.told(":superseded")) == 1


def test_a_correction_of_whose_it_is_takes_the_place_too(ward: Ward, of: Callable) -> None:
    ward.receive(of())
    ward.receive(of(whose=ANNE, corrects=True))
    assert ward.standing() == [(2, "43")]


def test_an_ecg_of_another_order_is_not_corrected(ward: Ward, of: Callable) -> None:
    ward.receive(of(heart=3))
    ward.receive(of(heart=4, minutes=9, corrects=True))
    ward.receive(of(heart=5, order="OTHER", corrects=True))
    assert len(ward.standing()) == 3


def test_of_two_orders_in_a_minute_the_corrected_one_is_replaced(ward: Ward, of: Callable) -> None:
    ward.receive(of(heart=3))
    ward.receive(of(heart=4, order="OTHER"))
    ward.receive(of(heart=5, corrects=True))
    assert ward.standing() == [(2, "42"), (3, "42")]


def test_what_withdraws_an_order_never_sent_takes_nothing_of_the_same_minute_back(ward: Ward, of: Callable) -> None:
    ward.receive(of(heart=4, order="OTHER"))
    ward.receive(gone=of_order(0))
    assert ward.standing() == [(1, "42")]


def alerts(ward: Ward) -> list[tuple[str, str | None]]:
    """Person and reason of the end of every alert."""
    with ward.database.read() as connection:
        rows = connection.execute(sa.select(tables.alerts).order_by(tables.alerts.c.id)).all()
    return [(row.person, row.reason) for row in rows]


def test_a_merged_patients_alert_is_the_survivors_and_is_not_raised_again(ward: Ward, of: Callable) -> None:
    ward.receive(of())
    ward.merge(ANNE, ANNA)
    assert alerts(ward) == [(person_key(Patient(identifiers=(ANNE,))), None)]


def test_alerts_of_what_is_withdrawn_or_retracted_are_closed(ward: Ward, of: Callable, clock: Clock) -> None:
    ward.receive(of())
    ward.receive(gone=of_order(0))
    ward.receive(of(heart=4, minutes=9))
    retract(ward.database, SETTINGS, Retraction(arrival_id=3, part=0, by="me", why="wrong"), clock)
    assert [why for _, why in alerts(ward)] == ["retracted", "retracted"]


def test_an_alert_that_a_correction_does_not_bear_out_is_closed(ward: Ward, of: Callable) -> None:
    ward.receive(of())
    ward.receive(of(heart=4, corrects=True), answer=NORMAL)
    assert [why for _, why in alerts(ward)] == ["superseded"]


def test_a_withdrawn_ecg_is_taken_back_and_its_flag_was_an_error(ward: Ward, of: Callable) -> None:
    ward.receive(of())
    assert ward.flags() == [(State.ACTIVE, None)]
    assert ward.receive(gone=of_order(0)) == (Outcome.IGNORED, Reason.WITHDRAWN)
    assert ward.standing() == []
    (taken,) = ward.told(":retracted")
    for kind in ("RiskAssessment", "Observation", "DocumentReference"):
        assert {one["status"] for one in resources(taken, kind)} == {"entered-in-error"}
    assert ward.flags() == [(State.ERROR, Over.RETRACTED)]


def test_what_withdraws_another_patients_ecg_takes_nothing_back(ward: Ward, of: Callable) -> None:
    ward.receive(of())
    assert ward.receive(gone=of_order(0, ANNE)) == (Outcome.IGNORED, Reason.WITHDRAWN)
    assert ward.standing() == [(1, "42")]


def test_a_withdrawn_ecg_stays_so_when_a_copy_comes_or_it_is_worked_on_again(ward: Ward, of: Callable) -> None:
    ward.receive(of())
    ward.receive(gone=of_order(0))
    assert ward.receive(of()) == (Outcome.IGNORED, Reason.RETRACTED)
    assert ward.jobs.requeue(1)
    ward.work_off()
    assert (ward.standing(), ward.scored) == ([], 1)


def test_an_ecg_withdrawn_before_it_was_worked_on_is_not_scored(ward: Ward, of: Callable) -> None:
    ward.arrive(of())
    ward.arrive(gone=of_order(0))
    first, last = ward.jobs.claim(), ward.jobs.claim()
    ward.queue.handle(last)
    ward.queue.handle(first)
    assert (ward.standing(), ward.scored) == ([], 0)


def test_a_withdrawal_looked_at_while_its_ecg_was_being_settled_looks_again(ward: Ward, of: Callable) -> None:
    ward.arrive(of())
    ward.arrive(gone=of_order(0))
    first, last = ward.jobs.claim(), ward.jobs.claim()
    ward.before = lambda: ward.queue.handle(first)
    ward.queue.handle(last)
    assert ward.standing() == []


def test_another_ecg_of_the_order_after_a_withdrawal_is_scored(ward: Ward, of: Callable) -> None:
    ward.receive(of(heart=3))
    ward.receive(gone=of_order(0))
    assert ward.receive(of(heart=4)) == (Outcome.SCORED, None)


def test_a_correction_after_a_withdrawal_stands(ward: Ward, of: Callable) -> None:
    ward.receive(of())
    ward.receive(gone=of_order(0))
    assert ward.receive(of(corrects=True)) == (Outcome.SCORED, None)
    assert ward.standing() == [(3, "42")]


def test_a_person_takes_a_result_back(ward: Ward, of: Callable, clock: Clock) -> None:
    ward.receive(of())
    said = Retraction(arrival_id=1, part=0, by="Dr. Who", why="electrodes of another patient")
    assert retract(ward.database, SETTINGS, said, clock) is None
    (taken,) = ward.told(":retracted")
    assert "electrodes of another patient" in json.dumps(taken)
    assert retract(ward.database, SETTINGS, said, clock) == "arrival 1 has no result that stands (scored)"
    assert retract(ward.database, SETTINGS, replace(said, arrival_id=9), clock) == "no arrival 9"
    ward.look()
    assert ward.flags() == [(State.ERROR, Over.RETRACTED)]


def test_a_flag_is_raised_renewed_and_ended_by_ecgs(ward: Ward, of: Callable) -> None:
    ward.receive(of(3, minutes=0))
    ward.receive(of(4, minutes=10))
    assert ward.flags() == [(State.ACTIVE, None)]
    ward.receive(of(5, minutes=20), answer=NORMAL)
    assert ward.flags() == [(State.INACTIVE, Over.BELOW)]
    told = [resources(one, "Flag")[0] for one in ward.told(":flag:")]
    assert [one["status"] for one in told] == ["active", "active", "inactive"]
    assert len({one["identifier"][0]["value"] for one in told}) == 1
    assert told[-1]["period"] == {"start": "2025-03-30T00:30:00+00:00", "end": "2025-03-30T00:50:00+00:00"}
    assert told[0]["category"][0]["coding"][0]["code"] == "safety"


def test_a_flag_ends_by_time_without_anything_coming(ward: Ward, of: Callable, clock: Clock) -> None:
    ward.receive(of())
    clock.pass_s(24 * 3600)
    ward.look()
    assert ward.flags() == [(State.INACTIVE, Over.TIME)]


def test_a_discharge_ends_a_flag_and_its_cancellation_brings_it_back(ward: Ward, of: Callable) -> None:
    ward.admit(Event.ADMIT, -5)
    ward.receive(of())
    ward.admit(Event.DISCHARGE, 10)
    assert ward.flags() == [(State.INACTIVE, Over.DISCHARGED)]
    ward.admit(Event.CANCEL_DISCHARGE, 11)
    assert ward.flags() == [(State.ACTIVE, None)]


def test_nobody_flags_an_ecg_without_a_patient(ward: Ward, of: Callable) -> None:
    ward.receive(replace(of(), patient=Patient()))
    assert ward.flags() == []
