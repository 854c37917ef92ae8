"""Every figure against scikit-learn, scipy or its closed form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle
from sklearn.linear_model import LogisticRegression

from inference.evaluation import binary, calibration, imbalance, metrics, potassium, predictions, readers, thresholds
from inference.evaluation.ranking import rank

RNG = np.random.default_rng(5)


def _ones(predicted):
    return np.ones((1, predicted.patients), np.int32)


def _areas(truth, score, weight):
    truth, score = np.asarray(truth), np.asarray(score, float)
    return rank(truth == 1, score, np.arange(len(truth))).areas(np.asarray([weight], np.int32))


@st.composite
def _weighted(draw):
    """Few distinct scores, so that ties are the rule; both classes drawn at least once."""
    rows = draw(st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=30))
    return [(True, draw(st.integers(0, 4)), 1), (False, draw(st.integers(0, 4)), 1), *rows]


@given(_weighted())
def test_weighted_areas_equal_scikit_learns_however_many_scores_tie(rows):
    truth, score, weight = (np.array(column) for column in zip(*rows, strict=True))
    found = _areas(truth, score, weight)
    kept = weight > 0
    expected = oracle.roc_auc_score(truth[kept], score[kept], sample_weight=weight[kept])
    assert found["auroc"][0] == pytest.approx(expected, abs=1e-12)
    expected = oracle.average_precision_score(truth[kept], score[kept], sample_weight=weight[kept])
    assert found["auprc"][0] == pytest.approx(expected, abs=1e-12)


def test_areas_are_undefined_where_a_class_was_not_drawn():
    found = rank(np.array([True, False]), np.array([0.9, 0.1]), np.arange(2)).areas(np.array([[2, 0], [0, 2], [1, 1]]))
    assert np.isnan(found["auroc"]).tolist() == [True, True, False]
    assert np.isnan(found["auprc"]).tolist() == [True, True, False]


def _data(n=400):
    truth = RNG.random(n) < 0.3
    score = 1 / (1 + np.exp(-(RNG.normal(size=n) + 1.2 * truth - 1)))
    return predictions.of(truth.astype(float), np.round(score, 2).clip(0.01, 0.99))


def test_threshold_figures_equal_scikit_learns():
    data = _data()
    found = binary.Discrimination(data, thresholds.given(0.4))(_ones(data))
    truth, called = data.truth == 1, data.score >= 0.4
    expected = {
        "accuracy": oracle.accuracy_score(truth, called),
        "recall": oracle.recall_score(truth, called),
        "precision": oracle.precision_score(truth, called),
        "f1": oracle.f1_score(truth, called),
        "specificity": oracle.recall_score(~truth, ~called),
        "npv": oracle.precision_score(~truth, ~called),
        "balanced_accuracy": oracle.balanced_accuracy_score(truth, called),
        "auroc": oracle.roc_auc_score(truth, data.score),
        "auprc": oracle.average_precision_score(truth, data.score),
    }
    assert {name: found[name][0] for name in expected} == pytest.approx(expected, abs=1e-12)
    assert binary.Trust(data)(_ones(data))["brier"][0] == pytest.approx(oracle.brier_score_loss(truth, data.score))


def test_youden_is_the_best_of_all_thresholds():
    data = _data()
    truth = data.truth == 1

    def j(threshold):
        return (data.score[truth] >= threshold).mean() - (data.score[~truth] >= threshold).mean()

    best = max(j(value) for value in np.unique(data.score))
    assert j(thresholds.youden(truth, data.score).value) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("wanted", [0.5, 0.9, 1.0])
def test_a_threshold_at_a_sensitivity_is_the_highest_that_reaches_it(wanted):
    data = _data()
    ill = data.score[data.truth == 1]
    value = thresholds.at_sensitivity(data.truth == 1, data.score, wanted).value
    assert (ill >= value).mean() >= wanted
    higher = data.score[data.score > value].min()
    assert (ill >= higher).mean() < wanted


def test_predictive_values_where_arrest_is_rare_are_what_the_papers_figures_come_to():
    """models.md: at sensitivity 0.80 and specificity 0.884, with 0.06 % arresting, the PPV is about 0.4 %."""
    ppv, npv = metrics.predictive_values(np.array([0.8]), np.array([0.884]), 0.0006)
    assert ppv[0] == pytest.approx(0.8 * 0.0006 / (0.8 * 0.0006 + 0.116 * 0.9994), abs=1e-15)
    assert round(float(ppv[0]), 3) == 0.004
    assert npv[0] == pytest.approx(0.884 * 0.9994 / (0.884 * 0.9994 + 0.2 * 0.0006), abs=1e-15)


def test_predictive_values_at_the_data_s_own_prevalence_are_precision_and_npv():
    data = _data()
    own = float(data.truth.mean())
    found = binary.Discrimination(data, thresholds.given(0.4), [own])(_ones(data))
    assert found[f"ppv_at_{own:g}"][0] == pytest.approx(found["precision"][0])
    assert found[f"npv_at_{own:g}"][0] == pytest.approx(found["npv"][0])


def test_calibration_equals_an_unpenalised_logistic_regression():
    data = _data(2000)
    x = np.log(data.score / (1 - data.score))
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(x[:, None], data.truth)
    found = calibration.Calibration(data.truth, data.score, data.patient).figures(_ones(data))
    assert found["calibration_slope"][0] == pytest.approx(model.coef_[0, 0], abs=1e-5)
    assert found["calibration_intercept"][0] == pytest.approx(model.intercept_[0], abs=1e-5)
    shifted = 1 / (1 + np.exp(-(x + found["calibration_in_the_large"][0])))
    assert shifted.sum() == pytest.approx(data.truth.sum(), abs=1e-6)  # the score equation of the intercept


def test_drawing_a_patient_twice_calibrates_like_writing_the_rows_twice():
    data = _data(300)
    counts = RNG.integers(0, 3, (4, data.patients)).astype(np.int32)
    found = calibration.Calibration(data.truth, data.score, data.patient).figures(counts)
    for place, draws in enumerate(counts):
        rows = np.repeat(np.arange(300), draws)
        alone = calibration.Calibration(data.truth[rows], data.score[rows], np.arange(len(rows)))
        for name, value in alone.figures(np.ones((1, len(rows)), np.int32)).items():
            assert found[name][place] == pytest.approx(value[0], abs=1e-6)


def test_a_score_shifted_and_stretched_in_the_logit_is_found_out():
    """truth ~ sigmoid(x), score = sigmoid(2 x + 1): slope 1/2, intercept -1/2."""
    x = RNG.normal(size=200_000)
    truth = RNG.random(len(x)) < 1 / (1 + np.exp(-x))
    found = calibration.Calibration(truth.astype(float), 1 / (1 + np.exp(-(2 * x + 1))), np.zeros(len(x), int))
    figures = found.figures(np.ones((1, 1), np.int32))
    assert figures["calibration_slope"][0] == pytest.approx(0.5, abs=0.01)
    assert figures["calibration_intercept"][0] == pytest.approx(-0.5, abs=0.02)


def test_scores_that_hardly_vary_far_from_the_truth_are_calibrated_all_the_same():
    truth = (RNG.random(60) < 0.3).astype(float)
    score = RNG.uniform(0.0004, 0.0012, 60)
    figures = calibration.Calibration(truth, score, np.arange(60)).figures(
        RNG.integers(0, 3, (200, 60)).astype(np.int32)
    )
    assert all(np.isfinite(values).all() for values in figures.values())


@pytest.mark.parametrize("score", [[0.1, 0.2, 0.8, 0.9], [0.4, 0.4, 0.4, 0.4]], ids=["separated", "constant"])
def test_a_slope_that_does_not_exist_is_not_given(score):
    found = calibration.Calibration(np.array([0.0, 0, 1, 1]), np.array(score), np.arange(4))
    assert np.isnan(found.figures(np.ones((1, 4), np.int32))["calibration_slope"][0])


def test_the_calibration_curve_counts_every_ecg_once():
    data = _data()
    mean, share, count = calibration.curve(data.truth, data.score)
    assert count.sum() == len(data.truth)
    assert (mean * count).sum() == pytest.approx(data.score.sum())
    assert (share * count).sum() == pytest.approx(data.truth.sum())
    assert (np.diff(mean) > 0).all()


def _potassium(n=600):
    truth = np.round(RNG.choice([2.3, 3.2, 4.2, 5.9, 7.0], n, p=[0.05, 0.2, 0.55, 0.1, 0.1]) + RNG.normal(0, 0.2, n), 1)
    return predictions.of(truth, np.round(4.1 + 0.7 * (truth - 4.1) + RNG.normal(0, 0.6, n), 2))


def test_potassium_figures_equal_scikit_learns():
    data = _potassium()
    found = {name: value[0] for name, value in potassium.Potassium(data)(_ones(data)).items()}
    truth, score = data.truth, data.score
    five = potassium.five(truth), potassium.five(score)
    expected = {
        "mae": oracle.mean_absolute_error(truth, score),
        "mae_constant": oracle.mean_absolute_error(truth, np.full(len(truth), np.median(truth))),
        "rmse": oracle.root_mean_squared_error(truth, score),
        "r2": oracle.r2_score(truth, score),
        "pearson": np.corrcoef(truth, score)[0, 1],
        "bias": (score - truth).mean(),
        "kappa_five": oracle.cohen_kappa_score(*five, weights="quadratic"),
        "kappa_three": oracle.cohen_kappa_score(potassium.three(truth), potassium.three(score), weights="quadratic"),
        "auroc_severe_hypokalemia": oracle.roc_auc_score(truth <= 2.5, -score),
        "auroc_hypokalemia": oracle.roc_auc_score(truth <= 3.5, -score),
        "auroc_hyperkalemia": oracle.roc_auc_score(truth >= 5.5, score),
        "auroc_severe_hyperkalemia": oracle.roc_auc_score(truth >= 6.5, score),
        "sensitivity_hypokalemia": oracle.recall_score(truth <= 3.5, score <= 3.5),
        "sensitivity_severe_hypokalemia": (score[truth <= 2.5] <= 3.5).mean(),
        "sensitivity_mild_to_moderate_hypokalemia": (score[(truth > 2.5) & (truth <= 3.5)] <= 3.5).mean(),
        "specificity_hypokalemia": (score[truth > 3.5] > 3.5).mean(),
        "ppv_hyperkalemia": oracle.precision_score(truth >= 5.5, score >= 5.5),
        "npv_hyperkalemia": oracle.precision_score(truth < 5.5, score < 5.5),
        "balanced_accuracy_hyperkalemia": oracle.balanced_accuracy_score(truth >= 5.5, score >= 5.5),
        "sensitivity_severe_hyperkalemia": (score[truth >= 6.5] >= 5.5).mean(),
        "sensitivity_mild_to_moderate_hyperkalemia": (score[(truth >= 5.5) & (truth < 6.5)] >= 5.5).mean(),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-10)
    table = oracle.confusion_matrix(*five, labels=range(5))
    assert potassium.class_table(data).tolist() == table.tolist()


def test_the_bounds_of_the_five_classes_are_the_papers():
    mmol_l = np.array([1.5, 2.5, 2.51, 3.5, 3.51, 5.49, 5.5, 6.49, 6.5, 9.0])
    assert potassium.five(mmol_l).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_a_constant_estimate_has_no_correlation_and_no_kappa_beyond_chance():
    data = _potassium().scored(np.full(600, 4.0))
    found = potassium.Potassium(data)(_ones(data))
    assert np.isnan(found["pearson"][0])
    assert found["kappa_five"][0] == pytest.approx(0)


@pytest.mark.parametrize(("ratio", "expected"), [(0.1, (18, 166)), (0.2, (42, 166)), (0.5, (114, 114))])
def test_samples_have_the_wanted_share_of_positives(ratio, expected):
    """The paper's test set: 114 positives of 280."""
    assert imbalance.sizes(114, 280, ratio) == expected


def test_rarer_positives_lower_precision_and_leave_recall_and_auroc():
    """EIANet table 7 beside table 6."""
    data = _data(3000)
    threshold = thresholds.given(0.4)
    whole = binary.Discrimination(data, threshold)(_ones(data))
    rare, less = imbalance.imbalance(data, threshold, seed=1)
    assert rare["precision"] < less["precision"] < whole["precision"][0]
    for name in ("recall", "auroc"):
        assert rare[name] == pytest.approx(whole[name][0], abs=0.03)
    specificity = whole["specificity"][0]
    assert less["accuracy"] == pytest.approx(0.2 * less["recall"] + 0.8 * specificity, abs=0.01)


def test_too_few_positives_for_a_ratio_give_no_figure():
    data = predictions.of([1, *[0] * 4], [0.9, 0.1, 0.2, 0.3, 0.4])
    (entry,) = imbalance.imbalance(data, thresholds.given(0.5), seed=0, ratios=[0.1])
    assert entry["auroc"] is None


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_equals_the_exact_binomial_test(first, second):
    from scipy.stats import binomtest

    expected = binomtest(first, first + second).pvalue if first + second else 1.0
    assert readers.mcnemar(first, second) == pytest.approx(expected, abs=1e-12)
