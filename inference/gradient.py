"""What each sample moved, as a network of its own, so that every backend can run it and not torch's autograd alone.

    moved = x d(output_0) / d(x)                    input x gradient: Shrikumar et al. 2016, arXiv 1605.01713

Autograd's steps are written down once (``make_fx``) in operations that networks are made of, for runtimes that know no
backward ones. The gradient by a convolution's input is a convolution with the transposed kernel (Dumoulin and Visin
2016, arXiv 1603.07285, section 4).
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch._decomp import get_decompositions
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.utils.fusion import fuse_conv_bn_eval

_aten = torch.ops.aten


class InputTimesGradient(nn.Module):
    """The first input's shape, in the first output's unit; each row of a batch by its own output. Holds a copy."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = folded(network)

    def forward(self, first: Tensor, *others: Tensor) -> tuple[Tensor]:
        """To first order about 0; runs autograd also where the caller has shut it off."""
        with torch.inference_mode(False), torch.enable_grad():
            x = first.clone().requires_grad_(True)
            (gradient,) = torch.autograd.grad(self.network(x, *(other.clone() for other in others))[0].sum(), x)
        return (x.detach() * gradient,)


def written_down(moved: InputTimesGradient, example: Sequence[Tensor]) -> nn.Module:
    """The same without autograd, for the example's shapes; ``NotImplementedError`` where a step is not known here."""
    with torch.enable_grad():
        graph = make_fx(moved, decomposition_table=_steps())(*(tensor.clone() for tensor in example))
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph.eval()


def folded(network: nn.Module) -> nn.Module:
    """A copy with each batch norm that follows its convolution made part of it: two fifths less to run backwards."""
    network = deepcopy(network).eval().requires_grad_(False)
    for part in network.modules():
        match list(part.children()):
            case [nn.Conv1d() as convolution, nn.BatchNorm1d() as norm, *_] if isinstance(part, nn.Sequential):
                part[0], part[1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
    return network.requires_grad_(False)


def _steps() -> dict[Any, Callable[..., Any]]:
    known = (_aten.native_batch_norm, _aten.native_batch_norm_backward, _aten.sigmoid_backward)
    softmax = (_aten._softmax, _aten._softmax_backward_data)
    return {
        **get_decompositions([*known, *softmax]),
        _aten.convolution_backward.default: _convolution_backward,
        _aten.avg_pool2d_backward.default: _avg_pool2d_backward,
        _aten.threshold_backward.default: lambda gradient, x, least: _aten.where.ScalarOther(x > least, gradient, 0),
        _aten.detach.default: lambda x: x.view_as(x),
        _aten._to_copy.default: _copied,
        _aten._unsafe_view.default: lambda x, shape: x.reshape(shape),
    }


def _copied(x: Tensor, **wanted: Any) -> Tensor:
    """Runtimes need no copy of what is float32 already, and tell what was known by a choice."""
    if wanted.get("dtype", x.dtype) is not torch.float32 or x.dtype not in (torch.float32, torch.bool):
        raise NotImplementedError("only copies to float32")
    return torch.where(x, 1.0, 0.0) if x.dtype is torch.bool else x.view_as(x)


def _convolution_backward(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    bias_sizes: Sequence[int] | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    wanted: Sequence[bool],
) -> tuple[Tensor, None, None]:
    """Along one axis, by the input alone: the kernel turned round over the gradient, zeros between at a stride.

    Not as a transposed convolution: OpenVINO 2025's with groups and an output padding is wrong by a fifth.
    """
    if transposed or list(wanted) != [True, False, False] or len(stride) != 1:
        raise NotImplementedError("only the gradient of a plain convolution along one axis, by its input")
    out, each, size = weight.shape
    turned = weight.reshape(groups, out // groups, each, size).transpose(1, 2).flip(3)
    turned = turned.reshape(groups * each, out // groups, size)
    if stride[0] > 1:
        between = gradient.unsqueeze(3) * gradient.new_tensor([1.0] + [0.0] * (stride[0] - 1))
        gradient = between.flatten(2)[..., : (gradient.shape[2] - 1) * stride[0] + 1]
    before = dilation[0] * (size - 1) - padding[0]
    after = x.shape[2] + dilation[0] * (size - 1) - gradient.shape[2] - before
    gradient = torch.constant_pad_nd(gradient, [before, after])
    return _aten.convolution(gradient, turned, None, [1], [0], dilation, False, [0], groups), None, None


def _avg_pool2d_backward(
    gradient: Tensor, x: Tensor, size: Sequence[int], stride: Sequence[int], padding: Sequence[int], *rest: Any
) -> Tensor:
    """Of windows side by side along the last axis, which ``avg_pool1d`` makes."""
    if list(stride) not in ([], list(size)) or any(padding) or size[0] != 1 or x.shape[-1] % size[1]:
        raise NotImplementedError("only the gradient of average pooling over windows side by side")
    return (gradient / size[1]).repeat_interleave(size[1], dim=3)
