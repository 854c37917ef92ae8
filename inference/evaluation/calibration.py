"""Whether a probability means what it says."""

import numpy as np
from numpy.typing import NDArray

from inference.evaluation import metrics

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Counts = NDArray[np.int32]

EDGE = 1e-6  # a probability of 0 or 1 has no logit; a model reports six decimals
_STEPS = 25
_FLAT = 1e-6  # the error after such a step is its square
_LEAP = 5.0
_SAME = 1e-9  # scores that do not vary have no slope
_BEYOND = 50.0  # a standardised slope there means that the classes are separated: the likelihood has no maximum


class Calibration:
    """Logistic regression of truth on logit(score), by Newton, under many weightings at once."""

    def __init__(self, truth: Floats, score: Floats, patient: Places) -> None:
        clipped = np.clip(score, EDGE, 1 - EDGE)
        self._x = np.log(clipped / (1 - clipped))
        self._truth, self._patient = truth, patient
        self._mean, self._spread = float(self._x.mean()), float(self._x.std())
        rate = float(truth.mean())
        self._start = np.array([[np.log(rate / (1 - rate)), 0.0]])
        self._level = 0.0
        ones = np.ones((1, len(self._x)))
        whole, self._level = self._fitted(ones), float(np.nan_to_num(self._shift(ones)[0]))
        self._start = whole if np.isfinite(whole).all() else self._start

    def figures(self, counts: Counts) -> dict[str, Floats]:
        """Slope and intercept, and the intercept at slope 1 (in the large); NaN where the classes are separated."""
        weight = np.take(counts, self._patient, axis=1).astype(float)
        level, steepness = self._fitted(weight).T
        slope = metrics.ratio(steepness, np.full_like(steepness, self._spread))
        return {
            "calibration_slope": slope,
            "calibration_intercept": level - slope * self._mean,
            "calibration_in_the_large": self._shift(weight),
        }

    def _fitted(self, weight: Floats) -> Floats:
        """Level and steepness ``[b, 2]`` over the standardised logit, which spares Newton from leaping."""
        if self._spread < _SAME:
            return np.full((len(weight), 2), np.nan)
        z = (self._x - self._mean) / self._spread
        powers = np.stack([np.ones_like(z), z, z**2], axis=1)
        wanted = (weight * self._truth) @ powers[:, :2]
        found = np.repeat(self._start, len(weight), axis=0)
        step = np.zeros_like(found)
        for _ in range(_STEPS):
            p = _sigmoid(found[:, :1] + found[:, 1:] * z)
            expected = (weight * p) @ powers[:, :2]
            p *= 1 - p
            step = _solved((weight * p) @ powers, wanted - expected)
            found = found + step / np.maximum(1, np.abs(step).max(1, keepdims=True) / _LEAP)
            if np.nanmax(np.abs(step), initial=0) < _FLAT:
                break
        settled = (np.abs(step).max(1) < _FLAT) & (np.abs(found).max(1) < _BEYOND)
        return np.where(settled[:, None], found, np.nan)

    def _shift(self, weight: Floats) -> Floats:
        """Newton held between bounds that close in: what is expected only grows with the shift."""
        seen = weight @ self._truth
        both = (seen > 0) & (seen < weight.sum(1))
        low, high = np.full(len(weight), -2 * _BEYOND), np.full(len(weight), 2 * _BEYOND)
        found, step = np.full(len(weight), self._level), np.full(len(weight), np.inf)
        for _ in range(2 * _STEPS):
            p = _sigmoid(found[:, None] + self._x)
            expected = np.einsum("bi,bi->b", weight, p)
            p *= p
            missing, curvature = seen - expected, expected - np.einsum("bi,bi->b", weight, p)
            low, high = np.where(missing > 0, found, low), np.where(missing < 0, found, high)
            step = metrics.ratio(missing, curvature)
            leapt = found + step
            found = np.where((leapt > low) & (leapt < high) | (missing == 0), leapt, (low + high) / 2)
            if (np.abs(step[both]) < _FLAT).all():
                break
        return np.where(both & (np.abs(step) < _FLAT), found, np.nan)


def _sigmoid(z: Floats) -> Floats:
    with np.errstate(over="ignore"):
        np.exp(np.negative(z, out=z), out=z)
    z += 1
    return np.divide(1, z, out=z)


def _solved(curvature: Floats, slope: Floats) -> Floats:
    """Newton's step: the inverse of [[c0, c1], [c1, c2]] times ``slope [b, 2]``; NaN where singular."""
    a, b, c = curvature.T
    determinant = a * c - b * b
    with np.errstate(invalid="ignore", divide="ignore"):
        step = np.stack([c * slope[:, 0] - b * slope[:, 1], a * slope[:, 1] - b * slope[:, 0]], axis=1)
        return np.where((determinant > 1e-12)[:, None], step / determinant[:, None], np.nan)


def curve(truth: Floats, score: Floats, bins: int = 10) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Mean score, share of positives and count of ``bins`` equally filled groups; equal scores stay together."""
    edges = np.unique(np.quantile(score, np.linspace(0, 1, bins + 1)[1:-1]))
    group = np.searchsorted(edges, score, "right")
    count = np.bincount(group, minlength=len(edges) + 1)
    kept = count > 0
    mean = np.bincount(group, score, len(edges) + 1)[kept] / count[kept]
    share = np.bincount(group, truth, len(edges) + 1)[kept] / count[kept]
    return mean, share, count[kept]
