"""Where P, QRS and T of a median beat begin and end, by the speed of the heart's vector over all leads.

The speed is the root mean square over leads of the slope: near nothing where the heart rests, in every lead at once. A
wave's edge is where it falls under a share of the speed of the wave's own flank. The shares are set so that an edge
lies, at the mean of LUDB's records 1-50, at the *median* of the leads' hand marks, which is where carts put it: from
the earliest to the latest mark of twelve the same hearts' QRS would last 25 ms longer. docs/reading.md has both.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from adapters.median import Median, Trace

_QRS_SMOOTH_S, _P_SMOOTH_S, _T_SMOOTH_S = 0.006, 0.012, 0.016  # standard deviations
_QRS_ONSET, _QRS_END = 0.06, 0.08  # of the QRS's greatest speed
_QRS_REACH_S, _QUIET_S = 0.20, 0.012
_P_ONSET, _P_END, _T_END = 0.50, 0.60, 0.35  # of the speed of the flank
_P_REACH_S, _P_FLANK_S, _P_LEAST_S, _P_MOST_S = 0.30, 0.02, 0.06, 0.20  # longer: T and P in one
_FAST_S = 0.48  # 125/min: flutter conducted by half runs at 125 to 150
_P_FOOT = 0.5  # of a P's size: between the humps of a notched one it is more
_T_FROM_S, _T_FLANK_S, _T_SHARE_OF_RR = 0.06, 0.12, 0.75
_T_SCALE = 0.15  # a lead counts by the size of its own T, from this share of the largest
# correlation of one half of the beats with the other: P of sinus rhythm 0.95 and more in 19 of 20 ECGs (LUDB, PTB-XL)
_REPEATS, _REPEATS_IRREGULAR = 0.90, 0.96  # fibrillation 0.93 at the most (LUDB)
_IRREGULAR = 0.15  # fibrillation 0.15 to 0.48; 0.15 in one of a hundred others
_T_REPEATS = 0.80


@dataclass(frozen=True, slots=True, kw_only=True)
class Waves:
    """Edges in samples of the median beat; ``None`` where the wave is not there or not told from noise."""

    qrs_onset: int
    qrs_end: int
    t_end: int | None
    p_onset: int | None
    p_end: int | None


def delineate(median: Median) -> Waves | None:
    """Find the edges of P, QRS and T; ``None`` where no QRS rises from rest."""
    qrs = _qrs(median)
    if qrs is None:
        return None
    t_end = _t_end(median, qrs)
    p = _p(median, qrs, t_end)
    return Waves(
        qrs_onset=qrs[0],
        qrs_end=qrs[1],
        t_end=t_end,
        p_onset=None if p is None else p[0],
        p_end=None if p is None else p[1],
    )


def _speed(traces: Trace) -> Trace:
    speed: Trace = np.sqrt((np.gradient(traces, axis=1) ** 2).mean(axis=0))
    return speed


def _size(traces: Trace) -> Trace:
    size: Trace = np.sqrt((traces**2).mean(axis=0))
    return size


def _smoothed(traces: Trace, seconds: float, rate_hz: float) -> Trace:
    smooth: Trace = gaussian_filter1d(traces, seconds * rate_hz, axis=-1, mode="nearest", truncate=3)
    return smooth


def _qrs(median: Median) -> tuple[int, int] | None:
    """Onset and end; the level of rest is that of the stillest fifth of the time before the QRS."""
    rate, centre = median.rate_hz, median.centre
    speed = _speed(_smoothed(median.beat, _QRS_SMOOTH_S, rate))
    near = round(0.06 * rate)
    fastest = centre - near + int(np.argmax(speed[centre - near : centre + near]))
    rest = float(np.percentile(speed[round(0.12 * rate) : centre - near], 20))
    reach, still = round(_QRS_REACH_S * rate), round(_QUIET_S * rate)
    back, ahead = speed[: min(fastest, centre) + 1][::-1], speed[max(fastest, centre) :]
    onset = _falls_still(back[:reach], _QRS_ONSET * speed[fastest] + rest, still)
    end = _falls_still(ahead[:reach], _QRS_END * speed[fastest] + rest, still)
    return None if onset is None or end is None else (min(fastest, centre) - onset, max(fastest, centre) + end)


def _falls_still(speed: Trace, below: float, still: int) -> int | None:
    """The first place from which the speed stays under ``below`` for ``still`` samples."""
    under = np.convolve(speed < below, np.ones(still, int), "valid") == still
    return int(np.argmax(under)) if under.any() else None


def _t_end(median: Median, qrs: tuple[int, int]) -> int | None:
    """Each lead counts by its own T wave, or one lead with a tall T would decide alone."""
    rate = median.rate_hz
    start = qrs[1] + round(_T_FROM_S * rate)
    stop = min(median.beat.shape[1] - 1, median.centre + round(_T_SHARE_OF_RR * median.spacing))
    if stop - start < round(_T_FROM_S * rate):
        return None
    level = _level(median.beat, qrs[0], rate)
    smooth = _smoothed(median.beat - level, _T_SMOOTH_S, rate)
    scale = np.ptp(smooth[:, start:stop], axis=1, keepdims=True)
    scaled = smooth / np.maximum(np.maximum(scale, _T_SCALE * scale.max()), 1e-9)
    peak = start + int(np.argmax(_size(scaled[:, start:stop])))
    flank = _speed(scaled)[peak:stop]
    if len(flank) < 3:
        return None
    steepest = int(np.argmax(flank[: round(_T_FLANK_S * rate)]))
    slow = np.flatnonzero(flank[steepest:] <= _T_END * flank[steepest])
    if not len(slow) or not _repeats(median, start, stop, _T_REPEATS):
        return None
    return peak + steepest + int(slow[0])


def _level(beat: Trace, qrs_onset: int, rate_hz: float) -> Trace:
    level: Trace = np.median(beat[:, max(0, qrs_onset - round(0.05 * rate_hz)) : qrs_onset], axis=1, keepdims=True)
    return level


def _p(median: Median, qrs: tuple[int, int], t_end: int | None) -> tuple[int, int] | None:
    """The largest wave between the T before and the QRS, where it is in one half of the beats as in the other.

    None where beats follow so fast that it may be the T, or a flutter wave, and no T end says that it is neither.
    """
    rate, onset = median.rate_hz, qrs[0]
    if t_end is None and median.spacing < _FAST_S * rate:
        return None
    after_t = 0.0 if t_end is None else t_end - median.spacing
    start = int(max(round(0.016 * rate), onset - _P_REACH_S * rate, after_t + 0.01 * rate))
    if onset - start < _P_LEAST_S * rate + 6:
        return None
    piece = _smoothed(median.beat[:, :onset], _P_SMOOTH_S, rate)[:, start:]  # without the QRS, which would smear back
    edges = _p_edges(_size(untilted(piece, rate)), _speed(piece), rate)
    if edges is None:
        return None
    p = start + edges[0], start + edges[1]
    margin = round(0.01 * rate)
    least = _REPEATS if median.irregular < _IRREGULAR else _REPEATS_IRREGULAR
    return p if _repeats(median, max(start, p[0] - margin), min(onset, p[1] + margin), least) else None


def _p_edges(size: Trace, speed: Trace, rate: float) -> tuple[int, int] | None:
    """Where the largest wave rises from and falls to rest, by its outer flanks where it is notched."""
    last, reach = len(speed) - round(0.012 * rate), round(_P_FLANK_S * rate)
    peak = int(np.argmax(size[:last]))
    low = np.flatnonzero(size[:last] < _P_FOOT * size[peak])
    foot = int(max(low[low < peak], default=0)), int(min(low[low > peak], default=last - 1))
    up = _fastest(speed, max(0, foot[0] - reach), min(peak, foot[0] + reach))
    down = _fastest(speed, max(peak, foot[1] - reach), min(last, foot[1] + reach))
    before = np.flatnonzero(speed[: up + 1] <= _P_ONSET * speed[up])
    behind = np.flatnonzero(speed[down:] <= _P_END * speed[down])
    if not len(before) or not len(behind) or down + behind[0] - before[-1] > _P_MOST_S * rate:
        return None
    return int(before[-1]), down + int(behind[0])


def _fastest(speed: Trace, first: int, last: int) -> int:
    return first + int(np.argmax(speed[first : last + 1]))


def untilted(piece: Trace, rate_hz: float) -> Trace:
    """``[leads, m]`` from the line between its ends: a P wave without the T wave or the wander under it."""
    edge = max(2, round(0.016 * rate_hz))
    first, last = (np.median(part, axis=1, keepdims=True) for part in (piece[:, :edge], piece[:, -edge:]))
    return piece - first - (last - first) * np.linspace(0, 1, piece.shape[1])


def _repeats(median: Median, start: int, stop: int, least: float) -> bool:
    """Whether what is there in every other beat is there in the rest: waves are, noise and fibrillation are not."""
    one, other = (
        untilted(half[:, start:stop], median.rate_hz) for half in _smoothed(median.halves, _P_SMOOTH_S, median.rate_hz)
    )
    power = float((one**2).sum() * (other**2).sum())
    return power > 0 and float((one * other).sum()) > least * np.sqrt(power)
