"""A potassium value for an ECG, and what it shows of it."""

from dataclasses import fields, replace

import numpy as np

from simulator.effects import Effects, of_potassium
from simulator.plan import Potassium

_NONE = Effects()
CLASSES = ("<=2.5", "<=3.5", "<5.5", "<6.5", ">=6.5")


def potassium(plan: Potassium, chance: np.random.Generator) -> float:
    """Draw a value in mmol/L to one decimal, as laboratories report it."""
    if chance.uniform() < plan.even_share:
        value = chance.uniform(plan.low, plan.high)
    else:
        value = chance.normal(plan.mean, plan.sd)
    return round(float(np.clip(value, plan.low, plan.high)), 1)


def shown(value: float, sensitivity: float, jitter: float, chance: np.random.Generator) -> Effects:
    """The effects of a value in someone of this sensitivity, each size jittered by a lognormal factor of its own.

    The true value is taken to lie within 0.1 of the reported one: one decimal, and the time between blood and ECG.
    """
    true = float(np.clip(value + 0.1 * chance.standard_normal(), 1.0, 10.0))
    return jittered(of_potassium(true, sensitivity), jitter, chance)


def jittered(effects: Effects, jitter: float, chance: np.random.Generator) -> Effects:
    """Every effect by a factor of its own, the sine wave as it is."""
    sizes = np.exp(jitter * np.clip(chance.standard_normal(len(fields(Effects))), -2, 2))
    changed = {}
    for size, known in zip(sizes, fields(Effects), strict=True):
        still = getattr(_NONE, known.name)
        changed[known.name] = still + float(size) * (getattr(effects, known.name) - still)
    return replace(
        effects,
        **{
            **changed,
            "sine": effects.sine,
            "p_amplitude": max(0.0, changed["p_amplitude"]),
            "qrs_width": float(np.clip(changed["qrs_width"], 0.8, 2.2)),
            "qrs_amplitude": max(0.4, changed["qrs_amplitude"]),
            "t_amplitude": max(-0.5, changed["t_amplitude"]),
            "t_width": float(np.clip(changed["t_width"], 0.5, 1.8)),
        },
    )


def potassium_class(value: float) -> str:
    """The ECG12Net paper's five classes."""
    cuts = (value <= 2.5, value <= 3.5, value < 5.5, value < 6.5, True)
    return CLASSES[cuts.index(True)]
