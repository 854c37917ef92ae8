"""An ECG under the header that brought it: an HL7 message's or a DICOM object's.

Who and when are the header's, but what a page prints is compared with it, since a document may hold another person's
ECG or yesterday's.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from adapters.recording import Recording
from domain.ecg import Patient, ReadWarning
from domain.errors import Rejected
from domain.reason import Reason

_APART = timedelta(minutes=5)  # more than a cart's clock and an order's time usually differ


def under(
    page: Recording, patient: Patient, at: datetime | None, doubts: tuple[ReadWarning, ...] = (), *, alone: bool = True
) -> Recording:
    """Put the header's patient and time over a page's; ``doubts`` are about ``at``.

    One of several (not ``alone``) has its own printed time: the header's can be but one's. Raises ``Rejected`` when
    page and header both name identifiers and none is common.
    """
    if _another(page.patient, patient):
        raise Rejected(Reason.BAD_VALUE, "the page names another patient than its header")
    merged = replace(page, patient=patient if patient.identifiers else page.patient)
    printed = page.acquired_at
    if at is None or (printed is not None and not alone):
        return merged
    kept = tuple(warning for warning in page.warnings if warning is not ReadWarning.TIME_ZONE_ASSUMED)
    disagree = (ReadWarning.TIMES_DISAGREE,) if printed is not None and _apart(printed, at) else ()
    return replace(merged, acquired_at=at, warnings=kept).warn(*doubts, *disagree)


def _another(shown: Patient, said: Patient) -> bool:
    """By value alone, for a page names no authority; leading zeros are padding."""
    ours, theirs = ({i.value.lstrip("0").casefold() for i in one.identifiers} for one in (shown, said))
    return bool(ours) and bool(theirs) and not ours & theirs


def _apart(printed: datetime, at: datetime) -> bool:
    """Both as moments and as clocks read: a page prints no zone, so the one assumed for it may be wrong."""
    clocks = abs(printed.replace(tzinfo=None) - at.replace(tzinfo=None))
    return min(clocks, abs(printed - at)) > _APART
