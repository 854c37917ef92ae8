"""ECG12Net: 12 leads -> serum potassium in mmol/L (Lin et al. 2020, doi 10.2196/15931).

    lead block   BN -> conv k7 s2, 32 -> 5 x [pool block -> dense units: 3, 3, 6, 6, 3] -> BN, ReLU, average -> 864
    unit         conv1x1 -> 128, conv3 -> 128, conv1x1 -> 32, each with BN and ReLU; concatenated to its input
    pool block   average pool 2, concatenated with the same unit at stride 2
    channels     32 ->64 ->160 ->192 ->288 ->320 ->512 ->544 ->736 ->768 ->864
    layers       1 + 3 (5 + 21) + 1 = 80; with the lead attention's two 82

Tensors carry the leads as channel groups, ``[N, leads * channels, samples]``, so that twelve separate lead blocks are
one block of grouped convolutions. With shared weights the leads are folded into the batch and the block has one group.
"""

import math
from typing import cast

import torch
from torch import Tensor, nn

LEADS = 12
UNITS = (3, 3, 6, 6, 3)
CROP = 1024  # of 1250: 1250 does not survive the halvings (312 against 313)
RANGE = (1.5, 7.5)  # mmol/L, the paper's; outside is shown as "<1.5" and ">7.5"
STEPS = 60  # ordinal head: cumulative sigmoids of 0.1 mmol/L
EMPS = 8


def join(parts: list[Tensor], groups: int) -> Tensor:
    """Concatenate ``[N, groups * c_i, L]`` within each group -> ``[N, groups * sum(c_i), L]``."""
    if groups == 1:
        return torch.cat(parts, dim=1)
    return torch.cat([torch.unflatten(part, 1, (groups, -1)) for part in parts], dim=2).flatten(1, 2)


def _convolution(channels: int, out: int, size: int, groups: int, stride: int = 1) -> nn.Sequential:
    """Convolution, BN and ReLU; channel counts are those of one lead."""
    return nn.Sequential(
        nn.Conv1d(channels * groups, out * groups, size, stride, padding=size // 2, groups=groups, bias=False),
        nn.BatchNorm1d(out * groups),
        nn.ReLU(inplace=True),
    )


class Unit(nn.Module):
    """Three convolutions, ``width`` new channels a lead: ``[N, g c, L]`` -> ``[N, g width, L / stride]``."""

    def __init__(self, channels: int, width: int, groups: int, stride: int = 1) -> None:
        super().__init__()
        self.squeeze = _convolution(channels, 4 * width, 1, groups)
        self.look = _convolution(4 * width, 4 * width, 3, groups, stride)
        self.grow = _convolution(4 * width, width, 1, groups)

    def forward(self, x: Tensor) -> Tensor:
        """Only the new channels; the caller joins them to its input."""
        return self.grow(self.look(self.squeeze(x)))  # type: ignore[no-any-return]


class LeadBlock(nn.Module):
    """Samples -> features: ``[N, groups, 1024]`` -> ``[N, groups * features]``; 864 features at width 32."""

    def __init__(self, *, width: int = 32, groups: int = 1) -> None:
        super().__init__()
        self.groups = groups
        self.enter = nn.BatchNorm1d(groups)
        self.stem = _convolution(1, width, 7, groups, stride=2)
        channels = width
        stages = []
        for units in UNITS:
            strides = (2,) + (1,) * units  # the pool block's unit, then the dense units
            stage = (Unit(channels + i * width, width, groups, stride) for i, stride in enumerate(strides))
            stages.append(nn.ModuleList(stage))
            channels += (units + 1) * width
        self.stages = nn.ModuleList(stages)
        self.leave = nn.BatchNorm1d(channels * groups)
        self.features = channels

    def forward(self, x: Tensor) -> Tensor:
        """The maps' average over time."""
        return self.maps(x).mean(2)

    def maps(self, x: Tensor) -> Tensor:
        """``[N, groups * features, 16]``; lengths: 1024 -> 512 -> 256 -> 128 -> 64 -> 32 -> 16."""
        x = self.stem(self.enter(x))  # [N, g width, 512]
        for stage in self.stages:
            for i, unit in enumerate(cast(nn.ModuleList, stage)):
                x = join([x if i else nn.functional.avg_pool1d(x, 2), unit(x)], self.groups)
        return torch.relu(self.leave(x))


class LeadHead(nn.Module):
    """A lead's own output from its features: ``[N, 12, features]`` -> ``[N, 12, outputs]``."""

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(LEADS, features, outputs))
        self.bias = nn.Parameter(torch.zeros(LEADS, outputs))
        nn.init.uniform_(self.weight, -1 / math.sqrt(features), 1 / math.sqrt(features))

    def forward(self, x: Tensor) -> Tensor:
        """One matrix product a lead."""
        return torch.einsum("nlf,lfo->nlo", x, self.weight) + self.bias


