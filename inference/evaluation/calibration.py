"""Whether a probability means what it says."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Counts = NDArray[np.int32]

EDGE = 1e-6  # a probability of 0 or 1 has no logit; a model reports six decimals
_STEPS = 25
_FLAT = 1e-6  # the error after such a step is its square
_BEYOND = 50.0  # a slope there means that the classes are separated: the likelihood has no maximum


class Calibration:
    """Logistic regression of truth on logit(score), by Newton, under many weightings at once."""

    def __init__(self, truth: Floats, score: Floats, patient: Places) -> None:
        clipped = np.clip(score, EDGE, 1 - EDGE)
        self._x = np.log(clipped / (1 - clipped))
        self._truth, self._patient = truth, patient
        self._start = np.array([[0.0, 1.0]])
        ones = np.ones((1, int(patient.max()) + 1), np.int32)
        whole = self._fitted(ones)
        self._start = whole if np.isfinite(whole).all() else self._start

    def figures(self, counts: Counts) -> dict[str, Floats]:
        """Slope and intercept, and the intercept at slope 1 (in the large); NaN where the classes are separated."""
        fitted = self._fitted(counts)
        return {
            "calibration_slope": fitted[:, 1],
            "calibration_intercept": fitted[:, 0],
            "calibration_in_the_large": self._shift(counts),
        }

    def _fitted(self, counts: Counts) -> Floats:
        weight = np.take(counts, self._patient, axis=1).astype(float)
        powers = np.stack([np.ones_like(self._x), self._x, self._x**2], axis=1)
        wanted = (weight * self._truth) @ powers[:, :2]
        found = np.repeat(self._start, len(counts), axis=0)
        for _ in range(_STEPS):
            p = _sigmoid(found[:, :1] + found[:, 1:] * self._x)
            expected = (weight * p) @ powers[:, :2]
            p *= 1 - p
            curvature = (weight * p) @ powers
            step = _solved(curvature, wanted - expected)
            found = found + np.clip(step, -5, 5)
            if np.nanmax(np.abs(step), initial=0) < _FLAT:
                break
        settled = (np.abs(step).max(1) < _FLAT) & (np.abs(found).max(1) < _BEYOND)
        return np.where(settled[:, None], found, np.nan)

    def _shift(self, counts: Counts) -> Floats:
        weight = np.take(counts, self._patient, axis=1).astype(float)
        wanted = weight @ self._truth
        found = np.zeros(len(counts))
        for _ in range(_STEPS):
            p = _sigmoid(found[:, None] + self._x)
            with np.errstate(invalid="ignore", divide="ignore"):
                step = (wanted - np.einsum("bi,bi->b", weight, p)) / np.einsum("bi,bi,bi->b", weight, p, 1 - p)
            found = found + np.clip(step, -5, 5)
            if np.nanmax(np.abs(step), initial=0) < _FLAT:
                break
        return np.where((np.abs(step) < _FLAT) & (np.abs(found) < _BEYOND), found, np.nan)


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
