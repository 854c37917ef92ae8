"""A real recording with its beats changed: real hearts, real carts and real noise, one disturbance added.

The recording's own median beat is taken apart into P, QRS, ST and T; the parts are changed and put together again, and
what that changed is added to every beat that looks like the median one. Noise, wander, respiration and ectopic beats
stay as they were recorded. The heart rate stays too: ``Effects.rate_bpm`` is left to what draws its own beats.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from domain.ecg import LEADS, RATE_HZ
from simulator.effects import Effects
from simulator.leads import twelve

Signal = NDArray[np.float32]
Floats = NDArray[np.float64]

_EIGHT = [LEADS.index(lead) for lead in ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")]
# where T and U stand and ST falls in most hearts, as shares of the lead that shows it most (rows as _EIGHT)
_USUAL = np.array([0.35, 0.50, 0.15, 0.85, 1.00, 0.90, 0.70, 0.50])
_U_USUAL = np.array([0.15, 0.35, 0.30, 1.00, 1.00, 0.70, 0.45, 0.25])
_EVEN = np.ones(8)
_BEFORE_S, _AFTER_S = 0.32, 0.60
_ALIKE = 0.85  # correlation with the median beat; below, an ectopic or a disturbed beat: left alone
_UPRIGHT_MV = 0.30  # what a T wave gains in the lead that shows it most, for each doubling
_SINE_S = 0.035


@dataclass(frozen=True, slots=True, kw_only=True)
class Fiducials:
    """Places in a median beat, in samples from its window's start."""

    p_onset: int
    qrs_onset: int
    r: int
    qrs_end: int
    t_peak: int
    t_end: int


def bend(
    signal: Signal, beats: NDArray[np.intp], effects: Effects, chance: np.random.Generator, *, lie: Floats = _EVEN
) -> Signal:
    """Change the beats of ``signal``, ``[12, n]`` in mV at 500 Hz without gaps; ``beats``: its R peaks in samples.

    ``lie`` ``[8]``: I, II, V1..V6, by what each shows more of an added T, U or ST than it usually does.
    Returns the same shape; the limb leads are formed anew from I and II, so Einthoven's law holds. With fewer than
    three beats alike it raises ``ValueError``: there is no median beat to take apart.
    """
    eight = signal[_EIGHT].astype(np.float64)
    spacing = float(np.median(np.diff(beats))) if len(beats) > 1 else 0.0
    before = int(_BEFORE_S * RATE_HZ)
    after = int(min(_AFTER_S * RATE_HZ, 0.95 * spacing - before * 0.6))
    places = [int(r) for r in beats if r >= before and r + after < signal.shape[1]]
    if after < 0.2 * RATE_HZ or len(places) < 3:
        raise ValueError("no three whole beats")
    windows = np.stack([_level(eight[:, r - before : r + after]) for r in places])
    median = np.median(windows, axis=0)
    alike = [_correlation(window, median) > _ALIKE for window in windows]
    if sum(alike) < 3:
        raise ValueError("no three beats alike")
    median = np.median(windows[alike], axis=0)
    change = _tapered(_bent(median, fiducials(median, before), effects, lie) - median)
    for r, same in zip(places, alike, strict=True):
        if same:
            eight[:, r - before : r + after] += change * (1 + 0.05 * chance.standard_normal())
    return twelve(eight)


def fiducials(median: Floats, r: int) -> Fiducials:
    """Find the waves of a median beat ``[8, n]`` by the size and speed of the heart's vector."""
    speed = uniform_filter1d(np.sqrt((np.gradient(median, axis=1) ** 2).sum(0)), 5)
    fastest = float(speed[max(0, r - 40) : r + 40].max())
    quiet = speed < 0.08 * fastest
    onset = next((i for i in range(r - 10, r - 60, -1) if quiet[max(0, i - 4) : i + 1].all()), r - 25)
    offset = next((i for i in range(r + 15, r + 90) if quiet[i : i + 8].all()), r + 30)
    size = gaussian_filter1d(np.sqrt((median**2).sum(0)), 6)
    late = slice(offset + 25, median.shape[1] - 10)
    peak = late.start + int(np.argmax(size[late])) if late.stop > late.start else offset + 50
    floor = 0.18 * size[peak]
    end = next((i for i in range(peak, median.shape[1]) if size[i] < floor), median.shape[1] - 1)
    end = min(max(end, peak + 25), median.shape[1] - 1)
    return Fiducials(p_onset=0, qrs_onset=onset, r=r, qrs_end=offset, t_peak=min(peak, end - 5), t_end=end)


