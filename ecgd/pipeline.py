"""The only place that names the order of the stages: read, recognise, score, decide, explain, report."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from adapters.identity import says_whose, seen_of
from config.schema import Settings
from delivery.alerting.said import raised
from delivery.route import messages
from domain.alert import Raised, Risk
from domain.arrival import Arrival, Format
from domain.census import Movement
from domain.ecg import Ecg
from domain.errors import Rejected
from domain.finding import Abstention, Finding, Score
from domain.mode import Mode
from domain.outcome import Outcome, Settlement
from domain.outgoing import Outgoing
from domain.reason import Reason
from domain.report import Report
from domain.seen import Attachment, Past, Sighting
from ecgd import loop
from ecgd.answered import UNKNOWN
from ecgd.census import People, administrative, in_its_visit
from ecgd.doors import NOBODY, Memory, Nothing, Place, is_named, owner, place, taken_back, told_of, unheard
from ecgd.drawings import with_drawings
from ecgd.retract import told, withdrawn
from inference.decide import decide

Read = Callable[[Arrival], tuple[Ecg, ...]]
Answer = Callable[[Ecg], tuple[Score | Abstention, ...]]
Said = Callable[[Arrival], tuple[Report, ...]]
Moved = Callable[[Arrival], tuple[Movement, ...]]
Answered = Callable[[Arrival], Settlement]
NOTHING = Nothing()
_WITHDRAWN = re.compile(rb"[^A-Za-z0-9 ][DW](?:[^A-Za-z0-9 ]|$)")  # OBX-11 may say so: worth asking the reader


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Verdict:
    """What became of one ECG: a finding, or the earlier result of another copy ``stands``."""

    place: Place
    finding: Finding | None
    stands: Past | None

    @property
    def superseded(self) -> dict[str, str]:
        """Keys of what no longer stands, and of what does."""
        key = self.finding.key if self.finding else self.stands.key if self.stands else ""
        return self.place.takes_place_of(key) if key else {}


def process(
    arrival_id: int,
    arrival: Arrival,
    *,
    read: Read,
    score: Answer,
    settings: Settings,
    clock: Callable[[], datetime],
    memory: Memory = NOTHING,
    said: Said = lambda _: (),
    withdraws: Said = lambda _: (),
    moved: Moved = lambda _: (),
    answered: Answered = lambda _: UNKNOWN,
    people: People = NOBODY,
) -> Settlement:
    """Take one arrival all the way. Raises Transient or Permanent where it is not the arrival's fault."""
    timings: dict[str, float] = {}
    try:
        with _timed(timings, "read"):
            if arrival.format is Format.ADT:
                return replace(administrative(moved(arrival), settings), timings=timings)
            if arrival.format is Format.ORA:
                return replace(answered(arrival), timings=timings)
            ecgs = read(arrival)
            gone = withdraws(arrival) if not ecgs or _WITHDRAWN.search(arrival.payload) else ()
            reports = said(arrival) if not ecgs and not gone else ()
    except Rejected as error:
        return Settlement(outcome=Outcome.QUARANTINED, reason=error.reason, timings=timings)
    if not ecgs and not gone:
        return _without(arrival_id, reports, memory, settings, timings)

    with _timed(timings, "recognise"):
        looked = memory.looked(arrival_id)
        places = [
            place(arrival_id, n, arrival.key, ecg, memory, settings, people) for n, ecg in enumerate(ecgs, start=1)
        ]
        places = [replace(one, ecg=in_its_visit(one.ecg, arrival.received_at, people)) for one in places]
        retracted, withdrawals = withdrawn(arrival_id, len(ecgs), gone, memory, people)
    with _timed(timings, "score"):
        answers = [() if one.retracted or one.yields_to(scored=True) else score(one.ecg) for one in places]
    with _timed(timings, "decide"):
        verdicts = [_verdict(*pair, arrival, settings, memory, clock()) for pair in zip(places, answers, strict=True)]
    with _timed(timings, "explain"):
        verdicts = [replace(one, finding=one.finding and _drawn(one.finding)) for one in verdicts]
    with _timed(timings, "report"):
        superseded = {old: new for one in verdicts for old, new in one.superseded.items()}
        outgoing = [message for one in verdicts for message in _messages(one, settings)]
        retracted = {key: one for key, one in retracted.items() if key not in superseded}
        outgoing += [*taken_back(superseded, memory, settings), *told(retracted, memory, settings)]
    findings = tuple(one.finding for one in verdicts if one.finding)
    return Settlement(
        outcome=_outcome(findings),
        reason=_nothing_new(places) if not findings else _nothing_scored(findings),
        findings=findings,
        outgoing=tuple(outgoing),
        timings=timings,
        sightings=(*(_sighting(one, settings) for one in verdicts), *withdrawals),
        superseded=superseded,
        attached=tuple(
            each
            for one in verdicts
            if one.stands
            for each in told_of(arrival_id, one.place.ecg.patient.identifiers, one.stands, memory, settings)
        ),
        linked={(each.arrival_id, each.part): one.name for one in places for each in one.said},
        raised=tuple(each for one in verdicts for each in unheard(_raised(one, settings), one.place)),
        standing=_standing(verdicts, settings),
        looked=looked,
        retracted=retracted,
    )


