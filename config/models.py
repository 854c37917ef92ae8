"""The models and what they run on."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from config.base import Strict


class Models(Strict):
    """The resident models."""

    bundles: tuple[Path, ...] = Field((), description="empty: the stand-ins that come with ecgd")
    device: Literal["auto", "cuda", "cpu"] = "auto"
    backend: Literal["auto", "openvino", "torch"] = "auto"
    threads: int = Field(0, ge=0, le=256, description="0: as many as the machine has cores")
    allow_stand_in: bool = Field(False, description="let stand-in models alert people")
    explain: bool = Field(True, description="draw where each model looked, and send it with the result")
