"""Which route an alert takes."""

from datetime import UTC, datetime

import pytest

from config.alerts import Route, Step
from delivery.alerting.routing import matches
from domain.alert import Risk
from domain.finding import Severity
from tests.delivery.alerting.alerts import alert

MONDAY = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)


def route(**matching):
    return Route(name="r", steps=(Step(to=("webhook:x",)),), **matching)


@pytest.mark.parametrize(
    ("matching", "unit", "hour", "taken"),
    [
        ({}, "anywhere", 3, True),
        ({"units": ("ED*",)}, "ED 3", 10, True),
        ({"units": ("ed*",)}, "ED 3", 10, True),
        ({"units": ("ICU", "ED")}, "ED 3", 10, False),
        ({"units": ("ED*",)}, "", 10, False),
        ({"hours": "07:00-19:00"}, "ED", 7, True),
        ({"hours": "07:00-19:00"}, "ED", 19, False),
        ({"hours": "19:00-07:00"}, "ED", 19, True),
        ({"hours": "19:00-07:00"}, "ED", 6, True),
        ({"hours": "19:00-07:00"}, "ED", 7, False),
        ({"days": ("mon",)}, "ED", 10, True),
        ({"days": ("sun",)}, "ED", 10, False),
        ({"days": ("sun",), "hours": "19:00-07:00"}, "ED", 6, True),
        ({"days": ("mon",), "hours": "19:00-07:00"}, "ED", 6, False),
        ({"days": ("mon",), "hours": "19:00-07:00"}, "ED", 20, True),
        ({"models": ("ecg12net",)}, "ED", 10, True),
        ({"models": ("eianet",)}, "ED", 10, False),
        ({"risks": ("potassium_high",)}, "ED", 10, True),
        ({"risks": ("arrest", "potassium_low")}, "ED", 10, False),
    ],
)
def test_a_route_takes_what_every_list_that_is_not_empty_names(matching, unit, hour, taken):
    assert matches(route(**matching), alert().raised, unit, MONDAY.replace(hour=hour)) is taken


def test_what_is_not_critical_goes_only_where_it_is_asked_for():
    abnormal = alert(severity=Severity.ABNORMAL, risk=Risk.ARREST).raised
    assert not matches(route(), abnormal, "ED", MONDAY)
    assert matches(route(severities=("abnormal", "critical")), abnormal, "ED", MONDAY)
