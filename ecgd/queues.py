"""The two queues as a loop sees them: jobs for ``work``, one channel's messages for ``deliver``."""

import random
import time
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from math import inf

import structlog

from config.schema import Settings
from config.thresholds import Thresholds
from delivery.channels import Sender
from domain.errors import Permanent, Problem, Rejected, Transient
from domain.finding import in_a_word
from domain.outcome import Settlement
from domain.reason import Reason
from ecgd import health, loop
from ecgd.answered import UNKNOWN
from ecgd.census import People
from ecgd.doors import NOBODY, Memory
from ecgd.pipeline import NOTHING, Answer, Answered, Moved, Read, Said, process
from store.jobs import Job, Jobs, Overtaken
from store.outbox import Message, Outbox
from store.retry import next_attempt

log = structlog.get_logger()
Clock = Callable[[], datetime]
STOPPED_S = 300.0  # a destination that forbids us is asked again only this often, so that a mended one comes back
OUR_WAIT_S = 10.0
DEAD = 8  # different results in a row that a destination was not there for: it is down, not one of them at fault
LONGEST_PAUSE_S = 30.0  # of a destination that is down: an alert may wait behind it
STUCK = 5  # different arrivals in a row that failed through no fault of theirs: the worker itself is broken


class JobQueue:
    """Arrivals that wait for a worker."""

    def __init__(
        self,
        jobs: Jobs,
        *,
        read: Read,
        score: Answer,
        settings: Settings,
        clock: Clock,
        stuck: Callable[[], None],
        memory: Memory = NOTHING,
        said: Said = lambda _: (),
        withdraws: Said = lambda _: (),
        moved: Moved = lambda _: (),
        answered: Answered = lambda _: UNKNOWN,
        people: People = NOBODY,
        thresholds: Callable[[], Thresholds] | None = None,
    ) -> None:
        self._thresholds = thresholds or (lambda: settings.thresholds)
        self._jobs, self._read, self._score, self._settings, self._clock = jobs, read, score, settings, clock
        self._memory, self._people = memory, people
        self._said, self._withdraws, self._moved, self._answered = said, withdraws, moved, answered
        self._stuck, self._failed = stuck, set[int]()

    def claim(self) -> Job | None:
        """The oldest waiting arrival."""
        return self._jobs.claim()

    def wait(self, timeout_s: float) -> None:
        """Until a door commits one."""
        self._jobs.wait(timeout_s)

    def handle(self, job: Job) -> None:
        """Process one arrival and settle it."""
        with loop.kept_alive(lambda: self._jobs.extend(job), self._settings.store.lease_s / 3):
            settlement, held = self._settled(job)
        if not held:
            log.warning("superseded", arrival=job.id)  # the lease was lost: the successor's result stands
            return
        self._failed.clear()
        reason = settlement.reason or ""
        health.OUTCOMES.labels(settlement.outcome, reason).inc()
        for stage, seconds in settlement.timings.items():
            health.STAGE_SECONDS.labels(stage).observe(seconds)
        log.info(
            "settled",
            arrival=job.id,
            outcome=settlement.outcome,
            reason=reason,
            severity=[in_a_word(finding.severity) for finding in settlement.findings],
            ms={stage: round(seconds * 1000, 1) for stage, seconds in settlement.timings.items()},
        )

    def _settled(self, job: Job) -> tuple[Settlement, bool]:
        """Process it, again when another worker settled a copy of the same ECG in the meantime."""
        settings = self._settings.model_copy(update={"thresholds": self._thresholds()})  # the same for all of it
        while True:
            settlement = process(
                job.id,
                job.arrival,
                read=self._read,
                score=self._score,
                settings=settings,
                clock=self._clock,
                memory=self._memory,
                said=self._said,
                withdraws=self._withdraws,
                moved=self._moved,
                answered=self._answered,
                people=self._people,
            )
            try:
                return settlement, self._jobs.settle(job, settlement)
            except Overtaken:
                log.info("overtaken", arrival=job.id)

    def named(self, job: Job) -> dict[str, object]:
        """By its number."""
        return {"arrival": job.id}

    def put_back(self, job: Job, error: Exception) -> None:
        """Try again later. What is not the arrival's fault costs it no attempt, and makes the worker doubt itself."""
        reason = error.reason if isinstance(error, Problem) else Reason.OUR_FAULT
        health.RETRIES.labels(reason).inc()
        self._failed.add(job.id)
        if isinstance(error, Problem):
            self._jobs.release(job, self._clock() + timedelta(seconds=OUR_WAIT_S))
        else:
            wait_s = next_attempt(
                job.attempts, first_wait_s=1, longest_wait_s=300, give_up_s=inf, age_s=0, jitter=random.random()
            )
            self._jobs.retry(job, reason, self._clock() + timedelta(seconds=wait_s or OUR_WAIT_S))
        if self.is_stuck:
            self._stuck()

    @property
    def is_stuck(self) -> bool:
        """Whether so many different arrivals failed in a row that the fault is ours."""
        return len(self._failed) >= STUCK


