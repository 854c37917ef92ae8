"""An HL7 v2 ORU as recordings: NA and MA waveforms and embedded PDF, with the message's patient, order and analysis.

One recording for each OBR group (HL7 v2.5.1 7.3.1 ORDER_OBSERVATION) with a waveform, and for each page of a group
whose time no waveform has: otherwise the page shows the same ECG. A waveform that cannot be read gives way to a page of
its own time. A message without either is valid and holds none: ``()``.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from adapters import dicom, envelope, image, pdf, scp, xml
from adapters.hl7_document import documents, holds_other
from adapters.hl7_header import Segment, moment, order, parsed, patient
from adapters.hl7_observation import CARRIES, WITHDRAWN, Row, counts, reported, row, statements
from adapters.hl7_text import Separators, decode, segments, separators
from adapters.hl7_waveform import Waveform, waveform
from adapters.recording import Recording
from config.schema import Hl7Sender, Reading
from domain.arrival import Format, sniff
from domain.ecg import Device, Measurements, Order, ReadWarning
from domain.errors import Rejected
from domain.reason import Reason

_MOST_RECORDINGS = 16
_EMBEDDED = {Format.PDF: pdf, Format.DICOM: dicom, Format.XML: xml, Format.SCP: scp, Format.IMAGE: image}


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """An OBR with its OBX, and whose it is."""

    pid: Segment
    pv1: Segment
    orc: Segment
    obr: Segment
    rows: list[Row]
    gone: list[Row]  # withdrawn by their sender

    @property
    def time(self) -> str:
        """OBR-7 as sent, ``""`` when absent; groups of one time are about one ECG."""
        return self.obr.part(7)


@dataclass(frozen=True, slots=True)
class Context:
    """What holds for the whole message."""

    instance: str
    source: str
    settings: Reading
    agreed: Hl7Sender | None
    doubts: tuple[ReadWarning, ...]


def read(payload: bytes, source: str, settings: Reading) -> tuple[Recording, ...]:
    """Read one message; ``source`` is ``hl7:<application>^<facility>``. Raises ``Rejected`` and nothing else."""
    blocks, context = groups_of(payload, source, settings)
    recordings = [r for block in blocks for r in _recordings(block, context)]
    if len(recordings) > _MOST_RECORDINGS:
        raise Rejected(Reason.TOO_LARGE, f"more than {_MOST_RECORDINGS} ECGs in a message")
    return tuple(recordings)


def groups_of(payload: bytes, source: str, settings: Reading) -> tuple[list[list[Group]], Context]:
    """Split a message into each patient's groups. Raises ``Rejected``."""
    agreed = _agreed(source, settings)
    decoded = decode(payload, agreed.charset if agreed else None)
    if not decoded.text.startswith("MSH"):
        raise Rejected(Reason.UNDECODABLE, "does not begin with MSH")
    signs = separators(decoded.text)
    lines = list(segments(decoded.text, signs.field))
    header = lines[0].split(signs.field)
    doubts = (ReadWarning.CHARSET_ASSUMED,) if decoded.assumed else ()
    context = Context(header[9] if len(header) > 9 else "", source, settings, agreed, doubts)
    version = header[11].split(signs.component)[0] if len(header) > 11 else ""
    return list(_patients(lines[1:], signs, version)), context


def _agreed(source: str, settings: Reading) -> Hl7Sender | None:
    application, _, facility = source.removeprefix("hl7:").partition("^")
    matching = (
        sender
        for sender in settings.hl7_senders
        if sender.application in ("", application) and sender.facility in ("", facility)
    )
    return next(matching, None)


def _patients(lines: Sequence[str], signs: Separators, version: str) -> Iterator[list[Group]]:
    """Yield each patient's groups; an OBX before any OBR belongs to a group of its own."""
    empty = Segment(signs)
    pid = pv1 = orc = empty
    groups: list[Group] = []
    for line in lines:
        name = line[:3]
        if name == "PID":
            if groups:
                yield groups
            pid, pv1, orc, groups = parsed(line, signs, version), empty, empty, []
        elif name == "PV1":
            pv1 = parsed(line, signs, version)
        elif name == "ORC":
            orc = parsed(line, signs, version)
        elif name == "OBR":
            groups.append(Group(pid, pv1, orc, parsed(line, signs, version), [], []))
            orc = empty
        elif name == "OBX":
            obx = row(line, signs)
            if not groups:
                groups.append(Group(pid, pv1, orc, empty, [], []))
            if counts(obx) and groups[-1].obr.part(25).upper() != "X":  # table 0123: no results
                groups[-1].rows.append(obx)
            elif obx.part(11).upper() in WITHDRAWN:
                groups[-1].gone.append(obx)
    if groups:
        yield groups


