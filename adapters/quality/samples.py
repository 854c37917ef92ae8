"""A lead without samples, without life, on a rail or too short: what needs no beat to be seen."""

import numpy as np
from numpy.typing import NDArray

from adapters.recording import Recording, Samples
from domain.ecg import LEADS, RATE_HZ, Defect
from domain.reason import Reason

Signal = NDArray[np.float32]

SHORTEST_S = 2.4  # ECG12Net looks at 2.5 s; a printed 2.5 s column read off a page loses a few samples at its edges
_FLAT_MV = 0.03  # the lowest lead's 0.5th to 99.5th percentile range: 0.17 mV
_DEAD_S, _DEAD_MV = 2.0, 0.002  # a live lead is never as still as 2 uV for 2 s, not between two beats at 30/min either
_RAIL_MV = 1.0  # an amplifier's rail lies beyond this
_RAIL_S, _RAIL_LONG_S = 0.008, 0.2  # at the same extreme value: this long twice, or that long once


def missing(signal: Signal) -> list[Defect]:
    """Leads without a sample, and leads that are an exact copy of another: of those, one trace is missing."""
    named = {name for name, row in zip(LEADS, signal, strict=True) if np.isnan(row).all()}
    alike: dict[bytes, list[int]] = {}
    for lead, row in enumerate(signal):
        alike.setdefault(row.tobytes(), []).append(lead)
    for leads in alike.values():
        if len(leads) > 1 and span(signal[leads[0]]) > _FLAT_MV:
            named |= {LEADS[lead] for lead in leads}
    return [Defect(reason=Reason.LEAD_MISSING, leads=tuple(name for name in LEADS if name in named))] if named else []


def still(signal: Signal) -> list[Defect]:
    """Leads without life, throughout or for two seconds."""
    flat = [
        name
        for name, row in zip(LEADS, signal, strict=True)
        if not np.isnan(row).all() and (span(row) < _FLAT_MV or _dies(row))
    ]
    return [Defect(reason=Reason.LEAD_FLAT, leads=tuple(flat))] if flat else []


def _dies(row: Signal) -> bool:
    """Whether a lead stands still for a while: an electrode that came off, or zeros filled in."""
    step = RATE_HZ // 4
    blocks = row[: len(row) // step * step].reshape(-1, step)
    still = (blocks.max(axis=1) - blocks.min(axis=1) < _DEAD_MV).astype(int)  # NaN compares false
    span = int(_DEAD_S * RATE_HZ / step)
    return len(still) >= span and bool((np.convolve(still, np.ones(span, int), "valid") == span).any())


def short(signal: Signal) -> Defect | None:
    """Leads of which less was recorded, without a gap, than a model needs."""
    known = [(name, _longest_s(row)) for name, row in zip(LEADS, signal, strict=True) if not np.isnan(row).all()]
    leads = tuple(name for name, seconds in known if seconds < SHORTEST_S)
    return Defect(reason=Reason.TOO_SHORT, leads=leads) if leads else None


def _longest_s(row: Signal) -> float:
    """The longest stretch without a gap."""
    gaps = np.flatnonzero(np.isnan(row))
    return float(np.diff(gaps, prepend=-1, append=len(row)).max() - 1) / RATE_HZ


def saturated(recording: Recording) -> list[Defect]:
    """Judged before resampling, which rounds the corners off."""
    leads = recording.leads
    railed = [name for name in LEADS if name in leads and _on_rail(leads[name], recording.rate_hz)]
    return [Defect(reason=Reason.SATURATED, leads=tuple(railed))] if railed else []


def _on_rail(samples: Samples, rate_hz: float) -> bool:
    known = samples[~np.isnan(samples)]
    if not known.size:
        return False
    return any(_rests_at(known, rail, rate_hz) for rail in (known.max(), known.min()) if abs(rail) > _RAIL_MV)


def _rests_at(samples: Samples, rail: float, rate_hz: float) -> bool:
    steps = np.diff(np.concatenate(([0], samples == rail, [0])).astype(np.int8))
    runs = np.flatnonzero(steps == -1) - np.flatnonzero(steps == 1)
    twice = (runs >= max(3, _RAIL_S * rate_hz)).sum() >= 2
    return bool(twice or runs.max() >= _RAIL_LONG_S * rate_hz)


def span(row: Signal) -> float:
    """Peak to peak in mV, but for the outermost samples; 0 where there is nothing."""
    known = row[~np.isnan(row)]
    if not known.size:
        return 0.0
    tail = int(0.005 * (known.size - 1))
    ordered = np.partition(known, (tail, known.size - 1 - tail))
    return float(ordered[known.size - 1 - tail] - ordered[tail])
