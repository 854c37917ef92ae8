"""Twelve leads from a moving dipole.

The heart is one current dipole that runs through P, QRS, ST, T and U, each a bump in time and a direction (McSharry
2003 in one dimension, Sameni 2007 in three). What shapes it is in ``parameters``, lead vectors, Einthoven's and
Goldberger's laws in ``leads``, the waves of a beat in ``beat``, when beats fall in ``rhythm``, all of it joined in
``trace``, carts' noise in ``noise``. ``Effects`` change what a heart draws.
"""

import numpy as np

from domain.ecg import RATE_HZ, Measurements
from simulator.leads import Floats, Signal, electrodes, from_electrodes, twelve
from simulator.parameters import Heart, qrs_ms_of, qt_ms_of, rate_of
from simulator.trace import traced

__all__ = ["Heart", "ecg", "measurements", "varied"]


def varied(seed: int, *, seconds: float = 10.0) -> Heart:
    """An ordinary heart, different for every seed: 50 to 120 beats a minute, axis -30 to 90 degrees."""
    chance = np.random.default_rng([seed, 1])
    return Heart(
        rate_bpm=float(chance.uniform(50, 120)),
        axis_deg=float(chance.uniform(-30, 90)),
        amplitude=float(chance.uniform(0.7, 1.4)),
        pr_ms=float(chance.uniform(130, 200)),
        qrs_ms=float(chance.uniform(75, 110)),
        qtc_ms=float(chance.uniform(380, 450)),
        t_amplitude=float(chance.uniform(0.7, 1.3)),
        horizontal_deg=float(chance.uniform(-15, 20)),
        shape=seed + 1,
        seconds=seconds,
    )


def measurements(heart: Heart) -> Measurements:
    """What an ideal cart would report: QTc by Bazett, as most print it, and by Fridericia; PR only where there is P."""
    rate = rate_of(heart)
    qt = float(qt_ms_of(heart, np.array(60 / rate)))
    p_seen = not heart.fibrillation and heart.pacing != "ventricular" and heart.effects.p_amplitude > 0.15
    return Measurements(
        heart_rate_bpm=rate,
        pr_ms=heart.pr_ms + heart.effects.pr_ms if p_seen else None,
        qrs_ms=qrs_ms_of(heart),
        qt_ms=qt,
        qtc_ms=qt / float(np.sqrt(60 / rate)),
        qtcf_ms=qt / float(np.cbrt(60 / rate)),
        qrs_axis_deg=heart.axis_deg,
    )


def ecg(parameters: Heart, seed: int) -> Signal:
    """Draw one ECG: float32 ``[12, n]`` in mV at 500 Hz in the order of ``domain.ecg.LEADS``, the same for a seed."""
    chance = np.random.default_rng(seed)
    eight, _ = traced(parameters, chance)
    time = np.arange(eight.shape[1]) / RATE_HZ
    return twelve(from_electrodes(electrodes(eight) + _plain_noise(parameters, chance, time)))


def _plain_noise(heart: Heart, chance: np.random.Generator, time: Floats) -> Floats:
    """Muscle noise and respiration at the nine electrodes."""
    noise = heart.noise_mv * chance.standard_normal((9, time.size))
    breath = 2 * np.pi * (chance.uniform(0.15, 0.35) * time + chance.uniform())
    return np.asarray(noise + heart.wander_mv * chance.standard_normal((9, 1)) * np.sin(breath))
