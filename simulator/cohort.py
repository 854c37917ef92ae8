"""A cohort's ECGs, one by one: each the same for a plan and its number, whoever draws it and in which order."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from domain.ecg import LEADS, RATE_HZ, Measurements, Sex
from domain.errors import Rejected
from domain.reason import Reason
from simulator import arrest, dyskalemia
from simulator.bend import bend
from simulator.effects import Effects, together
from simulator.heart import measurements
from simulator.leads import Signal, twelve
from simulator.noise import Cart, recorded
from simulator.parameters import Heart
from simulator.person import Person, person, within
from simulator.plan import Device, Noise, Plan
from simulator.stranger import stranger
from simulator.trace import Waves, traced

Finder = Callable[[NDArray[np.float32], float], NDArray[np.intp]]
"""R peaks of ``[12, n]`` in mV at a rate in Hz, as sample numbers (``adapters.measure.beats``)."""

_MOST_APART_S = 3300  # between ECG and blood: the ECG12Net paper pairs within an hour
_INDEPENDENT = [LEADS.index(lead) for lead in ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """A real recording: float32 ``[12, n]`` in mV at 500 Hz, complete in I, II and V1..V6, and a name of its own."""

    name: str
    signal: Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One ECG of a cohort. ``truth``: mmol/L, or 0 or 1. ``drawn``: what it shows, by name, for the manifest.

    ``waves``: where its waves lie; of a real background only the R peaks. ``heart``: None for a background.
    """

    number: int
    name: str
    signal: Signal
    truth: float
    patient: str
    person: int
    taken_at: datetime
    blood_at: datetime | None
    age: int
    sex: Sex
    device: str
    heart: Heart | None
    effects: Effects
    waves: Waves
    reported: Measurements
    drawn: dict[str, str]


def cases(
    plan: Plan, *, backgrounds: Sequence[Background] = (), beats: Finder | None = None, first: int = 0
) -> Iterator[Case]:
    """Every ECG of the plan from ``first`` on; ``backgrounds`` and ``beats`` where its share of them is above 0."""
    owners = roster(plan)
    for number in range(first, plan.ecgs):
        yield case(plan, owners, number, backgrounds=backgrounds, beats=beats)


def roster(plan: Plan) -> NDArray[np.int64]:
    """Whose each ECG is: every patient's first, then further ones of patients drawn at random."""
    chance = np.random.default_rng([plan.seed, 11])
    more = chance.integers(plan.patients, size=plan.ecgs - plan.patients)
    return np.concatenate([np.arange(plan.patients), more])


def case(
    plan: Plan,
    owners: NDArray[np.int64],
    number: int,
    *,
    backgrounds: Sequence[Background] = (),
    beats: Finder | None = None,
) -> Case:
    """Draw ECG ``number``. A plan with a share of backgrounds raises ``Rejected`` where there are none to bend."""
    who = person(plan, int(owners[number]))
    chance = np.random.default_rng([plan.seed, 13, number])
    taken_at = _moment(plan, who, first=number < plan.patients, chance=chance)
    device = plan.devices[int(chance.integers(len(plan.devices)))]
    if plan.kind == "potassium":
        truth = dyskalemia.potassium(plan.potassium, chance)
        effects = dyskalemia.shown(truth, who.sensitivity, plan.potassium.jitter, chance)
        heart, extra = replace(_today(who.heart, chance), effects=effects), {"sensitivity": f"{who.sensitivity:.3f}"}
    else:
        truth = float(who.arrests)
        signs = arrest.liabilities(who.risk, plan.arrest.loading, chance)
        heart = arrest.signed(_today(who.heart, chance), signs, chance)
        extra = {"risk": f"{who.risk:.3f}", **{f"sign_{name}": f"{value:.3f}" for name, value in signs.items()}}
    heart = replace(heart, rate_bpm=float(np.clip(heart.rate_bpm, 32, 190)))
    drawn = {**_drawn(heart, who), **extra}
    if who.background is not None:
        name, signal, waves = _from_background(plan, who.background, heart.effects, backgrounds, beats, chance)
        shown, reported, patient = None, Measurements(), f"B-{name}"
        drawn = {"source": "background", "background": name, **extra}
    else:
        eight, waves = traced(heart, chance)
        signal = twelve(recorded(eight, _cart(plan.noise, device, chance), chance))
        shown, reported, patient = heart, measurements(heart), f"P{who.number:06d}"
        drawn = {"source": "simulated", **drawn}
    apart = float(np.clip(chance.normal(0, 1200), -_MOST_APART_S, _MOST_APART_S))
    return Case(
        number=number,
        name=f"{plan.name}-{number:06d}",
        signal=signal,
        truth=truth,
        patient=f"{plan.name}-{patient}" if shown else patient,
        person=who.number,
        taken_at=taken_at,
        blood_at=taken_at + timedelta(seconds=round(apart)) if plan.kind == "potassium" else None,
        age=int(who.age),
        sex=who.sex,
        device=device.name,
        heart=shown,
        effects=heart.effects,
        waves=waves,
        reported=reported,
        drawn=drawn,
    )


