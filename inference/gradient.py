"""The chain rule step by step, for runtimes that know no backward pass.

The gradient by a convolution's input is a convolution with the kernel turned round (Dumoulin and Visin 2016, arXiv
1603.07285, section 4), zeros set between at a stride: a transposed one, with groups and an output padding, OpenVINO
2026.4.1 gets wrong by a fifth.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Network = TypeVar("Network", bound=nn.Module)

LEAST = 1e-30
"""What a map is divided by at least: of silence nothing moves anything, 0 and not 0 / 0."""


class Turned(nn.Module):
    """From the gradient by a convolution's output to that by its input."""

    weight: Tensor

    def __init__(self, convolution: nn.Conv1d | nn.Conv2d) -> None:
        super().__init__()
        out, each, *size = convolution.weight.shape
        self.groups, self.stride = convolution.groups, convolution.stride[0]
        self.padding = [wide - 1 - cast(int, pad) for wide, pad in zip(size, convolution.padding, strict=True)]
        self.apply_kernel = nn.functional.conv1d if len(size) == 1 else nn.functional.conv2d
        weight = convolution.weight.detach().reshape(self.groups, out // self.groups, each, *size).transpose(1, 2)
        weight = weight.flip(tuple(range(3, weight.ndim)))
        self.register_buffer("weight", weight.reshape(self.groups * each, out // self.groups, *size))

    def forward(self, gradient: Tensor, size: Sequence[int] | None = None) -> Tensor:
        """``size``: the input's, without batch and channels; the stride times the output's where not given."""
        if self.stride > 1:
            for axis, wide in enumerate(size or [self.stride * one for one in gradient.shape[2:]], start=2):
                zeros = torch.zeros_like(gradient).unsqueeze(axis + 1)
                between = [gradient.unsqueeze(axis + 1), *[zeros] * (self.stride - 1)]
                gradient = torch.cat(between, dim=axis + 1).flatten(axis, axis + 1).narrow(axis, 0, wide)
        return self.apply_kernel(gradient, self.weight, padding=self.padding, groups=self.groups)


def folded(network: Network) -> Network:
    """A copy with each batch norm that follows its convolution made part of it: less to run in either direction."""
    network = deepcopy(network).eval().requires_grad_(False)
    for part in network.modules():
        match list(part.children()):
            case [nn.Conv1d() as convolution, nn.BatchNorm1d() as norm, *_] if isinstance(part, nn.Sequential):
                part[0], part[1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
    return network.requires_grad_(False)


def through(gradient: Tensor, output: Tensor) -> Tensor:
    """A ReLU lets the gradient through where it let the value through."""
    return gradient * (output > 0)


def slope(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> Tensor:
    """What a batch norm in evaluation multiplies each channel by."""
    return norm.weight / torch.sqrt(cast(Tensor, norm.running_var) + norm.eps)
