"""ECG12Net that also says how far each sample moved its estimate, on whatever runs it.

    moved = x d(estimate) / d(x)                    input x gradient: Shrikumar et al. 2016, arXiv 1605.01713

The chain rule is written out step by step beside ``inference.ecg12net``: ``inference.gradient``.
"""

from typing import cast

import torch
from torch import Tensor, nn

from inference.ecg12net import LEADS, RANGE, STEPS, ECG12Net, LeadBlock, Unit, join
from inference.gradient import LEAST, Turned, folded, slope, through


class Ecg12NetHeat(nn.Module):
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
        moved = moved / moved.abs().amax().clamp_min(LEAST)
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
        by_hidden = torch.unflatten(through(by_hidden, hidden) * slope(attention.bn), 1, (LEADS, 8))
        by_lead = torch.einsum("nlo,lfo->nlf", alpha * by_output, head.weight)
        return by_lead + torch.einsum("nlo,lfo->nlf", by_hidden, attention.reduce)


class _Backwards(nn.Module):
    """A lead block up, keeping what its ReLUs let through, and down again."""

    def __init__(self, block: LeadBlock) -> None:
        super().__init__()
        self.block = block
        self.stem = Turned(cast(nn.Conv1d, block.stem[0]))
        self.units = nn.ModuleList(
            nn.ModuleList(Turned(cast(nn.Conv1d, part[0])) for part in (unit.grow, unit.look, unit.squeeze))
            for _, unit in self._units()
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
        gradient = through(gradient, top) * slope(self.block.leave).unsqueeze(1)
        steps = list(zip(self._units(), self.units, kept[1:], strict=True))
        for (first, _), turned, outputs in reversed(steps):
            each = gradient.shape[1] // self.block.groups
            new = outputs[0].shape[1] // self.block.groups
            by_group = torch.unflatten(gradient, 1, (self.block.groups, each))
            old, part = by_group[:, :, : each - new].flatten(1, 2), by_group[:, :, each - new :].flatten(1, 2)
            for back, output in zip(cast(nn.ModuleList, turned), outputs, strict=True):
                part = back(through(part, output))
            gradient = part + (old.repeat_interleave(2, dim=2) / 2 if first else old)
        return self.stem(through(gradient, kept[0][0])) * slope(self.block.enter).unsqueeze(1)  # type: ignore[no-any-return]