def _nothing_new(places: Sequence[Place]) -> Reason:
    if not places:
        return Reason.WITHDRAWN
    return Reason.RETRACTED if all(one.retracted for one in places) else Reason.SAME_ECG


def _raised(one: _Verdict, settings: Settings) -> tuple[Raised, ...]:
    return raised(one.finding, settings, one.place.name) if one.finding else ()


def _standing(verdicts: Sequence[_Verdict], settings: Settings) -> dict[str, frozenset[Risk]]:
    """Of each recording that was decided, what people may be alerted to."""
    risks: dict[str, frozenset[Risk]] = {}
    for one in verdicts:
        if one.finding:
            found = frozenset(each.risk for each in _raised(one, settings))
            risks[one.place.name] = risks.get(one.place.name, frozenset()) | found
    return risks


def _without(
    arrival_id: int, reports: tuple[Report, ...], memory: Memory, settings: Settings, timings: dict[str, float]
) -> Settlement:
    """A message without an ECG: what it says of one is kept, and linked to the one it belongs to."""
    if not reports:
        return Settlement(outcome=Outcome.IGNORED, reason=Reason.NO_ECG, timings=timings)
    looked = memory.looked(arrival_id)
    sightings, attached = [], list[Attachment]()
    for part, report in enumerate(reports, start=1):
        about = seen_of(report)
        known = memory.like(arrival_id, about)
        name = owner(about, known) or f"{arrival_id}.{part}"
        sightings.append(Sighting(part=part, ecg=name, seen=about, said=report))
        certain = any(says_whose(about, one.seen) for one in known if one.ecg == name)
        for standing in memory.past(arrival_id, part, name) if certain else ():
            if standing.current:
                attached += told_of(arrival_id, report.patient.identifiers, standing, memory, settings)
    return Settlement(
        outcome=Outcome.IGNORED,
        reason=Reason.MEASUREMENTS_ONLY,
        timings=timings,
        sightings=tuple(sightings),
        attached=tuple(attached),
        looked=looked,
    )


def _verdict(
    one: Place,
    answer: tuple[Score | Abstention, ...],
    arrival: Arrival,
    settings: Settings,
    memory: Memory,
    now: datetime,
) -> _Verdict:
    """Decide, unless what was decided of another copy stands or was taken back; no answer: it was not asked for."""
    if one.retracted:
        return _Verdict(place=one, finding=None, stands=None)
    told = [each for each in answer if each.mode is not Mode.SHADOW]
    stands = one.yields_to(scored=not answer or any(isinstance(each, Score) for each in told))
    if stands:
        return _Verdict(place=one, finding=None, stands=stands)
    finding = decide(
        one.ecg,
        answer,
        settings.thresholds,
        arrival_id=one.arrival_id,
        arrival_key=one.key,
        part=one.part,
        source=arrival.source,
        received_at=arrival.received_at,
        now=now,
        earlier=one.earlier(arrival.received_at, settings.thresholds, memory),
    )
    return _Verdict(place=one, finding=finding, stands=None)


def _messages(one: _Verdict, settings: Settings) -> tuple[Outgoing, ...]:
    if one.finding is None:
        return ()
    return messages(one.finding, settings, tuple(one.superseded))


def _sighting(one: _Verdict, settings: Settings) -> Sighting:
    return Sighting(
        part=one.place.part,
        ecg=one.place.name,
        seen=one.place.seen,
        finding=one.finding.key if one.finding else None,
        named=is_named(one.place.ecg.patient.identifiers, settings),
    )


def _outcome(findings: tuple[Finding, ...]) -> Outcome:
    if not findings:
        return Outcome.IGNORED
    return Outcome.ABSTAINED if _nothing_scored(findings) else Outcome.SCORED


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
