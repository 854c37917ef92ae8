"""Two models on the same ECGs, against independent tools and plain counting."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from config.thresholds import Thresholds
from domain.answers import Answers
from domain.context import Context
from domain.finding import Output
from domain.scores import Words
from inference.evaluation.agreement import LEVELS, differing, estimates, paired, per_day, per_unit
from inference.levels import step_of

DAY = datetime(2026, 5, 1, tzinfo=UTC)
HERE = Context(recorded_at=DAY, decided_at=DAY)


def words(texts) -> Words:
    names, codes = np.unique(np.array(texts, str), return_inverse=True)
    return Words(codes=codes.astype(np.int32), names=tuple(names.tolist()))


def answers(values, output=Output.POTASSIUM, *, finding=None, unit=None, hours=None, person=None) -> Answers:
    n = len(values)
    steps = [step_of(value, Thresholds(), output, HERE, [])[0] for value in values]
    level = [step.level if step else "normal" for step in steps]
    hours = range(n) if hours is None else hours
    found = np.arange(n) if finding is None else np.array(finding)
    return Answers(
        finding=found.astype(np.int64),
        arrival=found.astype(np.int64) + 100,
        decided_us=np.array([int((DAY + timedelta(hours=h)).timestamp() * 1e6) for h in hours], np.int64),
        recorded_us=np.zeros(n, np.int64),
        person=words(person or [""] * n),
        unit=words(unit or ["ED"] * n),
        value=np.array(values, float),
        level=words(level),
        critical=np.array([bool(step) and step.severity.name == "CRITICAL" for step in steps], bool),
    )


@pytest.fixture(scope="module")
def some():
    rng = np.random.default_rng(5)
    first = np.clip(rng.normal(4.4, 1.2, 300), 1.5, 7.5).round(2)
    second = np.clip(first + rng.normal(0.15, 0.5, 300), 1.5, 7.5).round(2)
    people = [f"p{n // 2}" for n in range(300)]
    return first, second, paired(answers(first, person=people), answers(second, person=people))


def test_figures_are_those_of_independent_tools(some) -> None:
    first, second, pairs = some
    found = estimates(pairs, Output.POTASSIUM, 0, 0).value
    difference = second - first
    assert found["correlation"] == pytest.approx(np.corrcoef(first, second)[0, 1])
    assert found["mean_difference"] == pytest.approx(difference.mean())
    low, high = difference.mean() + 1.96 * difference.std(ddof=1) * np.array([-1, 1])
    assert (found["limit_low"], found["limit_high"]) == (pytest.approx(low), pytest.approx(high))
    order = LEVELS[Output.POTASSIUM]
    a, b = ([order.index(side.level.names[code]) for code in side.level.codes] for side in (pairs.a, pairs.b))
    assert found["kappa"] == pytest.approx(cohen_kappa_score(a, b, weights="quadratic", labels=range(5)))
    assert found["same_level"] == pytest.approx(np.mean(np.array(a) == np.array(b)))


def test_intervals_draw_patients_not_ecgs(some) -> None:
    first, second, pairs = some
    assert len(np.unique(pairs.patient)) == 150
    drawn = estimates(pairs, Output.POTASSIUM, 300, 1)
    assert drawn.interval["mean_difference"] is not None
    low, high = drawn.interval["mean_difference"]
    assert low < drawn.value["mean_difference"] < high
    unknown = paired(answers(first), answers(second))
    assert len(np.unique(unknown.patient)) == 300


def test_models_that_never_differ_agree_and_a_constant_one_has_no_correlation() -> None:
    same = answers([0.01, 0.1, 0.5], Output.ARREST)
    found = estimates(paired(same, same), Output.ARREST, 0, 0).value
    assert (found["correlation"], found["kappa"], found["limit_low"], found["limit_high"]) == pytest.approx(
        (1, 1, 0, 0)
    )
    constant = answers([0.01, 0.01, 0.01], Output.ARREST)
    assert estimates(paired(constant, same), Output.ARREST, 0, 0).value["correlation"] is None
    assert estimates(paired(constant, constant), Output.ARREST, 0, 0).value["kappa"] is None


def test_only_ecgs_that_both_answered_are_paired_and_the_others_counted() -> None:
    pairs = paired(answers([4, 5, 6, 7], finding=[1, 2, 3, 4]), answers([5.5, 4.5, 4.6], finding=[3, 2, 9]))
    assert pairs.a.value.tolist() == [5, 6]
    assert pairs.b.value.tolist() == [4.5, 5.5]
    assert (pairs.only_a, pairs.only_b) == (2, 1)


def test_alerts_are_counted_by_unit_and_day_as_one_would_by_hand() -> None:
    a = answers([7, 7, 4, 2, 4], unit=["ED", "ED", "ED", "ICU", "ICU"], hours=[1, 30, 31, 2, 3])
    b = answers([7, 4, 7, 2, 4], unit=["ED", "ED", "ED", "ICU", "ICU"], hours=[1, 30, 31, 2, 3])
    pairs = paired(a, b)
    units = {one.unit: (one.days, one.ecgs, one.a, one.b, one.only_a, one.only_b) for one in per_unit(pairs)}
    assert units == {"ED": (2, 3, 2, 2, 1, 1), "ICU": (2, 2, 1, 1, 0, 0), "*": (2, 5, 3, 3, 1, 1)}
    days = [(one.day, one.unit, one.a, one.b, one.only_a, one.only_b) for one in per_day(pairs)]
    assert days == [
        (date(2026, 5, 1), "ED", 1, 1, 0, 0),
        (date(2026, 5, 1), "ICU", 1, 1, 0, 0),
        (date(2026, 5, 2), "ED", 1, 1, 1, 1),
    ]
    assert [int(pairs.a.arrival[row]) for row in differing(pairs)] == [101, 102]
