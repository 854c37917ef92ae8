"""A heart's beats summed into a dipole and seen by eight leads, without noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from domain.ecg import RATE_HZ
from simulator import beat, rhythm
from simulator.leads import DOWER, Floats, frontal_turn, horizontal_turn, largest_one
from simulator.parameters import Heart, Territory, qrs_ms_of, qt_ms_of, rate_of
from simulator.waves import Bumps, Samples, add_bumps, add_plateaus

# where the ST vector of an injury points: towards it (Wagner 2009, AHA/ACCF/HRS, J Am Coll Cardiol 53:1003);
# subendocardial: ST down in most leads and up in aVR is a shift of positive size towards aVR
_TOWARDS: dict[Territory, Floats] = {
    "anterior": largest_one((0.35, -0.10, -1.0)),
    "inferior": largest_one((-0.15, 1.0, 0.15)),
    "lateral": largest_one((1.0, -0.25, 0.25)),
    "subendocardial": largest_one((-0.75, -0.55, 0.35)),
}
_SINE_S, _SINE_BLUR_S = 0.70, 0.05  # one cycle at most; QRS and T run into one another
_T_WITH_ST = 0.6  # T goes with an injured ST segment by this share of it
_ST_AGAINST_QRS = 0.22, 0.30  # shares of forced T that show in the ST segment: block, strain
_ST_WITH_T = 0.13  # the normal ST segment leaves the baseline towards T, most in V2 and V3
_STRAIN = np.array([-0.42, -0.20, -0.15])
_ALONG_T = largest_one((0.26, 0.20, -0.21))


@dataclass(frozen=True, slots=True)
class Waves:
    """Where the waves of each beat lie, in samples: R peaks ``r`` [b], ``p``, ``qrs``, ``st`` and ``t`` [b, 2].

    Start and end; -1 where a beat has no such wave. They may stick out of the recording. ``kind``: 1 for ectopic.
    """

    r: Samples
    p: Samples
    qrs: Samples
    st: Samples
    t: Samples
    kind: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class _Ventricles:
    """How one kind of beat is conducted, and the repolarisation that follows."""

    qrs: beat.Depolarisation
    t: Floats
    st: Floats
    has_p: bool


def traced(heart: Heart, chance: np.random.Generator) -> tuple[Floats, Waves]:
    """The noiseless I, II, V1..V6 in mV at 500 Hz, and where their waves lie."""
    dipole = np.zeros((3, round(heart.seconds * RATE_HZ)))
    fallen = rhythm.beats(_pace(heart), heart.seconds, chance)
    conducted, turn = _conducted(heart)
    p = beat.atria(heart.p_amplitude * heart.effects.p_amplitude, _pr_s(heart), conducted.qrs.start_s, 0.3 * turn)
    found = []
    for kind in (rhythm.CONDUCTED, rhythm.ECTOPIC):
        chosen = fallen.kind == kind
        if chosen.any():
            ventricles = conducted if kind == rhythm.CONDUCTED else _ectopic(heart)
            found.append(_add(dipole, heart, ventricles, p, rhythm.only(fallen, chosen), chance))
    if heart.fibrillation:
        dipole += _f_waves(heart, chance)
    dipole = _with_sine(dipole, heart, fallen, conducted)
    return DOWER @ dipole + _spikes(heart, conducted, fallen, dipole.shape[1]), _in_order(found, dipole.shape[1])


def _pace(heart: Heart) -> rhythm.Pace:
    return rhythm.Pace(
        rate_bpm=rate_of(heart),
        variability=heart.variability,
        breathing=heart.breathing,
        fibrillation=heart.fibrillation and heart.pacing == "none",
        ectopic=heart.ectopic,
    )


def _pr_s(heart: Heart) -> float:
    return (heart.pr_ms + heart.effects.pr_ms) / 1000


def _conducted(heart: Heart) -> tuple[_Ventricles, float]:
    """How the ventricles take an ordinary beat, and by how many degrees their axis was turned."""
    seconds, has_p = qrs_ms_of(heart) / 1000, not heart.fibrillation
    if heart.pacing == "ventricular":
        return _recovering(heart, beat.from_apex(seconds), 0.0, has_p=False), 0.0
    if heart.conduction == "normal":
        plain = beat.normal(seconds, heart.septal)
    elif heart.conduction == "rbbb":
        plain = beat.right_bundle(seconds, heart.septal)
    else:
        plain = beat.left_bundle(seconds)
    own = plain.with_loop(beat.individual(plain.loop, heart.shape)).turned(horizontal_turn(heart.horizontal_deg))
    turn = beat.turn_to(own.loop, heart.axis_deg)
    return _recovering(heart, own.turned(frontal_turn(turn)), turn, has_p=has_p), turn


def _ectopic(heart: Heart) -> _Ventricles:
    """The heart's one ectopic focus; its beats widen with the rest."""
    focus = np.random.default_rng([heart.shape, 6])
    seconds = float(focus.uniform(0.140, 0.180)) * heart.effects.qrs_width
    return _recovering(heart, beat.ectopic(seconds, focus), 0.0, has_p=False)


