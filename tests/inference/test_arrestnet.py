import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

from inference.arrestnet import ArrestNet


def test_there_are_eighteen_layers_and_channels_double_as_the_length_halves():
    with torch.device("meta"):
        network = ArrestNet(width=32)
    counted = [
        name
        for name, part in network.named_modules()
        if isinstance(part, nn.Conv1d | nn.Linear) and "downsample" not in name
    ]
    assert len(counted) == 18
    x = network.stem(torch.empty(1, 12, 5000, device="meta"))
    shapes = [tuple(x.shape[1:])]
    for stage in network.stages:
        x = stage(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(32, 1250), (32, 1250), (64, 625), (128, 313), (256, 157)]


@pytest.mark.parametrize(("width", "count"), [(32, 2_189_889), (8, None)])
def test_its_parameters_are_those_of_its_convolutions(width, count):
    with torch.device("meta"):
        network = ArrestNet(width=width)
    w = [width * 2**n for n in range(4)]
    stem = 12 * w[0] * 15 + 2 * w[0]
    stages = sum(
        7 * (before * here + 3 * here * here) + 4 * 2 * here + (before * here + 2 * here) * (before != here)
        for before, here in zip([w[0], *w[:3]], w, strict=True)
    )
    total = sum(p.numel() for p in network.parameters())
    assert total == stem + stages + w[3] + 1
    assert count is None or total == count


def test_the_heat_over_time_is_grad_cam_at_the_last_stage():
    torch.manual_seed(0)
    network = ArrestNet(width=4).double()
    network(torch.randn(4, 12, 5000, dtype=torch.float64))  # moves the batch norms off their defaults
    network.eval()
    signal = torch.randn(2, 12, 5000, dtype=torch.float64)
    logit, heat = network(signal)
    assert (logit.shape, heat.shape) == ((2,), (2, 157))
    logits_only = LayerGradCam(lambda x: network(x)[0], network.stages)
    expected = logits_only.attribute(signal, relu_attributions=True).squeeze(1)
    assert expected.max() > 0
    torch.testing.assert_close(heat, expected)