class LeadAttention(nn.Module):
    """How much each lead counts: FC8 (no bias) -> BN -> ReLU -> FC1, softmax over the leads.

    ``[N, 12, features]`` -> ``[N, 12]``, summing to 1.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.reduce = nn.Parameter(torch.empty(LEADS, features, 8))
        nn.init.uniform_(self.reduce, -1 / math.sqrt(features), 1 / math.sqrt(features))
        self.bn = nn.BatchNorm1d(LEADS * 8)
        self.score = LeadHead(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Softmax over dimension 1."""
        hidden = torch.einsum("nlf,lfo->nlo", x, self.reduce).flatten(1)  # [N, 96]
        hidden = torch.unflatten(torch.relu(self.bn(hidden)), 1, (LEADS, 8))
        return torch.softmax(self.score(hidden).squeeze(2), dim=1)


class EMPNet(nn.Module):
    """Rate, PR, QRS, QT, QTc, P, QRS and T axes ``[N, 8]`` -> what they add, ``[N, outputs]``: two hidden layers.

    NaN is a parameter that is not known (PR in fibrillation): a second input says so, whose weights are learned, so
    that "not known" is a value of its own and not a zero. Centre and scale bring each parameter to about -1..1.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, outputs: int, hidden: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2 * EMPS, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs)
        )
        # bpm, ms, ms, ms, ms, degrees, degrees, degrees
        self.register_buffer("centre", torch.tensor([80.0, 160, 95, 390, 430, 45, 30, 45]), persistent=False)
        self.register_buffer("scale", torch.tensor([40.0, 60, 40, 80, 60, 90, 90, 90]), persistent=False)

    def forward(self, emps: Tensor) -> Tensor:
        """NaN where not known."""
        unknown = torch.isnan(emps)
        known = torch.where(unknown, torch.zeros_like(emps), (emps - self.centre) / self.scale)
        return self.layers(torch.cat([known, unknown.to(emps.dtype)], dim=1))  # type: ignore[no-any-return]


class ECG12Net(nn.Module):
    """Crops ``[N, 12, 1024]`` in mV -> potassium ``[N]`` and each lead's own ``[N, 12]``, both in mmol/L, and attention
    ``[N, 12]``.

    ``width``: new channels a unit, 32 in the paper. ``shared``: one lead block for all leads in place of twelve.
    ``ordinal``: 60 cumulative sigmoids of 0.1 mmol/L in place of one linear output a lead; full width then has
    34.8 M parameters separate and 3.5 M shared. ``emps``: ECG12Net-2; how the paper joins EMPNet to the leads is in its
    appendix, here its output is added to theirs.
    """

    def __init__(self, *, width: int = 32, shared: bool = False, ordinal: bool = False, emps: bool = False) -> None:
        super().__init__()
        self.shared, self.ordinal = shared, ordinal
        outputs = STEPS if ordinal else 1
        self.block = LeadBlock(width=width, groups=1 if shared else LEADS)
        self.head = LeadHead(self.block.features, outputs)
        self.attention = LeadAttention(self.block.features)
        self.empnet = EMPNet(outputs) if emps else None

    def maps(self, crops: Tensor) -> Tensor:
        """``[N, 12, 1024]`` -> ``[N, 12, features, 16]``."""
        if self.shared:
            return torch.unflatten(self.block.maps(crops.flatten(0, 1).unsqueeze(1)), 0, (-1, LEADS))
        return torch.unflatten(self.block.maps(crops), 1, (LEADS, -1))

    def features(self, crops: Tensor) -> Tensor:
        """``[N, 12, 1024]`` -> ``[N, 12, features]``."""
        return self.maps(crops).mean(3)

    def forward(self, crops: Tensor, emps: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Not clamped: the caller averages over crops first, then says what lies outside ``RANGE``."""
        whole, leads, alpha = self.logits(crops, emps)
        return self.potassium(whole), self.potassium(leads), alpha

    def logits(self, crops: Tensor, emps: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """What a loss is taken of: all leads ``[N, outputs]``, each ``[N, 12, outputs]``, attention ``[N, 12]``."""
        return self.joined(self.features(crops), emps)

    def joined(self, features: Tensor, emps: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """The same of ``[N, 12, features]``."""
        leads, alpha = self.head(features), self.attention(features)  # [N, 12, outputs], [N, 12]
        whole = (alpha.unsqueeze(2) * leads).sum(1)  # [N, outputs]
        if self.empnet is not None and emps is not None:
            whole = whole + self.empnet(emps)
        return whole, leads, alpha

    def potassium(self, outputs: Tensor) -> Tensor:
        """Outputs ``[..., 1]`` or ``[..., 60]`` -> mmol/L ``[...]``."""
        if self.ordinal:
            return RANGE[0] + (RANGE[1] - RANGE[0]) / STEPS * torch.sigmoid(outputs).sum(-1)
        return outputs.squeeze(-1)


def censor(mmol_l: float) -> tuple[float, str]:
    """Clamp to ``RANGE`` and say so: ``(1.5, "<")``, ``(7.5, ">")`` or ``(mmol_l, "")``."""
    low, high = RANGE
    if mmol_l < low:
        return low, "<"
    if mmol_l > high:
        return high, ">"
    return mmol_l, ""
