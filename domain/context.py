"""What of an ECG decides which thresholds hold for it."""

from dataclasses import dataclass
from datetime import date, datetime

from domain.ecg import Ecg, ReadWarning


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """``unit``: as the sender names it. ``age_years``: at the ECG. ``device``: manufacturer, model, serial number."""

    recorded_at: datetime
    decided_at: datetime
    unit: str = ""
    age_years: float | None = None
    device: str = ""
    door: str = ""
    paced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """An answer of a model to an earlier ECG of the same person; ``shadow``: it was one that nobody hears of."""

    model: str
    output: str
    value: float
    context: Context
    shadow: bool = False


def context_of(ecg: Ecg, source: str, received_at: datetime, decided_at: datetime) -> Context:
    """Gather it; ``source`` is the arrival's, which begins with the door."""
    device, recorded_at = ecg.device, ecg.acquired_at or received_at
    return Context(
        recorded_at=recorded_at,
        decided_at=decided_at,
        unit=ecg.order.location.strip(),
        age_years=age_years(ecg.patient.birth_date, recorded_at.date()),
        device=" ".join(part for part in (device.manufacturer, device.model, device.serial) if part),
        door=source.partition(":")[0],
        paced=ReadWarning.PACED in ecg.origin.warnings,
    )


def age_years(born: date | None, on: date) -> float | None:
    """Age in years, whole ones on birthdays; ``None`` where it is not known or the birth lies ahead."""
    if born is None or born > on:
        return None
    years = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    last, following = _birthday(born, born.year + years), _birthday(born, born.year + years + 1)
    return years + (on - last).days / (following - last).days


def _birthday(born: date, year: int) -> date:
    """Whoever was born on 29 February is a year older on 1 March in most years."""
    try:
        return born.replace(year=year)
    except ValueError:
        return date(year, 3, 1)
