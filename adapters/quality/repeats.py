"""One beat over and over, as a program makes of a median; and whether what has no QRS complexes has a rhythm."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from adapters.recording import Recording, Samples
from domain.ecg import LEADS, RATE_HZ

Signal = NDArray[np.float32]

_SHORTEST_S, _CYCLE_S = 5.0, (0.3, 3.0)
_SAME, _ALMOST_ALL = 1e-3, 0.9  # of a lead's deviation; honest beats differ by 0.05 and more
_RHYTHM = 0.5  # of the power of leads without drift, mains and muscle
_NO_MAINS = RATE_HZ // 10


def repeated(recording: Recording) -> bool:
    """Whether the recording is one beat (or a few) over and over, to the sample, as no heart and no amplifier is."""
    rows = [recording.leads[name] for name in LEADS if name in recording.leads]
    rows = [row for row in rows if len(row) >= _SHORTEST_S * recording.rate_hz and not np.isnan(row).any()]
    deviations = [float(row.std()) for row in rows]
    if not any(deviations):
        return False
    largest = int(np.argmax(deviations))
    lags = [lag for lag in _lags(rows[largest], recording.rate_hz) if _same(rows[largest], lag, deviations[largest])]
    return any(all(_same(row, lag, deviation) for row, deviation in zip(rows, deviations, strict=True)) for lag in lags)


def _lags(row: Samples, rate_hz: float) -> NDArray[np.intp]:
    """The few shifts at which a lead is most like itself."""
    spectrum = np.abs(np.fft.rfft(row - row.mean(), 2 * len(row))) ** 2
    alike = np.fft.irfft(spectrum)[: len(row)] / np.arange(len(row), 0, -1)
    first, last = (int(seconds * rate_hz) for seconds in _CYCLE_S)
    return np.asarray(first + np.argsort(alike[first:last])[-3:], np.intp)


def _same(row: Samples, lag: int, deviation: float) -> bool:
    return bool((np.abs(row[lag:] - row[:-lag]) <= _SAME * deviation).mean() >= _ALMOST_ALL)


def rhythmic(signal: Signal) -> bool:
    """Whether ``[12, n]`` repeats itself at some pace, as a sine wave of high potassium does though it has no QRS."""
    rows = signal[(~np.isnan(signal)).all(axis=1)].astype(np.float64)
    if not len(rows):
        return True  # not to be told from columns
    rows = uniform_filter1d(rows, _NO_MAINS, axis=1) - uniform_filter1d(rows, RATE_HZ, axis=1)
    spectrum = (np.abs(np.fft.rfft(rows, 2 * rows.shape[1], axis=1)) ** 2).sum(axis=0)
    alike = np.fft.irfft(spectrum)[: rows.shape[1]] / np.arange(rows.shape[1], 0, -1)
    first, last = (int(seconds * RATE_HZ) for seconds in _CYCLE_S)
    return bool(alike[first:last].max() > _RHYTHM * alike[0])
