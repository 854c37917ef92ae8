import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from sklearn.isotonic import IsotonicRegression

from inference.calibration import probability
from inference.manifest import Identity, Isotonic, Platt

IDENTITY = Identity(kind="identity")


def test_without_calibration_it_is_the_sigmoid_and_finite_far_out():
    assert probability(IDENTITY, 0) == 0.5
    assert probability(IDENTITY, 2) == pytest.approx(0.8807970779778823)
    assert (probability(IDENTITY, -1000), probability(IDENTITY, 1000)) == (0, 1)


def test_platt_is_a_line_on_the_logit():
    platt = Platt(kind="platt", slope=0.5, intercept=-2)
    assert probability(platt, 4) == 0.5
    assert probability(platt, 8) == pytest.approx(probability(IDENTITY, 2))


def test_isotonic_is_what_scikit_learn_s_regression_predicts():
    draw = np.random.default_rng(0)
    logits = draw.normal(size=300)
    truth = draw.random(300) < 1 / (1 + np.exp(-2 * logits))
    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(logits, truth)
    points = tuple(zip(fitted.X_thresholds_.tolist(), fitted.y_thresholds_.tolist(), strict=True))
    isotonic = Isotonic(kind="isotonic", points=points)
    asked = np.linspace(-6, 6, 200)
    np.testing.assert_allclose([probability(isotonic, z) for z in asked], fitted.predict(asked), atol=1e-9)


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([[0, 0.5]], "at least 2 items"),
        ([[0, 0.5], [0, 0.6]], "logits ascend"),
        ([[1, 0.5], [0, 0.6]], "logits ascend"),
        ([[0, 0.5], [1, 0.4]], "probabilities do not fall"),
        ([[0, 0.5], [1, 1.1]], "less than or equal to 1"),
        ([[0, -0.1], [1, 1]], "greater than or equal to 0"),
        ([[0, float("nan")], [1, 1]], "less than or equal to 1"),
        ([[float("-inf"), 0], [1, 1]], "finite"),
    ],
)
def test_points_that_are_no_rising_curve_are_refused(points, said):
    with pytest.raises(ValidationError, match=said):
        TypeAdapter(Isotonic).validate_python({"kind": "isotonic", "points": points})
