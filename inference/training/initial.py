"""Weights to begin with: another training's, or ImageNet's under torchvision's names."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from domain.errors import Permanent
from domain.reason import Reason
from inference.eianet import EIANet, load_trunk


def initial_weights(network: nn.Module, path: Path) -> str:
    """Load what fits by name and shape; says how much. ``Permanent`` where the file or all of it is of no use."""
    try:
        given = load_file(path)
    except (OSError, SafetensorError) as error:
        raise Permanent(Reason.BAD_VALUE, f"training.init: cannot be read ({type(error).__name__})") from None
    refused = load_trunk(network, given) if isinstance(network, EIANet) else _load(network, given)
    if len(refused) == len(given):
        raise Permanent(Reason.BAD_VALUE, "training.init: nothing in it fits this network")
    return f"began with {len(given) - len(refused)} of {len(given)} tensors of {path.name}"


def _load(network: nn.Module, given: dict[str, Tensor]) -> tuple[str, ...]:
    """Returns the names that were not taken."""
    wanted = {name: tensor.shape for name, tensor in network.state_dict().items()}
    fitting = {name: tensor for name, tensor in given.items() if wanted.get(name) == tensor.shape}
    network.load_state_dict(fitting, strict=False)
    return tuple(sorted(given.keys() - fitting.keys()))
