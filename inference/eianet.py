"""EIANet: picture of an ECG -> logit of cardiac arrest in the ED (Lu et al. 2025, doi 10.2196/67576).

ResNet-50 with a spatial attention after each of its four stages. The names in the state dict are torchvision's
(``conv1``, ``layer1.0.conv1``, ... ``fc``), so that ImageNet weights can be loaded; the attentions are
``attention1`` to ``attention4``. With one input channel at full width: 23.50 M parameters.
"""

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, nn

EXPANSION = 4
BLOCKS = (3, 4, 6, 3)  # ResNet-50


class Bottleneck(nn.Module):
    """1x1 -> 3x3 (stride here, as torchvision's v1.5) -> 1x1, added to the input: He et al. 2016."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * EXPANSION, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * EXPANSION)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or channels != width * EXPANSION:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, width * EXPANSION, 1, stride, bias=False), nn.BatchNorm2d(width * EXPANSION)
            )

    def forward(self, x: Tensor) -> Tensor:
        """``[N, channels, H, W]`` -> ``[N, 4 width, H / stride, W / stride]``."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + self.downsample(x))  # type: ignore[no-any-return]


class SpatialAttention(nn.Module):
    """Weigh every place by what is strongest and what is usual there: Woo et al. 2018 (CBAM), section 3.

    98 + 2 parameters. BN's momentum 0.01 as in CBAM's own code.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        self.bn = nn.BatchNorm2d(1, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, C, H, W]`` -> the same shape."""
        pooled = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], dim=1)  # [N, 2, H, W]
        return x * torch.sigmoid(self.bn(self.conv(pooled)))  # [N, 1, H, W] over C


class EIANet(nn.Module):
    """Picture ``[N, in_channels, H, W]`` (0 ground, 1 trace) -> logit ``[N]`` and heat map ``[N, h, w]``.

    ``width``: channels of the first convolution, 64 in the paper; ``attention``: off is the paper's baseline.
    """

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential
    attention1: nn.Module
    attention2: nn.Module
    attention3: nn.Module
    attention4: nn.Module

    def __init__(self, *, width: int = 64, in_channels: int = 1, attention: bool = True) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        channels = width
        for number, blocks in enumerate(BLOCKS, start=1):
            narrow = width * 2 ** (number - 1)
            self.add_module(f"layer{number}", _stage(channels, narrow, blocks, stride=1 if number == 1 else 2))
            self.add_module(f"attention{number}", SpatialAttention() if attention else nn.Identity())
            channels = narrow * EXPANSION
        self.fc = nn.Linear(channels, 1)

    def features(self, picture: Tensor) -> Tensor:
        """The last attention's output ``[N, 32 width, H / 32, W / 32]``."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(picture))))  # [N, width, H / 4, W / 4]
        x = self.attention1(self.layer1(x))  # [N, 4 width, H / 4, W / 4]
        x = self.attention2(self.layer2(x))  # [N, 8 width, H / 8, W / 8]
        x = self.attention3(self.layer3(x))  # [N, 16 width, H / 16, W / 16]
        return self.attention4(self.layer4(x))  # type: ignore[no-any-return]

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Logit ``[N]`` and its Grad-CAM ``[N, H / 32, W / 32]``, both from one pass.

        With global average pooling and a linear head dz/dA_k = w_k / HW everywhere, so Grad-CAM at the last
        attention is ReLU(sum_k w_k A_k) / HW: no backward pass is needed.
        """
        places = self.features(picture)
        logit = self.fc(places.mean((2, 3))).squeeze(1)
        heat = nn.functional.conv2d(places, self.fc.weight[:, :, None, None]).squeeze(1)
        return logit, torch.relu(heat) / (heat.shape[1] * heat.shape[2])


def _stage(channels: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    first = Bottleneck(channels, width, stride)
    rest = (Bottleneck(width * EXPANSION, width, 1) for _ in range(blocks - 1))
    return nn.Sequential(OrderedDict((str(i), block) for i, block in enumerate((first, *rest))))


def load_trunk(network: EIANet, weights: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Load what fits of a ResNet-50's weights under torchvision's names; returns the names that were not taken.

    The 1000-class head never fits, nor do the attentions, which ImageNet has not. A first convolution of three input
    channels goes into one summed, which answers a gray picture as the three did its three equal channels.
    """
    offered = dict(weights)
    first = offered.get("conv1.weight")
    if first is not None and network.conv1.in_channels == 1 and first.ndim == 4:
        offered["conv1.weight"] = first.sum(1, keepdim=True)
    wanted = {name: tensor.shape for name, tensor in network.state_dict().items() if not name.startswith("fc.")}
    taken = {name: tensor for name, tensor in offered.items() if wanted.get(name) == tensor.shape}
    network.load_state_dict(taken, strict=False)
    return tuple(sorted(name for name in weights if name not in taken))
