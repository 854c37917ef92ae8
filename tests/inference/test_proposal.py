import numpy as np
import pytest

from config.schema import Thresholds
from inference.proposal import propose
from tests.inference.columns import scores

VALUES = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.02)
ED = scores(*({"value": value} for value in VALUES), *({"value": 0.99, "unit": "ICU"} for _ in range(5)))
ALL = np.ones(len(ED), np.bool_)


def proposed(allowed, site=None, rows=ED, counted=ALL, risk="arrest"):
    return propose(rows, counted, site or Thresholds(), risk=risk, unit="ED", allowed=allowed)


@pytest.mark.parametrize(("allowed", "value"), [(6, 0.021), (3, 0.601), (1, 0.801), (0, 0.901)])
def test_the_most_careful_threshold_within_the_budget_is_proposed(allowed, value):
    found = proposed(allowed)
    assert (found.level, found.value, found.alerts, found.new) == ("high", value, allowed, True)
    assert (found.override.when.unit, found.override.arrest.high) == (("ED",), value)


def test_a_moderate_level_never_stands_above_the_high_one():
    assert proposed(6).override.arrest.moderate == 0.021
    assert Thresholds.model_validate(proposed(6).thresholds.model_dump())


def test_a_budget_that_is_never_reached_asks_for_the_lowest_threshold():
    assert proposed(100).value == 0.001


def test_only_what_is_counted_is_counted():
    assert proposed(0, counted=ED.value < 0.55).value == 0.501


def test_the_unit_s_own_override_is_changed_in_its_place():
    overrides = [
        {"name": "ed-paced", "when": {"unit": "ED", "paced": True}, "arrest": {"high": 0.9}},
        {"name": "ed", "when": {"unit": "ED"}, "arrest": {"high": 0.3}, "potassium": {"severe_high": 6.8}},
    ]
    found = proposed(3, Thresholds.model_validate({"overrides": overrides}))
    assert (found.override.name, found.new, found.override.potassium.severe_high) == ("ed", False, 6.8)
    assert [one.name for one in found.thresholds.overrides] == ["ed-paced", "ed"]


def test_a_more_particular_override_stays_and_may_leave_no_threshold():
    site = Thresholds.model_validate(
        {"overrides": [{"name": "dicom", "when": {"door": "dicom"}, "arrest": {"high": 0.3}}]}
    )
    assert proposed(3, site) is None


def test_potassium_is_proposed_on_either_side_within_its_bounds():
    rows = scores(*({"value": value} for value in (7.2, 6.9, 6.6, 2.3, 2.2, 4.0)))
    every = np.ones(len(rows), np.bool_)
    high, low = (proposed(1, None, rows, every, risk) for risk in ("potassium_high", "potassium_low"))
    assert (high.level, high.value, low.level, low.value) == ("severe_high", 6.91, "severe_low", 2.29)
    assert Thresholds.model_validate(high.thresholds.model_dump())
    assert Thresholds.model_validate(low.thresholds.model_dump())


def test_with_hysteresis_the_proposal_still_keeps_to_the_budget():
    site = Thresholds.model_validate({"hysteresis": {"arrest": 0.04}})
    rows = scores(*({"value": 0.5 - 0.02 * (n % 3), "person": "p", "hour": n} for n in range(12)))
    found = proposed(4, site, rows, np.ones(12, np.bool_))
    assert found.alerts <= 4
