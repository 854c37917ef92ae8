"""Which backend a bundle runs on: the fastest that the configuration allows and that agrees with torch fp32."""

from collections.abc import Callable

import torch
from torch import nn

from config.schema import Models
from domain.errors import Permanent
from domain.reason import Reason
from inference.backend import (
    Backend,
    CudaGraphBackend,
    OpenVinoBackend,
    TorchBackend,
    first_that_agrees,
    openvino_available,
)
from inference.models import Model


def choose(
    network: Callable[[], nn.Module], model: Model, settings: Models, threads: int, *, heat: bool
) -> tuple[Backend, float]:
    """Build, compare with torch fp32 on the CPU, and so warm; returns the backend and how far it was off.

    ``network`` makes a copy each time; ``heat``: its last output is a heat map. ``Permanent(BACKEND_UNUSABLE)`` when
    what is asked for is absent or does not agree.
    """
    reference = TorchBackend(network())
    return first_that_agrees(_candidates(network, model, settings, threads), reference, model.examples(), heat=heat)


def _candidates(
    network: Callable[[], nn.Module], model: Model, settings: Models, threads: int
) -> list[Callable[[], Backend]]:
    """Fastest first; each on its own copy of the network, because a backend may move it."""
    if _use_cuda(settings):
        return [
            lambda: CudaGraphBackend(network(), model.example(), "bf16"),
            lambda: CudaGraphBackend(network(), model.example(), "fp32"),
            lambda: TorchBackend(network(), "cuda"),
        ]
    if _use_openvino(settings):
        return [lambda: OpenVinoBackend(network(), model.example(), threads)]
    return [lambda: TorchBackend(network())]


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
