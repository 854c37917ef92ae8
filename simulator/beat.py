"""The waves of one beat: depolarisation by conduction, repolarisation that follows it, the atria before.

Directions are X to the left, Y to the feet, Z to the back. Normal vectors are chosen so that Dower's leads show what
textbooks call normal: r in V1 growing to R in V4, qR in V6, T tallest in V2 to V4, P biphasic in V1. A Gaussian's edge
is taken at 2.3 standard deviations.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from simulator.leads import FRONTAL, Floats, frontal_turn, horizontal_turn, largest_one
from simulator.waves import Bumps, bumps, joined

EDGE = 2.3
Conduction = Literal["normal", "rbbb", "lbbb"]

_P = bumps((-0.015, 0.015, 0.017, (0.055, 0.070, -0.040)), (0.016, 0.017, 0.016, (0.075, 0.060, 0.040)))
P_BEFORE_S, P_AFTER_S = 0.048, 0.054  # of the P wave's own centre
_T = np.array([0.31, 0.20, -0.29])
_U = largest_one((0.10, 0.07, -0.20))  # highest in V2 and V3 (Surawicz 1957)
_T_SIGMA_S = 0.047
_T_SHARE = 0.45  # of the turn of QRS that the T loop follows
_INTRINSIC_S = 0.085  # what a normal ventricle takes, in right bundle branch block too


@dataclass(frozen=True, slots=True)
class Depolarisation:
    """A QRS loop around its R peak at 0, from ``start_s`` to ``end_s``; ``secondary`` is the T vector it forces."""

    loop: Bumps
    start_s: float
    end_s: float
    secondary: Floats
    primary_share: float  # of the heart's own T that remains

    def with_loop(self, loop: Bumps) -> "Depolarisation":
        """The same timing and recovery with another loop."""
        return Depolarisation(loop, self.start_s, self.end_s, self.secondary, self.primary_share)

    def turned(self, matrix: Floats) -> "Depolarisation":
        """The same loop in another direction."""
        return Depolarisation(
            self.loop.turned(matrix), self.start_s, self.end_s, matrix @ self.secondary, self.primary_share
        )


def normal(seconds: float, septal: float) -> Depolarisation:
    """Septum (right, front), apex, free wall (left, back), base (back, up): q in V6, r in V1."""
    loop = _timed(
        seconds,
        ((-0.36, 0.065, (-0.15 * septal, 0.00, -0.27 * septal)),
         (-0.15, 0.080, (0.50, 0.52, -0.27)),
         (0.03, 0.085, (1.00, 0.72, 0.68)),
         (0.26, 0.090, (-0.02, -0.12, 0.62))),
    )  # fmt: skip
    return Depolarisation(loop, -0.53 * seconds, 0.47 * seconds, np.zeros(3), 1.0)


def right_bundle(seconds: float, septal: float) -> Depolarisation:
    """Right bundle branch block: the normal loop, then slow forces to the right and front; T against them.

    Surawicz 2009 (AHA/ACCF/HRS, J Am Coll Cardiol 53:976): 120 ms or more, rsR' in V1 or V2, S longer than R or 40 ms
    in I and V6.
    """
    own = min(_INTRINSIC_S, 0.75 * seconds)
    first = normal(own, septal)
    late = seconds - own
    slow = bumps(
        (own * 0.47 + 0.18 * late, 0.20 * late + 0.006, 0.24 * late, (-0.43, -0.05, -0.70)),
        (own * 0.47 + 0.62 * late, 0.20 * late, 0.16 * late, (-0.24, 0.02, -0.32)),
    )
    return Depolarisation(
        joined(first.loop, slow), first.start_s, first.start_s + seconds, np.array([0.10, 0, 0.36]), 0.9
    )


def left_bundle(seconds: float) -> Depolarisation:
    """Left bundle branch block: no septal q, slow notched forces to the left and back; ST and T against them.

    Surawicz 2009: 120 ms or more, broad notched R in I, aVL, V5, V6, no q there; ST and T opposite to QRS.
    """
    loop = _timed(
        seconds,
        ((-0.27, 0.060, (0.16, 0.10, -0.13)),
         (-0.10, 0.100, (0.80, 0.34, 0.62)),
         (0.14, 0.110, (0.72, 0.15, 1.00)),
         (0.35, 0.075, (0.28, -0.05, 0.48))),
    )  # fmt: skip
    return Depolarisation(loop, -0.42 * seconds, 0.58 * seconds, np.array([-0.30, -0.06, -0.42]), 0.25)


def from_apex(seconds: float) -> Depolarisation:
    """Right ventricular apical pacing: as left bundle branch block, but upwards and away from V5 and V6."""
    loop = _timed(
        seconds,
        ((-0.24, 0.075, (0.28, -0.30, 0.10)),
         (-0.02, 0.110, (0.62, -0.95, 0.62)),
         (0.22, 0.110, (0.20, -0.72, 0.80)),
         (0.38, 0.070, (-0.05, -0.20, 0.30))),
    )  # fmt: skip
    return Depolarisation(loop, -0.40 * seconds, 0.60 * seconds, np.array([-0.20, 0.48, -0.36]), 0.2)


def ectopic(seconds: float, focus: np.random.Generator) -> Depolarisation:
    """A ventricular ectopic beat from a focus of its own: wide, large, T against it."""
    heading = focus.standard_normal(3) * (0.8, 1.0, 1.0)
    heading *= focus.uniform(1.2, 2.0) / np.linalg.norm(heading)
    bend = focus.standard_normal(3) * 0.25
    rows = ((-0.26, 0.09, 0.35 * heading - bend), (0.0, 0.12, heading), (0.24, 0.10, 0.55 * heading + bend))
    loop = _timed(seconds, [(at, width, (v[0], v[1], v[2])) for at, width, v in rows])
    return Depolarisation(loop, -0.47 * seconds, 0.53 * seconds, -0.42 * heading, 0.15)


def _timed(seconds: float, rows: Iterable[tuple[float, float, tuple[float, float, float]]]) -> Bumps:
    """Waves at shares of the QRS duration from the R peak."""
    return bumps(*((at * seconds, width * seconds, width * seconds, vector) for at, width, vector in rows))


def individual(loop: Bumps, shape: int) -> Bumps:
    """A person's own loop: every wave a little other, and a notch somewhere; ``shape`` 0 leaves the average."""
    if not shape:
        return loop
    chance = np.random.default_rng([shape, 5])
    span = loop.centre_s.max() - loop.centre_s.min()
    own = loop.vector * (1 + 0.18 * chance.standard_normal((len(loop.vector), 1)))
    own = own + 0.06 * chance.standard_normal(own.shape)
    width = np.exp(0.08 * chance.standard_normal(loop.centre_s.shape))
    varied = Bumps(loop.centre_s, loop.rise_s * width, loop.fall_s * width, own)
    sigma = float(chance.uniform(0.004, 0.007))
    notch = (float(loop.centre_s.min() + span * chance.uniform(0.2, 1.0)), sigma, sigma)
    return joined(varied, bumps((*notch, tuple(0.09 * chance.standard_normal(3)))))


