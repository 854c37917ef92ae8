"""Where a network is trained, and how arrays get there."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inference.training.batches import whole_batches
from inference.training.cohort import Cohort
from inference.training.measures import Values
from inference.training.recipe import Recipe


class Device:
    """CUDA where it is found, else the CPU."""

    def __init__(self) -> None:
        self.torch = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def take(self, network: nn.Module) -> None:
        """Move it here; for pictures channels come last in memory, half as fast again on a CPU."""
        network.to(self.torch)
        for part in network.modules():
            if isinstance(part, nn.Conv2d):
                part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def given(self, arrays: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Move inputs here; grays become 0 to 1."""
        return tuple(self._given(array) for array in arrays)

    def precision(self, recipe: Recipe) -> AbstractContextManager[Any]:
        """The recipe's, around a forward pass."""
        wanted = recipe.training.amp == "bf16"
        return torch.autocast(self.torch.type, torch.bfloat16) if wanted else nullcontext()

    def _given(self, array: Tensor) -> Tensor:
        moved = array.to(self.torch, non_blocking=True)
        if moved.dtype == torch.uint8:
            moved = moved.float().div_(255)
        return moved.contiguous(memory_format=torch.channels_last) if moved.ndim == 4 else moved


def raw_estimates(
    network: nn.Module, cohort: Cohort, cases: NDArray[np.intp], recipe: Recipe, device: Device, *, crops: int
) -> Values:
    """The network's raw estimates of these cases, ``[cases]``: logits or mmol/L, averaged over so many crops."""
    network.eval()
    found = []
    with torch.inference_mode():
        for arrays, rows in whole_batches(cohort, cases, recipe, crops):
            outputs = network(*device.given(arrays))[0].double()
            found.append(outputs.unflatten(0, (-1, rows)).mean(1).cpu().numpy())
    return np.concatenate(found)