def _bent(median: Floats, f: Fiducials, effects: Effects, lie: Floats) -> Floats:
    """Take the median beat apart, change the parts, put them together."""
    time = np.arange(median.shape[1], dtype=np.float64)
    atrial, qrs, st, t = _parts(median, f)
    wider = (f.qrs_end - f.qrs_onset) * (effects.qrs_width - 1)
    start, stop = f.qrs_onset - 0.3 * wider, f.qrs_end + 0.7 * wider
    qrs_time = f.qrs_onset + (time - start) / max(effects.qrs_width, 0.1)
    peak = f.t_peak + 0.7 * wider + effects.qt_ms * RATE_HZ / 1000
    bent = _at(atrial, time + effects.pr_ms * RATE_HZ / 1000 + 0.3 * wider) * effects.p_amplitude
    bent += _at(qrs, qrs_time) * effects.qrs_amplitude
    bent += _at(st, f.qrs_end + (time - stop) * (f.t_end - f.qrs_end) / max(peak + (f.t_end - f.t_peak) - stop, 20))
    bent += _t_wave(t, time, f.t_peak, peak, effects, lie * _USUAL)
    span = (peak - stop) / 2
    plateau = 1 / (1 + np.exp(-(time - stop) / 4)) / (1 + np.exp((time - peak + 0.2 * span) / (0.25 * span + 1)))
    bent += effects.st_mv * np.outer(lie * _USUAL, plateau)
    u_centre, u_width = peak + (f.t_end - f.t_peak) + 0.05 * RATE_HZ, 0.035 * RATE_HZ
    bent += effects.u_mv * np.outer(lie * _U_USUAL, np.exp(-(((time - u_centre) / u_width) ** 2) / 2))
    if effects.sine > 0:
        smooth = gaussian_filter1d(bent, effects.sine * _SINE_S * RATE_HZ, axis=1, mode="nearest")
        bent = (1 - effects.sine) * bent + effects.sine * 1.5 * smooth
    return bent


def _parts(median: Floats, f: Fiducials) -> tuple[Floats, Floats, Floats, Floats]:
    """P, QRS, the ST segment's level running out under the T wave, and T; their sum is the median beat."""
    time = np.arange(median.shape[1])
    atrial = np.where(time < f.qrs_onset, median, 0.0)
    qrs = np.where((time >= f.qrs_onset) & (time <= f.qrs_end), median, 0.0)
    late = np.where(time > f.qrs_end, median, 0.0)
    level = median[:, f.qrs_end : f.qrs_end + 15].mean(axis=1, keepdims=True)
    ramp = np.clip((f.t_end - time) / max(f.t_end - f.qrs_end, 1), 0, 1) * (time > f.qrs_end)
    st = level * ramp
    return atrial, qrs, st, late - st


def _t_wave(t: Floats, time: Floats, old: float, new: float, effects: Effects, usual: Floats) -> Floats:
    """Scale, move and narrow the T wave; what it gains stands upright where T waves usually do, half of it."""
    gain = effects.t_amplitude - 1
    moved = _at(t, old + (time - new) / max(effects.t_width, 0.1))
    if gain <= 0:
        return effects.t_amplitude * moved
    width = 0.045 * RATE_HZ * effects.t_width
    upright = np.outer(usual, np.exp(-(((time - new) / width) ** 2) / 2))
    return (1 + 0.6 * gain) * moved + 0.6 * gain * _UPRIGHT_MV * upright


def _at(part: Floats, time: Floats) -> Floats:
    """A part's value at other times, linear between samples; beyond its ends nothing."""
    grid = np.arange(part.shape[1])
    return np.stack([np.interp(time, grid, row, left=0.0, right=0.0) for row in part])


def _level(window: Floats) -> Floats:
    """Put the PR segment, 50 to 80 ms before R, at zero."""
    r = int(_BEFORE_S * RATE_HZ)
    return window - np.median(window[:, r - 40 : r - 25], axis=1, keepdims=True)


def _correlation(window: Floats, median: Floats) -> float:
    a, b = window - window.mean(1, keepdims=True), median - median.mean(1, keepdims=True)
    return float((a * b).sum() / (np.sqrt((a**2).sum() * (b**2).sum()) + 1e-12))


def _tapered(change: Floats) -> Floats:
    """Let a change begin and end at nothing, over 40 ms."""
    ramp = np.clip(np.arange(change.shape[1]) / (0.04 * RATE_HZ), 0, 1)
    return change * ramp * ramp[::-1]
