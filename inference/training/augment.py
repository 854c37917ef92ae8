"""Variation of signals that keeps physiology: what a cart, skin and muscles add, and where electrodes stand.

Noise is drawn at the nine electrodes and taken through the leads' own formulas, so that Einthoven's law and
Goldberger's hold for the noise as they do in a patient. Every strength of an ECG is drawn up to the recipe's largest.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from domain.ecg import RATE_HZ
from inference.training.recipe import SignalAugmentation

Signal = NDArray[np.float32]

_THIRD = np.full(3, -1 / 3)
LEADS_OF_ELECTRODES = np.zeros((12, 9), np.float32)
"""Rows as ``domain.ecg.LEADS``; columns RA, LA, LL, V1 to V6. Chest leads are against Wilson's terminal."""
LEADS_OF_ELECTRODES[:6, :3] = np.array(
    [(-1, 1, 0), (-1, 0, 1), (0, -1, 1), (1, -0.5, -0.5), (-0.5, 1, -0.5), (-0.5, -0.5, 1)], np.float32
)
LEADS_OF_ELECTRODES[6:, :3] = _THIRD
LEADS_OF_ELECTRODES[6:, 3:] = np.eye(6)

CHEST = slice(6, 12)


def varied(signal: Signal, how: SignalAugmentation, rng: np.random.Generator) -> Signal:
    """Vary ``[12, n]`` in mV at 500 Hz, NaN where not recorded (stays NaN); a new array."""
    gains = np.full((12, 1), _factor(how.gain, rng), np.float32)
    gains[CHEST] *= _factor(how.group_gain, rng)
    out = (shifted(signal, how, rng) * gains).astype(np.float32, copy=False)
    noise = electrode_noise(signal.shape[1], how, rng)
    if noise is not None:
        out += LEADS_OF_ELECTRODES @ noise
    if rng.random() < how.lead_drop:
        lead = rng.integers(CHEST.start, CHEST.stop)
        out[lead] = np.where(np.isnan(out[lead]), np.nan, 0)
    return out


def shifted(signal: Signal, how: SignalAugmentation, rng: np.random.Generator) -> Signal:
    """Move in time; the first or last sample fills what opens. Where a lead lacks that one, nothing moves.

    Else a recording that is just long enough for its model would be too short once moved.
    """
    most = int(how.shift_s * RATE_HZ)
    if most == 0:
        return signal
    by = rng.integers(-most, most + 1)
    if np.isnan(signal[:, -1 if by > 0 else 0]).any():
        return signal
    places = np.arange(signal.shape[1]) + by
    return signal[:, np.clip(places, 0, signal.shape[1] - 1)]


def electrode_noise(samples: int, how: SignalAugmentation, rng: np.random.Generator) -> Signal | None:
    """``[9, samples]`` in mV: wander, white, mains and muscle noise; ``None`` where the recipe wants none."""
    strengths = (how.wander_mv, how.white_mv, how.mains_mv, how.emg_mv)
    if not any(strengths):
        return None
    wander, white, mains, emg = (strength * rng.random() for strength in strengths)
    noise = np.zeros((9, samples), np.float32)
    if how.wander_mv:
        noise += np.float32(wander) * _wander(samples, rng)
    if how.white_mv:
        noise += np.float32(white) * rng.standard_normal((9, samples), np.float32)
    if how.mains_mv:
        noise += np.float32(mains) * _mains(samples, rng)
    if how.emg_mv:
        noise += np.float32(emg) * _emg(samples, rng)
    return noise


def _factor(strength: float, rng: np.random.Generator) -> float:
    return float(np.exp(np.log1p(strength) * rng.uniform(-1, 1)))


@lru_cache(maxsize=4)
def _seconds(samples: int) -> Signal:
    return (np.arange(samples) / RATE_HZ).astype(np.float32)


def _wander(samples: int, rng: np.random.Generator) -> Signal:
    """Breath and sweat: three slow sines between 0.05 and 0.5 Hz, each electrode with its own share; reach about 1."""
    rates, phases = rng.uniform(0.05, 0.5, (3, 1)), rng.uniform(0, 2 * np.pi, (3, 1))
    sines = np.sin((2 * np.pi * rates).astype(np.float32) * _seconds(samples) + phases.astype(np.float32))
    return np.asarray((rng.uniform(-1, 1, (9, 3)).astype(np.float32) / 2) @ sines)


def _mains(samples: int, rng: np.random.Generator) -> Signal:
    """50 or 60 Hz, of another size at each electrode."""
    hertz, phase = rng.choice((50.0, 60.0)), rng.uniform(0, 2 * np.pi)
    wave = np.sin(np.float32(2 * np.pi * hertz) * _seconds(samples) + np.float32(phase))
    return np.asarray(rng.uniform(-1, 1, (9, 1)).astype(np.float32) * wave)


def _emg(samples: int, rng: np.random.Generator) -> Signal:
    """Muscle: the difference of white noise (its power lies high), one electrode's more than another's, in a burst."""
    white = rng.standard_normal((9, samples + 1), np.float32)
    centre, width = rng.uniform(0, samples), rng.uniform(0.2, 2) * samples
    burst = np.exp(-(((np.arange(samples, dtype=np.float32) - np.float32(centre)) / np.float32(width)) ** 2))
    shares = rng.random((9, 1), np.float32) / np.float32(np.sqrt(2))
    return np.asarray(np.diff(white, axis=1) * burst * shares)
