"""A scan into leads: what was drawn on it, read as any other page is."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from adapters.pages.grid import PT_MM
from adapters.pages.reading import PageLeads, read_leads
from adapters.raster.lattice import fits
from adapters.raster.page import drawn, upright
from adapters.raster.scan import Scan
from domain.ecg import Picture, ReadWarning
from domain.errors import Rejected
from domain.reason import Reason

_ADVICE = "send the cart's own PDF, or the waveform as DICOM"
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
        leads = read_leads(drawn(page, scan.pt_px if hint and fits(page.px_mm[0], hint) else None))
    except Rejected as rejected:
        raise Rejected(rejected.reason, f"{rejected.detail}; {_ADVICE}") from rejected
    if leads is None:
        raise Rejected(Reason.PAGE_NOT_UNDERSTOOD, f"no traces on the picture; {_ADVICE}")
    scale = min(1.0, _SHOWN_PX / max(page.picture.shape[:2]))
    scale_of_page = replace(leads.scale, warnings=(*leads.scale.warnings, ReadWarning.SCANNED))
    leads = replace(leads, scale=scale_of_page)
    small = cv2.resize(page.picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return ScanLeads(leads, np.ascontiguousarray(small[:, :, ::-1]))
