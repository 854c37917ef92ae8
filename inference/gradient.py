"""ECG12Net that also says how far each sample moved its estimate, on whatever runs it.

    moved = x d(estimate) / d(x)                    input x gradient: Shrikumar et al. 2016, arXiv 1605.01713

The chain rule is written out step by step beside ``inference.ecg12net``, for runtimes that know no backward pass. The
gradient by a convolution's input is a convolution with the kernel turned round (Dumoulin and Visin 2016, arXiv
1603.07285, section 4), zeros set between at a stride: a transposed one, with groups and an output padding, OpenVINO
2026.4.1 gets wrong by a fifth.
"""

from copy import deepcopy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from inference.ecg12net import LEADS, RANGE, STEPS, ECG12Net, LeadBlock, Unit, join

_LEAST = 1e-30  # of silence nothing moves anything: 0 and not 0 / 0


class Explained(nn.Module):
    """What ``ECG12Net`` gives and, by its greatest, how far each sample moved the estimate: ``[N, 12, 1024]``, -1 to 1.

    Works on a copy of the network.
    """

    def __init__(self, network: ECG12Net) -> None:
        super().__init__()
        self.network = folded(network)
        self.block = _Backwards(self.network.block)
        self.eval()

    def forward(self, crops: Tensor, emps: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """To first order about 0."""
        shared = self.network.shared
        top, kept = self.block.up(crops.flatten(0, 1).unsqueeze(1) if shared else crops)
        features = torch.unflatten(top.mean(2), *((0, (-1, LEADS)) if shared else (1, (LEADS, -1))))
        whole, leads, alpha = self.network.joined(features, emps)
        gradient = self._by_features(features, whole, leads, alpha).flatten(*((0, 1) if shared else (1, 2)))
        moved = crops * self.block.down(gradient.unsqueeze(2) / top.shape[2], top, kept).view_as(crops)
        moved = moved / moved.abs().amax().clamp_min(_LEAST)
        return self.network.potassium(whole), self.network.potassium(leads), alpha, moved

    def _by_features(self, features: Tensor, whole: Tensor, leads: Tensor, alpha: Tensor) -> Tensor:
        """``[N, 12, features]``: the estimate's gradient by them, through each lead's output and the attention."""
        head, attention, alpha = self.network.head, self.network.attention, alpha.unsqueeze(2)
        by_output = torch.ones_like(whole)
        if self.network.ordinal:
            on = torch.sigmoid(whole)
            by_output = (RANGE[1] - RANGE[0]) / STEPS * on * (1 - on)
        by_output = by_output.unsqueeze(1)  # [N, 1, outputs]
        by_alpha = (by_output * leads).sum(2, keepdim=True)  # [N, 12, 1]
        by_score = alpha * (by_alpha - (alpha * by_alpha).sum(1, keepdim=True))  # the softmax's
        hidden = attention.bn(torch.einsum("nlf,lfo->nlo", features, attention.reduce).flatten(1))
        by_hidden = torch.einsum("nlo,lfo->nlf", by_score, attention.score.weight).flatten(1)
        by_hidden = torch.unflatten(_through(by_hidden, hidden) * _slope(attention.bn), 1, (LEADS, 8))
        by_lead = torch.einsum("nlo,lfo->nlf", alpha * by_output, head.weight)
        return by_lead + torch.einsum("nlo,lfo->nlf", by_hidden, attention.reduce)


class _Backwards(nn.Module):
    """A lead block up, keeping what its ReLUs let through, and down again."""

    def __init__(self, block: LeadBlock) -> None:
        super().__init__()
        self.block = block
        self.stem = _Turned(block.stem)
        self.units = nn.ModuleList(
            nn.ModuleList(map(_Turned, (unit.grow, unit.look, unit.squeeze))) for _, unit in self._units()
        )

    def _units(self) -> list[tuple[bool, Unit]]:
        """In order, and whether it is the first of its stage, whose input is pooled."""
        stages = [cast(nn.ModuleList, stage) for stage in self.block.stages]
        return [(not i, cast(Unit, unit)) for stage in stages for i, unit in enumerate(stage)]

    def up(self, x: Tensor) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
        x = self.block.stem(self.block.enter(x))
        kept: list[tuple[Tensor, ...]] = [(x,)]
        for first, unit in self._units():
            squeezed = unit.squeeze(x)
            looked = unit.look(squeezed)
            grown = unit.grow(looked)
            kept.append((grown, looked, squeezed))
            x = join([nn.functional.avg_pool1d(x, 2) if first else x, grown], self.block.groups)
        return torch.relu(self.block.leave(x)), kept

    def down(self, gradient: Tensor, top: Tensor, kept: list[tuple[Tensor, ...]]) -> Tensor:
        gradient = _through(gradient, top) * _slope(self.block.leave).unsqueeze(1)
        steps = list(zip(self._units(), self.units, kept[1:], strict=True))
        for (first, _), turned, outputs in reversed(steps):
            each = gradient.shape[1] // self.block.groups
            new = outputs[0].shape[1] // self.block.groups
            by_group = torch.unflatten(gradient, 1, (self.block.groups, each))
            old, part = by_group[:, :, : each - new].flatten(1, 2), by_group[:, :, each - new :].flatten(1, 2)
            for back, output in zip(cast(nn.ModuleList, turned), outputs, strict=True):
                part = back(_through(part, output))
            gradient = part + (old.repeat_interleave(2, dim=2) / 2 if first else old)
        return self.stem(_through(gradient, kept[0][0])) * _slope(self.block.enter).unsqueeze(1)  # type: ignore[no-any-return]


class _Turned(nn.Module):
    """From the gradient by a convolution's output to that by its input, whose length is the stride times the other."""

    weight: Tensor

    def __init__(self, part: nn.Sequential) -> None:
        super().__init__()
        convolution = cast(nn.Conv1d, part[0])
        out, each, size = convolution.weight.shape
        self.groups, self.stride = convolution.groups, convolution.stride[0]
        self.padding = size - 1 - cast(int, convolution.padding[0])
        weight = convolution.weight.reshape(self.groups, out // self.groups, each, size).transpose(1, 2).flip(3)
        self.register_buffer("weight", weight.reshape(self.groups * each, out // self.groups, size))

    def forward(self, gradient: Tensor) -> Tensor:
        if self.stride > 1:
            zeros = torch.zeros_like(gradient).unsqueeze(3).expand(-1, -1, -1, self.stride - 1)
            gradient = torch.cat([gradient.unsqueeze(3), zeros], dim=3).flatten(2)
        return nn.functional.conv1d(gradient, self.weight, padding=self.padding, groups=self.groups)


def folded(network: ECG12Net) -> ECG12Net:
    """A copy with each batch norm that follows its convolution made part of it: less to run in either direction."""
    network = deepcopy(network).eval().requires_grad_(False)
    for part in network.modules():
        match list(part.children()):
            case [nn.Conv1d() as convolution, nn.BatchNorm1d() as norm, *_] if isinstance(part, nn.Sequential):
                part[0], part[1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
    return network.requires_grad_(False)


def _through(gradient: Tensor, output: Tensor) -> Tensor:
    """A ReLU lets the gradient through where it let the value through."""
    return gradient * (output > 0)


def _slope(norm: nn.BatchNorm1d) -> Tensor:
    return norm.weight / torch.sqrt(cast(Tensor, norm.running_var) + norm.eps)
