"""What is kept of a signal so that it is known again: its change over 80 ms, 125 times a second, as small numbers.

Baseline wander, and most of what carts' filters differ in, fall out of it, gaps stay gaps, and what is left is when
each beat came and how it looked in each lead.
"""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from adapters.signal import resampled
from domain.ecg import LEADS, RATE_HZ
from domain.errors import Permanent
from domain.reason import Reason

POINTS_HZ = 125
_CHANGE = 10  # points: 80 ms, so that QRS complexes (5 to 15 Hz) weigh most and wander below 0.5 Hz hardly anything
_LONGEST_S = 20
_LEAST = POINTS_HZ  # points, below which nothing is kept
_UNKNOWN = -128
_HEAD = struct.Struct("<BI")
_VERSION = 1

Points = NDArray[np.float32]


def fingerprint(signal: NDArray[np.float32]) -> bytes:
    """Keep a signal ``[12, n]`` in mV at 500 Hz as int8, each lead at its own scale, -128 where not known; some 5 kB.

    Empty for less than a second.
    """
    sparse = resampled(signal[:, : _LONGEST_S * RATE_HZ].astype(np.float64), RATE_HZ, POINTS_HZ)
    change = sparse[:, _CHANGE:] - sparse[:, :-_CHANGE]
    if change.shape[1] < _LEAST:
        return b""
    known = np.isfinite(change)
    size = np.max(np.abs(change), axis=1, where=known, initial=0.0, keepdims=True)
    scaled = np.rint(change * np.divide(127.0, size, where=size > 0, out=np.zeros_like(size)))
    rows = np.where(known, scaled, _UNKNOWN).astype(np.int8)
    return _HEAD.pack(_VERSION, change.shape[1]) + zlib.compress(rows.tobytes())


def points(print_: bytes) -> Points | None:
    """``[12, n]``, NaN where not known; ``None`` for none. Raises ``Permanent`` for one of another version."""
    if not print_:
        return None
    version, length = _HEAD.unpack_from(print_)
    if version != _VERSION:
        raise Permanent(Reason.OUR_FAULT, "a fingerprint of another version")
    flat = np.frombuffer(zlib.decompress(print_[_HEAD.size :]), np.int8)
    kept = flat.reshape(len(LEADS), length).astype(np.float32)
    kept[kept == _UNKNOWN] = np.nan
    return kept