def _recovering(heart: Heart, qrs: beat.Depolarisation, turn: float, *, has_p: bool) -> _Ventricles:
    """Repolarisation: the heart's own T as far as it remains, what QRS forces, what injury and effects add."""
    effects, size = heart.effects, heart.amplitude * heart.qrs_amplitude
    own = beat.own_t(turn, heart.t_horizontal_deg) * heart.amplitude * heart.t_amplitude * qrs.primary_share
    forced, strain = qrs.secondary * size, _STRAIN * size * heart.strain
    injury = _TOWARDS[heart.territory] * heart.st_mv
    t = (own + forced + strain) * effects.t_amplitude + _T_WITH_ST * injury
    st = (
        injury + _ALONG_T * effects.st_mv + _ST_WITH_T * own + _ST_AGAINST_QRS[0] * forced + _ST_AGAINST_QRS[1] * strain
    )
    loud = qrs.with_loop(qrs.loop.scaled(size * effects.qrs_amplitude))
    return _Ventricles(loud, t, st, has_p)


def _add(
    dipole: Floats, heart: Heart, kind: _Ventricles, p: Bumps, fallen: rhythm.Beats, chance: np.random.Generator
) -> Waves:
    """Add the beats of one kind and say where their waves lie."""
    at, qt = fallen.at_s, qt_ms_of(heart, fallen.rr_s) / 1000
    loud = 1 + heart.variability * chance.standard_normal((3, at.size))
    start, j = at + kind.qrs.start_s, at + kind.qrs.end_s
    slim = float(np.sqrt(qt.mean() / 0.40))
    rise, fall = (side * slim for side in beat.sides(heart.t_width, heart.effects.t_width))
    t_peak = np.maximum(start + qt - beat.EDGE * fall, j + 0.5 * rise)
    u = beat.u_of(heart.u_mv + heart.effects.u_mv)
    add_bumps(dipole, kind.qrs.loop, at, loud[0])
    add_bumps(dipole, _one(rise, fall, kind.t), t_peak, loud[1])
    add_bumps(dipole, _one(0.036 * slim, 0.045 * slim, u), t_peak + beat.EDGE * fall + 0.075 * slim, loud[1])
    add_plateaus(dipole, j - 0.006, t_peak, (0.007, 0.55 * fall), kind.st)
    if kind.has_p:
        add_bumps(dipole, p.scaled(heart.amplitude), at, loud[2])
    return Waves(
        r=_sample(at),
        p=_span(at + p.centre_s[0] - beat.P_BEFORE_S + 0.015, at + p.centre_s[-1] + 0.037, here=kind.has_p),
        qrs=_span(start, j),
        st=_span(j, np.maximum(t_peak - beat.EDGE * rise, j + 0.02)),
        t=_span(t_peak - beat.EDGE * rise, t_peak + beat.EDGE * fall),
        kind=fallen.kind,
    )


def _one(rise: float, fall: float, vector: Floats) -> Bumps:
    return Bumps(np.zeros(1), np.array([rise]), np.array([fall]), vector[None])


