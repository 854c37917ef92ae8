"""The workers' side: claim an arrival, say how it ended.

waiting -> leased             claim: ECGs first, of these the oldest, not before ``available_at``
leased -> leased              claim, when the lease has ended: its worker died
leased -> quarantined         claim, when every attempt was used: whatever kills workers does not do so for ever
leased -> settled             settle: state, findings and messages in one transaction
leased -> waiting             retry (the attempt counts), release (it does not)
settled, waiting -> waiting   requeue, by a person: attempts start again
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from config import schema
from domain.arrival import Arrival, Format
from domain.census import Event
from domain.outcome import Outcome, Settlement
from domain.person import person_key
from domain.reason import Reason
from store.database import Database
from store.ear import Ear
from store.lease import candidates, leased, next_due, update_if_held, write_if_held
from store.memory import overtaken
from store.postgresql import settling
from store.record import record
from store.tables import EPOCH, JobState, arrivals, jobs
from store.wake import DELIVER, PAGER, WORK


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One arrival, ours until ``leased_until``. ``attempts`` counts this one; ``lease`` tells claims apart."""

    id: int
    arrival: Arrival
    attempts: int
    leased_until: datetime
    lease: int


class Overtaken(Exception):
    """Between looking and settling another worker settled an ECG that may be the same."""


class Jobs:
    """Claims and settles; safe to share between threads.

    ``on_set_aside``: told the arrival and the reason when a claim quarantined it, once that is committed.
    """

    def __init__(
        self,
        database: Database,
        settings: schema.Store,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        on_set_aside: Callable[[int, Reason], None] = lambda *_: None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._on_set_aside = on_set_aside
        self._ear = Ear(database.wake, WORK)

    def claim(self) -> Job | None:
        """Lease the oldest ECG that waits, else another arrival, or ``None``; one out of attempts is quarantined."""
        due = next_due(self._database, jobs)
        while due is not None and due <= self._clock():
            with self._database.write() as connection:
                row = self._claim_row(connection)
            if row is None:
                return None
            if row.state == JobState.QUARANTINED:
                self._on_set_aside(row.arrival_id, Reason(row.reason))
            elif (job := self._job(row)) is not None:
                return job
        return None

    def extend(self, job: Job) -> bool:
        """Lease for another ``lease_s`` from now; ``False`` when another worker has it."""
        return self._write(job, leased(self._clock(), self._settings.lease_s))

    def settle(self, job: Job, settlement: Settlement) -> bool:
        """Write how it ended, its findings and its messages; ``False``, and nothing written, when it is not ours.

        Raise ``Overtaken``, and write nothing, when something was settled that the worker had to know: look again.
        """
        now = self._clock()
        values = {
            "state": str(settlement.outcome),
            "reason": settlement.reason,
            "settled_at": now,
            "leased_until": None,
            "timings": dict(settlement.timings),
        }
        merges = any(one.event is Event.MERGE for one in settlement.movements)
        told = settlement.outgoing or settlement.movements
        topics = [*([DELIVER] if told else []), *([WORK] if settlement.attached or merges else [])]
        topics += [PAGER] if settlement.standing or settlement.retracted or settlement.acknowledged else []
        with self._database.write(*topics) as connection:
            if settlement.looked is not None or merges:
                settling(connection)
            if settlement.looked is not None:
                seens = [sighting.seen for sighting in settlement.sightings]
                whose = {person_key(finding.ecg.patient) for finding in settlement.findings}
                if overtaken(connection, job.id, settlement.looked, seens, whose):
                    raise Overtaken
            held = update_if_held(connection, jobs, (job.id, job.lease), values)
            if held:
                record(connection, job.id, job.lease, settlement, now)
        return held

    def retry(self, job: Job, reason: Reason, at: datetime) -> bool:
        """Give it back until ``at``; the attempt counts."""
        return self._write(job, _waiting(at) | {"reason": reason}, WORK)

    def release(self, job: Job, at: datetime) -> bool:
        """Give it back until ``at``; the attempt does not count: what went wrong was not the arrival's fault."""
        return self._write(job, _waiting(at) | {"attempts": jobs.c.attempts - 1}, WORK)

    def requeue(self, arrival_id: int) -> bool:
        """Let an arrival be worked on again now; ``False`` when there is none or a worker has it.

        Findings stay; the next settlement replaces those with the same key. So it does with their messages that wait
        or are buried; what was sent, or is being sent, is not sent again.
        """
        values = _waiting(EPOCH) | {"attempts": 0, "reason": None, "settled_at": None}
        update = jobs.update().where(jobs.c.arrival_id == arrival_id, jobs.c.state != JobState.LEASED).values(values)
        with self._database.write(WORK) as connection:
            return connection.execute(update).rowcount == 1

    def wait(self, timeout_s: float) -> None:
        """Wait until something may be claimed, at most ``timeout_s``."""
        self._ear.wait_until(lambda: next_due(self._database, jobs), self._clock, timeout_s)

    def close(self) -> None:
        """Stop listening."""
        self._ear.close()

    def _write(self, job: Job, values: dict[str, Any], *topics: str) -> bool:
        return write_if_held(self._database, jobs, (job.id, job.lease), values, *topics)

    def _claim_row(self, connection: Connection) -> sa.Row[Any] | None:
        now = self._clock()
        lease = leased(now, self._settings.lease_s)
        spent = jobs.c.attempts >= self._settings.max_attempts
        first = candidates(connection, jobs, jobs.c.arrival_id, now, 1).order_by(None)
        oldest = first.order_by(jobs.c.turn, jobs.c.arrival_id).scalar_subquery()  # a census can wait, an ECG cannot
        update = (
            jobs.update()
            .where(jobs.c.arrival_id == oldest)
            .values(
                state=sa.case((spent, JobState.QUARANTINED), else_=JobState.LEASED),
                reason=sa.case((spent, Reason.TOO_MANY_ATTEMPTS), else_=jobs.c.reason),
                attempts=sa.case((spent, jobs.c.attempts), else_=jobs.c.attempts + 1),
                settled_at=sa.case((spent, sa.literal(now, jobs.c.settled_at.type)), else_=None),
                lease=jobs.c.lease + 1,
                **lease,
            )
            .returning(jobs)
        )
        return connection.execute(update).one_or_none()

    def _job(self, row: sa.Row[Any]) -> Job | None:
        """Fetch what was claimed; ``None``, and quarantined, when the disk did not keep it as it came."""
        with self._database.read() as connection:
            kept = connection.execute(sa.select(arrivals).where(arrivals.c.id == row.arrival_id)).one()
        arrival = Arrival(
            key=kept.key,
            format=Format(kept.format),
            payload=bytes(kept.payload),
            source=kept.source,
            received_at=kept.received_at,
        )
        job = Job(
            id=row.arrival_id,
            arrival=arrival,
            attempts=row.attempts,
            leased_until=row.leased_until,
            lease=row.lease,
        )
        if hashlib.sha256(arrival.payload).hexdigest() == kept.sha256:
            return job
        if self.settle(job, Settlement(outcome=Outcome.QUARANTINED, reason=Reason.OUR_FAULT)):
            self._on_set_aside(job.id, Reason.OUR_FAULT)
        return None


def _waiting(at: datetime) -> dict[str, Any]:
    return {"state": JobState.WAITING, "available_at": at, "leased_until": None}
