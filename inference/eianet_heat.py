"""EIANet that also says where on its picture it found what speaks for arrest, on whatever runs it.

    heat = ReLU(sum_k A_k dz/dA_k)              HiResCAM: Draelos and Carin 2020, arXiv 2011.08891

A is what the first attention gives. At the last one this is the paper's Grad-CAM but for a constant, with cells of 32
pixels: here they are 4. The chain rule is written out step by step beside ``inference.eianet``: ``inference.gradient``.
"""

from copy import deepcopy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from inference.eianet import Bottleneck, EIANet, SpatialAttention
from inference.gradient import LEAST, Turned, slope, through

STRIDE = 4
"""Pixels of the network's input from cell to cell."""
_PALE = 1e-3  # of what speaks against arrest: rounding is not drawn as heat


class EiaNetHeat(nn.Module):
    """What ``EIANet`` answers, and its map at the first attention by its greatest: ``[N, H / 4, W / 4]``, 0 to 1.

    Works on a copy of the network.
    """

    def __init__(self, network: EIANet) -> None:
        super().__init__()
        network = deepcopy(network).eval().requires_grad_(False)
        entered = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)
        self.first = nn.Sequential(entered, network.layer1, network.attention1)
        stages = ((network.layer2, network.attention2), (network.layer3, network.attention3))
        self.later = nn.ModuleList(_Stage(*stage) for stage in (*stages, (network.layer4, network.attention4)))
        self.fc = network.fc
        self.eval()

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Logit ``[N]`` and the map."""
        first = x = self.first(picture)
        kept = []
        for stage in self.later:
            x, its = cast(_Stage, stage).up(x)
            kept.append(its)
        logit = self.fc(x.mean((2, 3))).squeeze(1)
        gradient = (self.fc.weight[:, :, None, None] / (x.shape[2] * x.shape[3])).expand_as(x)
        for stage, its in reversed(list(zip(self.later, kept, strict=True))):
            gradient = cast(_Stage, stage).down(gradient, its)
        moved = (gradient * first).sum(1)
        return logit, torch.relu(moved) / torch.maximum(moved.amax(), _PALE * moved.abs().amax()).clamp_min(LEAST)


class _Stage(nn.Module):
    """Bottlenecks and the attention after them, up, keeping what is needed on the way down."""

    def __init__(self, blocks: nn.Sequential, attention: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(cast(Bottleneck, block)) for block in blocks)
        self.attention = _Attention(attention) if isinstance(attention, SpatialAttention) else None

    def up(self, x: Tensor) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
        kept = []
        for block in self.blocks:
            x, its = cast(_Block, block).up(x)
            kept.append(its)
        if self.attention is not None:
            x, its = self.attention.up(x)
            kept.append(its)
        return x, kept

    def down(self, gradient: Tensor, kept: list[tuple[Tensor, ...]]) -> Tensor:
        if self.attention is not None:
            gradient = self.attention.down(gradient, *kept[-1])
        for block, its in reversed(list(zip(self.blocks, kept, strict=False))):
            gradient = cast(_Block, block).down(gradient, *its)
        return gradient


class _Block(nn.Module):
    """A bottleneck with its batch norms made part of its convolutions."""

    def __init__(self, block: Bottleneck) -> None:
        super().__init__()
        pairs = ((block.conv1, block.bn1), (block.conv2, block.bn2), (block.conv3, block.bn3))
        self.into, self.across, self.out = (fuse_conv_bn_eval(*pair) for pair in pairs)
        self.from_into, self.from_across, self.from_out = map(Turned, (self.into, self.across, self.out))
        self.beside, self.from_beside = None, None
        if isinstance(block.downsample, nn.Sequential):
            self.beside = fuse_conv_bn_eval(*cast(tuple[nn.Conv2d, nn.BatchNorm2d], tuple(block.downsample)))
            self.from_beside = Turned(self.beside)

    def up(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        one = torch.relu(self.into(x))
        two = torch.relu(self.across(one))
        y = torch.relu(self.out(two) + (x if self.beside is None else self.beside(x)))
        return y, (one, two, y)

    def down(self, gradient: Tensor, one: Tensor, two: Tensor, y: Tensor) -> Tensor:
        size = one.shape[2:]  # also the input's
        gradient = through(gradient, y)
        part = self.from_across(through(self.from_out(gradient), two), size)
        part = self.from_into(through(part, one))
        return part + (gradient if self.from_beside is None else self.from_beside(gradient, size))  # type: ignore[no-any-return]


class _Attention(nn.Module):
    """A spatial attention: the gradient goes through what is weighed and through the weights."""

    def __init__(self, attention: SpatialAttention) -> None:
        super().__init__()
        self.conv, self.bn = attention.conv, attention.bn
        self.from_conv = Turned(attention.conv)

    def up(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        most = x.amax(1, keepdim=True)
        weight = torch.sigmoid(self.bn(self.conv(torch.cat([most, x.mean(1, keepdim=True)], dim=1))))
        return x * weight, (x, most, weight)

    def down(self, gradient: Tensor, x: Tensor, most: Tensor, weight: Tensor) -> Tensor:
        by_weight = (gradient * x).sum(1, keepdim=True) * weight * (1 - weight) * slope(self.bn)[:, None, None]
        by_most, by_mean = self.from_conv(by_weight).split(1, dim=1)
        strongest = (x == most).to(x.dtype)
        strongest = strongest / strongest.sum(1, keepdim=True)
        return gradient * weight + by_most * strongest + by_mean / x.shape[1]  # type: ignore[no-any-return]
