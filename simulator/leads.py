"""From a dipole to leads, from leads to electrodes and back.

Dower's transform (1980) turns the dipole into I, II and V1..V6; Einthoven and Goldberger give the other four limb
leads from I and II, so that III = II - I holds to one rounding. What disturbs an ECG arises at the electrodes: added
there it obeys Einthoven's law too.
"""

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float32]
Floats = NDArray[np.float64]

# Dower 1980: rows I, II, V1..V6; columns X to the left, Y to the feet, Z to the back
DOWER = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)
# the frontal plane as the limb leads see it: I across, aVF scaled by 2/sqrt(3) downwards (Einthoven's triangle)
FRONTAL = np.array([DOWER[0], (DOWER[1] - DOWER[0] / 2) * 2 / np.sqrt(3)])
_SEEN = FRONTAL[:, :2]
_UNSEEN = np.linalg.inv(_SEEN)

# electrodes RA, LA, LL, V1..V6 against Wilson's central terminal, from I, II, V1..V6
_ELECTRODES = np.eye(9, 8, -1)
_ELECTRODES[:3] = 0
_ELECTRODES[:3, :2] = np.array([[-1, -1], [2, -1], [-1, 2]]) / 3


def frontal_turn(degrees: float) -> Floats:
    """Matrix ``[3, 3]`` that turns dipoles so that the limb leads' axis turns by ``degrees``, left arm to feet."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.eye(3)
    turn[:2, :2] = _UNSEEN @ np.array([[cosine, -sine], [sine, cosine]]) @ _SEEN
    return turn


def horizontal_turn(degrees: float) -> Floats:
    """Matrix ``[3, 3]`` that turns dipoles about the body's axis, from the left to the back (later R progression)."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]])


def largest_one(direction: tuple[float, float, float]) -> Floats:
    """The dipole in this direction whose largest of the twelve leads shows 1 mV."""
    vector = np.array(direction)
    return np.asarray(vector / np.abs(twelve(DOWER @ vector[:, None])).max())


def electrodes(eight: Floats) -> Floats:
    """Potentials ``[9, n]`` of RA, LA, LL, V1..V6 against the central terminal, from I, II, V1..V6."""
    return _ELECTRODES @ eight


def from_electrodes(nine: Floats) -> Floats:
    """I, II, V1..V6 from potentials ``[9, n]`` against any common reference."""
    right, left, foot = nine[:3]
    return np.vstack([left - right, foot - right, nine[3:] - (right + left + foot) / 3])


def twelve(eight: Floats) -> Signal:
    """I, II, V1..V6 to twelve: III = II - I (Einthoven), aVR, aVL, aVF (Goldberger)."""
    one, two = eight[0], eight[1]
    limbs = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    return np.vstack([*limbs, eight[2:]]).astype(np.float32)
