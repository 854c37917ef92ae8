import pytest
import torch

from inference.losses import BRLoss


def with_counts(hits: list[float], samples: list[float]) -> BRLoss:
    loss = BRLoss().double().eval()
    loss.hits.copy_(torch.tensor(hits))
    loss.samples.copy_(torch.tensor(samples))
    return loss


def test_a_sample_weighs_one_minus_the_recall_of_its_own_class():
    loss = with_counts(hits=[80, 3], samples=[99, 9])
    # class 0: FN 19 of 99 -> 20 / 100; class 1: FN 6 of 9 -> 7 / 10
    torch.testing.assert_close(loss.weights(), torch.tensor([0.2, 0.7], dtype=torch.float64))
    z, y = torch.tensor([0.0, 0.0], dtype=torch.float64), torch.tensor([0, 1])
    expected = (0.2 + 0.7) / 2 * torch.log(torch.tensor(2.0, dtype=torch.float64))
    torch.testing.assert_close(loss(z, y), expected)


def test_the_gradient_is_the_closed_form():
    loss = with_counts(hits=[80, 3], samples=[99, 9])
    z = torch.linspace(-6, 6, 32, dtype=torch.float64, requires_grad=True)
    y = torch.arange(32) % 3 == 0
    loss(z, y).backward()
    expected = loss.weights()[y.long()] * (torch.sigmoid(z.detach()) - y.double()) / 32
    torch.testing.assert_close(z.grad, expected)


def test_the_gradient_is_the_numerical_one():
    loss = with_counts(hits=[5, 5], samples=[9, 19])
    y = torch.tensor([1.0, 0, 1, 0], dtype=torch.float64)
    z = torch.tensor([-2.0, -0.3, 0.7, 3.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: loss(z, y), z)


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("logit", [-1000.0, 1000.0])
def test_extreme_logits_stay_finite(logit, label):
    z = torch.tensor([logit], requires_grad=True)
    loss = BRLoss()(z, torch.tensor([label]))
    loss.backward()
    assert loss.isfinite()
    assert z.grad.isfinite().all()


def test_counts_move_and_a_class_absent_from_a_batch_keeps_its_own():
    loss = BRLoss(momentum=0.5)
    loss(torch.tensor([1.0, -1.0, -1.0]), torch.tensor([1, 1, 0]))
    assert (loss.hits.tolist(), loss.samples.tolist()) == ([1, 1], [1, 2])
    loss(torch.tensor([1.0, -1.0]), torch.tensor([0, 0]))
    assert (loss.hits.tolist(), loss.samples.tolist()) == ([1.5, 1], [2.5, 2])


def test_a_class_without_a_mistake_still_counts():
    assert with_counts(hits=[50, 50], samples=[50, 50]).weights().min() > 0


def test_evaluation_moves_nothing_and_before_any_batch_all_weigh_one():
    loss = BRLoss().eval()
    loss(torch.tensor([1.0, -3.0]), torch.tensor([0, 1]))
    assert loss.weights().tolist() == [1, 1]


def test_unweighted_it_is_cross_entropy():
    loss = BRLoss(weighted=False)
    z, y = torch.tensor([1.5, -3.0]), torch.tensor([0.0, 1.0])
    torch.testing.assert_close(loss(z, y), torch.nn.functional.binary_cross_entropy_with_logits(z, y))
    assert loss.samples.tolist() == [0, 0]


def test_the_weights_pass_no_gradient_and_the_counts_are_saved_with_the_state():
    assert set(BRLoss().state_dict()) == {"hits", "samples"}
    assert list(BRLoss().parameters()) == []
