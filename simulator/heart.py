"""Twelve leads from a moving dipole.

The heart is one current dipole that runs through P, Q, R, S and T waves, each a Gaussian in time and a direction
(McSharry 2003 in one dimension, Sameni 2007 in three). Dower's transform (1980) turns it into I, II and V1..V6;
Einthoven and Goldberger give the other four limb leads from I and II, so that III = II - I holds to one rounding.
Noise is added at the electrodes, where it arises: it obeys Einthoven's law too.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.ecg import RATE_HZ, Measurements

Signal = NDArray[np.float32]
Floats = NDArray[np.float64]

# Dower 1980: rows I, II, V1..V6; columns X to the left, Y to the feet, Z to the back
_DOWER = np.array(
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
_R = (1.10, 0.95, 0.30)
# the frontal plane as the limb leads see it: I across, aVF scaled by 2/sqrt(3) downwards (Einthoven's triangle)
_FRONTAL = np.array([_DOWER[0], (_DOWER[1] - _DOWER[0] / 2) * 2 / np.sqrt(3)])
_NORMAL_AXIS_DEG = float(np.degrees(np.arctan2(*(_FRONTAL @ _R)[::-1])))


@dataclass(frozen=True, slots=True, kw_only=True)
class Heart:
    """What shapes one ECG. Times in ms, amplitudes in mV; ``axis_deg`` is the frontal axis of the QRS loop.

    ``variability``: standard deviation of the RR interval as a fraction of it. ``amplitude`` scales every wave.
    """

    rate_bpm: float = 72.0
    axis_deg: float = 60.0
    amplitude: float = 1.0
    pr_ms: float = 160.0
    qrs_ms: float = 90.0
    qtc_ms: float = 410.0
    t_amplitude: float = 1.0
    variability: float = 0.02
    noise_mv: float = 0.008
    wander_mv: float = 0.04
    seconds: float = 10.0

    def __post_init__(self) -> None:
        if not 20 <= self.rate_bpm <= 250 or self.seconds <= 0:
            raise ValueError("rate_bpm lies between 20 and 250, seconds above 0")


@dataclass(frozen=True, slots=True)
class _Wave:
    """A Gaussian: ``centre_s`` from the R peak, standard deviation ``width_s``, peak ``vector`` in mV (X, Y, Z)."""

    centre_s: float
    width_s: float
    vector: tuple[float, float, float]


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
        seconds=seconds,
    )


def measurements(parameters: Heart) -> Measurements:
    """What an ideal cart would report; QT follows from QTc and the rate by Fridericia's formula."""
    return Measurements(
        heart_rate_bpm=parameters.rate_bpm,
        pr_ms=parameters.pr_ms,
        qrs_ms=parameters.qrs_ms,
        qt_ms=parameters.qtc_ms * float(np.cbrt(60 / parameters.rate_bpm)),
        qtc_ms=parameters.qtc_ms,
        qrs_axis_deg=parameters.axis_deg,
    )


def ecg(parameters: Heart, seed: int) -> Signal:
    """Draw one ECG: float32 ``[12, n]`` in mV at 500 Hz in the order of ``domain.ecg.LEADS``, the same for a seed."""
    chance = np.random.default_rng(seed)
    time = np.arange(round(parameters.seconds * RATE_HZ)) / RATE_HZ
    dipole = np.zeros((3, time.size))
    for peak, rr in _beats(parameters, chance):
        for wave in _waves(parameters, rr):
            loud = 1 + parameters.variability * chance.standard_normal()
            bump = np.exp(-(((time - peak - wave.centre_s) / wave.width_s) ** 2) / 2)
            dipole += loud * np.outer(wave.vector, bump)
    eight = _DOWER @ (parameters.amplitude * _turned(dipole, parameters.axis_deg - _NORMAL_AXIS_DEG))
    return _twelve(eight + _at_electrodes(parameters, chance, time))


def _beats(parameters: Heart, chance: np.random.Generator) -> list[tuple[float, float]]:
    """R peaks in s with the RR interval that follows, from before the start to after the end."""
    mean = 60 / parameters.rate_bpm
    peak = -mean + mean * chance.uniform()
    beats = []
    while peak < parameters.seconds + mean:
        rr = mean * (1 + parameters.variability * float(np.clip(chance.standard_normal(), -3, 3)))
        beats.append((peak, rr))
        peak += rr
    return beats


def _waves(parameters: Heart, rr: float) -> tuple[_Wave, ...]:
    """The five waves of a beat; a Gaussian's edge is taken at two and a half standard deviations."""
    qrs = parameters.qrs_ms / 1000
    onset = -qrs / 2
    qt = parameters.qtc_ms / 1000 * np.cbrt(rr)  # Fridericia 1920
    p_width, t_width = 0.020, 0.045
    p_centre = onset - parameters.pr_ms / 1000 + 2.5 * p_width
    t_centre = onset + qt - 2.5 * t_width
    t = parameters.t_amplitude
    return (
        _Wave(p_centre, p_width, (0.07, 0.13, -0.02)),
        _Wave(-0.30 * qrs, 0.09 * qrs, (-0.12, -0.02, -0.20)),
        _Wave(0.0, 0.13 * qrs, _R),
        _Wave(0.28 * qrs, 0.10 * qrs, (-0.10, -0.10, 0.45)),
        _Wave(t_centre, t_width, (0.28 * t, 0.22 * t, -0.16 * t)),
    )


def _turned(dipole: Floats, degrees: float) -> Floats:
    """Rotate in the frontal plane, from the left arm to the feet, so that the limb leads' axis turns by ``degrees``."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    seen = _FRONTAL[:, :2]
    turn = np.linalg.inv(seen) @ np.array([[cosine, -sine], [sine, cosine]]) @ seen
    return np.vstack([turn @ dipole[:2], dipole[2:]])


def _at_electrodes(parameters: Heart, chance: np.random.Generator, time: Floats) -> Floats:
    """Muscle noise and respiration at RA, LA, LL and V1..V6, as they show in I, II and V1..V6."""
    noise = parameters.noise_mv * chance.standard_normal((9, time.size))
    breath = 2 * np.pi * (chance.uniform(0.15, 0.35) * time + chance.uniform())
    noise += parameters.wander_mv * chance.standard_normal((9, 1)) * np.sin(breath)
    right, left, foot = noise[:3]
    return np.vstack([left - right, foot - right, noise[3:] - (right + left + foot) / 3])


def _twelve(eight: Floats) -> Signal:
    """I, II, V1..V6 to twelve: III = II - I (Einthoven), aVR, aVL, aVF (Goldberger)."""
    one, two = eight[0], eight[1]
    limbs = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    return np.vstack([*limbs, eight[2:]]).astype(np.float32)
