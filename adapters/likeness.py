"""How alike two fingerprints are, and whether that says anything.

Two ECGs of one patient with a steady rhythm are alike wherever beat lies upon beat: a pacemaker's come out at a
correlation of 0.999. Two copies of one recording are alike in one place only, where what differs from beat to beat
agrees too. So it counts how much better they lie there than in any other place, a beat or more beside it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from scipy.ndimage import maximum_filter1d

from adapters.fingerprint import POINTS_HZ, Points

OTHER_R = 0.90
"""Two in which more than a quarter of the leads are less alike than this are two recordings."""

_SLACK = 38  # points: two doors may disagree by 0.3 s about where a recording begins
_BESIDE = 38  # points: nearer than 0.3 s no other beat can lie upon this one (200/min)
_FAR = 312  # points: 2.5 s, the longest interval between beats that is looked for
_WITHIN = 3  # points: by so much leads may disagree about the place, as on a page drawn 0.5 % too slow
_FINE = 4  # places looked at to a point: half a point off costs a correlation of 0.04
_LEAST = POINTS_HZ  # points in common below which a lead says nothing
_LEAST_LEADS = 4
_AT_ONCE = 4  # leads compared before the next are looked at

Correlations = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Likeness:
    """The correlation that three quarters of the leads reach where all lie best, and where they lie best beside it."""

    here: float
    beside: float

    @property
    def odds(self) -> float:
        """What differs, as a share of what differs in the best place beside it: 1 and more for another recording."""
        return (1 - self.here) / max(1 - self.beside, 1e-9)


def likeness(a: Points, b: Points) -> Likeness | None:
    """Compare two fingerprints ``[12, n]``; ``None`` where they share too little. ``odds`` is 1 where ``here`` is low.

    A quarter of the leads may be off, mislabelled or drawn over by a neighbour.
    """
    shared = [lead for lead in range(len(a)) if _common(a[lead], b[lead])]
    if len(shared) < _LEAST_LEADS:
        return None
    allowed = len(shared) // 4
    coarse = _screened(a, b, shared[::3] + shared[1::3] + shared[2::3], allowed)  # limb and chest leads in turn
    if coarse < OTHER_R:
        return Likeness(coarse, coarse)
    by_place = _correlations(a[shared], b[shared], _FAR, _FINE)
    most = maximum_filter1d(by_place, 2 * _WITHIN * _FINE + 1, axis=1)
    reached = np.partition(most, allowed, axis=0)[allowed]
    middle = _FAR * _FINE
    near = reached[middle - _SLACK * _FINE : middle + _SLACK * _FINE + 1]
    best = middle - _SLACK * _FINE + int(np.argmax(near))
    gap = _BESIDE * _FINE
    beside = np.concatenate([reached[: best - gap], reached[best + gap + 1 :]])
    return Likeness(float(reached[best]), float(beside.max()))


def _common(a: Points, b: Points) -> bool:
    """Whether a lead is known in both for a second, and flat in neither."""
    length = min(len(a), len(b))
    both = np.isfinite(a[:length]) & np.isfinite(b[:length])
    enough = np.count_nonzero(both) >= _LEAST
    return bool(enough and np.any(a[:length][both]) and np.any(b[:length][both]))


def _screened(a: Points, b: Points, order: list[int], allowed: int) -> float:
    """The correlation that all but ``allowed`` leads reach, each in its own place; stops once it is too low."""
    found: list[float] = []
    for start in range(0, len(order), _AT_ONCE):
        rows = order[start : start + _AT_ONCE]
        found += _correlations(a[rows], b[rows], _SLACK, 2).max(axis=1).tolist()
        if sum(r < OTHER_R for r in found) > allowed:
            break
    return sorted(found)[allowed]


def _correlations(a: Points, b: Points, far: int, fine: int) -> Correlations:
    """``[lead, place]`` over the points both know, for -far to far points by 1/fine; -1 where they share too few.

    All sums of all places at once by the convolution theorem; the product's between points too, as the spectrum has it,
    while the others hardly change from one point to the next.
    """
    size = next_fast_len(max(a.shape[1], b.shape[1]) + far, real=True)  # no farther places are looked at
    first, second = _spectra(a, size), _spectra(b, size)

    def summed(of_first: int, of_second: int, fine: int = 1) -> Correlations:
        product = first[of_first] * np.conj(second[of_second])
        places = np.arange(-far * fine, far * fine + 1)
        return np.fft.irfft(product, size * fine, axis=1)[:, places] * fine

    count = summed(1, 1)
    enough = count >= _LEAST - 0.5
    count = np.maximum(count, 1)
    mean_a, mean_b = summed(0, 1) / count, summed(1, 0) / count
    spread = (summed(2, 1) / count - mean_a**2) * (summed(1, 2) / count - mean_b**2)
    size_of_both = np.sqrt(np.maximum(spread, 1e-6))
    share, level = _between(1 / (count * size_of_both), fine), _between(mean_a * mean_b / size_of_both, fine)
    r = summed(0, 0, fine) * share - level
    return np.where(_between(enough.astype(np.float64), fine) == 1, np.minimum(r, 1.0), -1.0)


def _between(rows: Correlations, fine: int) -> Correlations:
    """Values between points, on straight lines."""
    steps = np.arange(fine) / fine
    filled = rows[:, :-1, None] + np.diff(rows, axis=1)[:, :, None] * steps
    return np.concatenate([filled.reshape(len(rows), -1), rows[:, -1:]], axis=1)


def _spectra(points: Points, size: int) -> tuple[NDArray[np.complex128], ...]:
    """Of the values (0 where not known), of where they are known, of their squares."""
    known = np.isfinite(points)
    values = np.where(known, points, 0.0)
    return tuple(np.fft.rfft(rows, size, axis=1) for rows in (values, known.astype(np.float64), values**2))