def _today(heart: Heart, chance: np.random.Generator) -> Heart:
    """The same heart on another day and with the electrodes in other places."""
    wobble = np.clip(chance.standard_normal(8), -2.5, 2.5)
    still = heart.pacing != "none"
    return replace(
        heart,
        rate_bpm=heart.rate_bpm if still else heart.rate_bpm * float(np.exp(0.10 * wobble[0])),
        axis_deg=heart.axis_deg + 5 * float(wobble[1]),
        horizontal_deg=heart.horizontal_deg + 6 * float(wobble[2]),
        pr_ms=heart.pr_ms + 5 * float(wobble[3]),
        qtc_ms=heart.qtc_ms + 8 * float(wobble[4]),
        t_amplitude=heart.t_amplitude * float(np.exp(0.12 * wobble[5])),
        t_width=heart.t_width * float(np.exp(0.04 * wobble[6])),
        amplitude=heart.amplitude * float(np.exp(0.06 * wobble[7])),
    )


def _moment(plan: Plan, who: Person, *, first: bool, chance: np.random.Generator) -> datetime:
    """Of the first ECG somewhere in the plan's days, of later ones within a year of it."""
    start = datetime(plan.first_day.year, plan.first_day.month, plan.first_day.day, tzinfo=UTC)
    days = (plan.last_day - plan.first_day).days + 1
    day = who.first_day * days + (0 if first else chance.uniform(-365, 365))
    seconds = round(float(np.clip(day, 0, days - 1e-3)) * 86400)
    return start + timedelta(seconds=seconds)


def _cart(noise: Noise, device: Device, chance: np.random.Generator) -> Cart:
    muscle, mains, loose, clipped = chance.uniform(size=4) < (noise.muscle, noise.mains, noise.loose, noise.clipping)
    return Cart(
        white=within(noise.white_mv, chance),
        wander=within(noise.wander_mv, chance),
        muscle=within(noise.muscle_mv, chance) if muscle else 0.0,
        mains=within(noise.mains_mv, chance) if mains else 0.0,
        mains_hz=noise.mains_hz,
        loose=within(noise.loose_mv, chance) if loose else 0.0,
        limit=within(noise.limit_mv, chance) if clipped else None,
        high_pass_hz=device.high_pass_hz,
        low_pass_hz=device.low_pass_hz,
        step_mv=device.step_uv / 1000,
    )


def _from_background(
    plan: Plan,
    share: float,
    effects: Effects,
    backgrounds: Sequence[Background],
    beats: Finder | None,
    chance: np.random.Generator,
) -> tuple[str, Signal, Waves]:
    """The person's own recording in the plan's part, made a stranger's and bent; or the next that can be bent.

    Its name, what came of it.
    """
    first, end = (round(edge * len(backgrounds)) for edge in plan.backgrounds.part)
    if end <= first or beats is None:
        raise Rejected(Reason.NO_WAVEFORM, "the plan starts from real recordings: it needs some in its part of them")
    start = first + min(int(share * (end - first)), end - first - 1)
    for index in [*range(start, end), *range(first, start)]:
        try:
            real = backgrounds[index]
        except Rejected:  # not one that a model would be shown
            continue
        other = stranger(plan.backgrounds.differ, chance)
        signal = twelve(other.mixing @ real.signal[_INDEPENDENT].astype(np.float64))
        peaks = beats(signal, RATE_HZ)
        try:
            bent = bend(signal, peaks, together(other.shape, effects), chance, lie=other.lie)
        except ValueError:  # no beats alike
            continue
        r, none = peaks.astype(np.int32), np.full((len(peaks), 2), -1, np.int32)
        eight = np.asarray(bent[_INDEPENDENT], np.float64)
        return real.name, twelve(eight), Waves(r, none, none, none, none, np.zeros(r.size, np.int8))
    raise Rejected(Reason.NO_WAVEFORM, "none of the real recordings is fit and has beats that can be bent")


def _drawn(heart: Heart, who: Person) -> dict[str, str]:
    """What the heart shows, as the manifest's further columns."""
    found = measurements(heart)
    return {
        "conditions": " ".join(sorted(who.conditions)),
        "rate_bpm": f"{found.heart_rate_bpm:.1f}",
        "qrs_ms": f"{found.qrs_ms:.0f}",
        "qtc_ms": f"{found.qtc_ms:.0f}",
        "conduction": heart.conduction,
        "rhythm": "fibrillation" if heart.fibrillation else "sinus",
        "pacing": heart.pacing,
        "st_mv": f"{heart.st_mv:.3f}",
        "territory": heart.territory if heart.st_mv else "",
        "ectopic": f"{heart.ectopic:.3f}",
    }
