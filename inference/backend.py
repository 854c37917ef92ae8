"""Where a network runs: torch, or OpenVINO on a CPU. Every backend must agree with torch fp32 on the same inputs.

The networks' own files know nothing of this; later backends (a Triton server that hospitals share) are one class here.
"""

import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from domain.errors import Permanent
from domain.reason import Reason

Array = NDArray[np.float32]
Examples = Sequence[tuple[Array, ...]]

_log = logging.getLogger(__name__)

BOUND = 1e-3
"""Largest difference from torch fp32 allowed: absolute below 1, relative above. On a logit near the base rate it moves
the probability by 0.1 %; on potassium it is 0.001 mmol/L, a tenth of what is reported."""

HEAT_BOUND = 0.05
"""Likewise of a heat map, whose greatest is 1: half a step of what is drawn. A ReLU at 0 falls either way, in torch
too: fp32 and fp64 have been seen 0.003 apart."""


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
        if device != "cpu":
            _without_tf32()

    def __call__(self, *inputs: Array) -> tuple[Array, ...]:
        """Run once."""
        with torch.inference_mode():
            outputs = self._network(*(torch.from_numpy(array).to(self._device) for array in inputs))
        return tuple(output.float().cpu().numpy() for output in outputs)


class CudaGraphBackend:
    """The network's kernels recorded once on a CUDA device and replayed: one launch in place of some hundreds.

    ``precision`` bf16 runs convolutions and matrix products in bfloat16 by torch's autocast. Shapes are the example's.
    """

    def __init__(self, network: nn.Module, example: tuple[Array, ...], precision: Literal["fp32", "bf16"]) -> None:
        self.name = f"torch-cuda-graph-{precision}"
        _without_tf32()
        self._network = network.to("cuda")
        self._bf16 = precision == "bf16"
        self._inputs = tuple(torch.from_numpy(array).to("cuda") for array in example)
        self._graph, self._outputs = self._recorded()

    def __call__(self, *inputs: Array) -> tuple[Array, ...]:
        """Run once; not for two threads at a time."""
        for place, array in zip(self._inputs, inputs, strict=True):
            place.copy_(torch.from_numpy(array))
        self._graph.replay()
        return tuple(output.float().cpu().numpy() for output in self._outputs)

    def _recorded(self) -> tuple[torch.cuda.CUDAGraph, tuple[Tensor, ...]]:
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # a graph is recorded after the libraries have chosen and allocated
            for _ in range(3):
                self._run()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs = self._run()
        return graph, outputs

    def _run(self) -> tuple[Tensor, ...]:
        # Weights cast inside a recording must not come from autocast's cache: it may be freed between replays.
        cast = torch.autocast("cuda", torch.bfloat16, enabled=self._bf16, cache_enabled=False)
        with torch.inference_mode(), cast:
            return tuple(self._network(*self._inputs))


def _without_tf32() -> None:
    """TF32 keeps 10 bits of mantissa: not fp32."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


class OpenVinoBackend:
    """Compiled for this CPU in fp32, asked for by name: OpenVINO takes bf16 by default where the CPU has it.

    ``precision`` bf16 is for measuring what the default would be; no bundle is served so.
    """

    def __init__(
        self, network: nn.Module, example: tuple[Array, ...], threads: int, precision: Literal["f32", "bf16"] = "f32"
    ) -> None:
        self.name = "openvino-cpu" if precision == "f32" else f"openvino-cpu-{precision}"
        ov = _openvino()
        model = _converted(ov, network, example)
        options = {
            "INFERENCE_PRECISION_HINT": precision,
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
    """Trace and convert with fixed shapes; tracing's own check is left out: ``difference`` is stricter."""
    tensors = tuple(torch.from_numpy(array) for array in example)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit.trace: the export path warns no less
        traced = torch.jit.trace(network, tensors, check_trace=False)  # type: ignore[no-untyped-call]
        traced = torch.jit.freeze(traced)  # folds what is constant: half the nodes, half the time to convert
        with _converting(ov):
            return ov.convert_model(traced, example_input=tensors, input=[tuple(t.shape) for t in tensors])


@contextmanager
def _converting(ov: Any) -> Iterator[None]:
    """Keep logging, and make OpenVINO's failures, which have no class in common, a ``RuntimeError`` in a line.

    It lets nothing below ERROR be logged while it converts, and after a failure never again.
    """
    root, known = logging.getLogger(), ov.frontend
    level, filters, handlers = root.level, list(root.filters), list(root.handlers)
    try:
        yield
    except (
        known.GeneralFailure,
        known.InitializationFailure,
        known.NotImplementedFailure,
        known.OpConversionFailure,
        known.OpValidationFailure,
    ) as error:
        raise RuntimeError(f"OpenVINO cannot take the network: {str(error).strip().splitlines()[-1]}") from error
    finally:
        root.setLevel(level)
        root.filters[:], root.handlers[:] = filters, handlers


def difference(backend: Backend, reference: Backend, examples: Examples, *, heat: bool = False) -> float:
    """The worst of all outputs over all examples, absolute below 1 and relative above; infinite where not a number.

    ``heat``: the last output is a heat map, which counts by its greatest and ``HEAT_BOUND``, in units of ``BOUND``.
    """
    worst = 0.0
    for example in examples:
        got, want = backend(*example), reference(*example)
        found = [float(np.max(np.abs(a - b) / np.maximum(1, np.abs(b)))) for a, b in zip(got, want, strict=True)]
        if heat:
            hottest = float(np.max(want[-1])) or 1.0
            found[-1] = float(np.max(np.abs(got[-1] - want[-1]))) / hottest / HEAT_BOUND * BOUND
        worst = max(worst, *(apart if np.isfinite(apart) else float("inf") for apart in found))
    return worst


def first_that_agrees(
    candidates: Sequence[Callable[[], Backend]], reference: Backend, examples: Examples, *, heat: bool = False
) -> tuple[Backend, float]:
    """Build the candidates, fastest first, until one is within ``BOUND`` of ``reference``; returns it and how far off.

    One that cannot be built or is beyond the bound is passed over with a warning, and the backend's name, which status
    and logs show, says what runs. ``Permanent(BACKEND_UNUSABLE)`` when it was the last.
    """
    said = ""
    for build in candidates:
        try:
            backend = build()
            apart = difference(backend, reference, examples, heat=heat)
        except RuntimeError as error:  # a kernel that cannot be recorded, a device without memory
            said = f"a backend cannot be used: {str(error).partition(chr(10))[0]}"
        else:
            if apart <= BOUND:
                return backend, apart
            said = f"{backend.name} differs from torch fp32 by {apart:.2g}, bound {BOUND:g}"
        _log.warning(said)
    raise Permanent(Reason.BACKEND_UNUSABLE, said)
