"""The gradient that is written out is autograd's, whatever runs it, and beside it the answers stay what they were."""

import numpy as np
import pytest
import torch
from captum.attr import InputXGradient, LayerGradientXActivation
from torch import nn

from inference.backend import OpenVinoBackend, TorchBackend
from inference.ecg12net import CROP, ECG12Net
from inference.ecg12net_heat import Ecg12NetHeat
from inference.eianet import EIANet
from inference.eianet_heat import EiaNetHeat
from inference.gradient import folded

SHAPES = [(shared, ordinal, emps) for shared in (False, True) for ordinal in (False, True) for emps in (False, True)]


def settled(network: nn.Module, *shape: int) -> nn.Module:
    """Give the batch norms statistics that are not 0 and 1, and weights."""
    with torch.no_grad():
        network.train()
        network(torch.randn(4, *(shape or (12, CROP))))
    for part in network.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
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
    explained, arrays = Ecg12NetHeat(network), tuple(tensor.numpy() for tensor in inputs)
    for backend in (TorchBackend(explained), OpenVinoBackend(explained, arrays, 1)):
        *same, moved = backend(*arrays)
        np.testing.assert_allclose(moved, oracle, rtol=0, atol=1e-5)
        for here, there in zip(same, answers, strict=True):
            np.testing.assert_allclose(here, there, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 64, 96), (3, 100, 132)])  # halved five times, and with halves left over
@pytest.mark.parametrize("attention", [False, True])
def test_eianets_map_is_captums_gradient_x_activation_of_the_first_attention(attention, shape):
    torch.manual_seed(6)
    network = settled(EIANet(width=4, in_channels=shape[0], attention=attention), *shape)
    picture = torch.rand(2, *shape)
    oracle = LayerGradientXActivation(lambda x: network(x)[0], network.attention1).attribute(picture)
    oracle = torch.relu(oracle.sum(1) / oracle.sum(1).max()).detach().numpy()
    explained = EiaNetHeat(network)
    for backend in (TorchBackend(explained), OpenVinoBackend(explained, (picture.numpy(),), 1)):
        logit, heat = backend(picture.numpy())
        np.testing.assert_allclose(heat, oracle, rtol=0, atol=1e-5)
        np.testing.assert_allclose(logit, network(picture)[0].numpy(), rtol=1e-5, atol=1e-6)


def test_silence_moves_nothing():
    (*_, moved) = Ecg12NetHeat(settled(ECG12Net(width=2)))(torch.zeros(1, 12, CROP))
    assert not moved.any()


def test_folding_changes_nothing_but_the_work():
    torch.manual_seed(3)
    network = settled(ECG12Net(width=4))
    before, after = network(torch.ones(1, 12, CROP)), folded(network)(torch.ones(1, 12, CROP))
    for was, now in zip(before, after, strict=True):
        torch.testing.assert_close(was, now)
    norms = [sum(isinstance(part, nn.BatchNorm1d) for part in one.modules()) for one in (network, folded(network))]
    assert norms == [82, 3]
