"""Which thresholds hold for whom, and what keeps a level: worked examples by hand."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from config.schema import Thresholds
from domain.context import Context, Earlier
from domain.finding import Output
from inference.levels import in_force, step_of

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HERE = Context(recorded_at=NOW, decided_at=NOW)
OVERRIDES = [
    {"name": "paced", "when": {"paced": True}, "arrest": {"high": 0.4}},
    {"name": "dialysis", "when": {"unit": ["Dialysis", "NEPHRO*"]}, "potassium": {"severe_high": 6.9}},
    {"name": "child", "when": {"age": {"at_least": 1, "below": 18}}, "arrest": {"high": 0.3}},
    {"name": "old-carts", "when": {"device": "*MAC 5*", "door": "dicom"}, "arrest": {"high": 0.25}},
]
SITE = Thresholds.model_validate({"overrides": OVERRIDES})


def rule(output: Output, thresholds: Thresholds = SITE, **of: object) -> str:
    return in_force(thresholds, output, replace(HERE, **of)).rule


@pytest.mark.parametrize(
    ("of", "arrest", "potassium"),
    [
        ({}, "", ""),
        ({"unit": "DIALYSIS "}, "", "dialysis"),
        ({"unit": "nephrology 2"}, "", "dialysis"),
        ({"unit": "pre-dialysis"}, "", ""),
        ({"paced": True, "unit": "dialysis", "age_years": 5.0}, "paced", "dialysis"),
        ({"age_years": 1.0}, "child", ""),
        ({"age_years": 17.99}, "child", ""),
        ({"age_years": 18.0}, "", ""),
        ({"age_years": None}, "", ""),
        ({"device": "GE MAC 5500 SN7", "door": "dicom"}, "old-carts", ""),
        ({"device": "GE MAC 5500 SN7", "door": "hl7"}, "", ""),
    ],
)
def test_the_first_override_that_matches_and_says_something_of_the_output_is_used(of, arrest, potassium):
    assert (rule(Output.ARREST, **of), rule(Output.POTASSIUM, **of)) == (arrest, potassium)


def test_what_an_override_leaves_out_is_as_in_the_base():
    steps = {step.level: step.reaches for step in in_force(SITE, Output.ARREST, replace(HERE, paced=True)).steps}
    assert steps == {"moderate": 0.05, "high": 0.4}


def test_an_override_applies_to_the_end_of_its_last_day_in_utc():
    until = [OVERRIDES[0] | {"until": date(2026, 6, 1)}]
    site = Thresholds.model_validate({"overrides": until})
    last = datetime(2026, 6, 1, 23, 59, 59, 999999, tzinfo=UTC)
    assert rule(Output.ARREST, site, paced=True, decided_at=last) == "paced"
    assert rule(Output.ARREST, site, paced=True, decided_at=last + timedelta(microseconds=1)) == ""


STICKY = Thresholds.model_validate({"hysteresis": {"arrest": 0.02, "potassium": 0.2, "within_h": 6}})


def level(value: float, output: Output, *before: tuple[float, float], thresholds: Thresholds = STICKY) -> str:
    """``before``: hours ago and value, the latest first."""
    earlier = [
        Earlier(model="m", output=output, value=one, context=replace(HERE, recorded_at=NOW - timedelta(hours=hours)))
        for hours, one in before
    ]
    step, _ = step_of(value, thresholds, output, HERE, earlier)
    return step.level if step else "normal"


@pytest.mark.parametrize(
    ("value", "before", "expected"),
    [
        (0.19, (), "moderate"),  # nothing to keep
        (0.19, ((1, 0.2),), "high"),
        (0.18, ((1, 0.2),), "high"),  # lost below the margin, not at it
        (0.1799, ((1, 0.2),), "moderate"),
        (0.19, ((1, 0.19), (2, 0.2)), "high"),  # all since have kept it
        (0.19, ((1, 0.17), (2, 0.9)), "moderate"),  # one in between had lost it
        (0.19, ((6, 0.2),), "high"),
        (0.19, ((6.01, 0.2),), "moderate"),  # too long ago
        (0.19, ((1, 0.19), (5, 0.19), (7, 0.2)), "moderate"),  # keeping is not reaching
        (0.04, ((1, 0.9),), "moderate"),  # high is lost at once, the level below is kept
        (0.02, ((1, 0.9),), "normal"),
    ],
)
def test_a_level_of_arrest_is_kept_within_the_margin_and_the_time(value, before, expected):
    assert level(value, Output.ARREST, *before) == expected


@pytest.mark.parametrize(
    ("value", "before", "expected"),
    [
        (6.4, ((1, 6.6),), "severe_high"),
        (6.2, ((1, 6.6),), "high"),
        (2.7, ((1, 2.4),), "severe_low"),
        (2.71, ((1, 2.4),), "low"),
        (3.6, ((1, 2.4),), "low"),
        (5.4, ((1, 2.4),), "normal"),  # the other side keeps nothing
    ],
)
def test_potassium_keeps_its_levels_on_both_sides(value, before, expected):
    assert level(value, Output.POTASSIUM, *before) == expected


def test_without_hysteresis_nothing_is_kept():
    assert level(0.19, Output.ARREST, (1, 0.99), thresholds=Thresholds()) == "moderate"


def test_what_was_reached_is_judged_by_what_held_for_that_ecg():
    site = Thresholds.model_validate({"hysteresis": {"arrest": 0.02}, "overrides": OVERRIDES[:1]})
    paced = Earlier(
        model="m",
        output=Output.ARREST,
        value=0.3,
        context=replace(HERE, paced=True, recorded_at=NOW - timedelta(hours=1)),
    )
    step, _ = step_of(0.19, site, Output.ARREST, HERE, [paced])
    assert step is not None
    assert step.level == "moderate"  # 0.3 was not high for a paced heart
