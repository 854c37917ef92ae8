"""Mistakes in overrides and hysteresis, each with what is said of it."""

import pytest
from pydantic import ValidationError

from config.schema import Thresholds
from config.thresholds import AgeBand, When, like

ED = {"name": "ed", "when": {"unit": "ED"}, "arrest": {"high": 0.3}}


@pytest.mark.parametrize(
    ("mistaken", "said"),
    [
        ({"overrides": [ED, ED | {"when": {"unit": "ICU"}}]}, "overrides[1].name: ed is also overrides[0].name"),
        (
            {"overrides": [ED | {"arrest": {"moderate": 0.9}}]},
            "overrides[0]: with the levels that it leaves as they are, moderate must not exceed high",
        ),
        (
            {"overrides": [ED | {"arrest": {}, "potassium": {"low": 6.0}}]},
            "overrides[0]: with the levels that it leaves as they are, severe_low < low < high < severe_high must hold",
        ),
        (
            {"overrides": [ED, ED | {"name": "ed-paced", "when": {"unit": "ed", "paced": True}}]},
            "overrides[1]: ed-paced never sets arrest: ed, overrides[0], matches the same before it",
        ),
        (
            {"hysteresis": {"arrest": 0.05}},
            "hysteresis.arrest: too wide: the level moderate could not be lost",
        ),
        (
            {"hysteresis": {"potassium": 1.0}},
            "hysteresis.potassium: too wide: low and high could both be kept",
        ),
    ],
)
def test_a_mistake_across_the_block_is_said_in_words(mistaken, said):
    with pytest.raises(ValidationError) as caught:
        Thresholds.model_validate(mistaken)
    assert [error["msg"].removeprefix("Value error, ") for error in caught.value.errors()] == [said]


@pytest.mark.parametrize(
    "override",
    [
        ED | {"when": {}},
        ED | {"arrest": {}},
        ED | {"potassium": {"severe_high": 7.6}},  # no estimate would ever reach it
        ED | {"potassium": {"severe_low": 1.4}},
        ED | {"arrest": {"high": 1.1}},
        ED | {"when": {"age": {"at_least": 18, "below": 18}}},
        ED | {"when": {"door": "fax"}},
        ED | {"nmae": "x"},
    ],
)
def test_an_override_that_cannot_mean_anything_is_refused(override):
    with pytest.raises(ValidationError):
        Thresholds.model_validate({"overrides": [override]})


def test_one_that_is_only_covered_until_a_day_is_no_mistake():
    site = Thresholds.model_validate({"overrides": [ED | {"until": "2026-01-31"}, ED | {"name": "ed-later"}]})
    assert len(site.overrides) == 2


def test_one_that_says_something_of_another_output_is_no_mistake():
    site = {"overrides": [ED, ED | {"name": "ed-potassium", "arrest": {}, "potassium": {"severe_high": 6.7}}]}
    assert len(Thresholds.model_validate(site).overrides) == 2


@pytest.mark.parametrize(
    ("text", "pattern", "is_like"),
    [
        ("ED", "ed", True),
        (" ed ", "ED", True),
        ("ED 2", "ED", False),
        ("ED 2", "ED*", True),
        ("x.y", "x?y", False),
        ("A+B", "a+b", True),
        ("AAB", "a+b", False),
        ("", "*", True),
    ],
)
def test_only_a_star_is_special_in_a_pattern(text, pattern, is_like):
    assert like(text, pattern) is is_like


@pytest.mark.parametrize(
    ("narrow", "wide", "within"),
    [
        ({"unit": "ED"}, {"unit": ["ed", "icu"]}, True),
        ({"unit": ["ED", "WARD"]}, {"unit": ["ed", "icu"]}, False),
        ({"unit": "ED-*"}, {"unit": "ED*"}, True),
        ({"unit": "ED*"}, {"unit": "ED-*"}, False),
        ({"paced": True}, {"unit": "ED"}, False),
        ({"door": ["hl7"]}, {"door": ["hl7", "dicom"]}, True),
        ({"paced": True}, {"paced": False}, False),
        ({"age": {"at_least": 5, "below": 6}}, {"age": {"below": 6}}, True),
        ({"age": {"at_least": 5}}, {"age": {"below": 6}}, False),
    ],
)
def test_one_condition_is_known_to_lie_within_another(narrow, wide, within):
    assert When.model_validate(narrow).within(When.model_validate(wide)) is within


def test_an_age_band_without_an_end_holds_every_later_one():
    assert AgeBand(at_least=20, below=30).within(AgeBand(at_least=18))
