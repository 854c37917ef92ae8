"""An HL7 v2 ORU that says something of an ECG and carries none: measurements only, which belong to one sent otherwise.

What makes a group of OBX about an ECG is an interval, a duration or an axis: a heart rate alone comes from any monitor,
and statements alone from any department.
"""

from dataclasses import replace

from adapters.hl7 import Context, Group, acquired, groups_of
from adapters.hl7_header import order, patient
from adapters.hl7_observation import CARRIES, reported, statements
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


def withdrawn(arrival: Arrival, settings: Reading) -> tuple[Report, ...]:
    """Read which ECGs a message withdraws (OBX-11 D or W), a report an OBR. Raises ``Rejected``.

    A line of a report that is withdrawn withdraws no ECG: its waveform or page must be, or all there is.
    """
    if arrival.format is not Format.HL7:
        return ()
    blocks, context = groups_of(arrival.payload, arrival.source, settings)
    gone = (group for block in blocks for group in block if _is_gone(group))
    return tuple(replace(_about(group, context), withdrawn=True) for group in gone)


def _is_gone(group: Group) -> bool:
    carried, left = (any(obx.type in CARRIES for obx in rows) for rows in (group.gone, group.rows))
    return bool(group.gone) and not left and (carried or not group.rows)


def _report(group: Group, context: Context) -> Report | None:
    said, _ = reported(group.rows)
    if replace(said, heart_rate_bpm=None) == Measurements():
        return None
    return replace(_about(group, context), reported=said, statements=statements(group.rows))


def _about(group: Group, context: Context) -> Report:
    at, _ = acquired(group, context.settings.timezone)
    return Report(
        reported=Measurements(),
        acquired_at=at,
        patient=patient(group.pid),
        order=order(group.orc, group.obr, group.pv1),
        instance=context.instance,
    )
