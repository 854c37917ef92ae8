import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

from inference.eianet import EIANet, SpatialAttention, load_trunk


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


def torchvision_resnet50() -> dict[str, tuple[int, ...]]:
    """Names and shapes of ``torchvision.models.resnet50().state_dict()``, as that package publishes them."""
    shapes: dict[str, tuple[int, ...]] = {}

    def norm(name: str, channels: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{part}"] = (channels,)
        shapes[f"{name}.num_batches_tracked"] = ()

    shapes["conv1.weight"] = (64, 3, 7, 7)
    norm("bn1", 64)
    before = 64
    for layer, (planes, blocks) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)], start=1):
        for block in range(blocks):
            name = f"layer{layer}.{block}"
            for number, shape in enumerate(
                [(planes, before, 1, 1), (planes, planes, 3, 3), (4 * planes, planes, 1, 1)]
            ):
                shapes[f"{name}.conv{number + 1}.weight"] = shape
                norm(f"{name}.bn{number + 1}", shape[0])
            if block == 0:
                shapes[f"{name}.downsample.0.weight"] = (4 * planes, before, 1, 1)
                norm(f"{name}.downsample.1", 4 * planes)
            before = 4 * planes
    return shapes | {"fc.weight": (1000, 2048), "fc.bias": (1000,)}


def test_the_state_dict_has_torchvision_s_names_and_shapes():
    published = torchvision_resnet50()
    assert len(published) == 320
    state = on_meta(in_channels=3, attention=False).state_dict()
    ours = {name: tuple(tensor.shape) for name, tensor in state.items()}
    assert ours == published | {"fc.weight": (1, 2048), "fc.bias": (1,)}


def test_attention_adds_its_own_names_and_nothing_else():
    plain, whole = (set(on_meta(attention=on).state_dict()) for on in (False, True))
    assert plain < whole
    assert {name.split(".")[0] for name in whole - plain} == {f"attention{n}" for n in (1, 2, 3, 4)}


def test_channels_and_sizes_of_every_stage_are_resnet_50_s():
    network = on_meta()
    seen = []
    for number in range(1, 5):
        stage = getattr(network, f"attention{number}")
        stage.register_forward_hook(lambda _, x, y: seen.append((tuple(x[0].shape), tuple(y.shape))))
    network(torch.empty(2, 1, 512, 768, device="meta"))
    expected = [(2, 256, 128, 192), (2, 512, 64, 96), (2, 1024, 32, 48), (2, 2048, 16, 24)]
    assert seen == [(shape, shape) for shape in expected]


@pytest.mark.parametrize("in_channels", [1, 3])
def test_imagenet_weights_fill_the_trunk_and_what_does_not_fit_is_said(in_channels):
    torch.manual_seed(0)
    imagenet = EIANet(width=4, in_channels=3, attention=False).state_dict()
    imagenet["fc.weight"], imagenet["fc.bias"] = torch.randn(1000, 128), torch.randn(1000)
    network = EIANet(width=4, in_channels=in_channels)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert load_trunk(network, imagenet) == ("fc.bias", "fc.weight")
    for name, tensor in network.state_dict().items():
        if name.startswith(("fc.", "attention")):
            assert torch.equal(tensor, before[name]), name
        elif name != "conv1.weight":
            assert torch.equal(tensor, imagenet[name]), name
    picture = torch.rand(1, 1, 64, 64)
    three = nn.functional.conv2d(picture.expand(-1, 3, -1, -1), imagenet["conv1.weight"])
    ours = nn.functional.conv2d(picture.expand(-1, in_channels, -1, -1), network.conv1.weight)
    torch.testing.assert_close(ours, three)


def test_a_trunk_of_another_width_leaves_the_network_alone():
    network = EIANet(width=2)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    weights = EIANet(width=3).state_dict()
    refused = set(load_trunk(network, weights))
    assert {name for name, tensor in weights.items() if tensor.ndim and not name.startswith("attention")} <= refused
    for name, tensor in network.state_dict().items():
        if not name.startswith("attention"):
            assert torch.equal(tensor, before[name]), name


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


def test_attention_that_lets_all_through_leaves_the_plain_resnet():
    torch.manual_seed(0)
    whole = EIANet(width=4)
    whole(torch.rand(4, 1, 96, 128))  # moves the batch norms off their defaults
    plain = EIANet(width=4, attention=False)
    plain.load_state_dict({n: t for n, t in whole.state_dict().items() if not n.startswith("attention")})
    picture = torch.rand(2, 1, 96, 128)
    whole.eval(), plain.eval()
    assert not torch.allclose(whole(picture)[0], plain(picture)[0])
    for part in whole.modules():
        if isinstance(part, SpatialAttention):
            nn.init.zeros_(part.bn.weight), nn.init.constant_(part.bn.bias, 40)  # sigmoid(40) is 1 in fp32
    assert all(torch.equal(a, b) for a, b in zip(whole(picture), plain(picture), strict=True))


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
