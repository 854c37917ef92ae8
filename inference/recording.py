"""ArrestNet's input: the whole recording, 10 s of 12 leads at 500 Hz."""

import numpy as np
from numpy.typing import NDArray

from domain.ecg import LEADS
from domain.reason import Reason
from inference.crops import Unscorable

PREPROCESSING = "signal"
PREPROCESSING_VERSION = 1

SAMPLES = 5000  # 10 s at 500 Hz
SHORTEST = 4500  # 9 s: what EIANet asks of its rhythm strip


def whole(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """The first 10 s of ``[12, n]`` in mV, NaN where not recorded -> ``[12, 5000]`` without NaN.

    Each lead is centred on its median, as crops are; what is missing then is 0. ``Unscorable`` names the leads known
    for less than 9 s: leads recorded one after the other, as on a 3x4 page, are no input for this model.
    """
    kept = signal[:, :SAMPLES]
    known = np.isfinite(kept)
    short = tuple(lead for lead, count in zip(LEADS, known.sum(axis=1), strict=True) if count < SHORTEST)
    if short:
        raise Unscorable(Reason.TOO_SHORT, short)
    level = np.nanmedian(np.where(known, kept, np.nan), axis=1, keepdims=True)
    filled = np.zeros((len(LEADS), SAMPLES), np.float32)
    filled[:, : kept.shape[1]] = np.where(known, kept - level, 0)
    return filled