def _recordings(groups: Sequence[Group], context: Context) -> Iterator[Recording]:
    """One patient's ECGs."""
    native, instead = _waveforms(groups, context.agreed)
    taken = {group.time for group in native}
    shown = [g for g in groups if not native or g in instead or g.time not in {*taken, ""}]
    documented = {group: found for group in shown if (found := documents(group.rows))}
    if not native and not documented and holds_other([obx for group in groups for obx in group.rows]):
        raise Rejected(Reason.UNSUPPORTED_OBJECT, "an embedded document that is no PDF, and nothing else")
    ecgs = {*native, *documented}
    for group, wave in native.items():
        yield _under(_bare(wave), group, _rows(group, ecgs, groups), context)
    for group, files in documented.items():
        pages = [page for document in files for page in _pages(document, context)]
        for page in pages:
            yield _under(page, group, _rows(group, ecgs, groups), context, alone=len(pages) == 1)


def _pages(document: bytes, context: Context) -> tuple[Recording, ...]:
    """Read an embedded document by what it is."""
    reader = _EMBEDDED.get(sniff(document) or Format.PDF, pdf)
    pages: tuple[Recording, ...] = reader.read(document, context.source, context.settings)
    return pages


def _waveforms(groups: Sequence[Group], agreed: Hl7Sender | None) -> tuple[dict[Group, Waveform], list[Group]]:
    """Read the waveforms; also the groups whose pages stand in for one that cannot be read. Raises where none does."""
    native: dict[Group, Waveform] = {}
    unreadable: list[tuple[Group, Rejected]] = []
    for group in groups:
        try:
            found = waveform(group.rows, agreed)
        except Rejected as rejected:
            unreadable.append((group, rejected))
            continue
        if found is not None:
            native[group] = found
    instead: list[Group] = []
    for group, reason in unreadable:
        pages = _instead(group, [other for other in groups if other not in native])
        if not pages:
            raise reason
        instead += pages
    return native, instead


def _instead(group: Group, others: Sequence[Group]) -> list[Group]:
    """Its own page, else those of its time, else those that may be of its time since one of the two says none."""
    shown = [other for other in others if documents(other.rows)]
    if group in shown:
        return [group]
    same = [other for other in shown if other.time == group.time]
    return same or [other for other in shown if "" in (other.time, group.time)]


def _rows(group: Group, ecgs: Collection[Group], groups: Sequence[Group]) -> list[Row]:
    """What is said of the group's ECG: its own rows, then those of its time that can be about no other ECG.

    A message may hold other orders, a laboratory's with a heart rate of another hour. A group without a time is about
    the ECG only where there is but one.
    """
    times = [""] if len(ecgs) == 1 else []
    if group.time and sum(ecg.time == group.time for ecg in ecgs) == 1:
        times.append(group.time)
    others = (other for other in groups if other not in ecgs and other.time in times)
    return [*group.rows, *(obx for other in others for obx in other.rows)]


def _bare(found: Waveform) -> Recording:
    doubts = (ReadWarning.PADDING_FOUND,) if found.padding else ()
    return Recording(leads=found.leads, rate_hz=found.rate_hz, format=Format.HL7, warnings=doubts)


def _under(
    recording: Recording, group: Group, rows: Sequence[Row], context: Context, *, alone: bool = True
) -> Recording:
    """Put the message's header over a waveform or a page; what the message says wins over what a page shows.

    Its measurements and statements are one ECG's: each of several pages (not ``alone``) keeps its own.
    """
    said, odd = reported(rows) if alone else (Measurements(), False)
    of_order = order(group.orc, group.obr, group.pv1)
    at, assumed = acquired(group, context.settings.timezone)
    doubts = (ReadWarning.TIME_ZONE_ASSUMED,) if assumed else ()
    return replace(
        envelope.under(recording, patient(group.pid), at, doubts, alone=alone),
        format=Format.HL7,
        instance=context.instance,
        order=of_order if of_order != Order() else recording.order,
        device=_device(rows) or recording.device,
        reported=said if said != Measurements() else recording.reported,
        statements=(statements(rows) if alone else ()) or recording.statements,
    ).warn(
        *context.doubts,
        *((ReadWarning.MEASUREMENT_UNIT_ODD,) if odd else ()),
        *((ReadWarning.CORRECTED,) if _corrects(group) else ()),
    )


def _corrects(group: Group) -> bool:
    """OBX-11 of the waveform or the page, or OBR-25: the sender replaces what it sent before (tables 0085, 0123)."""
    return any("C" in (obx.part(11).upper(), group.obr.part(25).upper()) for obx in group.rows if obx.type in CARRIES)


def acquired(group: Group, zone: str) -> tuple[datetime | None, bool]:
    """OBR-7, else the first OBX-14; and whether its zone was assumed."""
    for text in (group.time, *(obx.part(14) for obx in group.rows)):
        at, assumed = moment(text, zone)
        if at is not None:
            return at, assumed
    return None, False


def _device(rows: Sequence[Row]) -> Device | None:
    """OBX-18, the equipment's identifier, and the cart as MUSE names it (``903^Acquisition Device``)."""
    serial = next((text for obx in rows if (text := obx.part(18))), "")
    model = next((obx.part(5) for obx in rows if "Acquisition Device" in obx.names), "")
    return Device(model=model, serial=serial) if serial or model else None
