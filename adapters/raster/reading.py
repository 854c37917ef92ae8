"""A scan into leads: what was drawn on it, read as any other page is."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from adapters.pages.grid import PT_MM, find_pulses
from adapters.pages.ink import Ink
from adapters.pages.places import gainsaid
from adapters.pages.reading import PageLeads, read_leads
from adapters.pages.scale import PULSE_S, Scale
from adapters.raster.lattice import fits
from adapters.raster.page import Upright, drawn, upright
from adapters.raster.scan import Scan
from domain.ecg import Picture, ReadWarning
from domain.errors import Rejected
from domain.reason import Reason

_ADVICE = "send the cart's own PDF, or the waveform as DICOM"
_PULSE_OFF = 0.12
_SHOWN_PX = 1400  # longer side of the page as it is kept


@dataclass(frozen=True, slots=True, eq=False)
class ScanLeads:
    """What ``adapters.pages`` reads of a page, and the page turned upright (RGB)."""

    page: PageLeads
    picture: Picture


def read_scan(scan: Scan) -> ScanLeads:
    """Read a scan's leads. Raises ``Rejected`` (``PAGE_NOT_UNDERSTOOD``, ``PAGE_NOT_CALIBRATED``, ...)."""
    hint = PT_MM / scan.pt_px if scan.pt_px is not None else None
    try:
        page = upright(scan.picture, hint, scan.stated_px_mm)
        ink = drawn(page, scan.pt_px if hint and fits(page.px_mm[0], hint) else None)
        leads = read_leads(ink)
        if leads is not None:
            _refuse_unpulsed(ink, leads.scale)
            _refuse_misprinted(page, leads.scale)
            _refuse_gainsaid(leads)
    except Rejected as rejected:
        raise Rejected(rejected.reason, f"{rejected.detail}; {_ADVICE}") from rejected
    if leads is None:
        raise Rejected(Reason.PAGE_NOT_UNDERSTOOD, f"no traces on the picture; {_ADVICE}")
    scale = min(1.0, _SHOWN_PX / max(page.picture.shape[:2]))
    scale_of_page = replace(leads.scale, warnings=(*leads.scale.warnings, ReadWarning.SCANNED))
    leads = replace(leads, scale=scale_of_page)
    small = cv2.resize(page.picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return ScanLeads(leads, np.ascontiguousarray(small[:, :, ::-1]))


def _refuse_gainsaid(leads: PageLeads) -> None:
    """Refuse names that the limb leads gainsay: on a scan, a name may be missed and traces run into one another."""
    if gainsaid(leads.leads):
        raise Rejected(Reason.PAGE_NOT_UNDERSTOOD, "limb leads that do not belong together, by name or by trace")


def _refuse_misprinted(page: Upright, scale: Scale) -> None:
    """Refuse a page without a ruling whose print its pulse and columns gainsay: nothing else says which is true."""
    if not page.ruled and ReadWarning.LABEL_DISAGREES_WITH_GRID in scale.warnings:
        raise Rejected(Reason.PAGE_NOT_CALIBRATED, "no ruling, and a print that pulse and columns do not bear out")


def _refuse_unpulsed(ink: Ink, scale: Scale) -> None:
    """Refuse what print alone says: on a scan, a calibration pulse must last its 0.2 s at the speed found."""
    widths = [pulse.x1 - pulse.x0 for pulse in find_pulses(stroke.points for stroke in ink.strokes)]
    if not widths or abs(float(np.median(widths)) / scale.pt_per_s / PULSE_S - 1) > _PULSE_OFF:
        raise Rejected(Reason.PAGE_NOT_CALIBRATED, "no calibration pulse that bears the paper speed out")
