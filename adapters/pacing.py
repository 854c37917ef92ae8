"""Whether a pacemaker's spikes stand before the beats: then what is measured is not the heart's."""

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.intp]

_WIDE_S, _GROUND_S = 0.006, 0.020  # to either side: a pacing pulse of 2 ms is gone within 6 ms, a QRS not within 20
_SPIKE_MV, _OVER_GROUND, _LEADS = 0.1, 2.0, 2
_BEFORE_S = 0.016, 0.250  # from a spike to the QRS's centre
_STEADY_S = 0.012  # the distance may differ from beat to beat
_SHARE = 0.5  # of the beats, or of the spikes: 0.67 and more in paced ECGs, 0.33 at the most in 339 others
_FEWEST = 4


def paced(signal: NDArray[np.float32], beats: Places, rate_hz: float) -> bool:
    """Whether spikes stand at one distance before half of the ``beats`` of ``[12, n]`` mV, in two leads or more.

    Or half of the spikes before beats, where a pacemaker steps in now and then. A small bipolar spike is not seen, nor
    any in a signal under 500 Hz or read off a page, where it is no longer short.
    """
    spikes = _spikes(signal, rate_hz)
    nearest, farthest = (seconds * rate_hz for seconds in _BEFORE_S)
    ahead = [beat - spikes[(spikes < beat - nearest) & (spikes > beat - farthest)] for beat in beats]
    if not any(map(len, ahead)):
        return False
    steady = _STEADY_S * rate_hz
    lags = np.arange(nearest, farthest, steady / 2)
    most = np.sum([(np.abs(there[:, None] - lags) <= steady).any(axis=0) for there in ahead], axis=0).max()
    pulses = 1 + int((np.diff(spikes) > _GROUND_S * rate_hz).sum())
    return bool(most >= max(min(_FEWEST, len(beats)), _SHARE * min(len(beats), pulses)))


def _spikes(signal: NDArray[np.float32], rate_hz: float) -> Places:
    """Samples that stand out from those 6 ms to either side by more than those do from their surroundings."""
    wide, ground = round(_WIDE_S * rate_hz), round(_GROUND_S * rate_hz)
    end = signal.shape[1] - ground
    height = np.abs(
        signal[:, ground:end] - (signal[:, ground - wide : end - wide] + signal[:, ground + wide : end + wide]) / 2
    )
    tall = (height > _SPIKE_MV).sum(axis=0) >= _LEADS
    places = np.flatnonzero(tall) + ground  # few: only there the ground is looked at
    before = np.abs(signal[:, places - wide] - signal[:, places - ground])
    after = np.abs(signal[:, places + wide] - signal[:, places + ground])
    sharp = (height[:, tall] > _SPIKE_MV) & (height[:, tall] > _OVER_GROUND * (before + after))
    return np.asarray(places[sharp.sum(axis=0) >= _LEADS], np.intp)
