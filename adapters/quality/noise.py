"""Noise: what must be told, and what swamps an ECG."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from adapters.quality.beat import Beat
from domain.ecg import LEADS, RATE_HZ, Defect, ReadWarning
from domain.reason import Reason

Signal = NDArray[np.float32]
Trace = NDArray[np.float64]

_MAINS_HZ, _MAINS_WIDE_HZ, _BESIDE_HZ = (50.0, 60.0), 0.35, (1.0, 4.0)
_SLOW_S = 0.8  # twice this moving mean leaves what is under 0.5 Hz
_FAST_S, _FAST_WINDOW_S, _FAST_QUIETEST = 0.026, 0.1, 0.3
_MAINS_MV, _WANDER_MV, _MUSCLE_MV = 0.025, 1.0, 0.022  # told; honest records: see docs/reading.md
_SWAMPED, _SWAMPED_MV = 1.3, 0.15  # what beats do not share over the beat itself (honest 0.92, noise 1.8), and in mV
_WANDER_SWAMPS_MV = 6.0  # the paper's rows lie 4.5 mV apart
_MAINS_SWAMPS_MV, _MUSCLE_SWAMPS_MV = 0.5, 0.2  # as large as a QRS in a limb lead; honest muscle ends at 0.04
_SHORTEST = 2 * RATE_HZ


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Noise:
    """``[12]`` in mV, NaN where too short: mains as an amplitude, wander peak to peak, muscle as root mean square."""

    mains: Trace
    wander: Trace
    muscle: Trace


def noise(signal: Signal) -> Noise:
    """Measure the noise of ``[12, n]`` mV at 500 Hz, each lead over the samples it has."""
    made = np.full((3, len(LEADS)), np.nan)
    known = ~np.isnan(signal)
    whole = np.flatnonzero(known.all(axis=1))
    if len(whole) and signal.shape[1] >= _SHORTEST:
        made[:, whole] = _measured(signal[whole].astype(np.float64))
    for lead in np.flatnonzero(~known.all(axis=1) & (known.sum(axis=1) >= _SHORTEST)):
        made[:, [lead]] = _measured(signal[lead, known[lead]].astype(np.float64)[None])
    return Noise(mains=made[0], wander=made[1], muscle=made[2])


def _measured(rows: Trace) -> Trace:
    slow = round(_SLOW_S * RATE_HZ)
    wander = np.ptp(uniform_filter1d(uniform_filter1d(rows, slow, axis=1), slow, axis=1), axis=1)
    fast = rows - uniform_filter1d(rows, round(_FAST_S * RATE_HZ), axis=1)
    window = round(_FAST_WINDOW_S * RATE_HZ)
    blocks = fast[:, : rows.shape[1] // window * window].reshape(len(rows), -1, window).std(axis=2)
    muscle = np.quantile(blocks, _FAST_QUIETEST, axis=1)  # the quiet between QRS complexes
    mains = _mains(rows)
    return np.stack([mains, wander, np.sqrt(np.maximum(muscle**2 - mains**2 / 2, 0))])


def _mains(rows: Trace) -> Trace:
    """The amplitude of the line at 50 or 60 Hz, over the level beside it, in mV."""
    window = np.hanning(rows.shape[1])
    power = np.abs(np.fft.rfft((rows - rows.mean(axis=1, keepdims=True)) * window, axis=1)) ** 2
    hz = np.fft.rfftfreq(rows.shape[1], 1 / RATE_HZ)
    resolution = RATE_HZ / rows.shape[1]
    worst = np.zeros(len(rows))
    for line in _MAINS_HZ:
        off = np.abs(hz - line)
        near = off <= max(_MAINS_WIDE_HZ, 2 * resolution)
        beside = (off > _BESIDE_HZ[0] + resolution) & (off <= _BESIDE_HZ[1] + resolution)
        over = power[:, near].sum(axis=1) - power[:, beside].mean(axis=1) * near.sum()
        worst = np.maximum(worst, over)
    return np.asarray(2 * np.sqrt(worst / (rows.shape[1] * (window**2).sum())), np.float64)


def swamped(beat: Beat, found: Noise) -> list[Defect]:
    """Leads in which no beat can be made out, or which wander over their neighbours' rows.

    In a column of two or three beats nothing says that they were found where they are, so noise itself must be seen.
    """
    with np.errstate(invalid="ignore"):
        unlike = (beat.rest_mv > _SWAMPED * beat.typical.std(axis=1)) & (beat.rest_mv > _SWAMPED_MV)
        lost = unlike & (beat.shared | (found.muscle > _MUSCLE_MV)) | (found.wander > _WANDER_SWAMPS_MV)
        lost |= (found.mains > _MAINS_SWAMPS_MV) | (found.muscle > _MUSCLE_SWAMPS_MV)
    leads = tuple(name for name, one in zip(LEADS, lost, strict=True) if one)
    return [Defect(reason=Reason.NOISE, leads=leads)] if leads else []


def told(found: Noise) -> dict[ReadWarning, bool]:
    """The noise a reader of the result should know of."""
    return {
        ReadWarning.MAINS_NOISE: bool((found.mains > _MAINS_MV).any()),
        ReadWarning.BASELINE_WANDER: bool((found.wander > _WANDER_MV).any()),
        ReadWarning.MUSCLE_NOISE: bool((found.muscle > _MUSCLE_MV).any()),
    }
