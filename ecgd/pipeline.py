"""The only place that names the order of the stages: read, score, decide, explain, report."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from config.schema import Settings
from delivery.route import messages
from domain.arrival import Arrival
from domain.ecg import Ecg
from domain.errors import Rejected
from domain.finding import Abstention, Finding, Score
from domain.outcome import Outcome, Settlement
from domain.reason import Reason
from ecgd import loop
from ecgd.drawings import with_drawings
from inference.decide import decide

Read = Callable[[Arrival], tuple[Ecg, ...]]
Answer = Callable[[Ecg], tuple[Score | Abstention, ...]]


def process(
    arrival_id: int, arrival: Arrival, *, read: Read, score: Answer, settings: Settings, clock: Callable[[], datetime]
) -> Settlement:
    """Take one arrival all the way. Raises Transient or Permanent where it is not the arrival's fault."""
    timings: dict[str, float] = {}
    try:
        with _timed(timings, "read"):
            ecgs = read(arrival)
    except Rejected as error:
        return Settlement(outcome=Outcome.QUARANTINED, reason=error.reason, timings=timings)
    if not ecgs:
        return Settlement(outcome=Outcome.IGNORED, reason=Reason.NO_ECG, timings=timings)

    with _timed(timings, "score"):
        answers = [score(ecg) for ecg in ecgs]
    with _timed(timings, "decide"):
        findings = tuple(
            decide(
                ecg,
                answer,
                settings.thresholds,
                arrival_id=arrival_id,
                arrival_key=arrival.key,
                part=part,
                received_at=arrival.received_at,
                now=clock(),
            )
            for part, (ecg, answer) in enumerate(zip(ecgs, answers, strict=True), start=1)
        )
    with _timed(timings, "explain"):
        findings = tuple(map(_drawn, findings))
    with _timed(timings, "report"):
        outgoing = tuple(message for finding in findings for message in messages(finding, settings))
    return Settlement(
        outcome=Outcome.ABSTAINED if (reason := _nothing_scored(findings)) else Outcome.SCORED,
        reason=reason,
        findings=findings,
        outgoing=outgoing,
        timings=timings,
    )


def _nothing_scored(findings: tuple[Finding, ...]) -> Reason | None:
    """The first model's reason when no model answered for any ECG."""
    if any(finding.assessments for finding in findings):
        return None
    return next(abstention.reason for finding in findings for abstention in finding.abstentions)


def _drawn(finding: Finding) -> Finding:
    """With its drawings, or without where drawing fails: a result never waits for its illustration."""
    made = [finding]
    loop.guarded(lambda: made.append(with_drawings(finding)))()
    return made[-1]


@contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        timings[stage] = time.perf_counter() - start
