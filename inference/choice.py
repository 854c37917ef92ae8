"""Which backend a bundle runs on: the fastest that the configuration allows and that agrees with torch fp32."""

from collections.abc import Callable

import torch

from config.schema import Models
from domain.errors import Permanent
from domain.reason import Reason
from inference.backend import (
    Backend,
    CudaGraphBackend,
    OpenVinoBackend,
    TorchBackend,
    difference_of_greatest,
    first_that_agrees,
    openvino_available,
)
from inference.bundle import Bundle
from inference.gradient import InputTimesGradient, written_down
from inference.models import Model


def choose(bundle: Bundle, model: Model, settings: Models, threads: int) -> tuple[Backend, float]:
    """Build, compare with torch fp32 on the CPU, and so warm; returns the backend and how far it was off.

    ``Permanent(BACKEND_UNUSABLE)`` when what is asked for is absent or does not agree.
    """
    reference = TorchBackend(bundle.network())
    return first_that_agrees(_candidates(bundle, model, settings, threads), reference, model.examples())


def choose_moved(bundle: Bundle, model: Model, settings: Models, threads: int) -> Backend:
    """What tells how far each sample moved the model's output; autograd where nothing faster agrees with it."""
    moved, example = InputTimesGradient(bundle.network()), model.example()
    candidates: list[Callable[[], Backend]] = [lambda: TorchBackend(moved, "cuda" if _use_cuda(settings) else "cpu")]
    if not _use_cuda(settings) and _use_openvino(settings):
        tensors = tuple(map(torch.from_numpy, example))
        candidates.insert(0, lambda: OpenVinoBackend(written_down(moved, tensors), example, threads))
    reference = TorchBackend(InputTimesGradient(bundle.network()))
    return first_that_agrees(candidates, reference, model.examples(), difference_of_greatest)[0]


def _candidates(bundle: Bundle, model: Model, settings: Models, threads: int) -> list[Callable[[], Backend]]:
    """Fastest first; each on its own copy of the network, because a backend may move it."""
    if _use_cuda(settings):
        return [
            lambda: CudaGraphBackend(bundle.network(), model.example(), "bf16"),
            lambda: CudaGraphBackend(bundle.network(), model.example(), "fp32"),
            lambda: TorchBackend(bundle.network(), "cuda"),
        ]
    if _use_openvino(settings):
        return [lambda: OpenVinoBackend(bundle.network(), model.example(), threads)]
    return [lambda: TorchBackend(bundle.network())]


def _use_cuda(settings: Models) -> bool:
    present = torch.cuda.is_available()
    if settings.device == "cuda":
        if not present:
            raise Permanent(Reason.BACKEND_UNUSABLE, "models.device is cuda and torch finds no CUDA device")
        if settings.backend == "openvino":
            raise Permanent(Reason.BACKEND_UNUSABLE, "models.backend openvino runs on the CPU, models.device is cuda")
    return present and settings.device != "cpu" and settings.backend != "openvino"


def _use_openvino(settings: Models) -> bool:
    if settings.backend == "openvino" and not openvino_available():
        raise Permanent(Reason.BACKEND_UNUSABLE, "models.backend is openvino and the package is not installed")
    return settings.backend == "openvino" or (settings.backend == "auto" and openvino_available())
