"""One beat over all leads from many: those that look alike, laid upon one another, their median at each instant."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter as butterworth
from scipy.signal import sosfiltfilt

Trace = NDArray[np.float64]
Places = NDArray[np.intp]

BEFORE_S, AFTER_S = 0.45, 0.70  # a PR of 0.4 s, a QT of 0.65 s
FEWEST_ALIKE = 3
_WANDER_HZ = 0.5  # AHA 2007 part I: up to 0.67 Hz where the filter is of zero phase
_SHAPE_S = 0.12  # of a beat, on either side of its centre, is what beats are compared by
_SHIFT_S = 0.03
_ALIKE = 0.85  # correlation over all leads
_LEVEL_S = 0.10, 0.06  # before the centre


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Median:
    """The median of the beats that look alike.

    ``beat``: ``[leads, m]`` in mV, from ``BEFORE_S`` before the QRS's centre to ``AFTER_S`` after; ``halves``: of every
    other beat, ``[2, leads, m]``; ``leads``: which of the twelve. Of all beats: ``spacing`` in samples, ``irregular``,
    how much one RR differs from the next (median, as a share of RR).
    """

    beat: Trace
    halves: Trace
    leads: tuple[int, ...]
    places: Places
    centre: int
    spacing: float
    irregular: float
    rate_hz: float


def median_beat(signal: Trace, peaks: Places, rate_hz: float) -> Median | None:
    """The median of the most frequent kind of beat in ``[12, n]`` mV; ``None`` where no three look alike.

    ``peaks``: where the beats are, in samples. Leads that share no beat with the rest (a column of a page without a
    rhythm strip) are left out: nothing says how they lie to one another in time.
    """
    if len(peaks) < FEWEST_ALIKE:
        return None
    flat = _without_wander(signal, rate_hz)
    half, shift = round(_SHAPE_S * rate_hz), round(_SHIFT_S * rate_hz)
    places = _kind(_cut(flat, peaks, half + shift, half + shift), peaks, shift)
    if len(places) < FEWEST_ALIKE:
        return None
    windows = _levelled(_cut(flat, places, round(BEFORE_S * rate_hz), round(AFTER_S * rate_hz)), rate_hz)
    beat, leads = _whole(_middle(windows))
    if not leads:
        return None
    return Median(
        beat=beat,
        halves=np.stack([_bridged(_middle(windows[first::2])[list(leads)]) for first in (0, 1)]),
        leads=leads,
        places=places,
        centre=round(BEFORE_S * rate_hz),
        spacing=float(np.percentile(np.diff(peaks), 20)),
        irregular=_irregular(peaks),
        rate_hz=rate_hz,
    )


def _irregular(peaks: Places) -> float:
    intervals = np.diff(peaks)
    return float(np.median(np.abs(np.diff(intervals))) / np.median(intervals)) if len(intervals) > 1 else 0.0


def _without_wander(signal: Trace, rate_hz: float) -> Trace:
    known = np.isfinite(signal)
    index = np.arange(signal.shape[1])
    filled = np.where(known, signal, 0.0)
    for row in np.flatnonzero(known.any(axis=1) & ~known.all(axis=1)):
        there = known[row]
        filled[row] = np.interp(index, index[there], signal[row, there])
    flat: Trace = sosfiltfilt(_high_pass(rate_hz), filled, axis=1)
    flat[~known] = np.nan
    return flat


@cache
def _high_pass(rate_hz: float) -> Trace:
    return np.asarray(butterworth(2, _WANDER_HZ, btype="high", fs=rate_hz, output="sos"))


def _cut(flat: Trace, places: Places, before: int, after: int) -> Trace:
    """``[beats, 12, before + after]``, NaN beyond the recording."""
    padded = np.pad(flat, ((0, 0), (before, after)), constant_values=np.nan)
    return np.stack([padded[:, place : place + before + after] for place in places])


def _kind(wide: Trace, peaks: Places, shift: int) -> Places:
    """Where the beats lie that are like the one most are like, each moved to where it is most like it."""
    thinned, half = wide[:, :, ::2], shift // 2
    still = _Shapes(thinned, half, half)
    alike = np.max([still.like(_Shapes(thinned, lag, half)) for lag in range(0, 2 * half + 1, 2)], axis=0) > _ALIKE
    seed = int(alike.sum(axis=1).argmax())
    same = alike[seed]
    return np.asarray(peaks[same] + _late(wide[same], wide[seed], shift), np.intp)


class _Shapes:
    """Beats as they look through a window, level taken off, with which leads are whole in it."""

    def __init__(self, wide: Trace, lag: int, shift: int) -> None:
        shapes = wide[:, :, lag : wide.shape[2] - 2 * shift + lag]
        mean = shapes.mean(axis=2, keepdims=True)
        self._there = np.isfinite(mean[:, :, 0])
        level = np.where(self._there[:, :, None], shapes - mean, 0.0)
        self._power = np.einsum("blt,blt->bl", level, level)
        self._flat = level.reshape(len(level), -1)

    def like(self, other: "_Shapes") -> Trace:
        """How alike each is to each of the other, over the leads they share; 0 where they share none."""
        ours, theirs = self._power @ other._there.T, self._there @ other._power.T
        norm = np.sqrt(ours * theirs)
        return np.asarray(np.divide(self._flat @ other._flat.T, norm, out=np.zeros_like(norm), where=norm > 0))


def _late(wide: Trace, like: Trace, shift: int) -> Places:
    """By how many samples each of ``wide`` lies later than one of them, ``shift`` at most."""
    template = like[:, shift:-shift]
    template = np.nan_to_num(template - template.mean(axis=1, keepdims=True))
    filled = np.nan_to_num(wide)
    length = template.shape[1]
    fits = [np.einsum("blt,lt->b", filled[:, :, lag : lag + length], template) for lag in range(2 * shift + 1)]
    return np.asarray(np.argmax(fits, axis=0) - shift, np.intp)


def _levelled(windows: Trace, rate_hz: float) -> Trace:
    """Each beat's leads from their level just before the QRS."""
    start, stop = (round((BEFORE_S - before) * rate_hz) for before in _LEVEL_S)
    level = np.median(windows[:, :, start:stop], axis=2, keepdims=True)
    return windows - level


def _middle(windows: Trace) -> Trace:
    """The median over beats, NaN where fewer than two are there (or the only one of a half is not)."""
    known = np.isfinite(windows).sum(axis=0)
    if known.min() == len(windows):
        return np.asarray(np.median(windows, axis=0))
    ordered = np.sort(windows, axis=0)  # NaN last
    low, high = np.maximum(known - 1, 0) // 2, np.minimum(known // 2, len(windows) - 1)
    pair = (np.take_along_axis(ordered, place[None], axis=0)[0] for place in (low, high))
    return np.where(known >= min(2, len(windows)), sum(pair) / 2, np.nan)


def _whole(beat: Trace) -> tuple[Trace, tuple[int, ...]]:
    """The leads of which nine tenths are there, their ends drawn out level, and which they are."""
    leads = np.flatnonzero(np.isfinite(beat).mean(axis=1) > 0.9)
    return _bridged(beat[leads]), tuple(int(lead) for lead in leads)


def _bridged(beat: Trace) -> Trace:
    if np.isfinite(beat).all():
        return beat
    index = np.arange(beat.shape[1])
    return np.array([_drawn_out(row, index) for row in beat])


def _drawn_out(row: Trace, index: Places) -> Trace:
    known = np.isfinite(row)
    if known.all() or not known.any():
        return np.nan_to_num(row)
    return np.interp(index, index[known], row[known])
