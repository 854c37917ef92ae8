"""What carts add: noise at the electrodes, the amplifier's limit, then the filters.

Sizes are of the order of the records of the MIT-BIH Noise Stress Test Database (Moody 1984: baseline wander, muscle,
electrode motion) and of what IEC 60601-2-25 lets a cart show. Noise is added to the potentials of the nine active
electrodes, so every lead obeys Einthoven's law with it.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.signal import butter, sosfiltfilt

from domain.ecg import RATE_HZ
from simulator.leads import Floats, electrodes, from_electrodes

_ELECTRODES = 9
_KNOT_S = 2.5  # from one turn of the drift to the next
_RECOVERY_S = (0.4, 2.0)  # of an electrode's offset after a jolt


@dataclass(frozen=True, slots=True, kw_only=True)
class Cart:
    """One recording's disturbances, in mV, and its cart's bounds; 0 or ``None`` where there is none.

    ``white``, ``wander``, ``muscle`` (bursts) are standard deviations, ``mains`` the amplitude, ``loose`` the size of
    the jumps of one electrode, ``limit`` where the amplifier clips, ``step_mv`` what it resolves.
    """

    white: float = 0.004
    wander: float = 0.04
    muscle: float = 0.0
    mains: float = 0.0
    mains_hz: float = 50.0
    loose: float = 0.0
    limit: float | None = None
    high_pass_hz: float | None = 0.05
    low_pass_hz: float | None = 150.0
    step_mv: float = 0.0


def recorded(eight: Floats, cart: Cart, chance: np.random.Generator) -> Floats:
    """I, II, V1..V6 ``[8, n]`` in mV as ``cart`` stores them."""
    noisy = electrodes(eight) + _noise(eight.shape[1], cart, chance)
    if cart.loose:
        _loosen(noisy, cart.loose, chance)
    if cart.limit is not None:
        np.clip(noisy, -cart.limit, cart.limit, out=noisy)
    return filtered(from_electrodes(noisy), cart)


def _noise(size: int, cart: Cart, chance: np.random.Generator) -> Floats:
    time = np.arange(size) / RATE_HZ
    noise = _wander(time, cart.wander, chance)
    noise += cart.white * chance.standard_normal((_ELECTRODES, size), dtype=np.float32)
    if cart.mains:
        noise += _mains(time, cart, chance)
    if cart.muscle:
        noise += _muscle(time, cart.muscle, chance)
    return noise


def _wander(time: Floats, size: float, chance: np.random.Generator) -> Floats:
    """Respiration, the same breath at every electrode, and a slow drift of each one's own."""
    breath = np.sin(2 * np.pi * (chance.uniform(0.15, 0.40) * time + chance.uniform()))
    basis = _drift_basis(time.size)
    drift = np.cumsum(chance.standard_normal((_ELECTRODES, basis.shape[0])), axis=1) * 0.5
    return np.asarray(size * np.hstack([chance.standard_normal((_ELECTRODES, 1)), drift]) @ np.vstack([breath, basis]))


@lru_cache(maxsize=4)
def _drift_basis(size: int) -> Floats:
    """A smooth bump a knot: what goes smoothly from one knot's value to the next is a sum of them."""
    knot = np.arange(size) / (RATE_HZ * _KNOT_S)
    near = np.clip(1 - np.abs(knot - np.arange(int(knot[-1]) + 2)[:, None]), 0, 1)
    return np.asarray(near * near * (3 - 2 * near))


def _mains(time: Floats, cart: Cart, chance: np.random.Generator) -> Floats:
    """Mains hum with its third harmonic, of its own size and phase at each electrode."""
    turn = 2 * np.pi * (cart.mains_hz + chance.uniform(-0.05, 0.05)) * time
    late = chance.uniform(0, 0.6, _ELECTRODES)
    size = cart.mains * np.abs(1 + 0.7 * chance.standard_normal(_ELECTRODES))
    # sin(turn + late) for every electrode at once
    mixed = np.stack([np.cos(late), np.sin(late), 0.15 * np.cos(3 * late), 0.15 * np.sin(3 * late)], axis=1)
    hum = np.stack([np.sin(turn), np.cos(turn), np.sin(3 * turn), np.cos(3 * turn)])
    return np.asarray(size[:, None] * (mixed @ hum))


def _muscle(time: Floats, size: float, chance: np.random.Generator) -> Floats:
    """Bursts of 20 Hz and more, strongest at the limbs that move."""
    raw = chance.standard_normal((_ELECTRODES, time.size), dtype=np.float32).astype(np.float64)
    raw[:, 2:] -= 0.9 * raw[:, :-2]
    envelope = np.full(time.size, 0.25)
    for _ in range(int(chance.integers(1, 4))):
        centre, width = chance.uniform(0, time[-1]), chance.uniform(0.3, 2.5)
        envelope += np.exp(-0.5 * ((time - centre) / width) ** 2)
    return np.asarray(size * np.abs(chance.standard_normal((_ELECTRODES, 1))) * envelope * raw)


def _loosen(noisy: Floats, size: float, chance: np.random.Generator) -> None:
    """One electrode moves: jumps that recover, and now and then a moment without contact."""
    electrode, samples = int(chance.integers(_ELECTRODES)), noisy.shape[1]
    time = np.arange(samples) / RATE_HZ
    for _ in range(int(chance.integers(1, 5))):
        at, recovery = chance.uniform(0, time[-1]), chance.uniform(*_RECOVERY_S)
        after = time >= at
        noisy[electrode, after] += size * chance.standard_normal() * np.exp(-(time[after] - at) / recovery)
    if chance.uniform() < 0.3:
        start = int(chance.integers(samples))
        gone = slice(start, start + int(chance.uniform(0.05, 0.5) * RATE_HZ))
        lost = noisy[electrode, gone]
        lost[:] = lost[:1] + 0.02 * chance.standard_normal(lost.size)


def filtered(eight: Floats, cart: Cart) -> Floats:
    """The cart's own filters; linear, so that Einthoven's law stays, and of zero phase, as digital carts' are.

    IEC 60601-2-25 asks for 0.05 (or a step response as good) to 150 Hz; 0.5 and 40 Hz are what carts offer against
    wander and muscle, at the price of low R waves and shifted ST segments.
    """
    bounds = ((1, cart.high_pass_hz, "highpass"), (2, cart.low_pass_hz, "lowpass"))
    poles = [_filter(order, hertz, kind) for order, hertz, kind in bounds if hertz is not None]
    if poles:
        eight = sosfiltfilt(np.vstack(poles), eight, axis=1)
    if cart.step_mv:
        eight = np.rint(eight / cart.step_mv) * cart.step_mv
    return np.asarray(eight)


@lru_cache(maxsize=64)
def _filter(order: int, hertz: float, kind: str) -> Floats:
    return np.asarray(butter(order, hertz, kind, fs=RATE_HZ, output="sos"))