def _f_waves(heart: Heart, chance: np.random.Generator) -> Floats:
    """Fibrillation's f waves: 4 to 9 a second, never quite regular, largest in V1."""
    size = round(heart.seconds * RATE_HZ)
    knots = np.arange(int(heart.seconds * 2) + 2) * RATE_HZ / 2
    drift, swell = chance.standard_normal((2, knots.size))
    hertz = chance.uniform(4.8, 8.2) + 0.5 * np.interp(np.arange(size), knots, drift)
    phase = 2 * np.pi * (chance.uniform() + np.cumsum(hertz) / RATE_HZ)
    height = heart.f_mv * np.clip(1 + 0.4 * np.interp(np.arange(size), knots, swell), 0.1, 2)
    main = height * (np.sin(phase) + 0.35 * np.sin(2 * phase + 0.8))
    aside = height * 0.5 * np.sin(phase + 1.3)
    return np.outer(largest_one((-0.30, 0.25, -0.95)), main) + np.outer(largest_one((0.3, 0.9, -0.2)), aside)


def _with_sine(dipole: Floats, heart: Heart, fallen: rhythm.Beats, conducted: _Ventricles) -> Floats:
    """Blend QRS and T into one wave a beat, up with the QRS and down where ST and T were, as ``effects.sine`` says."""
    share = heart.effects.sine
    if not share:
        return dipole
    cycle = min(60 / rate_of(heart), _SINE_S)
    loop = conducted.qrs.loop
    mean = (loop.vector * (loop.rise_s + loop.fall_s)[:, None]).sum(axis=0)
    up = mean / np.linalg.norm(mean) * heart.amplitude * heart.qrs_amplitude
    sigma = np.array([cycle / 5.2] * 2)
    wave = np.zeros_like(dipole)
    lobes = Bumps(np.array([0.03, 0.03 + cycle / 2]), sigma, sigma, np.array([1.2 * up, -0.9 * up + 0.6 * conducted.t]))
    add_bumps(wave, lobes, fallen.at_s, np.ones(fallen.at_s.size))
    broad = gaussian_filter1d(dipole, share * _SINE_BLUR_S * RATE_HZ, axis=1, mode="nearest")
    return np.asarray((1 - share) * broad + share * wave)


def _spikes(heart: Heart, conducted: _Ventricles, fallen: rhythm.Beats, size: int) -> Floats:
    """A pacemaker's stimuli, 2 ms, as electrodes see them: bipolar leads give small ones."""
    eight = np.zeros((len(DOWER), size))
    if heart.pacing == "none":
        return eight
    before = conducted.qrs.start_s - (_pr_s(heart) if heart.pacing == "atrial" else 0) - 0.006
    direction = (0.2, 0.5, -0.1) if heart.pacing == "atrial" else (0.25, -0.75, 0.3)
    at = np.rint((fallen.at_s[fallen.kind == rhythm.CONDUCTED] + before) * RATE_HZ).astype(np.int64)
    at = at[(at >= 0) & (at < size - 1)]
    height = np.random.default_rng([heart.shape, 8]).uniform(0.3, 1.6)
    spike = DOWER @ np.array(direction) * height
    eight[:, at] += spike[:, None]
    eight[:, at + 1] -= 0.3 * spike[:, None]
    return eight


def _sample(time_s: Floats) -> Samples:
    return np.rint(time_s * RATE_HZ).astype(np.int32)


def _span(start_s: Floats, end_s: Floats, *, here: bool = True) -> Samples:
    span = np.stack([_sample(start_s), _sample(end_s)], axis=1)
    return span if here else np.full_like(span, -1)


def _in_order(found: list[Waves], size: int) -> Waves:
    """All beats whose R peak lies in the recording, in time."""
    r = np.concatenate([waves.r for waves in found])
    order = np.argsort(r, kind="stable")
    order = order[(r[order] >= 0) & (r[order] < size)]
    p, qrs, st, t = (np.concatenate([getattr(w, name) for w in found])[order] for name in ("p", "qrs", "st", "t"))
    return Waves(r[order], p, qrs, st, t, np.concatenate([waves.kind for waves in found])[order])