def set_aside(arrival_id: int, reason: Reason) -> None:
    """Tell of an arrival that the store quarantined by itself."""
    health.OUTCOMES.labels("quarantined", reason).inc()
    log.error("set aside", arrival=arrival_id, reason=reason)


class ChannelQueue:
    """One destination's messages: a dead or slow one delays no other."""

    def __init__(
        self, outbox: Outbox, channel: str, sender: Sender, *, others: Collection[str], settings: Settings, clock: Clock
    ) -> None:
        self._outbox, self._channel, self._sender, self._others = outbox, channel, sender, others
        self._settings, self._lease_s, self._clock = settings.delivery, settings.store.lease_s, clock
        self._closed_until: datetime | None = None
        self._unanswered: set[int] = set()
        self._pauses = 0

    def claim(self) -> Message | None:
        """The oldest message that is due; none while the destination forbids us or is given a rest."""
        if self._closed_s() > 0:
            return None
        return next(iter(self._outbox.claim(1, exclude_channels=self._others)), None)

    def wait(self, timeout_s: float) -> None:
        """Until a worker commits one, or for a while where the destination forbids us."""
        if (closed_s := self._closed_s()) > 0:
            time.sleep(min(timeout_s, closed_s))
            return
        self._outbox.wait(timeout_s, exclude_channels=self._others)

    def handle(self, message: Message) -> None:
        """Send one message; the answer decides whether it is sent, tried again or buried."""
        if message.outgoing.channel != self._channel:  # of no channel that is configured now
            self._bury(message, Reason.NO_SUCH_CHANNEL, "the channel is no longer configured")
            return
        expires_at = message.outgoing.expires_at
        if expires_at is not None and self._clock() >= expires_at:
            self._bury(message, Reason.EXPIRED, "too old to be of use")
            return
        try:
            with loop.kept_alive(lambda: self._outbox.extend(message), self._lease_s / 3):
                self._sender.send(message.outgoing)
        except Rejected as error:
            self._answered()
            self._bury(message, error.reason, error.detail)
            return
        self._answered()
        self._outbox.sent(message)
        health.SENT.labels(self._channel).inc()
        log.info("sent", message=message.id, channel=self._channel, attempts=message.attempts)

    def named(self, message: Message) -> dict[str, object]:
        """By its number and the channel."""
        return {"message": message.id, "channel": self._channel}

    def put_back(self, message: Message, error: Exception) -> None:
        """Later, as the other side asked or by exponential back-off; buried when it has gone on too long."""
        reason = error.reason if isinstance(error, Problem) else Reason.OUR_FAULT
        unknown_now = reason is Reason.PATIENT_UNKNOWN and message.reason is not Reason.PATIENT_UNKNOWN
        wait_s = self._wait_s(message, error, reason, age_counts=not unknown_now)
        if wait_s is None:
            self._bury(message, reason, "given up")
            return
        if reason is Reason.DESTINATION_UNAVAILABLE and message.outgoing.lane:
            self._rest(message)
        if isinstance(error, Permanent):
            wait_s = STOPPED_S
            self._closed_until = self._clock() + timedelta(seconds=STOPPED_S)
        health.NOT_SENT.labels(self._channel, reason, "no").inc()
        self._outbox.retry(message, reason, self._clock() + timedelta(seconds=wait_s), restart_age=unknown_now)

    def _answered(self) -> None:
        """It is there."""
        self._unanswered.clear()
        self._pauses = 0

    def _rest(self, message: Message) -> None:
        """Ask a destination that is down every few s, not for each of the thousands that wait for it."""
        self._unanswered.add(message.id)
        if len(self._unanswered) >= DEAD and self._closed_s() <= 0:
            longest_s = min(LONGEST_PAUSE_S, self._settings.longest_wait_s)
            pause_s = min(longest_s, self._settings.first_wait_s * 2.0 ** min(self._pauses, 20))
            self._pauses += 1
            self._closed_until = self._clock() + timedelta(seconds=pause_s)

    def _closed_s(self) -> float:
        return (self._closed_until - self._clock()).total_seconds() if self._closed_until else 0.0

    def _wait_s(self, message: Message, error: Exception, reason: Reason, *, age_counts: bool) -> float | None:
        """A patient's absence counts from when it was first noticed, not from an outage before that."""
        held = reason is Reason.PATIENT_UNKNOWN
        return next_attempt(
            message.attempts,
            first_wait_s=self._settings.first_wait_s,
            longest_wait_s=self._settings.longest_wait_s,
            give_up_s=self._settings.hold_patient_s if held else self._settings.give_up_s,
            age_s=(self._clock() - message.created_at).total_seconds() if age_counts else 0.0,
            retry_after_s=error.retry_after_s if isinstance(error, Transient) else None,
            jitter=random.random(),
        )

    def _bury(self, message: Message, reason: Reason, detail: str) -> None:
        self._outbox.bury(message, reason)
        health.NOT_SENT.labels(self._channel, reason, "yes").inc()
        log.error("buried", message=message.id, channel=self._channel, reason=reason, detail=detail)
