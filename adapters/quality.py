"""Fit to score, or why not. Better no score than one from a broken trace.

Every bound was set between honest ECGs and planted faults on PTB-XL records 1-250, and beside each stands what honest
records reach. Of the 250 none is refused. Planted in every fifth record and found: two limb leads exchanged, 750 of
750; one limb lead turned over, doubled, or in another unit (1000, 0.001), 1200 of 1200; halved, 299 of 300; its gain
off by 22 %, 266 of 300; 50 ms late, 282 of 300. Chest leads exchanged cannot be seen: nothing ties them to one another.
Of LUDB's first 100, whose leads carry gains of their own and so break Einthoven's law, 57 are refused and most others
doubted. tests/adapters/test_quality.py repeats the counts on fewer records.
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from adapters.recording import Recording, Samples
from adapters.signal import LAWS, LIMB, einthoven
from domain.ecg import LEADS, RATE_HZ, Defect
from domain.reason import Reason

Signal = NDArray[np.float32]

SHORTEST_S = 2.4  # ECG12Net looks at 2.5 s; a printed 2.5 s column read off a page loses a few samples at its edges
_FLAT_MV = 0.03  # the lowest lead's 0.5th to 99.5th percentile range: 0.17 mV
_DEAD_S, _DEAD_MV = 2.0, 0.002  # a live lead is never as still as 2 uV for 2 s, not between two beats at 30/min either
_HIGHEST_MV = 10.0  # the 99.5th percentile off the median: 5.8 mV
_LOWEST_MV = 0.2  # the largest lead's range: 0.78 mV
_RAIL_MV = 1.0  # an amplifier's rail lies beyond this
_RAIL_S, _RAIL_LONG_S = 0.008, 0.2  # at the same extreme value: this long twice, or that long once
_RESIDUAL_MV, _RESIDUAL_SHARE = 0.20, 0.30  # honest: 0.003 and 0.18; off a page 0.09; low-rate carts 0.16
_EXPLAINED = 0.1  # one mistake in the labels accounts for nine tenths of the residual
_EXPLAINED_MV = 0.05
_GAIN = 0.85, 1.18  # IEC 60601-2-25 allows a cart 5 %


def judge(signal: Signal, recording: Recording) -> tuple[Defect, ...]:
    """Return what makes ``signal`` (``[12, n]`` in mV at 500 Hz, arranged from ``recording``) unfit to score."""
    defects = [*_missing(signal), *_still(signal), *_saturated(recording), *_amplitude(signal), *_limb_leads(signal)]
    short = Defect(reason=Reason.MEDIAN_ONLY) if recording.median_only else _short(signal)
    return tuple(defects if short is None else [short, *defects])


def _missing(signal: Signal) -> list[Defect]:
    """Leads without a sample, and leads that are an exact copy of another: of those, one trace is missing."""
    alike: dict[bytes, list[str]] = {}
    named = {name for name, row in zip(LEADS, signal, strict=True) if np.isnan(row).all()}
    for name, row in zip(LEADS, signal, strict=True):
        if name not in named and np.nanmax(row) - np.nanmin(row) > _FLAT_MV:
            alike.setdefault(row.tobytes(), []).append(name)
    named |= {name for names in alike.values() if len(names) > 1 for name in names}
    return [Defect(reason=Reason.LEAD_MISSING, leads=tuple(name for name in LEADS if name in named))] if named else []


def _range(row: Signal) -> float:
    """Peak to peak in mV, but for the outermost samples; 0 where there is nothing."""
    known = row[~np.isnan(row)]
    if not known.size:
        return 0.0
    tail = int(0.005 * (known.size - 1))
    ordered = np.partition(known, (tail, known.size - 1 - tail))
    return float(ordered[known.size - 1 - tail] - ordered[tail])


def _still(signal: Signal) -> list[Defect]:
    flat = [
        name
        for name, row in zip(LEADS, signal, strict=True)
        if not np.isnan(row).all() and (_range(row) < _FLAT_MV or _dies(row))
    ]
    return [Defect(reason=Reason.LEAD_FLAT, leads=tuple(flat))] if flat else []


def _dies(row: Signal) -> bool:
    """Whether a lead stands still for a while: an electrode that came off, or zeros filled in."""
    step = RATE_HZ // 4
    blocks = row[: len(row) // step * step].reshape(-1, step)
    still = (blocks.max(axis=1) - blocks.min(axis=1) < _DEAD_MV).astype(int)  # NaN compares false
    span = int(_DEAD_S * RATE_HZ / step)
    return len(still) >= span and bool((np.convolve(still, np.ones(span, int), "valid") == span).any())


def _short(signal: Signal) -> Defect | None:
    known = [(name, _longest_s(row)) for name, row in zip(LEADS, signal, strict=True) if not np.isnan(row).all()]
    short = tuple(name for name, seconds in known if seconds < SHORTEST_S)
    return Defect(reason=Reason.TOO_SHORT, leads=short) if short else None


def _longest_s(row: Signal) -> float:
    """The longest stretch without a gap."""
    steps = np.diff(np.concatenate(([0], ~np.isnan(row), [0])).astype(np.int8))
    runs = np.flatnonzero(steps == -1) - np.flatnonzero(steps == 1)
    return float(runs.max(initial=0) / RATE_HZ)


def _saturated(recording: Recording) -> list[Defect]:
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


def _amplitude(signal: Signal) -> list[Defect]:
    """A unit or gain mistaken: a lead no heart gives, or a whole ECG too small for one."""
    present = [(name, row[~np.isnan(row)]) for name, row in zip(LEADS, signal, strict=True) if not np.isnan(row).all()]
    huge = tuple(name for name, row in present if _reach(row) > _HIGHEST_MV)
    if huge:
        return [Defect(reason=Reason.IMPLAUSIBLE_AMPLITUDE, leads=huge)]
    largest = max((_range(row) for _, row in present), default=_LOWEST_MV)
    return [Defect(reason=Reason.IMPLAUSIBLE_AMPLITUDE)] if largest < _LOWEST_MV else []


def _reach(row: Signal) -> float:
    """How far the trace goes from its median, but for the outermost samples."""
    if max(row.max(), -row.min()) <= _HIGHEST_MV / 2:  # as nearly always
        return 0.0
    return float(np.percentile(np.abs(row - np.median(row)), 99.5))


def _limb_leads(signal: Signal) -> list[Defect]:
    """Abstain where the limb leads contradict one another so far that one of them is not what it is called.

    Either the residual is gross, or it is moderate and one mistake (two labels exchanged, one lead's sign or gain)
    accounts for nine tenths of it: II and aVF, III and aVF look alike, and exchanged leave little. Noise has no such
    explanation, however low the cart's rate.
    """
    residual_mv, share = einthoven(signal)
    if residual_mv > _RESIDUAL_MV and share > _RESIDUAL_SHARE:
        return [Defect(reason=Reason.EINTHOVEN, leads=_culprits(signal) or LIMB)]
    culprits = _culprits(signal) if residual_mv > _EXPLAINED_MV else ()
    return [Defect(reason=Reason.EINTHOVEN, leads=culprits)] if culprits else []


def _culprits(signal: Signal) -> tuple[str, ...]:
    """The leads whose exchange, or whose gain, would explain the residual; empty where none would."""
    limbs = signal[: len(LIMB)].astype(np.float64)
    common = limbs[:, ~np.isnan(limbs).any(axis=0)]
    if common.shape[1] < RATE_HZ:
        return ()
    covariance = np.cov(common)
    power = _residual_power(covariance)
    best, culprits = _EXPLAINED * power, tuple[str, ...]()
    for a, b in combinations(range(len(LIMB)), 2):
        order = list(range(len(LIMB)))
        order[a], order[b] = b, a
        if (left := _residual_power(covariance[np.ix_(order, order)])) < best:
            best, culprits = left, (LIMB[a], LIMB[b])
    for lead in range(len(LIMB)):
        gain, left = _best_gain(covariance, lead)
        if left < best and not _GAIN[0] < gain < _GAIN[1]:
            best, culprits = left, (LIMB[lead],)
    return culprits


def _residual_power(covariance: NDArray[np.float64]) -> float:
    return float(np.einsum("ki,ij,kj->", LAWS, covariance, LAWS))


def _best_gain(covariance: NDArray[np.float64], lead: int) -> tuple[float, float]:
    """The factor on one lead that leaves the least residual (least squares), and what it leaves."""
    with_lead = np.zeros_like(LAWS)
    with_lead[:, lead] = LAWS[:, lead]
    without = LAWS - with_lead
    power = float(np.einsum("ki,ij,kj->", with_lead, covariance, with_lead))
    cross = float(np.einsum("ki,ij,kj->", with_lead, covariance, without))
    rest = float(np.einsum("ki,ij,kj->", without, covariance, without))
    return (-cross / power, rest - cross**2 / power) if power > 0 else (1.0, np.inf)
