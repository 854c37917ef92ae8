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
from inference.gradient import InputTimesGradient, folded, written_down
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
    moved, arrays = InputTimesGradient(network), tuple(tensor.numpy() for tensor in inputs)
    steps = written_down(moved, tuple(torch.randn_like(tensor) for tensor in inputs))
    for backend in (TorchBackend(moved), TorchBackend(steps), OpenVinoBackend(steps, arrays, 1)):
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


class _Strange(nn.Module):
    """Steps that only autograd knows."""

    def __init__(self, step: nn.Module) -> None:
        super().__init__()
        self.step = step

    def forward(self, x):
        return self.step(x).sum((1, 2)), x


@pytest.mark.parametrize("step", [nn.ConvTranspose1d(12, 2, 3), nn.AvgPool1d(3, stride=2)])
def test_a_step_that_is_not_known_is_refused_and_not_guessed(step):
    with pytest.raises(NotImplementedError, match="only the gradient of"):
        written_down(InputTimesGradient(_Strange(step)), (torch.randn(1, 12, 31),))


def test_a_gradient_that_is_small_and_wrong_is_not_taken_for_right(monkeypatch, caplog):
    def wrong(moved, example):
        class Wrong(nn.Module):
            def forward(self, *inputs):
                return (moved(*inputs)[0] * 1.01,)

        return Wrong().eval()

    monkeypatch.setattr("inference.choice.written_down", wrong)
    monkeypatch.setattr("inference.choice.OpenVinoBackend", lambda network, *_: TorchBackend(network, "cpu"))
    bundle = next(one for one in map(load, STAND_INS) if "ecg12net" in one.facts.name)
    choose_moved(bundle, model_of(bundle.facts.architecture), Models(device="cpu"), 1)
    assert "differs from torch fp32 by 0.01, bound 0.001" in caplog.text


def test_where_the_gradient_cannot_be_written_down_autograd_makes_it(monkeypatch, caplog):
    def refuse(*_):
        raise NotImplementedError("a step that is not known")

    monkeypatch.setattr("inference.choice.written_down", refuse)
    bundle = next(one for one in map(load, STAND_INS) if "ecg12net" in one.facts.name)
    chosen = choose_moved(bundle, model_of(bundle.facts.architecture), Models(device="cpu"), 1)
    assert chosen.name == "torch-cpu"
    assert "a step that is not known" in caplog.text
