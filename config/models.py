"""The models, what may follow from what each says, and what they run on."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from config.base import Strict
from domain.mode import Mode


class ModelBundle(Strict):
    """A model's folder and what may follow from what it says; a bare path alerts."""

    path: Path = Field(description="the folder that training made")
    mode: Mode = Field(
        Mode.ALERT,
        description="alert: reported, and alerts where critical; report: to the EHR only; shadow: kept, nobody is told",
    )


def _bare(value: Any) -> Any:
    return {"path": value} if isinstance(value, str | Path) else value


Bundle = Annotated[ModelBundle, BeforeValidator(_bare, json_schema_input_type=Path | ModelBundle)]


class Models(Strict):
    """The resident models."""

    bundles: tuple[Bundle, ...] = Field((), description="empty: the stand-ins that come with ecgd")
    device: Literal["auto", "cuda", "cpu"] = Field("auto", description="what the models compute on")
    backend: Literal["auto", "openvino", "torch"] = Field(
        "auto", description="auto: the fastest that agrees with torch's"
    )
    threads: int = Field(0, ge=0, le=256, description="0: as many as the machine has cores")
    allow_stand_in: bool = Field(False, description="let stand-in models alert people")
    explain: bool = Field(True, description="draw where each model looked, and send it with the result")
    shadow_wait_s: float = Field(
        1.0, ge=0, le=30, description="the longest that a result waits for shadow models; later answers are dropped"
    )

    @model_validator(mode="after")
    def _tells(self) -> Self:
        if self.bundles and not self.told:
            raise ValueError(
                "every bundle is in mode shadow and no ECG would have a result; "
                "for a silent trial write mode: report and leave out destinations and alerts"
            )
        return self

    @property
    def told(self) -> tuple[ModelBundle, ...]:
        """The bundles whose answers are reported."""
        return tuple(one for one in self.bundles if one.mode is not Mode.SHADOW)

    @property
    def shadows(self) -> tuple[ModelBundle, ...]:
        """The bundles that nobody hears of."""
        return tuple(one for one in self.bundles if one.mode is Mode.SHADOW)

    def only(self, *bundles: ModelBundle) -> Self:
        """The same with other bundles."""
        return self.model_copy(update={"bundles": bundles})
