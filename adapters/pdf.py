"""A PDF report: vector pages read back into leads, one recording a report.

Traces, grid and text are read as the page draws them. Only a page without traces that a picture covers is read off its
pixels (``adapters.raster``); it names nobody, for its writing is not read.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from zoneinfo import ZoneInfo

import numpy as np
import pymupdf

from adapters.pages.facts import Facts, facts_of
from adapters.pages.ink import Ink, ink
from adapters.pages.labels import find_labels
from adapters.pages.reading import RATE_HZ, PageLeads, read_leads
from adapters.pages.text import lines_of
from adapters.pages.timing import same_beats
from adapters.paper import page_picture
from adapters.raster.reading import read_scan
from adapters.raster.scan import is_picture, rendered
from adapters.recording import Recording
from config.schema import Reading
from domain.arrival import Format
from domain.ecg import Patient, Picture, ReadWarning
from domain.errors import Rejected
from domain.reason import Reason

MOST_PAGES = 40
_AN_ECG = 3  # lead names on a page

# MuPDF's complaints about a broken file may quote its text; nothing of a patient's goes to stderr.
pymupdf.TOOLS.mupdf_display_errors(False)
pymupdf.TOOLS.mupdf_display_warnings(False)

_NOT_A_FILE = (pymupdf.FileDataError, pymupdf.mupdf.FzErrorBase, RuntimeError, ValueError)


@dataclass(frozen=True, slots=True, eq=False)
class _Report:
    """One page that holds an ECG, or several that hold one together."""

    page: PageLeads
    facts: Facts
    picture: Picture


def read(payload: bytes, source: str, settings: Reading) -> tuple[Recording, ...]:
    """Read the ECGs of a PDF, in the order of its pages; pages of one report become one recording.

    Raises ``Rejected``: ``UNDECODABLE`` (broken, encrypted), ``PAGE_NOT_UNDERSTOOD``, ``PAGE_NOT_CALIBRATED``,
    ``TOO_LARGE``. ``source`` is not needed: a page says itself what it is.
    """
    instance = sha256(payload).hexdigest()
    reports, unread = _reports(payload)
    warnings = (ReadWarning.PAGE_UNREAD,) if unread else ()
    return tuple(_recording(report, instance, settings).warn(*warnings) for report in _joined(reports))


def _opened(payload: bytes) -> pymupdf.Document:
    try:
        document = pymupdf.open(stream=payload, filetype="pdf")
    except _NOT_A_FILE as error:
        raise Rejected(Reason.UNDECODABLE, "not a PDF that can be opened") from error
    if document.needs_pass:
        raise Rejected(Reason.UNDECODABLE, "encrypted; send it without a password")
    if document.page_count > MOST_PAGES:
        raise Rejected(Reason.TOO_LARGE, f"more than {MOST_PAGES} pages")
    return document


def _reports(payload: bytes) -> tuple[list[_Report], bool]:
    """Read page after page. A page of other curves is left out; one that names leads and cannot be read is not.

    A picture that cannot be read may be a letter or an ECG: ``True`` says that there is one beside what was read.
    """
    found: list[_Report] = []
    unread = False
    doubts: list[Rejected] = []
    images = 0
    with _opened(payload) as document:
        for page, drawn in _pages(document):
            images += drawn.images
            try:
                found.extend(_report(page, drawn))
            except Rejected as rejected:
                if len(find_labels(drawn.words)) >= _AN_ECG:
                    raise  # quarantined whole: an ECG must not vanish because its neighbour was read
                doubts.append(rejected)
                unread |= bool(drawn.images) and is_picture(page)
    if not found:
        raise doubts[0] if doubts else Rejected(Reason.PAGE_NOT_UNDERSTOOD, _nothing(images))
    return found, unread


def _pages(document: pymupdf.Document) -> Iterator[tuple[pymupdf.Page, Ink]]:
    for number in range(document.page_count):
        try:
            page = document[number]
            drawn = ink(page)
        except _NOT_A_FILE as error:
            raise Rejected(Reason.UNDECODABLE, "a page cannot be decoded") from error
        yield page, drawn


def _nothing(images: int) -> str:
    if images:
        return "the page is an image without drawn traces; send the cart's own PDF, or the waveform as DICOM"
    return "no ECG traces on any page"


def _report(page: pymupdf.Page, drawn: Ink) -> Iterator[_Report]:
    leads = read_leads(drawn)
    if leads is None and drawn.images and is_picture(page):
        scan = read_scan(rendered(page))
        yield _Report(scan.page, Facts(), scan.picture)
    elif leads is not None:
        picture = page_picture(page, quarter_turns=drawn.quarter_turns)
        yield _Report(leads, facts_of(lines_of(drawn.words)), picture)


def _joined(reports: list[_Report]) -> list[_Report]:
    """Put pages of one report together: same patient and time as printed, and leads that do not repeat."""
    whole: list[_Report] = []
    for report in reports:
        if whole and _continues(whole[-1], report):
            whole[-1] = _together(whole[-1], report)
        else:
            whole.append(report)
    return whole


def _continues(before: _Report, after: _Report) -> bool:
    identified = before.facts.patient.identifiers or before.facts.local_time
    same = before.facts.patient == after.facts.patient and before.facts.local_time == after.facts.local_time
    return bool(identified) and same and not set(before.page.leads) & set(after.page.leads)


def _together(before: _Report, after: _Report) -> _Report:
    """Lay the leads of both on one time axis: over one another when their beats coincide, else one after the other."""
    first, second = before.page.leads, after.page.leads
    behind = 0 if same_beats(first, second, RATE_HZ) else len(next(iter(first.values())))
    length = max(len(next(iter(first.values()))), behind + len(next(iter(second.values()))))
    leads = {}
    for start, its in ((0, first), (behind, second)):
        for lead, samples in its.items():
            leads[lead] = np.full(length, np.nan)
            leads[lead][start : start + samples.size] = samples
    picture = _stacked(before.picture, after.picture)
    warnings = tuple(dict.fromkeys((*before.page.scale.warnings, *after.page.scale.warnings)))
    page = replace(before.page, leads=leads, scale=replace(before.page.scale, warnings=warnings))
    return _Report(page, before.facts, picture)


def _stacked(above: Picture, below: Picture) -> Picture:
    width = max(above.shape[1], below.shape[1])
    sheets = [np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0)), constant_values=255) for p in (above, below)]
    return np.concatenate(sheets)


def _recording(report: _Report, instance: str, settings: Reading) -> Recording:
    local = report.facts.local_time
    warnings = [*report.page.scale.warnings]
    if local is not None:
        warnings.append(ReadWarning.TIME_ZONE_ASSUMED)
    patient = report.facts.patient
    return Recording(
        leads=report.page.leads,
        rate_hz=RATE_HZ,
        format=Format.PDF,
        instance=instance,
        digitised=True,
        native_rate_hz=round(report.page.points_per_s, 1),
        speed_mm_s=round(report.page.scale.speed_mm_s, 2),
        gain_mm_mv=round(report.page.scale.gain_mm_mv, 2),
        acquired_at=local.replace(tzinfo=ZoneInfo(settings.timezone)) if local else None,
        patient=patient if patient.identifiers else Patient(),
        reported=report.facts.reported,
        statements=report.facts.statements,
        page=report.picture,
        warnings=tuple(warnings),
    )
