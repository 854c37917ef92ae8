"""Rate, intervals and axes off the arranged signal; what cannot be told is left open rather than guessed."""

import numpy as np
from numpy.typing import NDArray

from adapters.beats import FEWEST_BEATS, Found, beats, find
from adapters.delineate import Waves, delineate, untilted
from adapters.median import Median, median_beat
from domain.ecg import LEADS, Measurements

__all__ = ["beats", "measure"]

_HALF_QRS_S, _LEVEL_S = 0.05, 0.09
_NO_QRS_MV, _NO_P_MV, _NO_T_MV = 0.05, 0.005, 0.01  # neither lead tells: QRS peak to peak, P and T at the mean
_T_FROM_S = 0.06  # after the QRS, past most of ST
_PLAUSIBLE_MS = {"p_ms": (40, 200), "pr_ms": (60, 400), "qrs_ms": (50, 250), "qt_ms": (200, 700)}
_I, _II, _AVF = (LEADS.index(name) for name in ("I", "II", "aVF"))


def measure(signal: NDArray[np.float32], rate_hz: float, found: Found | None = None) -> Measurements:
    """Measure ``[12, n]`` in mV: rate in beats a minute, intervals in ms of the median beat, axes in degrees.

    ``found``: its beats, where they are known already.

    ``None`` where it cannot be told: no three beats alike, no wave that repeats (P in fibrillation), paced beats
    or a sine wave (all but the rate). QTc by Bazett as carts print it, and by Fridericia, for the mean rate.
    """
    found = found or find(signal, rate_hz)
    peaks, rate = found.places, _rate(found.places, rate_hz)
    if rate is None or not found.sharp or found.paced:
        return Measurements(heart_rate_bpm=rate)
    median = median_beat(signal.astype(np.float64), peaks, rate_hz)
    if median is None:
        return Measurements(heart_rate_bpm=rate, qrs_axis_deg=_qrs_axis(signal, peaks, rate_hz))
    axis = _qrs_axis(signal, median.places, rate_hz)
    waves = delineate(median)
    if waves is None:
        return Measurements(heart_rate_bpm=rate, qrs_axis_deg=axis)
    return Measurements(
        heart_rate_bpm=rate, qrs_axis_deg=axis, **_intervals(waves, rate_hz, rate), **_atrial_and_t_axes(median, waves)
    )


def _rate(peaks: NDArray[np.intp], rate_hz: float) -> float | None:
    """Beats between the first and the last over the time between them: the ventricular rate, in fibrillation too."""
    if len(peaks) < FEWEST_BEATS:
        return None
    return float(60 * rate_hz * (len(peaks) - 1) / (peaks[-1] - peaks[0]))


def _intervals(waves: Waves, rate_hz: float, rate_bpm: float) -> dict[str, float]:
    """What is known and not absurd, in ms, by its name in ``Measurements``."""
    edges = {
        "p_ms": (waves.p_onset, waves.p_end),
        "pr_ms": (waves.p_onset, waves.qrs_onset),
        "qrs_ms": (waves.qrs_onset, waves.qrs_end),
        "qt_ms": (waves.qrs_onset, waves.t_end),
    }
    found = {name: (b - a) * 1000 / rate_hz for name, (a, b) in edges.items() if a is not None and b is not None}
    found = {name: ms for name, ms in found.items() if _PLAUSIBLE_MS[name][0] <= ms <= _PLAUSIBLE_MS[name][1]}
    if "qt_ms" in found:
        rr_s = 60 / rate_bpm
        found |= {"qtc_ms": found["qt_ms"] / np.sqrt(rr_s), "qtcf_ms": found["qt_ms"] / np.cbrt(rr_s)}
    return {name: float(ms) for name, ms in found.items()}


def _atrial_and_t_axes(median: Median, waves: Waves) -> dict[str, float | None]:
    """Of the net area of P over the line between its ends, and of T over the level before the QRS."""
    frontal = _frontal(median)
    if frontal is None:
        return {}
    axes: dict[str, float | None] = {}
    if waves.p_onset is not None and waves.p_end is not None:
        p = untilted(frontal[:, waves.p_onset : waves.p_end], median.rate_hz)
        axes["p_axis_deg"] = _axis(float(p[0].mean()), float(p[1].mean()), _NO_P_MV)
    start = waves.qrs_end + round(_T_FROM_S * median.rate_hz)
    if waves.t_end is not None and waves.t_end > start:
        before = frontal[:, max(0, waves.qrs_onset - round(0.03 * median.rate_hz)) : waves.qrs_onset]
        t = frontal[:, start : waves.t_end].mean(axis=1) - np.median(before, axis=1)
        axes["t_axis_deg"] = _axis(float(t[0]), float(t[1]), _NO_T_MV)
    return axes


def _frontal(median: Median) -> NDArray[np.float64] | None:
    """I and aVF of the median beat, aVF by II - I/2 where it has none; ``None`` where they are not there."""
    row = {lead: index for index, lead in enumerate(median.leads)}
    if _I not in row or not {_II, _AVF} & row.keys():
        return None
    lead_i = median.beat[row[_I]]
    return np.stack([lead_i, median.beat[row[_AVF]] if _AVF in row else median.beat[row[_II]] - lead_i / 2])


def _axis(lead_i: float, lead_avf: float, least: float) -> float | None:
    """Frontal axis; aVF is sqrt(3)/2 of a limb lead (Goldberger)."""
    if np.hypot(lead_i, lead_avf) < least:
        return None
    return float(np.degrees(np.arctan2(lead_avf * 2 / np.sqrt(3), lead_i)))


def _qrs_axis(signal: NDArray[np.float32], peaks: NDArray[np.intp], rate_hz: float) -> float | None:
    """Frontal axis from the net QRS of I and aVF."""
    lead_i, lead_avf = (_net_qrs(signal[row], peaks, rate_hz) for row in (_I, _AVF))
    return None if lead_i is None or lead_avf is None else _axis(lead_i, lead_avf, _NO_QRS_MV)


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
