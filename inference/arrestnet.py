"""ArrestNet: 12-lead signal -> logit of cardiac arrest, the row that EIANet's table 3 compares itself with.

That row is Kwon et al. 2020 (doi 10.1186/s13049-020-00791-0): deep learning on the raw signal of 12 leads, arrest
within 24 h, AUROC 0.913 and 0.948. EIANet's paper does not say what its layers were, and no code or weights were found.
This is a plain residual network of that kind and claims nothing of theirs: a stem, four stages of two residual blocks
(He et al. 2016 in one dimension, kernel 7), channels doubling as the length halves, average over time, one output.
"""

from torch import Tensor, nn

LEADS = 12
KERNEL = 7
STAGES, BLOCKS = 4, 2  # residual blocks a stage


class ResidualBlock(nn.Module):
    """Two convolutions added to the input: ``[N, channels, L]`` -> ``[N, out, ceil(L / stride)]``."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(channels, out, KERNEL, stride, padding=KERNEL // 2, bias=False)
        self.bn1 = nn.BatchNorm1d(out)
        self.conv2 = nn.Conv1d(out, out, KERNEL, padding=KERNEL // 2, bias=False)
        self.bn2 = nn.BatchNorm1d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(nn.Conv1d(channels, out, 1, stride, bias=False), nn.BatchNorm1d(out))

    def forward(self, x: Tensor) -> Tensor:
        """As torchvision's basic block."""
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + self.downsample(x))  # type: ignore[no-any-return]


class ArrestNet(nn.Module):
    """Signal ``[N, 12, 5000]`` in mV -> logit ``[N]`` and heat over time ``[N, 157]``.

    ``width``: channels of the stem, doubled by each later stage; 32 gives 2.19 M parameters. 18 layers: the stem, two a
    block, the output.
    """

    def __init__(self, *, width: int = 32) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv1d(LEADS, width, 15, 2, padding=7, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool1d(3, 2, padding=1),
        )
        stages, channels = [], width
        for number in range(STAGES):
            out = width * 2**number
            first = ResidualBlock(channels, out, stride=1 if number == 0 else 2)
            stages.append(nn.Sequential(first, *(ResidualBlock(out, out, 1) for _ in range(BLOCKS - 1))))
            channels = out
        self.stages = nn.Sequential(*stages)
        self.fc = nn.Linear(channels, 1)

    def features(self, signal: Tensor) -> Tensor:
        """``[N, 12, 5000]`` -> ``[N, 8 width, 157]``: 5000 -> 2500 -> 1250 -> 1250 -> 625 -> 313 -> 157."""
        return self.stages(self.stem(signal))  # type: ignore[no-any-return]

    def forward(self, signal: Tensor) -> tuple[Tensor, Tensor]:
        """Logit ``[N]`` and its Grad-CAM over time ``[N, 157]``, closed form as EIANet's."""
        places = self.features(signal)
        logit = self.fc(places.mean(2)).squeeze(1)
        heat = nn.functional.conv1d(places, self.fc.weight[:, :, None]).squeeze(1).relu()
        return logit, heat / heat.shape[1]
