"""Where a network runs: torch, or OpenVINO on a CPU. Every backend must agree with torch fp32 on the same input.

The networks' own files know nothing of this; later backends (a Triton server that hospitals share) are one class here.
"""

import sys
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from domain.errors import Permanent
from domain.reason import Reason

Array = NDArray[np.float32]

BOUND = 1e-3
"""Largest difference from torch fp32 allowed: absolute below 1, relative above. On a logit near the base rate it moves
the probability by 0.1 %; on potassium it is 0.001 mmol/L, a tenth of what is reported."""


class Backend(Protocol):
    """A network with fixed input shapes, ready to run."""

    name: str

    def __call__(self, *inputs: Array) -> tuple[Array, ...]:
        """Run once; all outputs of the network in order."""


class TorchBackend:
    """Eager fp32 on ``cpu`` or ``cuda``."""

    def __init__(self, network: nn.Module, device: str = "cpu") -> None:
        self.name = f"torch-{device}"
        self._device = torch.device(device)
        self._network = network.to(self._device)
        if device != "cpu":  # TF32 keeps 10 bits of mantissa: not fp32
            torch.backends.cudnn.allow_tf32 = False
            torch.backends.cuda.matmul.allow_tf32 = False

    def __call__(self, *inputs: Array) -> tuple[Array, ...]:
        """Run once."""
        with torch.inference_mode():
            outputs = self._network(*(torch.from_numpy(array).to(self._device) for array in inputs))
        return tuple(output.float().cpu().numpy() for output in outputs)


class OpenVinoBackend:
    """Compiled for this CPU in fp32, asked for by name: OpenVINO takes bf16 by default where the CPU has it."""

    name = "openvino-cpu"

    def __init__(self, network: nn.Module, example: tuple[Array, ...], threads: int) -> None:
        ov = _openvino()
        model = _converted(ov, network, example)
        options = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
        }
        self._request = ov.Core().compile_model(model, "CPU", options).create_infer_request()

    def __call__(self, *inputs: Array) -> tuple[Array, ...]:
        """Run once."""
        self._request.infer(list(inputs))
        return tuple(tensor.data.copy() for tensor in self._request.output_tensors)


def openvino_available() -> bool:
    """Whether the package is installed; it has no build for some platforms."""
    return find_spec("openvino") is not None


def _openvino() -> Any:
    """Import OpenVINO with its telemetry shut out.

    ``openvino.convert_model`` reports to Google Analytics unless a file in the home directory says no; without
    ``openvino_telemetry`` it falls back to a stub, so the package is made unimportable in this process.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino  # here, not above: loading it takes time that a torch-only site need not spend

    return openvino


def _converted(ov: Any, network: nn.Module, example: tuple[Array, ...]) -> Any:
    """Trace and convert with fixed shapes; tracing's own check is left out: ``require_agreement`` is stricter."""
    tensors = tuple(torch.from_numpy(array) for array in example)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit.trace: the export path warns no less
        traced = torch.jit.trace(network, tensors, check_trace=False)  # type: ignore[no-untyped-call]
        traced = torch.jit.freeze(traced)  # folds what is constant: half the nodes, half the time to convert
        return ov.convert_model(traced, example_input=tensors, input=[tuple(t.shape) for t in tensors])


def require_agreement(
    backend: Backend, reference: Callable[..., tuple[Array, ...]], example: tuple[Array, ...]
) -> float:
    """Compare all outputs on one input and return the difference; ``Permanent(BACKEND_UNUSABLE)`` beyond ``BOUND``."""
    pairs = zip(backend(*example), reference(*example), strict=True)
    worst = max(float(np.max(np.abs(got - want) / np.maximum(1, np.abs(want)))) for got, want in pairs)
    if not worst <= BOUND:  # also when NaN
        detail = f"{backend.name} differs from torch fp32 by {worst:.2g}, bound {BOUND:g}"
        raise Permanent(Reason.BACKEND_UNUSABLE, detail)
    return worst
