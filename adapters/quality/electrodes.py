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

# Least squares over the typical beats of PTB-XL's even records among 1-250 and LUDB's 1-100, each brought to one size
# (benchmarks/reading/leads.py makes it): row k predicts lead k.
FROM_OTHERS = np.array(
    [
        # I       II     V1      V2      V3      V4      V5      V6
        [0.000, -0.193, -0.560, 0.186, 0.204, -0.137, -0.047, 0.576],
        [-0.255, 0.000, -0.127, -0.024, 0.129, 0.046, -0.080, 0.777],
        [-0.580, -0.100, 0.000, 0.367, 0.111, -0.021, -0.086, 0.037],
        [0.552, -0.047, 1.037, 0.000, 0.597, -0.292, 0.281, -0.290],
        [0.332, 0.159, 0.173, 0.328, 0.000, 0.909, -0.247, -0.354],
        [-0.122, 0.032, -0.018, -0.089, 0.506, 0.000, 0.884, -0.197],
        [-0.026, -0.032, -0.038, 0.042, -0.069, 0.442, 0.000, 0.771],
        [0.228, 0.232, 0.015, -0.037, -0.086, -0.079, 0.657, 0.000],
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exchange:
    """What undoes an exchange, ``[8, 8]`` on the independent leads; the leads that are wrong; and how sure is sure.

    ``certain``: where all leads share their beats, and where they do not, as in a page's columns, or a pacemaker made
    them and they are unlike others'.
    """

    undo: Matrix
    leads: tuple[str, ...]
    certain: tuple[float, float]


# The margins of honest records (PTB-XL, LUDB; those refused are named in docs/reading.md) end at: limb leads 1.2,
# chest leads 0.45, upside down 0 and backwards 0; cut into columns at 2.2, 3.0, 1.4 and 0.9; paced ones at 1.1.
_LIMBS_CERTAIN, _CHEST_CERTAIN, _NEGATED_CERTAIN, _BACKWARDS_CERTAIN = (1.4, 2.5), (0.5, 3.2), (1.5, 2.5), (3.0, 4.0)
_LIMB_LEADS = LEADS[:6]


def _limbs(i: tuple[float, float], ii: tuple[float, float], leads: tuple[str, ...]) -> Exchange:
    """Leads I and II as sums of the true ones."""
    made = np.eye(8)
    made[0, :2], made[1, :2] = i, ii
    return Exchange(undo=np.asarray(np.linalg.inv(made), np.float64), leads=leads, certain=_LIMBS_CERTAIN)


def _order(order: tuple[int, ...], certain: tuple[float, float] = _CHEST_CERTAIN) -> Exchange:
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
        certain=_NEGATED_CERTAIN,
    )


# Left arm and left leg are left out: I and II look too much alike (a quarter of honest ECGs would be called exchanged).
EXCHANGES = {
    "left arm, right arm": _limbs((-1, 0), (-1, 1), _LIMB_LEADS),
    "right arm, left leg": _limbs((1, -1), (0, -1), _LIMB_LEADS),
    "arms and leg in a circle": _limbs((-1, 1), (-1, 0), _LIMB_LEADS),
    "arms and leg in the other circle": _limbs((0, -1), (1, -1), _LIMB_LEADS),
    **{f"V{a + 1}, V{b + 1}": _order(_swapped(a, b)) for a, b in combinations(range(6), 2)},
    "V1 to V6 backwards": _order((5, 4, 3, 2, 1, 0), _BACKWARDS_CERTAIN),
    **{f"{INDEPENDENT[lead]} upside down": _negated(lead) for lead in range(2, 8)},
}
_UNDO = np.stack([np.eye(8), *(one.undo for one in EXCHANGES.values())])
_CERTAIN = np.array([one.certain for one in EXCHANGES.values()])

_DOUBT = 0.5  # of what is certain
_GAIN = 3.5  # a chest lead over its prediction, either way: 2.7 in honest records
_FLAT, _SMOOTH = 0.1, 5  # the smallest of I, II, III over the largest: 0.15 in honest records


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """What was found: ``defects`` are certain, ``doubted`` is not."""

    defects: tuple[Defect, ...] = ()
    doubted: bool = False


def exchanged(beat: Beat, *, paced: bool) -> Suspicion:
    """Judge the electrodes by the typical beat."""
    leads = beat.typical[_ROWS]
    if np.isnan(leads).any() or not (leads.std(axis=1) > 0).all():
        return Suspicion()
    if leg := _on_the_leg(beat):
        return Suspicion(defects=(leg,))
    covariance = np.asarray(leads @ leads.T / leads.shape[1], np.float64)
    best, share = _likeliest(covariance, _CERTAIN[:, int(paced or not beat.shared)])
    certain = share >= 1
    gain = _gain(covariance)
    if gain and not (certain and _gain(best.undo @ covariance @ best.undo.T) is None):  # no exchange explains the sizes
        return Suspicion(defects=(gain,))
    exchange = (Defect(reason=Reason.LEADS_EXCHANGED, leads=best.leads),) if certain else ()
    return Suspicion(defects=exchange, doubted=not certain and share >= _DOUBT)


def _likeliest(covariance: Matrix, sure: Matrix) -> tuple[Exchange, float]:
    """The likeliest exchange, and how far it is from nothing (0 and less) to certain (1)."""
    scores = _resemblance(_UNDO @ covariance @ _UNDO.transpose(0, 2, 1))
    shares = (scores[1:] - scores[0]) / sure
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
