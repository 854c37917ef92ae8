"""Electrodes exchanged, as seen by how well each lead follows from the others (Kors and van Herpen 2001).

Electrodes exchanged leave Einthoven's law intact, so what is asked is whether the eight independent leads of the
typical beat resemble one another as those of a body do. Each is predicted from the other seven by one matrix for all
people; for each exchange, undone, the correlations of leads and predictions (Fisher's z, summed) are set against those
of the leads as they came. Mirrored hearts (dextrocardia) look like exchanged arms and are not to be scored either.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from adapters.quality.beat import Beat
from domain.ecg import LEADS, Defect
from domain.reason import Reason

Matrix = NDArray[np.float64]

INDEPENDENT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
_ROWS = [LEADS.index(name) for name in INDEPENDENT]
_CHEST = slice(2, 8)

# Least squares over the typical beats of PTB-XL's even records among 1-250, each brought to one size
# (benchmarks/reading/leads.py makes it): row k predicts lead k.
FROM_OTHERS = np.array(
    [
        # I       II     V1      V2      V3      V4      V5      V6
        [0.000, -0.196, -0.568, 0.188, 0.207, -0.107, -0.212, 0.751],
        [-0.236, 0.000, -0.008, -0.037, 0.100, 0.219, -0.234, 0.877],
        [-0.593, -0.007, 0.000, 0.377, 0.057, 0.017, -0.170, 0.092],
        [0.625, -0.103, 1.200, 0.000, 0.591, -0.310, 0.475, -0.560],
        [0.361, 0.145, 0.096, 0.310, 0.000, 0.896, -0.083, -0.522],
        [-0.095, 0.160, 0.014, -0.082, 0.453, 0.000, 0.947, -0.348],
        [-0.066, -0.060, -0.051, 0.045, -0.015, 0.334, 0.000, 0.902],
        [0.188, 0.182, 0.022, -0.042, -0.075, -0.099, 0.724, 0.000],
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exchange:
    """What undoes an exchange, ``[8, 8]`` on the independent leads; the leads that are wrong; and how sure is sure."""

    undo: Matrix
    leads: tuple[str, ...]
    certain: float


# Honest records' margins end at: limb leads 0.7, chest leads 0.8 but for three (see docs/reading.md), upside down 1.2,
# backwards 3.7.
_CERTAIN, _CERTAIN_NEGATED, _CERTAIN_BACKWARDS = 0.75, 1.5, 4.2
_LIMB_LEADS = LEADS[:6]


def _limbs(i: tuple[float, float], ii: tuple[float, float], leads: tuple[str, ...]) -> Exchange:
    """Leads I and II as sums of the true ones."""
    made = np.eye(8)
    made[0, :2], made[1, :2] = i, ii
    return Exchange(undo=np.asarray(np.linalg.inv(made), np.float64), leads=leads, certain=_CERTAIN)


def _order(order: tuple[int, ...], certain: float) -> Exchange:
    made = np.eye(8)
    made[_CHEST] = made[_CHEST][list(order)]
    moved = tuple(f"V{place + 1}" for place, lead in enumerate(order) if place != lead)
    return Exchange(undo=made.T, leads=moved, certain=certain)


def _swapped(a: int, b: int) -> tuple[int, ...]:
    return tuple(b if lead == a else a if lead == b else lead for lead in range(6))


def _negated(lead: int) -> Exchange:
    return Exchange(
        undo=np.diag([-1.0 if k == lead else 1.0 for k in range(8)]),
        leads=(INDEPENDENT[lead],),
        certain=_CERTAIN_NEGATED,
    )


# Left arm and left leg are left out: I and II look too much alike (a quarter of honest ECGs would be called exchanged).
EXCHANGES = {
    "left arm, right arm": _limbs((-1, 0), (-1, 1), _LIMB_LEADS),
    "right arm, left leg": _limbs((1, -1), (0, -1), _LIMB_LEADS),
    "arms and leg in a circle": _limbs((-1, 1), (-1, 0), _LIMB_LEADS),
    "arms and leg in the other circle": _limbs((0, -1), (1, -1), _LIMB_LEADS),
    **{f"V{a + 1}, V{b + 1}": _order(_swapped(a, b), _CERTAIN) for a, b in combinations(range(6), 2)},
    "V1 to V6 backwards": _order((5, 4, 3, 2, 1, 0), _CERTAIN_BACKWARDS),
    **{f"{INDEPENDENT[lead]} upside down": _negated(lead) for lead in range(2, 8)},
}
_UNDO = np.stack([np.eye(8), *(one.undo for one in EXCHANGES.values())])
_SURE = np.array([one.certain for one in EXCHANGES.values()])

_DOUBT = 0.25  # of what is certain
_APART = 5.0  # leads by different beats, as in a page's columns, or by one or two: so much surer
_FEW_BEATS = 3
_GAIN = 3.5  # a chest lead over its prediction, either way: 2.7 in honest records
_FLAT, _SMOOTH = 0.1, 5  # the smallest of I, II, III over the largest: 0.15 in honest records


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """What was found: ``defects`` are certain, ``doubted`` is not."""

    defects: tuple[Defect, ...] = ()
    doubted: bool = False


def exchanged(beat: Beat, *, paced: bool) -> Suspicion:
    """Judge the electrodes by the typical beat; a paced heart's is unlike others', so it can only raise a doubt."""
    leads = beat.typical[_ROWS]
    if np.isnan(leads).any() or not (leads.std(axis=1) > 0).all():
        return Suspicion()
    if leg := _on_the_leg(beat):
        return Suspicion(defects=(leg,))
    covariance = np.asarray(leads @ leads.T / leads.shape[1], np.float64)
    best, share = _likeliest(covariance, certainty=_APART if _apart(beat.count[_ROWS]) else 1.0)
    certain = share >= 1 and not paced
    gain = _gain(covariance)
    if gain and not (certain and _gain(best.undo @ covariance @ best.undo.T) is None):  # no exchange explains the sizes
        return Suspicion(defects=(gain,))
    exchange = (Defect(reason=Reason.LEADS_EXCHANGED, leads=best.leads),) if certain else ()
    return Suspicion(defects=exchange, doubted=not certain and share >= _DOUBT)


def _apart(count: NDArray[np.intp]) -> bool:
    return bool(count.min() < max(_FEW_BEATS, count.max() - 1))


def _likeliest(covariance: Matrix, certainty: float) -> tuple[Exchange, float]:
    """The likeliest exchange, and how far it is from nothing (0 and less) to certain (1)."""
    scores = _resemblance(np.einsum("hij,jk,hlk->hil", _UNDO, covariance, _UNDO))
    shares = (scores[1:] - scores[0]) / (_SURE * certainty)
    best = int(shares.argmax())
    return list(EXCHANGES.values())[best], float(shares[best])


def _resemblance(covariances: Matrix) -> Matrix:
    """Fisher's z of each lead with its prediction, summed over the leads; ``[..., 8, 8]`` -> ``[...]``."""
    return np.asarray(np.arctanh(np.clip(correlations(covariances), -0.999, 0.999)).sum(axis=-1), np.float64)


