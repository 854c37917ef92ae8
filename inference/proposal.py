"""The threshold at which a unit has as many alerts as it can answer."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import numpy as np

from config.thresholds import Override, SomeArrest, SomePotassium, Thresholds, When, like
from domain.finding import Output
from domain.scores import Scores
from inference.effect import RISKS, flagged
from inference.replay import Bools, replay

_FINE = {"arrest": 1000, "potassium_high": 100, "potassium_low": 100}  # steps a unit: 0.001, and 0.01 mmol/L


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """``value``: of the level ``level``; ``override``: the one that gives it to the unit; ``new``: it did not exist."""

    level: str
    value: float
    override: Override
    new: bool
    alerts: int
    thresholds: Thresholds


def propose(
    scores: Scores, counted: Bools, thresholds: Thresholds, *, risk: str, unit: str, allowed: int
) -> Proposal | None:
    """The most careful threshold with at most ``allowed`` alerts in the ``counted`` rows of the unit, or ``None``.

    Overrides of the unit that ask for more than the unit stay as they are.
    """
    output, level = RISKS[risk]
    mine = scores.unit.which(np.array([like(name, unit) for name in scores.unit.names], np.bool_))
    rows, kept = scores.at(mine), counted[mine]

    def tried(step: int) -> tuple[Thresholds, int, int, bool]:
        changed, number, new = _with(thresholds, output, level, unit, step / _FINE[risk])
        return changed, int((flagged(replay(rows, changed, output), risk) & kept).sum()), number, new

    careful, strict = _range(risk, thresholds)
    step = _first(careful, strict, lambda one: tried(one)[1] <= allowed)
    if step is None:
        return None
    changed, alerts, number, new = tried(step)
    return Proposal(
        level=level,
        value=step / _FINE[risk],
        override=changed.overrides[number],
        new=new,
        alerts=alerts,
        thresholds=changed,
    )


def _range(risk: str, thresholds: Thresholds) -> tuple[int, int]:
    """From the most careful step to the strictest."""
    fine, potassium = _FINE[risk], thresholds.potassium
    if risk == "arrest":
        return 1, fine
    if risk == "potassium_high":
        return int(potassium.high * fine) + 1, int(7.5 * fine)
    return ceil(potassium.low * fine) - 1, int(1.5 * fine)


def _first(careful: int, strict: int, enough: Callable[[int], bool]) -> int | None:
    """By halving, then step by step: with hysteresis, alerts do not always fall as the threshold gets stricter."""
    if not enough(strict):
        return None
    way = 1 if strict > careful else -1
    low, high = 0, abs(strict - careful)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(careful + way * middle) else (middle + 1, high)
    return next(step for step in range(careful + way * low, strict + way, way) if enough(step))


def _with(thresholds: Thresholds, output: Output, level: str, unit: str, value: float) -> tuple[Thresholds, int, bool]:
    """The thresholds with the level for the unit; the override's number, and whether it is new."""
    for number, one in enumerate(thresholds.overrides):
        only_unit = one.when == When.model_construct(unit=one.when.unit)
        if only_unit and one.until is None and any(like(unit, each) for each in one.when.unit or ()):
            return _put(thresholds, number, _level(thresholds, one, output, level, value)), number, False
    blank = Override.model_construct(
        name="proposed", when=When(unit=(unit,)), arrest=SomeArrest(), potassium=SomePotassium()
    )
    longer = thresholds.model_copy(update={"overrides": (*thresholds.overrides, blank)})
    last = len(thresholds.overrides)
    return _put(longer, last, _level(thresholds, blank, output, level, value)), last, True


def _put(thresholds: Thresholds, number: int, override: Override) -> Thresholds:
    changed = [*thresholds.overrides]
    changed[number] = override
    return thresholds.model_copy(update={"overrides": tuple(changed)})


def _level(thresholds: Thresholds, one: Override, output: Output, level: str, value: float) -> Override:
    """The override with the level; a moderate level above a high one goes down with it."""
    if output is Output.POTASSIUM:
        return one.model_copy(update={"potassium": one.potassium.model_copy(update={level: value})})
    changed = {level: value}
    if thresholds.arrest_by(one).moderate > value:
        changed["moderate"] = value
    return one.model_copy(update={"arrest": one.arrest.model_copy(update=changed)})
