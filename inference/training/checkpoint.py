"""Where a training stands after an epoch, on disk: written whole or not at all."""

import os
import pickle
import struct
from pathlib import Path
from typing import Any

import torch

from domain.errors import Permanent
from domain.reason import Reason

FILE = "checkpoint.pt"


def save(folder: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint; a kill at any moment leaves the old one or the new one."""
    new = folder / f"{FILE}.new"
    with new.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(folder / FILE)


def load(folder: Path, identity: str) -> dict[str, Any] | None:
    """The checkpoint of this very training, or ``None`` where there is none; ``Permanent`` where it is another's."""
    try:
        state: dict[str, Any] = torch.load(folder / FILE, map_location="cpu", weights_only=True)
        known = state["identity"]
    except FileNotFoundError:
        return None
    except (pickle.UnpicklingError, struct.error, RuntimeError, EOFError, LookupError, TypeError):
        raise Permanent(Reason.BAD_VALUE, f"{FILE} is damaged; start over with --fresh") from None
    if known != identity:
        detail = f"{FILE} is of another recipe or other data; name another --out, or start over with --fresh"
        raise Permanent(Reason.BAD_VALUE, detail)
    return state


def remove(folder: Path) -> None:
    """Forget it."""
    (folder / FILE).unlink(missing_ok=True)
