"""bundle.yaml: everything besides the weights that is needed to use a model, and to know what it is worth."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from domain.finding import Output, Status

Text = Annotated[str, Field(min_length=1)]


class Strict(BaseModel):
    """A mapping in the YAML: unknown keys are mistakes; values do not change once loaded."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class EiaNetArchitecture(Strict):
    """EIANet. The paper's is ``width`` 64; it does not give the input size.

    ``picture``: ``raw`` is the paper's comparison without its preprocessing (table 5): gray, inverted, resized.
    """

    kind: Literal["eianet"]
    width: int = Field(ge=1, le=256)
    in_channels: Literal[1, 3]
    attention: bool
    input_height: int = Field(ge=64, le=2048)
    input_width: int = Field(ge=64, le=2048)
    picture: Literal["processed", "raw"] = "processed"


class Ecg12NetArchitecture(Strict):
    """ECG12Net. The paper's is ``width`` 32, ``trunks`` separate; ``emps`` makes it ECG12Net-2."""

    kind: Literal["ecg12net"]
    width: int = Field(ge=1, le=256)
    trunks: Literal["separate", "shared"]
    head: Literal["linear", "ordinal"]
    emps: bool
    crops: int = Field(ge=1, le=32, description="crops of 1024 samples averaged over the recording")


class ArrestNetArchitecture(Strict):
    """ArrestNet, the signal model that EIANet is compared with (table 3)."""

    kind: Literal["arrestnet"]
    width: int = Field(ge=1, le=256)


Architecture = EiaNetArchitecture | Ecg12NetArchitecture | ArrestNetArchitecture


class Preprocessing(Strict):
    """What the network was trained on; must be what this program does."""

    name: Literal["picture", "crops", "signal"]
    version: int = Field(ge=1)


class OutputFacts(Strict):
    """What is estimated, in a UCUM unit."""

    quantity: Output
    unit: Literal["1", "mmol/L"]


class Identity(Strict):
    """Potassium as it comes; a logit becomes its sigmoid."""

    kind: Literal["identity"]


class Platt(Strict):
    """probability = sigmoid(slope * logit + intercept), fitted after training; holds the prior correction too.

    BRLoss skews the logits, and the papers' case-control prevalence (40 %) is not an emergency department's.
    """

    kind: Literal["platt"]
    slope: FiniteFloat = Field(gt=0)
    intercept: FiniteFloat


Probability = Annotated[float, Field(ge=0, le=1)]


class Isotonic(Strict):
    """Probability by straight lines between points ``(logit, probability)``, level beyond the ends.

    What isotonic regression fits (Zadrozny and Elkan 2002); holds the prior correction too.
    """

    kind: Literal["isotonic"]
    points: tuple[tuple[FiniteFloat, Probability], ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _rises(self) -> Self:
        steps = list(pairwise(self.points))
        if not all(before[0] < after[0] for before, after in steps):
            raise ValueError("points: logits ascend")
        if not all(before[1] <= after[1] for before, after in steps):
            raise ValueError("points: probabilities do not fall")
        return self


Calibration = Identity | Platt | Isotonic


class ResidualInterval(Strict):
    """95 % of the residuals (truth - estimate) on held-out data lie between the two, in mmol/L."""

    lower: FiniteFloat = Field(le=0)
    upper: FiniteFloat = Field(ge=0)


class Performance(Strict):
    """One measured figure and what it was measured on."""

    metric: Text
    value: FiniteFloat
    data: Text


PREPROCESSING_OF = {"eianet": "picture", "ecg12net": "crops", "arrestnet": "signal"}
OUTPUT_OF = {
    "eianet": (Output.ARREST, "1"),
    "ecg12net": (Output.POTASSIUM, "mmol/L"),
    "arrestnet": (Output.ARREST, "1"),
}


class Manifest(Strict):
    """The whole of bundle.yaml."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    version: str = Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]{0,31}$")
    status: Status
    architecture: Architecture = Field(discriminator="kind")
    preprocessing: Preprocessing
    output: OutputFacts
    calibration: Annotated[Calibration, Field(discriminator="kind")]
    residual_interval: ResidualInterval | None = None
    intended_use: Text
    training_data: Text
    performance: tuple[Performance, ...] = ()
    weights_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="of model.safetensors")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        kind = self.architecture.kind
        quantity, unit = OUTPUT_OF[kind]
        if self.preprocessing.name != PREPROCESSING_OF[kind]:
            raise ValueError(f"preprocessing.name: {kind} takes {PREPROCESSING_OF[kind]}")
        if (self.output.quantity, self.output.unit) != (quantity, unit):
            raise ValueError(f"output: {kind} estimates {quantity} in unit '{unit}'")
        if quantity is Output.ARREST and self.residual_interval is not None:
            raise ValueError("residual_interval: a probability has none")
        if quantity is Output.POTASSIUM and self.calibration.kind != "identity":
            raise ValueError(f"calibration: {self.calibration.kind} is for probabilities; write kind: identity")
        if self.status is Status.SITE_VALIDATED and not self.performance:
            raise ValueError("performance: a site-validated model states what was measured")
        return self
