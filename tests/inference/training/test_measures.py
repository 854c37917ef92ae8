import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from domain.finding import Output
from inference.training import measures


@pytest.fixture(scope="module")
def drawn():
    chance = np.random.default_rng(0)
    label = chance.random(500) < 0.2
    return label, (label + chance.normal(0, 1, 500)).round(1)  # rounded: ties


def test_auroc_and_auprc_are_scikit_learn_s_with_ties(drawn):
    label, score = drawn
    assert measures.auroc(label, score) == pytest.approx(roc_auc_score(label, score))
    assert measures.auprc(label, score) == pytest.approx(average_precision_score(label, score))


def test_of_one_class_there_is_no_auroc():
    assert np.isnan(measures.auroc(np.ones(3, bool), np.arange(3.0)))


def test_classes_are_the_paper_s_at_their_bounds():
    truth = np.array([2.5, 2.51, 3.5, 3.51, 5.49, 5.5, 6.49, 6.5], np.float32)
    assert measures.classes(truth, Output.POTASSIUM).tolist() == [0, 1, 1, 2, 2, 3, 3, 4]


def test_a_perfect_estimate_ranks_every_cut():
    truth = np.linspace(2, 8, 50)
    assert measures.cut_aurocs(truth, truth) == {2.5: 1, 3.5: 1, 5.5: 1, 6.5: 1}
