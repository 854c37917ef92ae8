"""Levels as steps, and which steps are in force for an ECG: pure, and the same for one ECG as for a million.

A step is reached at its threshold. With hysteresis it is kept, by a later ECG of the same person, down to the
threshold less the margin, until ``within_h`` after the last ECG that reached it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal

from config.thresholds import Override, Thresholds, When, like
from domain.context import Context, Earlier
from domain.finding import Output, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """``side``: 1 where larger is graver, -1 where smaller is. ``keeps``: how far the value may go back."""

    level: str
    severity: Severity
    side: int
    reaches: float
    keeps: float

    def reached(self, value: float) -> bool:
        """Whether the value reaches it by itself."""
        return value >= self.reaches if self.side > 0 else value <= self.reaches

    def kept(self, value: float) -> bool:
        """Whether a value keeps it, once it was reached."""
        return value >= self.keeps if self.side > 0 else value <= self.keeps


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """One output's steps, the gravest first, and the override they come from; ``""``: from none."""

    steps: tuple[Step, ...]
    rule: str = ""


def in_force(thresholds: Thresholds, output: Output, context: Context) -> InForce:
    """Which steps hold for an ECG: those of the first override that matches and says something of the output.

    What that override leaves out is as in the base.
    """
    for number, override in enumerate(thresholds.overrides):
        if override.says(word(output)) and applies(override, context.decided_at) and matches(override.when, context):
            return InForce(steps=steps(thresholds, output, number), rule=override.name)
    return InForce(steps=steps(thresholds, output, None))


def word(output: Output) -> Literal["arrest", "potassium"]:
    """The output's name in the YAML."""
    return "arrest" if output is Output.ARREST else "potassium"


def applies(override: Override, at: datetime) -> bool:
    """Whether its last day is not over."""
    return override.until is None or at.astimezone(UTC).date() <= override.until


def matches(when: When, context: Context) -> bool:
    """Whether an ECG is as an override wants it."""
    age = context.age_years
    return (
        (when.unit is None or any(like(context.unit, one) for one in when.unit))
        and (when.device is None or any(like(context.device, one) for one in when.device))
        and (when.door is None or context.door in when.door)
        and (when.paced is None or context.paced == when.paced)
        and (when.age is None or (age is not None and when.age.at_least <= age < (when.age.below or float("inf"))))
    )


@lru_cache(maxsize=1024)
def steps(thresholds: Thresholds, output: Output, override: int | None) -> tuple[Step, ...]:
    """The steps of the base, or with the override of that number over it."""
    over = None if override is None else thresholds.overrides[override]
    if output is Output.ARREST:
        margin, arrest = thresholds.hysteresis.arrest, thresholds.arrest_by(over)
        return (
            _step("high", Severity.CRITICAL, 1, arrest.high, margin),
            _step("moderate", Severity.ABNORMAL, 1, arrest.moderate, margin),
        )
    margin, at = thresholds.hysteresis.potassium, thresholds.potassium_by(over)
    return (
        _step("severe_low", Severity.CRITICAL, -1, at.severe_low, margin),
        _step("severe_high", Severity.CRITICAL, 1, at.severe_high, margin),
        _step("low", Severity.ABNORMAL, -1, at.low, margin),
        _step("high", Severity.ABNORMAL, 1, at.high, margin),
    )


def _step(level: str, severity: Severity, side: int, threshold: float, margin: float) -> Step:
    keeps = round(threshold - side * margin, 9) if margin else threshold  # 0.2 - 0.02 is a little more than 0.18
    return Step(level=level, severity=severity, side=side, reaches=threshold, keeps=keeps)


def step_of(
    value: float, thresholds: Thresholds, output: Output, context: Context, earlier: Sequence[Earlier]
) -> tuple[Step | None, str]:
    """The gravest step that ``value`` reaches or keeps, and the rule; ``earlier``: of the model, the latest first."""
    now = in_force(thresholds, output, context)
    for number, step in enumerate(now.steps):
        if step.reached(value) or (step.kept(value) and _held(number, thresholds, output, context, earlier)):
            return step, now.rule
    return None, now.rule


def _held(number: int, thresholds: Thresholds, output: Output, context: Context, earlier: Sequence[Earlier]) -> bool:
    """Whether an ECG not too long ago reached the step, and all since have kept it."""
    longest = timedelta(hours=thresholds.hysteresis.within_h)
    for one in earlier:
        step = in_force(thresholds, output, one.context).steps[number]
        if context.recorded_at - one.context.recorded_at > longest:
            return False
        if step.reached(one.value):
            return True
        if not step.kept(one.value):
            return False
    return False
