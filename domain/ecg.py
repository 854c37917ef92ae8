"""One 12-lead ECG, calibrated, measured and judged."""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from domain.arrival import Format
from domain.reason import Reason

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
RATE_HZ = 500

Picture = NDArray[np.uint8]
"""RGB, ``[height, width, 3]``."""


class Sex(StrEnum):
    """Administrative sex, as FHIR's AdministrativeGender names it."""

    MALE = "male"
    FEMALE = "female"
    OTHER = "other"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """An identifier and who assigned it: an HL7 assigning authority, a DICOM issuer, or ``""`` where not said."""

    value: str
    authority: str = ""
    type: str = ""  # HL7 table 0203, e.g. MR


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Who it is, as far as the sender said; without an identifier the ECG is *unidentified*."""

    identifiers: tuple[Identifier, ...] = ()
    family: str = ""
    given: str = ""
    birth_date: date | None = None
    sex: Sex = Sex.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The order and the visit the ECG belongs to."""

    placer: str = ""
    filler: str = ""  # filler order number or DICOM accession number
    encounter: Identifier | None = None  # visit number (PV1-19), DICOM admission ID
    location: str = ""  # unit, as the sender names it


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """The cart."""

    manufacturer: str = ""
    model: str = ""
    serial: str = ""
    software: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """The eight EMPs of ECG12Net, P duration, Fridericia's QTc; ``None`` where not known (PR in atrial fibrillation).

    ``qtc_ms``: by the formula the cart used, which few name (Bazett's mostly); measured by us: Bazett's.
    """

    heart_rate_bpm: float | None = None
    p_ms: float | None = None
    pr_ms: float | None = None
    qrs_ms: float | None = None
    qt_ms: float | None = None
    qtc_ms: float | None = None
    qtcf_ms: float | None = None
    p_axis_deg: float | None = None
    qrs_axis_deg: float | None = None
    t_axis_deg: float | None = None


class ReadWarning(StrEnum):
    """A doubt about an ECG that does not stop it; goes with the result."""

    EINTHOVEN_RESIDUAL = "einthoven_residual"
    LEADS_DERIVED = "leads_derived"
    PADDING_FOUND = "padding_found"
    CALIBRATED_BY_LABEL = "calibrated_by_label"
    LABEL_DISAGREES_WITH_GRID = "label_disagrees_with_grid"
    LEADS_BY_PLACE = "leads_by_place"
    SCANNED = "scanned"
    PAGE_UNREAD = "page_unread"
    TIME_ZONE_ASSUMED = "time_zone_assumed"
    ACQUISITION_TIME_MISSING = "acquisition_time_missing"
    CHARSET_ASSUMED = "charset_assumed"
    EXTRA_LEADS_DROPPED = "extra_leads_dropped"
    MEASUREMENT_UNIT_ODD = "measurement_unit_odd"
    RATE_DISAGREES = "rate_disagrees"
    TIMES_DISAGREE = "times_disagree"
    UNIDENTIFIED = "unidentified"
    CORRECTED = "corrected"
    MAINS_NOISE = "mains_noise"
    BASELINE_WANDER = "baseline_wander"
    MUSCLE_NOISE = "muscle_noise"
    PACED = "paced"
    LEADS_DOUBTFUL = "leads_doubtful"
    BEATS_NOT_FOUND = "beats_not_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the samples come from."""

    format: Format | str  # Format at the doors; "wfdb" for research records read by hand
    digitised: bool  # read off a page, not native samples
    native_rate_hz: float
    native_samples: int
    speed_mm_s: float | None = None  # as measured on the page
    gain_mm_mv: float | None = None
    instance: str = ""  # SOP Instance UID, MSH-10 or content hash: ours to quote, not a patient's
    warnings: tuple[ReadWarning, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """One thing that makes an ECG unfit to score; ``leads`` names where, empty when all or none in particular."""

    reason: Reason
    leads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ecg:
    """Twelve leads in mV at 500 Hz, NaN where a lead was not recorded, and what came along.

    ``signal``: float32 ``[12, n]`` in the order of ``LEADS``. ``picture``: the standard picture drawn by
    ``adapters.paper``. ``page``: the sender's own page, where there was one. ``unfit``: empty when fit to score.
    """

    signal: NDArray[np.float32]
    picture: Picture
    origin: Origin
    rate_hz: int = RATE_HZ
    acquired_at: datetime | None = None
    patient: Patient = field(default_factory=Patient)
    order: Order = field(default_factory=Order)
    device: Device = field(default_factory=Device)
    reported: Measurements = field(default_factory=Measurements)
    measured: Measurements = field(default_factory=Measurements)
    statements: tuple[str, ...] = ()
    unfit: tuple[Defect, ...] = ()
    page: Picture | None = None

    def __post_init__(self) -> None:
        if self.signal.ndim != 2 or self.signal.shape[0] != len(LEADS) or self.signal.dtype != np.float32:
            raise ValueError("signal is float32 [12, n]")
        if self.rate_hz != RATE_HZ:
            raise ValueError("an Ecg is at 500 Hz")
        if self.picture.ndim != 3 or self.picture.dtype != np.uint8:
            raise ValueError("picture is uint8 [height, width, 3]")
        if self.acquired_at is not None and self.acquired_at.tzinfo is None:
            raise ValueError("acquired_at has a time zone")

    @property
    def seconds(self) -> float:
        """Length of the recording in s."""
        return float(self.signal.shape[1] / self.rate_hz)

    @property
    def recorded_leads(self) -> tuple[str, ...]:
        """Leads with at least one sample."""
        return tuple(name for name, row in zip(LEADS, self.signal, strict=True) if not np.isnan(row).all())
