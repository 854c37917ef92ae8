"""Whether a pacemaker's spikes stand before the QRS complexes: then what is measured is not the heart's."""

import numpy as np
from numpy.typing import NDArray

_BEFORE_S, _AFTER_S = 0.12, 0.02  # a ventricular spike; an atrial one where PR is short
_SPIKE_S = 0.010  # shorter than half of this, a median over it does not see
_STANDS_OUT = 0.10  # of each lead's range, root mean square: nine of eleven paced ECGs 0.109 or more, 339 others 0.087

_FLAT = 0.1  # of the largest lead's range: a lead smaller than that has noise for its range


def paced(signal: NDArray[np.float32], peaks: NDArray[np.intp], rate_hz: float) -> bool:
    """Whether most QRS complexes of ``[12, n]`` at ``peaks`` have a spike; a small bipolar one is not seen.

    Nor is any in a signal under 500 Hz, or read off a page, where a spike is no longer short.
    """
    before, after, width = (round(seconds * rate_hz) for seconds in (_BEFORE_S, _AFTER_S, _SPIKE_S))
    places = [peak for peak in peaks if peak >= before and peak + after <= signal.shape[1]]
    if not places or width < 3:
        return False
    windows = np.nan_to_num(np.stack([signal[:, peak - before : peak + after] for peak in places]))
    views = np.lib.stride_tricks.sliding_window_view(windows, width, axis=2)
    middle = windows[:, :, width // 2 : width // 2 + views.shape[2]]
    spikes = np.abs(middle - np.median(views, axis=3))
    known = signal[:, np.isfinite(signal).any(axis=0)]
    ranges = np.nanmax(known, axis=1, initial=-np.inf) - np.nanmin(known, axis=1, initial=np.inf)
    there = ranges > _FLAT * ranges.max()
    share = np.sqrt(((spikes[:, there] / ranges[there, None]) ** 2).mean(axis=1)).max(axis=1)
    return bool(np.median(share) > _STANDS_OUT)
