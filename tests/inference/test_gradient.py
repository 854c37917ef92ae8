"""The gradient that is written out is autograd's, whatever runs it, and beside it the answers stay what they were."""

import numpy as np
import pytest
import torch
from captum.attr import InputXGradient
from torch import nn

from inference.backend import OpenVinoBackend, TorchBackend
from inference.ecg12net import CROP, ECG12Net
from inference.gradient import Explained, folded

SHAPES = [(shared, ordinal, emps) for shared in (False, True) for ordinal in (False, True) for emps in (False, True)]


def settled(network: nn.Module) -> nn.Module:
    """Give the batch norms statistics that are not 0 and 1, and weights."""
    with torch.no_grad():
        network.train()
        network(torch.randn(4, 12, CROP))
    for part in network.modules():
        if isinstance(part, nn.BatchNorm1d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, std=0.2)
    return network.eval().requires_grad_(False)


@pytest.mark.parametrize(("shared", "ordinal", "emps"), SHAPES)
def test_every_form_of_it_is_captums_input_x_gradient(shared, ordinal, emps):
    torch.manual_seed(2)
    network = settled(ECG12Net(width=4, shared=shared, ordinal=ordinal, emps=emps))
    inputs = (torch.randn(2, 12, CROP), torch.randn(2, 8))[: 1 + emps]
    oracle = InputXGradient(lambda x: network(x, *inputs[1:])[0]).attribute(inputs[0].clone().requires_grad_(True))
    oracle = (oracle / oracle.abs().max()).detach().numpy()
    answers = [tensor.numpy() for tensor in network(*inputs)]
    explained, arrays = Explained(network), tuple(tensor.numpy() for tensor in inputs)
    for backend in (TorchBackend(explained), OpenVinoBackend(explained, arrays, 1)):
        *same, moved = backend(*arrays)
        np.testing.assert_allclose(moved, oracle, rtol=0, atol=1e-5)
        for here, there in zip(same, answers, strict=True):
            np.testing.assert_allclose(here, there, rtol=1e-5, atol=1e-6)


def test_silence_moves_nothing():
    (*_, moved) = Explained(settled(ECG12Net(width=2)))(torch.zeros(1, 12, CROP))
    assert not moved.any()


def test_folding_changes_nothing_but_the_work():
    torch.manual_seed(3)
    network = settled(ECG12Net(width=4))
    before, after = network(torch.ones(1, 12, CROP)), folded(network)(torch.ones(1, 12, CROP))
    for was, now in zip(before, after, strict=True):
        torch.testing.assert_close(was, now)
    norms = [sum(isinstance(part, nn.BatchNorm1d) for part in one.modules()) for one in (network, folded(network))]
    assert norms == [82, 3]
