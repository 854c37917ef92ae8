"""Whether the limb leads fit one another: Einthoven's and Goldberger's laws, and the one mistake that would explain."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from adapters.signal import LAWS, LIMB, einthoven
from domain.ecg import RATE_HZ, Defect
from domain.reason import Reason

Signal = NDArray[np.float32]

_RESIDUAL_MV, _RESIDUAL_SHARE = 0.20, 0.30  # honest: 0.003 and 0.18; off a page 0.09; low-rate carts 0.16
_EXPLAINED = 0.1  # one mistake in the labels accounts for nine tenths of the residual
_EXPLAINED_MV = 0.05
_GAIN = 0.85, 1.18  # IEC 60601-2-25 allows a cart 5 %


def limb_leads(signal: Signal) -> list[Defect]:
    """Abstain where the limb leads contradict one another so far that one of them is not what it is called.

    Either the residual is gross, or it is moderate and one mistake (two labels exchanged, one lead's sign or gain)
    accounts for nine tenths of it: II and aVF, III and aVF look alike, and exchanged leave little. Noise has no such
    explanation, however low the cart's rate.
    """
    residual_mv, share = einthoven(signal)
    if residual_mv > _RESIDUAL_MV and share > _RESIDUAL_SHARE:
        return [Defect(reason=Reason.EINTHOVEN, leads=_culprits(signal) or LIMB)]
    culprits = _culprits(signal) if residual_mv > _EXPLAINED_MV else ()
    return [Defect(reason=Reason.EINTHOVEN, leads=culprits)] if culprits else []


def _culprits(signal: Signal) -> tuple[str, ...]:
    """The leads whose exchange, or whose gain, would explain the residual; empty where none would."""
    limbs = signal[: len(LIMB)].astype(np.float64)
    common = limbs[:, ~np.isnan(limbs).any(axis=0)]
    if common.shape[1] < RATE_HZ:
        return ()
    covariance = np.cov(common)
    power = _residual_power(covariance)
    best, culprits = _EXPLAINED * power, tuple[str, ...]()
    for a, b in combinations(range(len(LIMB)), 2):
        order = list(range(len(LIMB)))
        order[a], order[b] = b, a
        if (left := _residual_power(covariance[np.ix_(order, order)])) < best:
            best, culprits = left, (LIMB[a], LIMB[b])
    for lead in range(len(LIMB)):
        gain, left = _best_gain(covariance, lead)
        if left < best and not _GAIN[0] < gain < _GAIN[1]:
            best, culprits = left, (LIMB[lead],)
    return culprits


def _residual_power(covariance: NDArray[np.float64]) -> float:
    return float(np.einsum("ki,ij,kj->", LAWS, covariance, LAWS))


def _best_gain(covariance: NDArray[np.float64], lead: int) -> tuple[float, float]:
    """The factor on one lead that leaves the least residual (least squares), and what it leaves."""
    with_lead = np.zeros_like(LAWS)
    with_lead[:, lead] = LAWS[:, lead]
    without = LAWS - with_lead
    power = float(np.einsum("ki,ij,kj->", with_lead, covariance, with_lead))
    cross = float(np.einsum("ki,ij,kj->", with_lead, covariance, without))
    rest = float(np.einsum("ki,ij,kj->", without, covariance, without))
    return (-cross / power, rest - cross**2 / power) if power > 0 else (1.0, np.inf)
