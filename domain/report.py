"""What a message says of an ECG that it does not carry."""

from dataclasses import dataclass
from datetime import datetime

from domain.ecg import Measurements, Order, Patient


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Measurements and statements of an ECG, with the numbers by which it may be found."""

    reported: Measurements
    statements: tuple[str, ...] = ()
    acquired_at: datetime | None = None
    patient: Patient
    order: Order
    instance: str = ""  # MSH-10
    withdrawn: bool = False  # the sender takes the ECG back
