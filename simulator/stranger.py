"""A real recording made into a stranger's: what differs from person to person, drawn anew at every use.

A cohort bends few recordings many times. Were each as it was recorded, a network would know it again and read how far
it was bent from there, which it can do of no patient. So the heart's direction and size, and its P, QRS, ST and T are
changed at random first, whatever the disturbance is to be. Sizes were chosen, not fitted: of the order of a standard
deviation between healthy people (limits of normal: Rijnbeek 2014, J Electrocardiol 47:914), T wave height, which
differs most, as ``plan.Hearts`` has it for simulated hearts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.effects import Effects

_TURN = 0.12  # what each lead gains of every other: a turn of the heart, electrodes a few centimetres away


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """``mixing`` ``[8, 8]``: I, II, V1..V6 from themselves; ``shape``: what its waves are beside the recorded ones.

    ``lie`` ``[8]``: by what each lead's share of an added T, U or ST differs from the usual one.
    """

    mixing: NDArray[np.float64]
    shape: Effects
    lie: NDArray[np.float64]


def stranger(amount: float, chance: np.random.Generator) -> Stranger:
    """Draw one; ``amount`` scales every difference, 0 is the recorded heart."""
    z = amount * np.clip(chance.standard_normal(9), -2, 2)
    flat = amount > 0 and chance.uniform() < 0.08
    shape = Effects(
        p_amplitude=float(np.exp(0.30 * z[0])),
        pr_ms=float(12 * z[1]),
        qrs_width=float(np.exp(0.07 * z[2])),
        qrs_amplitude=float(np.exp(0.25 * z[3])),
        st_mv=float(0.02 * z[4]),
        t_amplitude=float(np.exp(0.40 * z[5])) * (0.3 if flat else 1.0),
        t_width=float(np.exp(0.09 * z[6])),
        qt_ms=float(16 * z[7]),
        u_mv=float(0.015 * abs(z[8])),
    )
    mixing = np.eye(8) + amount * _TURN * chance.standard_normal((8, 8))
    lie = np.exp(0.35 * amount * np.clip(chance.standard_normal(8), -2, 2))
    return Stranger(mixing=mixing, shape=shape, lie=lie)
