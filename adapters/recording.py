"""What a reader yields: the leads as the sender recorded them, calibrated, and what came along."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from domain.arrival import Format
from domain.ecg import LEADS, Device, Measurements, Order, Patient, Picture, ReadWarning
from domain.errors import Rejected
from domain.reason import Reason

Samples = NDArray[np.float64]

SLOWEST_HZ = 50.0  # digitised pages come with 71 points/s; below 50 a QRS complex is two or three points
FASTEST_HZ = 16_000.0
LONGEST_S = 600.0  # a resting ECG is 10 s; an hour of Holter would cost gigabytes and is not what the models know
MOST_LEADS = 64

_SPELLED = {name.casefold(): name for name in LEADS}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recording:
    """One ECG as a format's reader found it; ``adapters.formats.complete`` makes the ``Ecg`` of it.

    ``leads``: name -> float64 ``[n]`` in mV at ``rate_hz``, all of one length on one time axis, NaN where a lead was
    not recorded (the other three columns of a 3x4 page). Names are spelt exactly as in ``LEADS``; others (``V3R``,
    ``V7``) may be present and are dropped, with a warning, by ``complete``. Leave a lead that is not there out: limb
    leads are derived later. ``median_only``: the samples are an averaged beat, so the models abstain.

    ``warnings``: what the reader itself doubted. ``ACQUISITION_TIME_MISSING``, ``UNIDENTIFIED``, ``LEADS_DERIVED``,
    ``EXTRA_LEADS_DROPPED``, ``EINTHOVEN_RESIDUAL`` and ``RATE_DISAGREES`` are added by ``complete``, not by readers.

    Raises ``Rejected`` for what a file can cause (no samples, an impossible rate or length, an infinite sample) and
    ``ValueError`` or ``TypeError`` for what only a reader can.
    """

    leads: Mapping[str, Samples]
    rate_hz: float
    format: Format | str
    instance: str = ""  # SOP Instance UID, MSH-10 or content hash
    digitised: bool = False
    native_rate_hz: float | None = None  # points a second on the page, where ``rate_hz`` is what they were read at
    speed_mm_s: float | None = None
    gain_mm_mv: float | None = None
    acquired_at: datetime | None = None
    patient: Patient = field(default_factory=Patient)
    order: Order = field(default_factory=Order)
    device: Device = field(default_factory=Device)
    reported: Measurements = field(default_factory=Measurements)
    statements: tuple[str, ...] = ()
    page: Picture | None = None
    median_only: bool = False
    warnings: tuple[ReadWarning, ...] = ()

    def __post_init__(self) -> None:
        _check_rate(self.rate_hz)
        if not self.leads:
            raise Rejected(Reason.NO_WAVEFORM, "no leads")
        if len(self.leads) > MOST_LEADS:
            raise Rejected(Reason.TOO_LARGE, f"more than {MOST_LEADS} leads")
        for name, samples in self.leads.items():
            _check_lead(name, samples, self.samples)
        if not self.samples:
            raise Rejected(Reason.NO_WAVEFORM, "no samples")
        if self.samples > LONGEST_S * self.rate_hz:
            raise Rejected(Reason.TOO_LARGE, f"longer than {LONGEST_S:.0f} s")
        if self.acquired_at is not None and self.acquired_at.tzinfo is None:
            raise ValueError("acquired_at has a time zone")

    @property
    def samples(self) -> int:
        """Samples a lead, at the native rate."""
        return len(next(iter(self.leads.values())))

    def warn(self, *warnings: ReadWarning) -> "Recording":
        """Return the same recording with further doubts, each once."""
        return replace(self, warnings=tuple(dict.fromkeys((*self.warnings, *warnings))))


def _check_rate(rate_hz: float) -> None:
    if not SLOWEST_HZ <= rate_hz <= FASTEST_HZ:  # false for NaN too
        raise Rejected(Reason.UNKNOWN_RATE, f"outside {SLOWEST_HZ:.0f} to {FASTEST_HZ:.0f} Hz")


def _check_lead(name: str, samples: Samples, length: int) -> None:
    if name not in LEADS and (not name or name.strip().casefold() in _SPELLED):
        raise ValueError("a lead is spelt as in domain.ecg.LEADS")
    if samples.dtype != np.float64 or samples.ndim != 1:
        raise TypeError("a lead is float64 [n] in mV")
    if len(samples) != length:
        raise ValueError("all leads have one length")
    if np.isinf(samples).any():
        raise Rejected(Reason.BAD_VALUE, "an infinite sample")
