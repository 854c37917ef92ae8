"""Whether every fifth line of a ruling is heavier: its lines are then 1 mm apart, however large the page."""

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]
Profiles = NDArray[np.float64]

FEWEST_PX = 3.0  # between lines: 1 mm at 75 dpi
BAND = 96  # rows a profile is the mean of
_FIFTHS = np.array([1, 2, 3, 4, 6, 7, 8, 9])  # of a ruling's frequency: seen where every fifth line is heavier
_HEAVY = 2.0  # over what is between them, in amplitude, geometric mean of both ways; even lines reach 1.1
_FINE = 1.35  # over its neighbours: the overtone of a ruling with four finer lines between its own


def fifths(upright: Grey, period_px: tuple[float, float]) -> tuple[tuple[float, float], bool]:
    """Return the distance (px, x and y) of the finest lines that are there, and whether every fifth is heavier.

    ``upright``: the ruling alone, its lines upright and level, ``period_px`` apart.
    """
    (x, y), across, down = period_px, bands(upright), bands(np.ascontiguousarray(upright.T))
    for fine in (3.0, 2.0, 1.0, 0.2):  # overtones of the finest lines, they, or the fifths were taken for the ruling
        heavy = _heavy(across, fine * x) * _heavy(down, fine * y) > _HEAVY**2
        between = min(_fine_between(across, 5 * fine * x), _fine_between(down, 5 * fine * y))
        if heavy and (fine == 1.0 or between > _FINE):
            return (fine * x, fine * y), True
    return (x, y), False


def bands(ruling: Grey) -> Profiles:
    """Return the mean of each band of ``BAND`` rows, faded out at both ends."""
    height, width = ruling.shape
    count = max(height // BAND, 1)
    means = ruling[: count * BAND].reshape(count, -1, width).mean(axis=1, dtype=np.float64)
    return np.asarray(means * np.hanning(width))


def _heavy(profiles: Profiles, period: float) -> float:
    """Return how far a fifth of the frequency of upright lines, and its multiples, stand out of what is between."""
    amplitude = _amplitude(profiles, np.arange(0.5, 10, 0.5) / 5 / period)
    at = 2 * _FIFTHS - 1
    return float(np.median(2 * amplitude[at] / (amplitude[at - 1] + amplitude[at + 1])))


def _fine_between(profiles: Profiles, period: float) -> float:
    """Return how far the fifth overtone of upright lines stands out of its neighbours: finer lines between them."""
    if period / 5 < FEWEST_PX:
        return 0.0
    before, fifth, after = _amplitude(profiles, np.array([4.0, 5.0, 6.0]) / period)
    return float(2 * fifth / (before + after))


def _amplitude(profiles: Profiles, frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    waves = np.exp(-2j * np.pi * np.outer(np.arange(profiles.shape[1]), frequency))
    return np.asarray(np.sqrt((np.abs(profiles @ waves) ** 2).sum(axis=0)))
