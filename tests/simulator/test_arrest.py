"""Signs before arrest overlap: how far they tell is measured here, on what is drawn and not on ECGs."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from simulator import arrest
from simulator.heart import Heart
from simulator.person import person, probability
from simulator.plan import read_plan

COHORTS = Path(__file__).parents[2] / "config" / "cohorts"
SHOWN = (
    "rate_bpm",
    "st_mv",
    "qrs_ms",
    "amplitude",
    "qrs_amplitude",
    "ectopic",
    "qtc_ms",
    "t_amplitude",
    "fibrillation",
)
COUNT = 2500


@pytest.fixture(scope="module", params=["arrest-train", "arrest-test"])
def drawn(request):
    plan = read_plan(COHORTS / f"{request.param}.yaml")
    truth, risk, told, shown = [], [], [], []
    for number in range(COUNT):
        who, chance = person(plan, number), np.random.default_rng([9, number])
        signs = arrest.liabilities(who.risk, plan.arrest.loading, chance)
        heart = arrest.signed(who.heart, signs, chance)
        truth.append(who.arrests)
        risk.append(who.risk)
        told.append(arrest.evidence(signs, plan.arrest.loading))
        blocked = ("normal", "rbbb", "lbbb").index(heart.conduction)
        shown.append([*(float(getattr(heart, name)) for name in SHOWN), blocked, heart.effects.t_amplitude])
    return plan, np.array(truth), np.array(risk), np.array(told), np.array(shown)


def test_as_many_arrest_as_the_plan_says(drawn):
    plan, truth, *_ = drawn
    assert truth.mean() == pytest.approx(plan.arrest.prevalence, abs=0.035)


def test_the_risk_tells_nearly_all_and_what_shows_of_it_less(drawn):
    _, truth, risk, told, shown = drawn
    trees = HistGradientBoostingClassifier(max_iter=80, learning_rate=0.08, max_leaf_nodes=8, random_state=0)
    read = cross_val_predict(trees, shown, truth, cv=4, method="predict_proba")[:, 1]
    best = [roc_auc_score(truth, score) for score in (risk, told, read)]
    assert 0.95 < best[0] < 0.99
    assert 0.90 < best[1] < 0.95
    assert 0.83 < best[2] < 0.91
    assert best == sorted(best, reverse=True)


def test_no_sign_alone_decides(drawn):
    _, truth, _, _, shown = drawn
    alone = [roc_auc_score(truth, column) for column in shown.T]
    assert max(max(a, 1 - a) for a in alone) < 0.82
    assert sum(max(a, 1 - a) > 0.6 for a in alone) >= 4


def test_controls_show_signs_too_and_patients_lack_some(drawn):
    _, truth, _, _, shown = drawn
    st, rate = shown[:, 1], shown[:, 0]
    assert (st[~truth] > 0.1).mean() > 0.05
    assert (st[truth] < 0.03).mean() > 0.05
    assert (rate[~truth] > 100).mean() > 0.05
    assert (rate[truth] < 90).mean() > 0.1


def test_the_mean_probability_is_the_prevalence():
    risks = np.random.default_rng(1).standard_normal(20000)
    for prevalence, steepness in ((0.4, 6.0), (0.1, 3.0)):
        assert np.mean([probability(prevalence, steepness, r) for r in risks]) == pytest.approx(prevalence, abs=0.012)


def test_signs_grow_with_their_liability():
    def heart(name, size):
        signs = dict.fromkeys(arrest.LOADINGS, 0.0) | {name: size}
        return arrest.signed(Heart(), signs, np.random.default_rng(3))

    assert heart("tachycardia", 2.0).rate_bpm > heart("tachycardia", 1.0).rate_bpm > Heart().rate_bpm
    assert heart("st_shift", 2.0).st_mv > heart("st_shift", 1.0).st_mv > 0.05
    assert heart("low_voltage", 2.0).amplitude < heart("low_voltage", 1.0).amplitude < 1
    assert heart("ectopy", 2.0).ectopic > heart("ectopy", 1.0).ectopic > 0
    assert heart("long_qt", 2.0).qtc_ms > 450
    assert heart("wide_qrs", 2.0).conduction != "normal"
    assert heart("fibrillation", 2.0).fibrillation
    assert heart("potassium", 2.5).effects.t_amplitude > 1.1