def turn_to(loop: Bumps, axis_deg: float) -> float:
    """The frontal turn after which R and S of I and aVF, taken together, point to ``axis_deg``."""
    time = np.arange(-0.15, 0.2, 0.002)[:, None]
    lag = time - loop.centre_s
    width = np.where(lag < 0, loop.rise_s, loop.fall_s)
    seen = np.exp(-0.5 * (lag / width) ** 2) @ loop.vector  # [n, 3]
    turned = 0.0
    for _ in range(4):
        limb = FRONTAL @ frontal_turn(turned) @ seen.T
        net = limb.max(axis=1) + limb.min(axis=1)
        turned += (axis_deg - float(np.degrees(np.arctan2(net[1], net[0]))) + 180) % 360 - 180
    return turned


def atria(amplitude: float, pr_s: float, start_s: float, axis_turn: float) -> Bumps:
    """P of right and left atrium, its onset ``pr_s`` before the QRS; a low P (high potassium) is a broad one."""
    broad = 1 + 0.3 * max(0.0, 1 - amplitude)
    centre = start_s - pr_s + P_BEFORE_S * broad
    p = _P.turned(frontal_turn(axis_turn))
    return Bumps(p.centre_s * broad + centre, p.rise_s * broad, p.fall_s * broad, p.vector * amplitude)


def own_t(turn_deg: float, horizontal_deg: float) -> Floats:
    """The heart's T vector in mV: it follows part of the way where the QRS axis turns."""
    return np.asarray(horizontal_turn(horizontal_deg) @ frontal_turn(_T_SHARE * turn_deg) @ _T)


def sides(width: float, effect: float) -> tuple[float, float]:
    """Rise and fall of T in s at QT 400 ms: slow up, fast down; an ``effect`` below 1 narrows it, symmetric at 0.6."""
    lean = 0.24 * float(np.clip((effect - 0.6) / 0.4, 0, 1))
    sigma = _T_SIGMA_S * width * effect
    return sigma * (1 + lean), sigma * (1 - lean)


def u_of(millivolts: float) -> Floats:
    """The U wave's vector, this high in the lead where it is highest."""
    return np.asarray(_U * millivolts)
