"""The gradient as a network of its own is autograd's, whatever runs it, and what is not known to be is not used."""

import numpy as np
import pytest
import torch
from captum.attr import InputXGradient
from torch import nn

from config.schema import Models
from inference.backend import OpenVinoBackend, TorchBackend
from inference.bundle import STAND_INS, load
from inference.choice import choose_moved
from inference.ecg12net import CROP, ECG12Net
from inference.gradient import Moved, folded
from inference.models import model_of

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
    oracle = oracle.detach().numpy()
    assert oracle.std() > 0
    moved, arrays = Moved(network), tuple(tensor.numpy() for tensor in inputs)
    for backend in (TorchBackend(moved), OpenVinoBackend(moved, arrays, 1)):
        np.testing.assert_allclose(backend(*arrays)[0], oracle, rtol=0, atol=1e-5 * np.abs(oracle).max())


def test_folding_changes_nothing_but_the_work():
    torch.manual_seed(3)
    network = settled(ECG12Net(width=4))
    before, after = network(torch.ones(1, 12, CROP)), folded(network)(torch.ones(1, 12, CROP))
    for was, now in zip(before, after, strict=True):
        torch.testing.assert_close(was, now)
    norms = [sum(isinstance(part, nn.BatchNorm1d) for part in one.modules()) for one in (network, folded(network))]
    assert norms == [82, 3]


def test_the_stand_ins_gradient_runs_where_its_score_does():
    bundle = next(one for one in map(load, STAND_INS) if "ecg12net" in one.facts.name)
    model = model_of(bundle.facts.architecture)
    names = [
        choose_moved(bundle, model, Models(device="cpu", backend=backend), 1).name for backend in ("auto", "torch")
    ]
    assert names == ["openvino-cpu", "torch-cpu"]


def test_a_gradient_that_is_small_and_wrong_is_not_taken_for_right(monkeypatch, caplog):
    class Wrong(TorchBackend):
        name = "wrong"

        def __call__(self, *inputs):
            return (super().__call__(*inputs)[0] * np.float32(1.01),)

    monkeypatch.setattr("inference.choice.OpenVinoBackend", lambda network, *_: Wrong(network))
    bundle = next(one for one in map(load, STAND_INS) if "ecg12net" in one.facts.name)
    choose_moved(bundle, model_of(bundle.facts.architecture), Models(device="cpu"), 1)
    assert "differs from torch fp32 by 0.01, bound 0.001" in caplog.text
