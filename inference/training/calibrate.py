"""From logits to probabilities that can be believed, from residuals to an interval; fitted on the validation part."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from inference.manifest import Calibration, Identity, Isotonic, Platt, ResidualInterval
from inference.training.measures import Values

ROUND = 6
"""Decimals kept in bundle.yaml."""


def fitted(method: str, logit: Values, label: NDArray[np.bool_]) -> Calibration:
    """Fit ``none``, ``platt`` or ``isotonic`` to validation logits and labels of both classes."""
    if method == "none" or label.all() or not label.any():
        return Identity(kind="identity")
    return platt(logit, label) if method == "platt" else isotonic(logit, label)


def platt(logit: Values, label: NDArray[np.bool_], steps: int = 100) -> Platt:
    """Logistic regression of the label on the logit by Newton's method, to Platt's targets (1999).

    The targets (N+ + 1)/(N+ + 2) and 1/(N- + 2) keep the slope finite where the classes do not overlap. A slope that
    is not positive, of a model that ranks no better than chance, is set to 0.001: nearly the base rate for everyone.
    """
    low, high = _targets(label)
    target = np.where(label, high, low)
    design = np.stack([logit, np.ones_like(logit)], axis=1)
    beta = np.zeros(2)
    for _ in range(steps):
        chance = _sigmoid(design @ beta)
        slope = design.T @ (chance - target)
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design + 1e-10 * np.eye(2)
        step = np.linalg.solve(curvature, slope)
        beta -= step * min(1.0, 5 / max(1e-12, float(np.abs(step).max())))
        if np.abs(step).max() < 1e-10:
            break
    if beta[0] <= 0:
        beta = np.array([0.001, _logit(label.mean()) - 0.001 * float(logit.mean())])
    return Platt(kind="platt", slope=max(round(float(beta[0]), ROUND), 1e-6), intercept=round(float(beta[1]), ROUND))


def isotonic(logit: Values, label: NDArray[np.bool_]) -> Isotonic | Platt:
    """Isotonic regression (Zadrozny and Elkan 2002) as the corners of its steps; Platt's where it is one level.

    No step goes beyond Platt's targets: beyond the last case of the other class it would say 0 or 1 for ever, which no
    prior can move.
    """
    values, inverse, counts = np.unique(logit.round(ROUND), return_inverse=True, return_counts=True)
    mean = np.bincount(inverse, label) / counts
    level = np.clip(isotonic_regression(mean, weights=counts.astype(np.float64)).x, *_targets(label))
    corner = np.ones(values.size, bool)
    corner[1:-1] = (level[1:-1] != level[:-2]) | (level[1:-1] != level[2:])
    points = tuple((float(x), round(float(p), ROUND)) for x, p in zip(values[corner], level[corner], strict=True))
    if len(points) < 2 or points[0][1] == points[-1][1]:
        return platt(logit, label)
    return Isotonic(kind="isotonic", points=points)


def to_prevalence(found: Calibration, fitted_at: float, wanted: float | None) -> Calibration:
    """Move probabilities from the prevalence they were fitted at to that of use: Bayes' rule, a shift of the logit.

    Holds where the ECGs of the sick and of the well look as they did and only their numbers differ.
    """
    if wanted is None or not 0 < fitted_at < 1:
        return found
    shift = _logit(wanted) - _logit(fitted_at)
    if isinstance(found, Isotonic):
        moved = tuple((x, round(_shifted(p, shift), 9)) for x, p in found.points)
        return Isotonic(kind="isotonic", points=moved)
    slope, intercept = (found.slope, found.intercept) if isinstance(found, Platt) else (1.0, 0.0)
    return Platt(kind="platt", slope=slope, intercept=round(intercept + shift, ROUND))


def residual_interval(truth: Values, estimate: Values) -> ResidualInterval:
    """Where 95 % of truth - estimate lie, mmol/L; 0 is always inside."""
    low, high = np.percentile(truth - estimate, (2.5, 97.5))
    return ResidualInterval(lower=min(0.0, round(float(low), 2)), upper=max(0.0, round(float(high), 2)))


def _targets(label: NDArray[np.bool_]) -> tuple[float, float]:
    """What may be said of a sure negative and of a sure positive, after so many cases (Platt 1999)."""
    positive, negative = int(label.sum()), int((~label).sum())
    return 1 / (negative + 2), (positive + 1) / (positive + 2)


def _shifted(probability: float, shift: float) -> float:
    odds = np.exp(shift)
    return float(probability * odds / (1 - probability + probability * odds))


def _logit(share: float) -> float:
    return float(np.log(share) - np.log1p(-share))


def _sigmoid(z: Values) -> Values:
    return np.where(z >= 0, 1 / (1 + np.exp(-np.abs(z))), np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))))
