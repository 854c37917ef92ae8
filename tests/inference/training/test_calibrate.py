import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from inference.calibration import probability
from inference.manifest import Identity, Isotonic, Platt
from inference.training import calibrate


@pytest.fixture(scope="module")
def drawn():
    chance = np.random.default_rng(0)
    logit = chance.normal(0, 2, 2000)
    label = chance.random(2000) < 1 / (1 + np.exp(-(0.6 * logit - 1)))
    return logit, label


def test_platt_is_logistic_regression_on_platt_s_targets(drawn):
    logit, label = drawn
    positive, negative = label.sum(), (~label).sum()
    high, low = (positive + 1) / (positive + 2), 1 / (negative + 2)
    # A target between 0 and 1 is both labels, weighed.
    x = np.concatenate([logit, logit])[:, None]
    weight = np.concatenate([np.where(label, high, low), np.where(label, 1 - high, 1 - low)])
    oracle = LogisticRegression(C=1e12, tol=1e-10, max_iter=1000)
    oracle.fit(x, np.repeat([1, 0], 2000), sample_weight=weight)
    found = calibrate.platt(logit, label)
    assert (found.slope, found.intercept) == pytest.approx((oracle.coef_[0, 0], oracle.intercept_[0]), abs=1e-4)


def test_platt_finds_what_the_labels_were_drawn_with(drawn):
    found = calibrate.platt(*drawn)
    assert found.slope == pytest.approx(0.6, abs=0.08)
    assert found.intercept == pytest.approx(-1, abs=0.15)


def test_platt_of_separated_classes_is_finite():
    logit = np.concatenate([np.full(20, -30.0), np.full(20, 30.0)])
    found = calibrate.platt(logit, logit > 0)
    assert 0 < found.slope < 1
    assert probability(found, 30.0) == pytest.approx(21 / 22, abs=1e-4)


def test_platt_of_a_model_that_ranks_backwards_says_the_base_rate():
    logit = np.linspace(-3, 3, 200)
    found = calibrate.platt(logit, logit < -1)
    assert probability(found, 0.0) == pytest.approx(1 / 3, abs=0.01)
    assert found.slope > 0


def test_isotonic_is_scikit_learn_s(drawn):
    logit, label = drawn
    found = calibrate.isotonic(logit, label)
    assert isinstance(found, Isotonic)
    oracle = IsotonicRegression(out_of_bounds="clip").fit(logit, label)
    at = logit[:200]
    within = 1 / ((~label).sum() + 2), (label.sum() + 1) / (label.sum() + 2)
    assert [probability(found, z) for z in at] == pytest.approx(np.clip(oracle.predict(at), *within), abs=1e-4)
    assert len(found.points) < 120


def test_isotonic_of_no_order_falls_back_to_platt():
    logit = np.arange(10.0)
    assert isinstance(calibrate.isotonic(logit, logit < 5), Platt)


def test_a_prevalence_moves_the_surest_step_too():
    logit = np.linspace(-3, 3, 100)
    found = calibrate.to_prevalence(calibrate.isotonic(logit, logit > 0), 0.5, 0.0006)
    assert 0 < probability(found, -3.0) < probability(found, 3.0) < 0.05  # 51 to 1 among equals is 3 % there


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_a_single_class_is_left_uncalibrated(method):
    assert isinstance(calibrate.fitted(method, np.arange(4.0), np.ones(4, bool)), Identity)


@pytest.mark.parametrize("method", ["none", "platt", "isotonic"])
def test_moving_to_a_prevalence_multiplies_the_odds(drawn, method):
    before = calibrate.fitted(method, *drawn)
    after = calibrate.to_prevalence(before, 0.4, 0.0006)
    factor = (0.0006 / 0.9994) / (0.4 / 0.6)
    for logit in (-2.0, 0.0, 2.0):
        p, q = probability(before, logit), probability(after, logit)
        if isinstance(before, Isotonic):  # straight lines between corners: exact at the corners only
            p, q = before.points[5][1], after.points[5][1]
        assert q / (1 - q) == pytest.approx(factor * p / (1 - p), rel=1e-4)


def test_without_a_stated_prevalence_nothing_moves(drawn):
    found = calibrate.platt(*drawn)
    assert calibrate.to_prevalence(found, 0.4, None) is found


def test_95_percent_of_residuals_lie_in_the_interval():
    chance = np.random.default_rng(1)
    truth = chance.uniform(2, 8, 5000)
    found = calibrate.residual_interval(truth, truth + chance.normal(0.1, 0.5, 5000))
    assert (found.lower, found.upper) == pytest.approx((-0.1 - 0.98, -0.1 + 0.98), abs=0.06)
