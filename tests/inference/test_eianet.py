import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

from inference.eianet import EIANet, SpatialAttention


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def on_meta(**how) -> EIANet:
    with torch.device("meta"):
        return EIANet(**how)


def test_one_input_channel_at_full_width_has_23_50_million_parameters():
    # ResNet-50's published 25,557,032, less its 1000-class head and two of three input channels, plus ours
    resnet = 25_557_032 - (2048 * 1000 + 1000) - 2 * 64 * 7 * 7 + (2048 + 1)
    assert parameters(on_meta(attention=False)) == resnet
    assert parameters(on_meta()) == resnet + 4 * (2 * 7 * 7 + 2) == 23_504_209


def test_there_are_fifty_layers_and_four_attentions():
    network = on_meta()
    main = [
        name
        for name, part in network.named_modules()
        if isinstance(part, nn.Conv2d | nn.Linear) and "downsample" not in name and "attention" not in name
    ]
    assert len(main) == 50
    assert sum(isinstance(part, SpatialAttention) for part in network.modules()) == 4


def test_the_state_dict_has_torchvision_s_names_and_shapes():
    state = on_meta(in_channels=3, attention=False).state_dict()
    assert len(state) == 320  # as torchvision's resnet50
    expected = {
        "conv1.weight": (64, 3, 7, 7),
        "bn1.running_mean": (64,),
        "layer1.0.conv1.weight": (64, 64, 1, 1),
        "layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "layer1.0.downsample.1.weight": (256,),
        "layer2.0.conv2.weight": (128, 128, 3, 3),
        "layer2.0.downsample.0.weight": (512, 256, 1, 1),
        "layer3.5.bn3.num_batches_tracked": (),
        "layer4.2.conv3.weight": (2048, 512, 1, 1),
    }
    assert {name: tuple(state[name].shape) for name in expected} == expected


def test_the_stride_is_on_the_middle_convolution_as_in_torchvision():
    block = on_meta().layer2[0]
    assert (block.conv1.stride, block.conv2.stride) == ((1, 1), (2, 2))


@pytest.mark.parametrize(("channels", "size"), [(1, (64, 96)), (3, (96, 64))])
def test_a_picture_gives_one_logit_and_a_heat_map_at_a_thirty_second(channels, size):
    logit, heat = EIANet(width=2, in_channels=channels).eval()(torch.rand(2, channels, *size))
    assert logit.shape == (2,)
    assert heat.shape == (2, size[0] // 32, size[1] // 32)


def test_attention_multiplies_by_a_sigmoid_of_the_channels_maximum_and_mean():
    torch.manual_seed(0)
    attention = SpatialAttention().eval()
    assert attention.bn.momentum == 0.01
    x = torch.randn(2, 5, 8, 9)
    pooled = torch.stack([x.max(1).values, x.mean(1)], dim=1)
    weight = torch.sigmoid(nn.functional.conv2d(pooled, attention.conv.weight, padding=3) / (1 + 1e-5) ** 0.5)
    torch.testing.assert_close(attention(x), x * weight)


def test_the_heat_map_is_grad_cam_at_the_last_attention():
    torch.manual_seed(1)
    network = EIANet(width=4).double()
    network(torch.rand(4, 1, 96, 128, dtype=torch.float64))  # moves the batch norms off their defaults
    network.eval()
    picture = torch.rand(2, 1, 96, 128, dtype=torch.float64)
    oracle = LayerGradCam(lambda x: network(x)[0], network.attention4)
    expected = oracle.attribute(picture, relu_attributions=True).squeeze(1)
    heat = network(picture)[1]
    assert heat.max() > 0
    torch.testing.assert_close(heat, expected.detach(), rtol=1e-9, atol=1e-15)
