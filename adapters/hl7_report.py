"""An HL7 v2 ORU that says something of an ECG and carries none: measurements only, which belong to one sent otherwise.

What makes a group of OBX about an ECG is an interval, a duration or an axis: a heart rate alone comes from any monitor,
and statements alone from any department.
"""

from dataclasses import replace

from adapters.hl7 import Context, Group, acquired, groups_of
from adapters.hl7_header import order, patient
from adapters.hl7_observation import reported, statements
from config.schema import Reading
from domain.arrival import Arrival, Format
from domain.ecg import Measurements
from domain.report import Report


def said(arrival: Arrival, settings: Reading) -> tuple[Report, ...]:
    """Read what a message without an ECG says of one, a report an OBR; ``()``: nothing. Raises ``Rejected``."""
    if arrival.format is not Format.HL7:
        return ()
    blocks, context = groups_of(arrival.payload, arrival.source, settings)
    found = (_report(group, context) for block in blocks for group in block)
    return tuple(one for one in found if one is not None)


def _report(group: Group, context: Context) -> Report | None:
    said, _ = reported(group.rows)
    if replace(said, heart_rate_bpm=None) == Measurements():
        return None
    at, _ = acquired(group, context.settings.timezone)
    return Report(
        reported=said,
        statements=statements(group.rows),
        acquired_at=at,
        patient=patient(group.pid),
        order=order(group.orc, group.obr, group.pv1),
        instance=context.instance,
    )
