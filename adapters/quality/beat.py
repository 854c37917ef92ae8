"""What the beats of a recording have in common, lead by lead, and what is left over."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.beats import FEWEST_BEATS
from domain.ecg import RATE_HZ

Signal = NDArray[np.float32]
Trace = NDArray[np.float64]

BEFORE, AFTER = int(0.2 * RATE_HZ), int(0.4 * RATE_HZ)  # P to T at 60/min; the next P stays out up to 100/min

_MOST = 60  # beats to compare with one another

_RAMP = np.stack([np.ones(BEFORE + AFTER), np.linspace(-1, 1, BEFORE + AFTER)], axis=1)
_LINE = _RAMP / np.linalg.norm(_RAMP, axis=0)  # a window's mean and slope, [300, 2]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Beat:
    """The beat typical of each lead.

    ``typical``: ``[12, 300]`` in mV, from 0.2 s before the QRS's centre, its mean and slope taken out; NaN where a lead
    holds no whole beat. ``rest_mv``: ``[12]``, what a beat does not share with the one most like it, as a root mean
    square: in a heart with beats of two kinds each has its twin, in noise none. ``shared``: whether all leads share
    three beats. ``centres``: samples, of all beats.
    """

    typical: Trace
    rest_mv: Trace
    shared: bool
    centres: NDArray[np.intp]

    @property
    def size_mv(self) -> Trace:
        """Peak to peak, ``[12]``; NaN where there is no beat."""
        return np.asarray(self.typical.max(axis=1) - self.typical.min(axis=1), np.float64)


def typical_beat(signal: Signal, centres: NDArray[np.intp]) -> Beat:
    """Lay the beats of ``[12, n]`` at 500 Hz upon one another; leads of which a column was recorded by that column."""
    whole = centres[(centres >= BEFORE) & (centres + AFTER <= signal.shape[1])]
    leads = len(signal)
    typical, rest = np.full((leads, BEFORE + AFTER), np.nan), np.full(leads, np.nan)
    if not whole.size:
        return Beat(typical=typical, rest_mv=rest, shared=False, centres=centres)
    windows = signal[:, whole[:, None] + np.arange(-BEFORE, AFTER)].astype(np.float64)  # [12, beats, 300]
    known = np.asarray(~np.isnan(windows).any(axis=2), np.bool_)
    levelled = windows - (windows @ _LINE) @ _LINE.T
    groups = [list(range(leads))] if known.all() else [[lead] for lead in range(leads) if known[lead].any()]
    for rows in groups:
        there = levelled[rows][:, known[rows[0]]]
        typical[rows] = np.median(there, axis=1)
        rest[rows] = _unshared(there[:, :_MOST])
    return Beat(typical=typical, rest_mv=rest, shared=bool(known.all(axis=0).sum() >= FEWEST_BEATS), centres=centres)


def _unshared(beats: Trace) -> Trace:
    """``[leads, beats, 300]`` -> ``[leads]``: the median over beats; 0 of a single one."""
    if beats.shape[1] < 2:
        return np.zeros(len(beats))
    power = np.square(beats).sum(axis=2)
    apart = power[:, :, None] + power[:, None] - 2 * beats @ beats.transpose(0, 2, 1)
    apart[:, *np.diag_indices(beats.shape[1])] = np.inf
    nearest = np.maximum(apart.min(axis=2), 0) / (2 * beats.shape[2])
    return np.asarray(np.median(np.sqrt(nearest), axis=1))
