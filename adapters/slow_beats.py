"""Beats too smooth for the QRS band: ventricular ectopics in a gap, and the sine wave of very high potassium."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter as butterworth
from scipy.signal import find_peaks, sosfiltfilt

Trace = NDArray[np.float64]
Places = NDArray[np.intp]

_BAND_HZ = (3.0, 15.0)
_SMOOTH_S = 0.10
_GAP = 1.35  # of the usual RR: what an ectopic beat left unseen, with the pause after it
_CLEAR_S = 0.28  # from the beats on either side
_TALL = 0.6  # of what a usual beat reaches
_AFTER_S = 0.9  # of a usual beat: its T wave is expected, and is no beat
_PERIOD_S = 0.33, 1.5
_SAME = 0.85  # autocorrelation over all leads at the period; fibrillation and noise 0.5 at the most
_STEADY = 0.15  # of the period


def in_gaps(filled: Trace, present: NDArray[np.bool_], beats: Places, rate_hz: float) -> Places:
    """``beats`` and what stands out in the gaps between them as they do, ``[leads, n]`` without NaN; mostly unchanged.

    Only looked for where an interval is longer than usual: a steady rhythm hides no compensatory pause.
    """
    intervals = np.diff(beats)
    gaps = np.flatnonzero(intervals > _GAP * np.median(intervals))
    if not len(gaps):
        return beats
    energy = _energy(filled, present, rate_hz)
    usual = float(np.median([energy[max(0, at - 25) : at + 25].max() for at in beats]))
    clear, after = round(_CLEAR_S * rate_hz), round(_AFTER_S * rate_hz)
    expected = np.median(
        [np.pad(energy[at : at + after], (0, max(0, at + after - len(energy)))) for at in beats], axis=0
    )
    found = []
    for gap in gaps:
        start, stop = int(beats[gap]), int(beats[gap + 1])
        rest = energy[start:stop].copy()
        rest[:after] -= expected[: len(rest)]
        peaks, _ = find_peaks(rest, height=_TALL * usual, distance=clear)
        found += [start + int(at) for at in peaks if clear <= at <= len(rest) - clear]
    return np.sort(np.concatenate([beats, np.array(found, np.intp)]))


def steady_wave(filled: Trace, present: NDArray[np.bool_], rate_hz: float) -> Places:
    """One place a cycle of a wave that repeats itself in all leads at 40 to 180/min; empty where there is none."""
    none = np.empty(0, np.intp)
    if not present.all():  # columns of a page: not to be told
        return none
    band = butterworth(2, (1.5, 20.0), btype="band", fs=rate_hz, output="sos")
    rows = sosfiltfilt(band, filled, axis=1)
    alike = _autocorrelation(rows)
    low, high = (round(seconds * rate_hz) for seconds in _PERIOD_S)
    tops, _ = find_peaks(alike[: high + 1], height=_SAME)
    if not len(tops) or tops[0] < low:  # what repeats faster is no heart's wave, and its multiples are not either
        return none
    period = int(tops[0])
    size = uniform_filter1d(np.sqrt((rows**2).mean(axis=0)), max(1, round(0.15 * period)))
    places, _ = find_peaks(size, distance=round(0.7 * period))
    steady = np.abs(np.diff(places) - period) <= _STEADY * period
    return np.asarray(places, np.intp) if len(places) > 3 and steady.mean() > 0.8 else none


def _autocorrelation(rows: Trace) -> Trace:
    length = rows.shape[1]
    spectrum = (np.abs(np.fft.rfft(rows, 2 * length, axis=1)) ** 2).sum(axis=0)
    alike = np.fft.irfft(spectrum)[:length] / np.arange(length, 0, -1)
    return np.asarray(alike / max(float(alike[0]), 1e-12))


def _energy(filled: Trace, present: NDArray[np.bool_], rate_hz: float) -> Trace:
    """As ``beats`` has it, lower down: the mean over leads of each one's share of its own largest."""
    band = butterworth(2, _BAND_HZ, btype="band", fs=rate_hz, output="sos")
    rows = uniform_filter1d(np.abs(sosfiltfilt(band, filled, axis=1)), max(1, round(_SMOOTH_S * rate_hz)), axis=1)
    rows = np.where(present, rows / np.maximum(np.percentile(rows, 98, axis=1, keepdims=True), 1e-9), 0.0)
    return np.asarray(rows.sum(axis=0) / np.maximum(present.sum(axis=0), 1))
