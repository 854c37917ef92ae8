import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as oracle

from inference.evaluation import binary, bootstrap, predictions, thresholds

RNG = np.random.default_rng(11)


def _clustered(patients=40, each=3):
    """Patients with several ECGs, alike among themselves."""
    patient = np.repeat(np.arange(patients), each)
    truth = np.repeat(RNG.random(patients) < 0.4, each).astype(float)
    score = np.round(RNG.normal(truth + np.repeat(RNG.normal(size=patients), each), 0.3), 1)
    return predictions.of(truth, score, [f"p{code:03d}" for code in patient])


def test_every_resample_equals_scikit_learn_on_the_rows_drawn():
    data = _clustered()
    (counts,) = bootstrap.drawn(data.patients, len(data.truth), 50, seed=3)
    found = binary.Discrimination(data, thresholds.given(0.5))(counts)
    for place, draws in enumerate(counts):
        rows = np.repeat(np.arange(len(data.truth)), draws[data.patient])
        truth, score = data.truth[rows], data.score[rows]
        assert found["auroc"][place] == pytest.approx(oracle.roc_auc_score(truth, score), abs=1e-12)
        assert found["auprc"][place] == pytest.approx(oracle.average_precision_score(truth, score), abs=1e-12)
        assert found["f1"][place] == pytest.approx(oracle.f1_score(truth, score >= 0.5), abs=1e-12)


def test_the_interval_is_the_one_of_scipy_s_percentile_bootstrap():
    data = _clustered()

    def auroc(drawn):
        rows = np.concatenate([np.flatnonzero(data.patient == patient) for patient in drawn])
        return oracle.roc_auc_score(data.truth[rows], data.score[rows])

    patients = (np.arange(data.patients),)
    theirs = stats.bootstrap(patients, auroc, vectorized=False, n_resamples=2000, method="percentile", rng=1)
    ours = binary.discrimination(data, thresholds.given(0.5), 10_000, 0).interval["auroc"]
    low, high = theirs.confidence_interval
    assert ours == pytest.approx((low, high), abs=0.012)  # Monte Carlo error of 2,000 resamples


def test_a_mean_has_the_interval_of_the_normal_law():
    n = 2000
    values = RNG.normal(size=n)
    found = bootstrap.estimate(lambda counts: {"mean": counts @ values / n}, n, n, 10_000, 0)
    half = 1.96 * values.std() / n**0.5
    assert found.interval["mean"] == pytest.approx((values.mean() - half, values.mean() + half), abs=0.002)


def test_patients_are_drawn_not_rows():
    """Three equal ECGs a patient say no more than one: the interval must not shrink."""
    one = _clustered(patients=60, each=1)
    rows = np.repeat(np.arange(60), 3)
    three = predictions.of(one.truth[rows], one.score[rows], [f"p{row:02d}" for row in rows])
    fixed = thresholds.given(0.5)
    alone = binary.discrimination(one, fixed, 4000, 0).interval["auroc"]
    assert binary.discrimination(three, fixed, 4000, 0).interval["auroc"] == pytest.approx(alone, abs=0.01)
    low, high = binary.discrimination(three.by_row(), fixed, 4000, 0).interval["auroc"]
    assert high - low < 0.75 * (alone[1] - alone[0])


def test_every_resample_draws_as_many_patients_as_there_are():
    batches = list(bootstrap.drawn(3000, 9000, 100, seed=0))
    assert len(batches) > 1
    counts = np.concatenate(batches)
    assert counts.shape == (100, 3000)
    assert (counts.sum(1) == 3000).all()
    assert counts.std() == pytest.approx(1, abs=0.02)  # Poisson in the limit


def test_the_same_seed_gives_the_same_interval_and_another_another():
    data = _clustered()
    first, again, other = (binary.discrimination(data, thresholds.given(0.5), 200, seed) for seed in (7, 7, 8))
    assert first == again
    assert first.interval["auroc"] != other.interval["auroc"]


def test_resamples_with_one_class_are_left_out_and_counted():
    data = predictions.of([1, 0, 0, 0], [0.9, 0.1, 0.2, 0.3])
    found = binary.discrimination(data, thresholds.given(0.5), 20_000, 0)
    without = 0.75**4 + 0.25**4  # no positive drawn, or nothing else
    assert found.left_out["auroc"] / 20_000 == pytest.approx(without, abs=0.01)
    assert found.interval["auroc"] == (1.0, 1.0)


def test_without_resamples_there_is_no_interval():
    assert binary.discrimination(_clustered(), thresholds.given(0.5), 0, 0).interval["auroc"] is None
