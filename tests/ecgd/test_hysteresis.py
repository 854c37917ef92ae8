"""A person's ECGs through the pipeline and a real store: what an earlier one reached, a later one keeps."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from adapters import formats
from config.schema import Reading, Settings, Thresholds
from domain.arrival import Arrival, Format
from domain.ecg import Ecg, Identifier
from domain.finding import Output, Score, Status
from ecgd.pipeline import process
from inference.replay import replay
from simulator.sample import real_dicom
from store.database import Database
from store.inbox import Inbox
from store.jobs import Jobs
from store.memory import Memory
from store.scores import read
from tests.conftest import Clock

BYTES = real_dicom().read_bytes()
RECORDED = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
MODEL = {"model": "m", "version": "1", "bundle_sha256": "0" * 64, "status": Status.SITE_VALIDATED}
SITE = Thresholds.model_validate({"hysteresis": {"arrest": 0.02, "within_h": 6}})


@pytest.fixture(scope="module")
def ecg() -> Ecg:
    read_now = Arrival(key="k", format=Format.DICOM, payload=BYTES, source="dicom:A", received_at=RECORDED)
    return formats.read(read_now, Reading())[0]


@pytest.fixture
def decide(database: Database, clock: Clock, ecg: Ecg) -> Iterator[Callable[..., str]]:
    """Take one more ECG all the way; returns its level."""
    settings, numbers = Settings(thresholds=SITE), iter(range(1, 100))
    inbox = Inbox(database, same_content=lambda *_: False, settings=settings.store, clock=clock)
    with closing(inbox), closing(Jobs(database, settings.store, clock)) as jobs:

        def settle(value: float, *, hours: float, person: str = "7", seconds: float = 10) -> str:
            number = next(numbers)
            arrival = Arrival(
                key=f"k{number}", format=Format.DICOM, payload=b"%d" % number, source="dicom:A", received_at=clock()
            )
            inbox.accept(arrival).result(10)
            whose = (Identifier(value=person, authority="SIM", type="MR"),) if person else ()
            patient = replace(ecg.patient, identifiers=whose)
            signal = np.where(np.arange(ecg.signal.shape[1]) < seconds * 500, ecg.signal, np.float32("nan"))
            at = RECORDED + timedelta(hours=hours)
            one = replace(ecg, acquired_at=at, patient=patient, signal=signal.astype(np.float32))
            job = jobs.claim()
            assert job is not None
            settled = process(
                job.id,
                job.arrival,
                read=lambda _: (one,),
                score=lambda _: (Score(**MODEL, output=Output.ARREST, value=value, unit="1"),),
                settings=settings,
                clock=clock,
                memory=Memory(database),
            )
            assert jobs.settle(job, settled)
            clock.pass_s(60)
            return settled.findings[0].assessments[0].level

        yield settle


def test_a_level_is_kept_by_the_same_person_only_and_a_replay_says_the_same(
    database: Database, clock: Clock, decide: Callable[..., str]
) -> None:
    said = [
        decide(0.20, hours=0),
        decide(0.19, hours=1),
        decide(0.19, hours=1.5, person="8"),
        decide(0.19, hours=2.5, person=""),
        decide(0.19, hours=-2),  # an older ECG that came late
        decide(0.19, hours=7),  # too long after the last that reached it
    ]
    assert said == ["high", "high", "moderate", "moderate", "moderate", "moderate"]
    rows = read(database, Output.ARREST, datetime(2025, 1, 1, tzinfo=UTC), clock())
    again = replay(rows, SITE, Output.ARREST)
    assert [again.levels[step].level for step in again.step] == said


def test_a_better_copy_of_the_same_ecg_keeps_nothing_of_the_worse(
    database: Database, clock: Clock, decide: Callable[..., str]
) -> None:
    assert [decide(0.20, hours=0, seconds=5), decide(0.19, hours=0)] == ["high", "moderate"]
    assert len(read(database, Output.ARREST, datetime(2025, 1, 1, tzinfo=UTC), clock())) == 1
