"""Shapes in time, added to a dipole only where they are not zero: bumps (P, QRS, T, U) and plateaus (ST)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.ecg import RATE_HZ
from simulator.leads import Floats

Samples = NDArray[np.int32]
_REACH = 4.0  # standard deviations; beyond lies 0.03 % of the peak


@dataclass(frozen=True, slots=True)
class Bumps:
    """Gaussians with a side each: ``centre_s`` from the R peak, ``rise_s`` and ``fall_s`` [k], ``vector`` [k, 3] mV."""

    centre_s: Floats
    rise_s: Floats
    fall_s: Floats
    vector: Floats

    def turned(self, matrix: Floats) -> "Bumps":
        """The same bumps with every vector turned."""
        return Bumps(self.centre_s, self.rise_s, self.fall_s, self.vector @ matrix.T)

    def scaled(self, factor: float) -> "Bumps":
        """The same bumps, ``factor`` times as high."""
        return Bumps(self.centre_s, self.rise_s, self.fall_s, self.vector * factor)


def bumps(*rows: tuple[float, float, float, tuple[float, float, float]]) -> Bumps:
    """Bumps from rows of centre, rise, fall (s) and vector."""
    centre, rise, fall, vector = zip(*rows, strict=True)
    return Bumps(np.array(centre), np.array(rise), np.array(fall), np.array(vector))


def joined(*groups: Bumps) -> Bumps:
    """Several groups as one."""
    return Bumps(
        np.concatenate([group.centre_s for group in groups]),
        np.concatenate([group.rise_s for group in groups]),
        np.concatenate([group.fall_s for group in groups]),
        np.concatenate([group.vector for group in groups]),
    )


def add_bumps(dipole: Floats, shape: Bumps, at_s: Floats, loud: Floats) -> None:
    """Add to ``dipole`` [3, n] the bumps at every ``at_s`` ([b] or [b, k]), ``loud`` ([b] or [b, k]) times as high."""
    if not (shape.centre_s.size and at_s.size):
        return
    beats, count = at_s.shape[0], shape.centre_s.size
    centre = (np.reshape(at_s, (beats, -1)) + shape.centre_s).ravel()
    height = np.broadcast_to(np.reshape(loud, (beats, -1)), (beats, count)).ravel()
    rise, fall = np.tile(shape.rise_s, beats)[:, None], np.tile(shape.fall_s, beats)[:, None]
    reach = int(np.ceil(_REACH * max(shape.rise_s.max(), shape.fall_s.max()) * RATE_HZ))
    index = np.rint(centre * RATE_HZ).astype(np.int64)[:, None] + np.arange(-reach, reach + 1)
    lag = index / RATE_HZ - centre[:, None]
    bump = height[:, None] * np.exp(-0.5 * (lag / np.where(lag < 0, rise, fall)) ** 2)
    _gather(dipole, index, bump, np.tile(shape.vector, (beats, 1)))


def add_plateaus(dipole: Floats, start_s: Floats, end_s: Floats, edges_s: tuple[float, float], vector: Floats) -> None:
    """Add to ``dipole`` [3, n] a level from each ``start_s`` to each ``end_s``, with edges that long, as logistics."""
    if not (start_s.size and vector.any()):
        return
    first = np.floor((start_s - 6 * edges_s[0]) * RATE_HZ).astype(np.int64)
    length = int(np.ceil((end_s - start_s + 6 * sum(edges_s)).max() * RATE_HZ)) + 1
    index = first[:, None] + np.arange(max(length, 1))
    time = index / RATE_HZ
    up = np.exp(-np.logaddexp(0, (start_s[:, None] - time) / edges_s[0]))
    down = np.exp(-np.logaddexp(0, (time - end_s[:, None]) / edges_s[1]))
    _gather(dipole, index, up * down, np.tile(vector, (start_s.size, 1)))


def _gather(dipole: Floats, index: NDArray[np.int64], height: Floats, vectors: Floats) -> None:
    """Sum rows of samples that may overlap or stick out into ``dipole``."""
    size = dipole.shape[1]
    inside = (index >= 0) & (index < size)
    where = index[inside]
    rows = np.broadcast_to(np.arange(index.shape[0])[:, None], index.shape)[inside]
    values = height[inside]
    for axis in range(3):
        dipole[axis] += np.bincount(where, values * vectors[rows, axis], minlength=size)
