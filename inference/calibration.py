"""A network's logit -> the probability that is reported."""

import numpy as np

from inference.manifest import Calibration, Isotonic, Platt
from inference.models import sigmoid


def probability(calibration: Calibration, logit: float) -> float:
    """Between 0 and 1, never falling with the logit."""
    if isinstance(calibration, Isotonic):
        logits, probabilities = zip(*calibration.points, strict=True)
        return float(np.interp(logit, logits, probabilities))
    if isinstance(calibration, Platt):
        logit = calibration.slope * logit + calibration.intercept
    return sigmoid(logit)
