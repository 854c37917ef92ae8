"""Whose an unidentified ECG is, as a person says."""

from collections.abc import Callable
from datetime import datetime

from config.schema import Settings
from domain.errors import Rejected
from domain.seen import Attachment
from ecgd.doors import is_named
from store.database import Database
from store.memory import Memory
from store.report import trail


def attached(
    database: Database, settings: Settings, attachment: Attachment, clock: Callable[[], datetime]
) -> str | None:
    """Attach, or say in a line why not; the line names no patient."""
    memory, number = Memory(database), attachment.arrival_id
    if not is_named(attachment.identifiers, settings):
        return "the EHR would not know that patient: see patient.systems and default_system of the destinations"
    try:
        found = trail(database, number)
    except Rejected:
        return f"no arrival {number}"
    parts = {one.part: one for one in memory.decided(number) if one.current}
    if not parts:
        instead = f"; the result of arrival {', '.join(map(str, found.copies))} stands" if found.copies else ""
        return f"arrival {number} has no result that stands ({found.reason or found.state}){instead}"
    if attachment.part == 0 and len(parts) > 1:
        return f"arrival {number} holds {len(parts)} ECGs: say which with --part"
    if attachment.part and attachment.part not in parts:
        return f"arrival {number} has no ECG {attachment.part}"
    chosen = parts[attachment.part or min(parts)]
    if is_named(chosen.identifiers, settings) and not memory.attached(number):
        return f"arrival {number} came with a patient: whoever sent it has to correct it"
    memory.attach(attachment, clock())
    return None