def correlations(covariances: Matrix) -> Matrix:
    """Of each lead with its prediction, ``[..., 8, 8]`` -> ``[..., 8]``."""
    with_prediction = np.einsum("kj,...jk->...k", FROM_OTHERS, covariances)
    predicted, own = _powers(covariances)
    return np.asarray(with_prediction / np.sqrt(np.maximum(predicted * own, 1e-18)), np.float64)


def _powers(covariances: Matrix) -> tuple[Matrix, Matrix]:
    predicted = np.einsum("kj,...ji,ki->...k", FROM_OTHERS, covariances, FROM_OTHERS)
    return predicted, np.einsum("...kk->...k", covariances)


def _gain(covariance: Matrix) -> Defect | None:
    """A chest lead far larger or smaller than the others let expect: another unit or gain."""
    predicted, own = _powers(covariance)
    factors = 0.5 * np.abs(np.log(np.maximum(own, 1e-12) / np.maximum(predicted, 1e-12)))[_CHEST]
    if factors.max() < np.log(_GAIN):
        return None
    return Defect(reason=Reason.IMPLAUSIBLE_AMPLITUDE, leads=(INDEPENDENT[2 + _odd_one_out(covariance)],))


def _odd_one_out(covariance: Matrix) -> int:
    """The chest lead without whose own size the others agree best."""
    rests = []
    for lead in range(2, 8):
        predicted, own = _powers(covariance)
        scale = np.eye(8)
        scale[lead, lead] = np.sqrt(predicted[lead] / own[lead])
        predicted, own = _powers(scale @ covariance @ scale)
        rests.append(float(np.square(np.log(own / predicted)).sum()))
    return int(np.argmin(rests))


def _on_the_leg(beat: Beat) -> Defect | None:
    """An arm's electrode on the right leg: the lead between it and the left leg is flat, for both legs are alike."""
    sizes = np.ptp(uniform_filter1d(beat.typical[:3], _SMOOTH, axis=1), axis=1)
    if np.isnan(sizes).any() or sizes.min() > _FLAT * sizes.max():
        return None
    return Defect(reason=Reason.LEADS_EXCHANGED, leads=_LIMB_LEADS)
