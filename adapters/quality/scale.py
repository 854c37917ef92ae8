"""A gain or a unit mistaken, leads each scaled for itself, a calibration pulse left in."""

import numpy as np
from numpy.typing import NDArray

from adapters.quality.beat import Beat
from adapters.quality.samples import span
from adapters.recording import Recording, Samples
from domain.ecg import LEADS, Defect
from domain.reason import Reason

Signal = NDArray[np.float32]

_HIGHEST_MV = 10.0  # the 99.5th percentile off the median: 5.8 mV
_MEAN_MV = 0.40, 4.8  # of the leads' typical beats, peak to peak: 0.57 to 3.04 mV, so a factor of 10 leaves no overlap
_FEWEST_LEADS = 8
_ALIKE = 1e-4  # of one lead's range or deviation from another's; a heart's leads differ by a fifth and more
_PULSE_MV, _PULSE_OFF_MV = 1.0, 0.1
_PULSE_S = 0.06, 0.42  # 0.1 to 0.4 s as carts draw it
_EDGE_S = 1.2  # carts put it before the first beat or after the last
_FOOT_S = 0.012  # from the pulse: it has risen, or fallen, within this time
_LEVEL_MV = 0.02  # what a pulse's top may move from sample to sample, and half of what it may in all


def amplitude(signal: Signal, beat: Beat) -> list[Defect]:
    """A unit or gain mistaken: a lead no heart gives, or a whole ECG too small or too large for one."""
    present = ~np.isnan(signal).all(axis=1)
    huge = tuple(LEADS[lead] for lead in np.flatnonzero(present) if _reach(signal[lead]) > _HIGHEST_MV)
    if huge:
        return [Defect(reason=Reason.IMPLAUSIBLE_AMPLITUDE, leads=huge)]
    steady = beat.rest_mv < beat.typical.std(axis=1)  # elsewhere its beats do not lie upon one another
    sizes = np.where(steady, beat.size_mv, [span(row) for row in signal])[present]
    if len(sizes) >= _FEWEST_LEADS and not _MEAN_MV[0] <= sizes.mean() <= _MEAN_MV[1]:
        return [Defect(reason=Reason.IMPLAUSIBLE_AMPLITUDE)]
    return []


def _reach(row: Signal) -> float:
    """How far the trace goes from its median, but for the outermost samples."""
    known = row[~np.isnan(row)]
    if max(known.max(), -known.min()) <= _HIGHEST_MV / 2:  # as nearly always
        return 0.0
    return float(np.percentile(np.abs(known - np.median(known)), 99.5))


def each_for_itself(recording: Recording) -> list[Defect]:
    """Leads all of one range, or all of one deviation: each was scaled to its own, and the millivolts are lost.

    LUDB's headers give each lead its own peak-to-peak as its gain, so that every lead reads 1 mV.
    """
    rows = [recording.leads[name] for name in LEADS if name in recording.leads]
    rows = [known for row in rows if (known := row[~np.isnan(row)]).size]
    if len(rows) < _FEWEST_LEADS:
        return []
    for sizes in (np.array([np.ptp(row) for row in rows]), np.array([row.std() for row in rows])):
        if sizes.min() > 0 and sizes.max() / sizes.min() - 1 < _ALIKE:
            return [Defect(reason=Reason.SCALED_PER_LEAD)]
    return []


def calibration_pulse(recording: Recording) -> list[Defect]:
    """A rectangle of a millivolt at either end, in most leads: it reads as a wave of the heart's."""
    rows = {name: recording.leads[name] for name in LEADS if name in recording.leads}
    holding = tuple(name for name, row in rows.items() if _pulse(row, recording.rate_hz))
    return [Defect(reason=Reason.CALIBRATION_PULSE, leads=holding)] if len(holding) > len(rows) / 2 else []


def _pulse(row: Samples, rate_hz: float) -> bool:
    known = row[~np.isnan(row)]
    edge = int(_EDGE_S * rate_hz)
    return any(_rectangle(part, rate_hz) for part in (known[:edge], known[-edge:]))


def _rectangle(part: Samples, rate_hz: float) -> bool:
    """Whether the trace rests a millivolt over where it is just before and just after, for a pulse's length."""
    still = np.concatenate(([0], np.abs(np.diff(part)) < _LEVEL_MV, [0])).astype(np.int8)
    starts, ends = np.flatnonzero(np.diff(still) == 1), np.flatnonzero(np.diff(still) == -1) + 1
    shortest, longest = (seconds * rate_hz for seconds in _PULSE_S)
    long = (ends - starts >= shortest) & (ends - starts <= longest)
    return any(_stands(part, start, end, rate_hz) for start, end in zip(starts[long], ends[long], strict=True))


def _stands(part: Samples, start: int, end: int, rate_hz: float) -> bool:
    foot = max(1, round(_FOOT_S * rate_hz))
    feet = [part[at] for at in (start - foot, end - 1 + foot) if 0 <= at < len(part)]  # it may begin or end with one
    alone = bool(feet) and all(abs(part[start] - level - _PULSE_MV) < _PULSE_OFF_MV for level in feet)
    return alone and bool(np.ptp(part[start:end]) <= 2 * _LEVEL_MV)
