"""Leads recorded in pieces, laid on one time axis."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from adapters import signal
from adapters.recording import LONGEST_S, Samples
from domain.errors import Rejected
from domain.reason import Reason

_MOST_SAMPLES = 32_000_000  # of all leads together: 256 MB; ten minutes of 12 leads at 1000 Hz are 7 million


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Strip:
    """One lead of one piece: mV from ``start_s`` on, NaN where not recorded."""

    lead: str
    samples: Samples
    rate_hz: float
    start_s: float


def joined(strips: Sequence[Strip]) -> tuple[dict[str, Samples], float]:
    """Lay strips on one time axis at the highest rate present; the first that holds a moment has it."""
    rate_hz = max(strip.rate_hz for strip in strips)
    first_s = min(strip.start_s for strip in strips)
    ends_s = [strip.start_s - first_s + len(strip.samples) / strip.rate_hz for strip in strips]
    if not max(ends_s) <= LONGEST_S:  # NaN as well
        raise Rejected(Reason.TOO_LARGE, f"longer than {LONGEST_S:.0f} s")
    if max(ends_s) * rate_hz * len({strip.lead for strip in strips}) > _MOST_SAMPLES:
        raise Rejected(Reason.TOO_LARGE, "more samples than an ECG has")
    placed = [(round((strip.start_s - first_s) * rate_hz), _at(strip, rate_hz), strip.lead) for strip in strips]
    length = max(start + len(samples) for start, samples, _ in placed)
    leads: dict[str, Samples] = {}
    for start, samples, lead in placed:
        row = leads.setdefault(lead, np.full(length, np.nan))[start : start + len(samples)]
        np.copyto(row, samples, where=np.isnan(row))
    return leads, rate_hz


def digest(leads: Mapping[str, Samples]) -> str:
    """Hash samples: an identifier for what comes without one of its own, or with one that may hold a patient's name."""
    return hashlib.sha256(b"".join(samples.tobytes() for samples in leads.values())).hexdigest()


def _at(strip: Strip, rate_hz: float) -> Samples:
    if strip.rate_hz == rate_hz:
        return strip.samples
    made: Samples = signal.resampled(strip.samples[None], strip.rate_hz, rate_hz)[0]
    return made
