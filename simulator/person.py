"""The people of a cohort: age and sex, a heart that stays theirs, and what it has."""

from dataclasses import dataclass, replace

import numpy as np

from domain.ecg import Sex
from simulator.beat import Conduction
from simulator.parameters import Heart, Territory
from simulator.plan import Between, Plan

TERRITORIES: tuple[Territory, ...] = ("anterior", "inferior", "lateral", "subendocardial")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Someone who does not exist; ``background``: which real recording, as a share of them, or None for ``heart``."""

    number: int
    age: float
    sex: Sex
    heart: Heart
    conditions: frozenset[str]
    risk: float
    arrests: bool
    sensitivity: float
    background: float | None
    first_day: float  # share of the cohort's days


def within(between: Between, chance: np.random.Generator) -> float:
    """Draw evenly."""
    return float(chance.uniform(between.low, between.high))


def person(plan: Plan, number: int) -> Person:
    """Draw one person, the same for a number and a plan."""
    chance = np.random.default_rng([plan.seed, 12, number])
    age = float(np.clip(chance.normal(plan.age.mean, plan.age.sd), plan.age.low, plan.age.high))
    sex = Sex.MALE if chance.uniform() < plan.male else Sex.FEMALE
    conditions = frozenset(name for name, share in plan.shares if chance.uniform() < share)
    heart = _conditioned(_aged(_heart(plan, number, chance), age, sex), conditions, chance)
    risk = float(chance.standard_normal())
    silent = 0.25 if chance.uniform() < plan.potassium.silent else 1.0
    spread = plan.potassium.spread * float(np.clip(chance.standard_normal(), -2.5, 2.0))
    real = chance.uniform() < plan.backgrounds.share
    return Person(
        number=number,
        age=age,
        sex=sex,
        heart=heart,
        conditions=conditions,
        risk=risk,
        arrests=bool(chance.uniform() < probability(plan.arrest.prevalence, plan.arrest.steepness, risk)),
        sensitivity=plan.potassium.sensitivity * silent * float(np.exp(spread)),
        background=float(chance.uniform()) if real else None,
        first_day=float(chance.uniform()),
    )


def probability(prevalence: float, steepness: float, risk: float) -> float:
    """Of arrest at a latent ``risk`` that is standard normal: logistic, its mean near ``prevalence``.

    The intercept uses the logistic's approximation by a probit of scale 1.7 (e.g. Cox and Snell 1989).
    """
    middle = np.log(prevalence / (1 - prevalence)) * np.sqrt(1 + (steepness / 1.7) ** 2)
    return float(1 / (1 + np.exp(-(middle + steepness * risk))))


def _heart(plan: Plan, number: int, chance: np.random.Generator) -> Heart:
    ranges = plan.hearts
    return Heart(
        rate_bpm=within(ranges.rate_bpm, chance),
        axis_deg=within(ranges.axis_deg, chance),
        horizontal_deg=within(ranges.horizontal_deg, chance),
        amplitude=within(ranges.amplitude, chance),
        septal=float(np.clip(chance.normal(1, 0.45), 0, 2)),
        pr_ms=within(ranges.pr_ms, chance),
        p_amplitude=float(chance.uniform(0.6, 1.4)),
        qrs_ms=within(ranges.qrs_ms, chance),
        qtc_ms=within(ranges.qtc_ms, chance),
        t_amplitude=within(ranges.t_amplitude, chance),
        t_width=within(ranges.t_width, chance),
        t_horizontal_deg=float(chance.normal(0, 16)),
        u_mv=float(chance.uniform(0, 0.05)),
        variability=float(chance.uniform(0.01, 0.03)),
        breathing=float(chance.uniform(0, 0.05)),
        shape=int(np.random.default_rng([plan.seed, 14, number]).integers(1, 2**31)),
    )


def _aged(heart: Heart, age: float, sex: Sex) -> Heart:
    """Age and sex: PR longer, axis further left, T and voltage lower with age; QTc longer, T lower in women.

    Directions as in Rijnbeek 2014 (normal values for ages 16 to 90, J Electrocardiol 47:914); sizes rounded.
    """
    years, woman = age - 50, sex is Sex.FEMALE
    return replace(
        heart,
        pr_ms=heart.pr_ms + 0.25 * years,
        axis_deg=heart.axis_deg - 0.55 * years,
        qrs_ms=heart.qrs_ms - (6 if woman else 0),
        qtc_ms=heart.qtc_ms + 0.15 * years + (8 if woman else 0),
        t_amplitude=heart.t_amplitude * (1 - 0.004 * years) * (0.85 if woman else 1.08),
        amplitude=heart.amplitude * (1 - 0.002 * years),
        breathing=heart.breathing * float(np.clip(1.6 - age / 60, 0.2, 1.3)),
    )


def _conditioned(heart: Heart, conditions: frozenset[str], chance: np.random.Generator) -> Heart:
    """What each condition does; several may meet in one heart."""
    drawn = {name: _condition(name, heart, chance) for name in sorted(conditions)}
    changes = {key: value for change in drawn.values() for key, value in change.items()}
    return replace(heart, **changes)  # type: ignore[arg-type]


def _condition(name: str, heart: Heart, chance: np.random.Generator) -> dict[str, float | str | bool]:
    uniform = chance.uniform
    match name:
        case "fibrillation":
            return {"fibrillation": True, "f_mv": uniform(0.02, 0.13), "rate_bpm": uniform(60, 135)}
        case "atrial_pacing":
            return {"pacing": "atrial", "rate_bpm": uniform(60, 80), "variability": 0.004, "breathing": 0.0}
        case "ventricular_pacing":
            paced = {"rate_bpm": uniform(60, 80), "variability": 0.004, "breathing": 0.0}
            return {"pacing": "ventricular", "qrs_ms": uniform(140, 175), **paced}
        case "rbbb" | "lbbb":
            wide: dict[str, float | str | bool] = {"qrs_ms": uniform(122, 160)}
            block: Conduction = "rbbb" if name == "rbbb" else "lbbb"
            return {**wide, "conduction": block, "axis_deg": uniform(-50, 60)}
        case "ectopy":
            return {"ectopic": uniform(0.04, 0.25)}
        case "high_voltage":
            return {"qrs_amplitude": uniform(1.4, 2.1), "strain": float(max(0, chance.normal(0.2, 0.35)))}
        case "low_voltage":
            return {"amplitude": heart.amplitude * uniform(0.35, 0.6)}
        case "flat_t":
            return {"t_amplitude": heart.t_amplitude * uniform(-0.3, 0.45), "t_horizontal_deg": chance.normal(0, 40)}
        case "ischaemia":
            return {"st_mv": uniform(0.04, 0.25), "territory": TERRITORIES[int(chance.integers(4))]}
        case "early_repolarisation":
            return {"t_amplitude": heart.t_amplitude * uniform(1.35, 2.0), "t_width": heart.t_width * uniform(0.8, 1)}
        case _:  # long_qt
            return {"qtc_ms": uniform(465, 560)}
