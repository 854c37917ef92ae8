import numpy as np
import pytest

from domain.finding import Output
from inference.manifest import Platt
from inference.training import deliver, recipe
from inference.training.predict import reported
from tests.inference.training.conftest import ARRESTNET


def test_figures_are_of_the_probabilities_that_fit_the_data_and_the_bundle_s_are_the_moved_ones(recipe_text):
    chance = np.random.default_rng(0)
    truth = (chance.random(4000) < 0.4).astype(float)
    raw = chance.normal(1.5 * truth, 1)
    wanted = recipe.parse(recipe_text(ARRESTNET, calibration={"method": "platt", "prevalence": 0.0006}))
    found = deliver.fit(wanted, truth, raw, 0.4)
    figures = deliver.measured(truth, reported(Output.ARREST, found.fitted, raw), np.arange(4000))
    assert figures["calibration_slope"] == pytest.approx(1, abs=0.02)
    assert figures["calibration_intercept"] == pytest.approx(0, abs=0.02)
    moved = reported(Output.ARREST, found.calibration, raw)
    # Those of a department where 0.06 % arrest, weighed by class.
    assert np.average(moved, weights=np.where(truth == 1, 0.0006 / 0.4, 0.9994 / 0.6)) == pytest.approx(0.0006, rel=0.1)


def test_no_two_ecgs_are_tied_where_arrest_is_rare():
    score = reported(Output.ARREST, Platt(kind="platt", slope=0.01, intercept=-7.4), np.linspace(-1, 1, 500))
    assert np.unique(score).size == 500
