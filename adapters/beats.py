"""Where the beats are: QRS complexes by the energy of all leads together."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter as butterworth
from scipy.signal import find_peaks, sosfiltfilt

from adapters.pacing import paced
from adapters.slow_beats import in_gaps, steady_wave

Trace = NDArray[np.float64]

_BAND_HZ = (12.0, 35.0)  # a QRS complex, and not the tall T waves of high potassium, which 5-20 Hz counts as beats
_SMOOTH_S = 0.10
_REFRACTORY_S = 0.25  # 240/min
FEWEST_BEATS = 3
_T_WAVE_S = 0.42
_STANDS_OUT = 6.0  # a QRS over the quiet quarter of the record: 10.8 or more in 350 ECGs; fibrillation 4.0, noise 1.5


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Beats in samples; whether they are QRS complexes or cycles of one smooth wave; whether a pacemaker made them."""

    places: NDArray[np.intp]
    sharp: bool
    paced: bool = False


def beats(signal: NDArray[np.float32], rate_hz: float) -> NDArray[np.intp]:
    """Find the QRS complexes, as sample numbers, by the energy of all leads together.

    Each lead counts by its own scale, so the one with most artefact does not outvote the rest, and leads of which only
    a column was recorded count where they are. Smooth ectopic beats are looked for in the gaps, and where there is no
    QRS at all, a wave that repeats itself beat by beat.
    """
    return find(signal, rate_hz).places


def find(signal: NDArray[np.float32], rate_hz: float) -> Found:
    """Find the beats of ``[12, n]`` mV as ``beats`` does, and say of which kind they are."""
    known = ~np.isnan(signal)
    present = known[enough := known.sum(axis=1) >= rate_hz]
    if not len(present):
        return Found(np.empty(0, np.intp), sharp=False)
    filled = np.array([_bridged(row, there) for row, there in zip(signal[enough], present, strict=True)])
    found = _sharp(_energy(filled, present, rate_hz), rate_hz)
    if len(found) < FEWEST_BEATS:
        return Found(steady_wave(filled, present, rate_hz), sharp=False)
    places = in_gaps(filled, present, found, rate_hz)
    return Found(places, sharp=True, paced=paced(signal, places, rate_hz))


def _sharp(energy: Trace, rate_hz: float) -> NDArray[np.intp]:
    """The peaks of the QRS band's energy that stand out as QRS complexes do; empty where none does."""
    distance = max(1, int(_REFRACTORY_S * rate_hz))
    tall, _ = find_peaks(energy, distance=distance)
    if len(tall) < FEWEST_BEATS:
        return np.empty(0, np.intp)
    # A beat every 2 s at the least: a typical QRS is among the tallest n peaks of a record of 2n s.
    expected = max(FEWEST_BEATS, int(len(energy) / rate_hz / 2))
    typical = float(np.median(np.sort(energy[tall])[-expected:]))
    if typical < _STANDS_OUT * float(np.percentile(energy, 25)):
        return np.empty(0, np.intp)
    peaks, found = find_peaks(energy, distance=distance, height=0.3 * typical)
    return _without_t_waves(peaks, found["peak_heights"], rate_hz)


def _without_t_waves(peaks: NDArray[np.intp], heights: Trace, rate_hz: float) -> NDArray[np.intp]:
    """Drop a peak that follows one twice its height within 0.42 s (Pan and Tompkins 1985 use 0.36 s)."""
    kept: list[int] = []
    for index, peak in enumerate(peaks):
        last = kept[-1] if kept else index
        if index == last or peak - peaks[last] > _T_WAVE_S * rate_hz or heights[index] > 0.55 * heights[last]:
            kept.append(index)
    return np.asarray(peaks[kept], np.intp)


def _energy(filled: Trace, present: NDArray[np.bool_], rate_hz: float) -> Trace:
    """Mean over the leads of each one's QRS-band energy by its own 98th percentile."""
    rows = uniform_filter1d(
        np.abs(sosfiltfilt(_band(rate_hz), filled, axis=1)), max(1, int(_SMOOTH_S * rate_hz)), axis=1
    )
    scales = np.array([_percentile(row[known], 0.98) for row, known in zip(rows, present, strict=True)])
    rows = np.where(present, np.minimum(rows / np.maximum(scales, 1e-9)[:, None], 2.0), 0.0)
    energy: Trace = rows.sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    return energy


def _percentile(values: Trace, share: float) -> float:
    rank = round(share * (len(values) - 1))
    return float(np.partition(values, rank)[rank])


@cache
def _band(rate_hz: float) -> Trace:
    return np.asarray(butterworth(2, _BAND_HZ, btype="band", fs=rate_hz, output="sos"))


def _bridged(row: NDArray[np.float32], known: NDArray[np.bool_]) -> Trace:
    """Gaps filled, and a column continued as if turned about its ends: held flat, its edges would read as beats."""
    if known.all():
        return row.astype(np.float64)
    index = np.arange(len(row))
    filled = np.interp(index, index[known], row[known].astype(np.float64))
    first, last = int(index[known][0]), int(index[known][-1])
    before, after = min(first, last - first), min(len(row) - 1 - last, last - first)
    filled[first - before : first] = 2 * filled[first] - filled[first + before : first : -1]
    filled[last + 1 : last + 1 + after] = 2 * filled[last] - filled[last - after : last][::-1]
    return np.asarray(filled)
