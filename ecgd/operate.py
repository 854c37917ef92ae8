"""What an operator asks of the store: how much, where is it, is anything lost, do it again."""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from config.load import InvalidConfiguration, load
from config.schema import Settings
from domain.errors import Rejected
from domain.finding import in_a_word
from store.configurations import history
from store.database import Database, migrate, open_database
from store.jobs import Jobs
from store.outbox import Outbox
from store.reconcile import reconcile
from store.report import Counts, counts, unidentified
from store.report import trail as trail_of

UNSETTLED = ("waiting", "leased")


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """The service's database, migrated."""
    database = open_database(settings.store, settings.state_dir)
    try:
        migrate(database)
        yield database
    finally:
        database.close()


def overview(database: Database, config: Path) -> dict[str, Any]:
    """What is wrong with the file and whether its thresholds hold; everything counted; ECGs that wait for a patient."""
    return {
        "configuration": configuration(database, config),
        **dataclasses.asdict(counts(database)),
        "unidentified": list(map(dataclasses.asdict, unidentified(database))),
    }


def configuration(database: Database, config: Path) -> dict[str, Any]:
    """``mistakes`` in the file as it is now, and what holds meanwhile."""
    from ecgd.thresholds_said import standing
    from inference.decide import thresholds_sha256

    last = next(iter(history(database, 1)), None)
    try:
        return {"mistakes": [], "thresholds": standing(thresholds_sha256(load(config).thresholds), last)}
    except InvalidConfiguration as error:
        held = f"{last.sha256[:12]} stay in force, if the service runs" if last else "none: the service cannot start"
        return {"mistakes": list(map(str, error.mistakes)), "thresholds": held}


def gauges(found: Counts) -> dict[str, float]:
    """The counts that a monitoring system watches."""
    return {
        "arrivals_unsettled": sum(found.jobs.get(state, 0) for state in UNSETTLED),
        "arrivals_quarantined": found.jobs.get("quarantined", 0),
        "oldest_unsettled_seconds": found.oldest_waiting_s or 0.0,
        "messages_unsent": sum(found.outbox.get(state, 0) for state in UNSETTLED),
        "messages_buried": found.outbox.get("buried", 0),
    }


def trail(database: Database, arrival_id: int) -> dict[str, Any] | None:
    """One arrival's way, or ``None`` when there is no such arrival."""
    try:
        found = dataclasses.asdict(trail_of(database, arrival_id))
    except Rejected:
        return None
    found["severities"] = [in_a_word(severity) for severity in found["severities"]]
    return found


def reconciliation(database: Database) -> dict[str, Any]:
    """The books and what is wrong with them."""
    return dataclasses.asdict(reconcile(database))


def requeue(database: Database, settings: Settings, arrival_ids: Sequence[int], messages: Sequence[int]) -> list[str]:
    """Put back to work; the lines name what could not be."""
    jobs, outbox = Jobs(database, settings.store), Outbox(database, settings.store)
    refused = [
        f"arrival {number}: none of that number, or a worker has it"
        for number in arrival_ids
        if not jobs.requeue(number)
    ]
    return refused + [
        f"message {number}: none of that number, or a deliverer has it"
        for number in messages
        if not outbox.requeue(number)
    ]


def in_words(found: dict[str, Any], indent: str = "") -> str:
    """Plain lines for a terminal."""
    lines = []
    for name, value in found.items():
        label = f"{indent}{name.replace('_', ' ')}"
        if isinstance(value, dict):
            lines += [f"{label}:", in_words(value, indent + "  ")] if value else [f"{label}: none"]
        elif isinstance(value, list | tuple):
            lines += [f"{label}: {'none' if not value else ''}"]
            lines += [f"{indent}  - {_item(item)}" for item in value]
        else:
            lines.append(f"{label}: {'none' if value is None else value}")
    return "\n".join(lines)


def _item(item: Any) -> str:
    """One entry of a list in a line, without what it has not."""
    if not isinstance(item, dict):
        return str(item)
    return ", ".join(f"{name}: {value}" for name, value in item.items() if value is not None)
