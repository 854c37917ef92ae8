"""Heart rate and QRS axis off the arranged signal; the other EMPs are left open rather than guessed."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter as butterworth
from scipy.signal import find_peaks, sosfiltfilt

from domain.ecg import LEADS, Measurements

Trace = NDArray[np.float64]

_BAND_HZ = (12.0, 35.0)  # a QRS complex, and not the tall T waves of high potassium, which 5-20 Hz counts as beats
_SMOOTH_S = 0.10
_REFRACTORY_S = 0.25  # 240/min
_FEWEST_BEATS = 3
_T_WAVE_S = 0.42
_STANDS_OUT = 6.0  # a QRS over the quiet quarter of the record: 10.8 or more in 350 ECGs; fibrillation 4.0, noise 1.5
_HALF_QRS_S, _LEVEL_S = 0.05, 0.09
_NO_AXIS_MV = 0.05  # neither lead tells
_I, _AVF = LEADS.index("I"), LEADS.index("aVF")


def measure(signal: NDArray[np.float32], rate_hz: float) -> Measurements:
    """Measure ``[12, n]`` in mV: rate in beats a minute, QRS axis in degrees; ``None`` where it cannot be told."""
    peaks = beats(signal, rate_hz)
    return Measurements(heart_rate_bpm=_rate(peaks, rate_hz), qrs_axis_deg=_qrs_axis(signal, peaks, rate_hz))


def beats(signal: NDArray[np.float32], rate_hz: float) -> NDArray[np.intp]:
    """Find the QRS complexes, as sample numbers, by the energy of all leads together.

    Each lead counts by its own scale, so the one with most artefact does not outvote the rest, and leads of which only
    a column was recorded count where they are.
    """
    energy = _energy(signal, rate_hz)
    if energy is None:
        return np.empty(0, np.intp)
    distance = max(1, int(_REFRACTORY_S * rate_hz))
    tall, _ = find_peaks(energy, distance=distance)
    if len(tall) < _FEWEST_BEATS:
        return np.empty(0, np.intp)
    # A beat every 2 s at the least: a typical QRS is among the tallest n peaks of a record of 2n s.
    expected = max(_FEWEST_BEATS, int(len(energy) / rate_hz / 2))
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


def _energy(signal: NDArray[np.float32], rate_hz: float) -> Trace | None:
    """Mean over the leads of each one's QRS-band energy by its own 98th percentile; ``None`` where too short."""
    present = ~np.isnan(signal)
    present = present[enough := present.sum(axis=1) >= rate_hz]
    if not len(present):
        return None
    band = butterworth(2, _BAND_HZ, btype="band", fs=rate_hz, output="sos")
    filled = np.array([_bridged(row, known) for row, known in zip(signal[enough], present, strict=True)])
    rows = uniform_filter1d(np.abs(sosfiltfilt(band, filled, axis=1)), max(1, int(_SMOOTH_S * rate_hz)), axis=1)
    scales = np.array([np.percentile(row[known], 98) for row, known in zip(rows, present, strict=True)])
    rows = np.where(present, np.minimum(rows / np.maximum(scales, 1e-9)[:, None], 2.0), 0.0)
    energy: Trace = rows.sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    return energy


def _bridged(row: NDArray[np.float32], known: NDArray[np.bool_]) -> Trace:
    if known.all():
        return row.astype(np.float64)
    index = np.arange(len(row))
    return np.interp(index, index[known], row[known].astype(np.float64))


def _rate(peaks: NDArray[np.intp], rate_hz: float) -> float | None:
    """Beats between the first and the last over the time between them: the ventricular rate, in fibrillation too."""
    if len(peaks) < _FEWEST_BEATS:
        return None
    return float(60 * rate_hz * (len(peaks) - 1) / (peaks[-1] - peaks[0]))


def _qrs_axis(signal: NDArray[np.float32], peaks: NDArray[np.intp], rate_hz: float) -> float | None:
    """Frontal axis from the net QRS of I and aVF; aVF is sqrt(3)/2 of a limb lead (Goldberger)."""
    lead_i, lead_avf = (_net_qrs(signal[row], peaks, rate_hz) for row in (_I, _AVF))
    if lead_i is None or lead_avf is None or np.hypot(lead_i, lead_avf) < _NO_AXIS_MV:
        return None
    return float(np.degrees(np.arctan2(lead_avf * 2 / np.sqrt(3), lead_i)))


def _net_qrs(lead: NDArray[np.float32], peaks: NDArray[np.intp], rate_hz: float) -> float | None:
    """R less S, in mV, of the median beat within 50 ms of its centre, from the level of the 40 ms before that."""
    half, before = int(_HALF_QRS_S * rate_hz), int(_LEVEL_S * rate_hz)
    windows = [lead[peak - before : peak + half + 1] for peak in peaks if peak >= before and peak + half < len(lead)]
    windows = [window for window in windows if not np.isnan(window).any()]
    if len(windows) < 2:
        return None
    beat = np.median(np.array(windows, np.float64), axis=0)
    level = np.median(beat[: before - half])
    return float(beat[before - half :].max() + beat[before - half :].min() - 2 * level)
