"""What shapes one ECG: the parameters of a heart, and what follows from them and the effects on it."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from simulator.beat import Conduction
from simulator.effects import Effects
from simulator.leads import Floats

Territory = Literal["anterior", "inferior", "lateral", "subendocardial"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heart:
    """What shapes one ECG. Times in ms, amplitudes in mV; ``axis_deg`` is the frontal axis of the QRS loop.

    ``variability`` and ``breathing``: jitter and respiratory part of RR, as shares of it. ``amplitude`` scales every
    wave, ``qrs_amplitude`` and ``t_amplitude`` one. ``horizontal_deg`` turns QRS to the back (poor R progression), as
    ``t_horizontal_deg`` does T. ``qrs_ms`` is the whole duration, block included. ``st_mv``: shift towards
    ``territory``. ``strain``: 0 to 1, ST and T against QRS. ``ectopic``: ventricular ectopic share of beats.
    ``shape``: a person's own small differences; 0 is the average. ``noise_mv`` and ``wander_mv`` are for ``ecg`` alone.
    """

    rate_bpm: float = 72.0
    axis_deg: float = 60.0
    horizontal_deg: float = 0.0
    amplitude: float = 1.0
    qrs_amplitude: float = 1.0
    septal: float = 1.0
    pr_ms: float = 160.0
    p_amplitude: float = 1.0
    qrs_ms: float = 90.0
    conduction: Conduction = "normal"
    qtc_ms: float = 410.0
    t_amplitude: float = 1.0
    t_width: float = 1.0
    t_horizontal_deg: float = 0.0
    st_mv: float = 0.0
    territory: Territory = "anterior"
    strain: float = 0.0
    u_mv: float = 0.02
    fibrillation: bool = False
    f_mv: float = 0.08
    pacing: Literal["none", "atrial", "ventricular"] = "none"
    ectopic: float = 0.0
    variability: float = 0.02
    breathing: float = 0.0
    shape: int = 0
    effects: Effects = field(default_factory=Effects)
    noise_mv: float = 0.008
    wander_mv: float = 0.04
    seconds: float = 10.0

    def __post_init__(self) -> None:
        if not 20 <= self.rate_bpm <= 250 or self.seconds <= 0:
            raise ValueError("rate_bpm lies between 20 and 250, seconds above 0")


def rate_of(heart: Heart) -> float:
    """Beats a minute with the effects on it."""
    return float(np.clip(heart.rate_bpm + heart.effects.rate_bpm, 25, 220))


def qrs_ms_of(heart: Heart) -> float:
    """The QRS duration with the effects on it."""
    return heart.qrs_ms * heart.effects.qrs_width


def qt_ms_of(heart: Heart, rr_s: Floats) -> Floats:
    """QT after intervals of ``rr_s`` (Fridericia 1920); a wide QRS delays T by most of what it takes longer."""
    late = 0.8 * max(0.0, qrs_ms_of(heart) - 100)
    return np.asarray(heart.qtc_ms * np.cbrt(rr_s) + heart.effects.qt_ms + late)
