"""Taking results back: by the sender's word (OBX-11 D or W), or a person's (``ecgd retract``)."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from adapters.identity import other_order, seen_of
from config.schema import Settings
from delivery.superseded import retracting
from domain.errors import Rejected
from domain.outgoing import Outgoing
from domain.report import Report
from domain.seen import Past, Retraction, Sighting
from ecgd.census import People
from ecgd.doors import Memory, owner
from store.database import Database
from store.memory import Memory as Store
from store.record import take_back
from store.report import trail

BY_SENDER = "withdrawn by its sender"


def withdrawn(
    arrival_id: int, parts: int, reports: Iterable[Report], memory: Memory, people: People
) -> tuple[dict[str, Retraction], tuple[Sighting, ...]]:
    """The results that stand of the ECGs a message withdraws, found as measurements find theirs: never by guessing.

    Also what is to be remembered of it, beside the message's own ``parts``: an ECG that came before it may be worked on
    after it.
    """
    found: dict[str, Retraction] = {}
    sightings: list[Sighting] = []
    for part, report in enumerate(reports, start=parts + 1):
        whose = people.survivor(report.patient) or report.patient.identifiers
        about = seen_of(replace(report, patient=replace(report.patient, identifiers=whose)))
        known = [one for one in memory.like(arrival_id, about) if not other_order(one.seen, about)]
        name = owner(about, known)
        sightings.append(Sighting(part=part, ecg=name or f"{arrival_id}.{part}", seen=about, said=report))
        for one in memory.past(arrival_id, 0, name) if name else ():
            if one.current:
                found[one.key] = _of(one, f"arrival {arrival_id}", BY_SENDER)
    return found, tuple(sightings)


def _of(past: Past, by: str, why: str) -> Retraction:
    return Retraction(arrival_id=past.arrival_id, part=past.part, by=by, why=why)


def told(retracted: dict[str, Retraction], memory: Memory, settings: Settings) -> tuple[Outgoing, ...]:
    """Tell each destination what no longer stands, of what it was sent."""
    return tuple(
        retracting(body, key, one.why, destination)
        for key, one in retracted.items()
        for destination in settings.destinations
        if (body := memory.sent(f"{key}:{destination.channel}")) is not None
    )


def retract(database: Database, settings: Settings, said: Retraction, clock: Callable[[], datetime]) -> str | None:
    """Take back an arrival's results, all or those of one part, or say in a line why not; it names no patient."""
    memory, number = Store(database), said.arrival_id
    try:
        found = trail(database, number)
    except Rejected:
        return f"no arrival {number}"
    standing = [one for one in memory.decided(number) if one.current and said.part in (0, one.part)]
    if not standing:
        instead = f"; the result of arrival {', '.join(map(str, found.copies))} stands" if found.copies else ""
        return f"arrival {number} has no result that stands ({found.reason or found.state}){instead}"
    retracted = {one.key: _of(one, said.by, said.why) for one in standing}
    take_back(database, retracted, told(retracted, memory, settings), clock())
    return None
