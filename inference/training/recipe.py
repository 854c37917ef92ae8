"""A recipe: all that decides what a training yields, as YAML; the same recipe and data give the same bundle."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError

from config.load import InvalidConfiguration, Mistake
from domain.finding import Output, Status
from inference.manifest import OUTPUT_OF, Architecture, Strict, Text

METRICS = {Output.ARREST: ("auroc", "auprc", "loss"), Output.POTASSIUM: ("mae", "auroc", "loss")}
"""What validation can be judged by; potassium's ``auroc`` is the mean over the four cuts of the paper's classes."""
LOSSES = {Output.ARREST: ("bce", "brloss"), Output.POTASSIUM: ("ordinal", "huber", "mse")}
Share = Annotated[float, Field(ge=0, lt=1)]


class Data(Strict):
    """Which ECGs, and what makes a pair of an ECG and a laboratory value."""

    manifest: Path | None = Field(None, description="relative to the recipe; or --manifest")
    test_manifest: Path | None = Field(None, description="a cohort of its own to test on; or --test-manifest")
    window_h: float = Field(1.0, gt=0, le=48, description="largest distance of potassium and ECG; the paper's is 1 h")
    variants: int = Field(1, ge=1, le=16, description="pictures drawn of each ECG, from signals varied by augmentation")


class ByPatient(Strict):
    """Patients are drawn; each keeps their part for a seed, also when the cohort grows."""

    by: Literal["patient"]
    validation: Share = 0.1
    test: Share = 0.2
    seed: int = Field(0, ge=0)


class ByDate(Strict):
    """As ECG12Net's paper: by the time of the ECG; a patient of an earlier part is left out of the later ones."""

    by: Literal["date"]
    train_before: date = Field(description="UTC midnight; later ECGs are validation's")
    validation_before: date | None = Field(None, description="later ECGs are test's; only without a test_manifest")


Split = Annotated[ByPatient | ByDate, Field(discriminator="by")]


class SignalAugmentation(Strict):
    """Largest strengths; each ECG draws its own. Einthoven's law stays: what moves, moves at an electrode."""

    gain: Share = Field(0.0, description="of all leads together, 0.1: to 1.1 or 1/1.1")
    group_gain: Share = Field(0.0, description="of limb leads against chest leads")
    wander_mv: float = Field(0.0, ge=0, le=2)
    white_mv: float = Field(0.0, ge=0, le=1)
    mains_mv: float = Field(0.0, ge=0, le=1)
    emg_mv: float = Field(0.0, ge=0, le=1)
    shift_s: float = Field(0.0, ge=0, le=2, description="of a whole recording; crops are placed at random anyhow")
    lead_drop: Share = Field(0.0, description="probability that one chest lead is flat")
    emp_drop: Share = Field(0.0, description="probability that a measurement is not known")


class PictureAugmentation(Strict):
    """Largest strengths, on the prepared picture: what pages and scans differ in."""

    shift: float = Field(0.0, ge=0, le=0.2, description="of the picture's side")
    scale: Share = 0.0
    rotate_deg: float = Field(0.0, ge=0, le=1)
    stroke: Share = Field(0.0, description="probability of a thinner or thicker trace")
    blur: Share = Field(0.0, description="probability")
    specks: int = Field(0, ge=0, le=200)
    gaps: int = Field(0, ge=0, le=50)


class Augmentation(Strict):
    """Signal's for models of the signal, and for the variants of pictures; picture's for models of the picture."""

    signal: SignalAugmentation = SignalAugmentation()
    picture: PictureAugmentation = PictureAugmentation()


class Training(Strict):
    """How the weights are found."""

    epochs: int = Field(ge=1, le=10_000)
    batch: int = Field(ge=2, le=4096)
    optimizer: Literal["adam", "adamw"]
    learning_rate: float = Field(gt=0, le=1)
    weight_decay: float = Field(0.0, ge=0, le=1)
    schedule: Literal["constant", "cosine", "plateau"] = "constant"
    warmup: int = Field(0, ge=0, description="epochs over which the learning rate rises, with constant and cosine")
    clip_norm: float | None = Field(None, gt=0, description="largest norm of the gradient")
    loss: Literal["bce", "brloss", "ordinal", "huber", "mse"]
    brloss_momentum: float = Field(0.9, ge=0, lt=1)
    lead_loss: float = Field(0.0, ge=0, le=10, description="weight of each lead's own loss, ECG12Net")
    balance: float = Field(0.0, ge=0, le=1, description="0: as they come; 1: every class equally often")
    epoch_cases: int | None = Field(None, ge=2, description="ECGs an epoch; none: as many as there are")
    amp: Literal["none", "bf16"] = "none"
    workers: int = Field(0, ge=0, le=64, description="processes that prepare batches; 0: the trainer itself")
    seed: int = Field(0, ge=0, le=2**31)
    metric: Literal["auroc", "auprc", "mae", "loss"] | None = Field(None, description="none: auroc, or mae")
    patience: int | None = Field(None, ge=1, description="epochs without a better metric before it ends")
    init: Path | None = Field(
        None, description="safetensors to begin with, torchvision's names; relative to the recipe"
    )


class Calibration(Strict):
    """What turns a logit into a probability that can be believed, fitted on the validation part."""

    method: Literal["none", "platt", "isotonic"] = "none"
    prevalence: float | None = Field(None, gt=0, lt=1, description="of arrest where the model will be used")


class CardFacts(Strict):
    """What only people know; the card says "not stated in the recipe" for what is left out."""

    source: str = ""
    eligibility: str = ""
    outcome: str = ""
    limitations: str = ""
    funding: str = ""
    registration: str = ""


class Recipe(Strict):
    """The whole recipe."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    version: str = Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]{0,31}$")
    status: Status
    intended_use: Text
    training_data: Text
    model: Architecture = Field(discriminator="kind")
    data: Data = Data()
    split: Split
    training: Training
    augmentation: Augmentation = Augmentation()
    calibration: Calibration = Calibration()
    card: CardFacts = CardFacts()

    @property
    def output(self) -> Output:
        """What the model estimates."""
        return OUTPUT_OF[self.model.kind][0]

    @property
    def metric(self) -> str:
        """What the best epoch is chosen by."""
        return self.training.metric or METRICS[self.output][0]


def load(path: Path) -> Recipe:
    """Read and validate a recipe; its paths count from where it lies. Raises InvalidConfiguration with all mistakes."""
    try:
        recipe = parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfiguration((Mistake(str(path), f"cannot be read ({type(error).__name__})"),)) from None
    data = {"manifest": recipe.data.manifest, "test_manifest": recipe.data.test_manifest}
    data = {name: found and path.parent / found for name, found in data.items()}
    begun = recipe.training.init and path.parent / recipe.training.init
    return recipe.model_copy(
        update={
            "data": recipe.data.model_copy(update=data),
            "training": recipe.training.model_copy(update={"init": begun}),
        }
    )


def parse(text: str) -> Recipe:
    """Validate the text of a recipe."""
    try:
        content: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "the file"
        raise InvalidConfiguration((Mistake(where, "not YAML"),)) from None
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        raise InvalidConfiguration(tuple(_mistake(detail) for detail in error.errors(include_input=False))) from None
    misfits = tuple(_misfits(recipe))
    if misfits:
        raise InvalidConfiguration(misfits)
    return recipe


def _mistake(detail: Any) -> Mistake:
    where = ".".join(map(str, detail["loc"])) or "the file"
    if detail["type"] == "extra_forbidden":
        return Mistake(where, "unknown key")
    if detail["type"] == "missing":
        return Mistake(where, "missing", "it is required here")
    return Mistake(where, detail["msg"].removeprefix("Value error, "))


def _misfits(recipe: Recipe) -> Iterator[Mistake]:
    """What is well-formed and does not go together."""
    kind, training, split = recipe.model.kind, recipe.training, recipe.split
    head = getattr(recipe.model, "head", "")
    if training.loss not in LOSSES[recipe.output]:
        yield Mistake(
            "training.loss", f"{training.loss} is not for {kind}", f"one of {', '.join(LOSSES[recipe.output])}"
        )
    elif head and (head == "ordinal") != (training.loss == "ordinal"):
        yield Mistake("training.loss", f"{training.loss} does not fit model.head {head}")
    if training.metric and training.metric not in METRICS[recipe.output]:
        yield Mistake(
            "training.metric", f"{training.metric} is not for {kind}", f"one of {', '.join(METRICS[recipe.output])}"
        )
    if training.lead_loss and kind != "ecg12net":
        yield Mistake("training.lead_loss", f"{kind} has no output a lead", "leave it out")
    if recipe.output is Output.POTASSIUM and recipe.calibration != Calibration():
        yield Mistake("calibration", "a potassium has no probability to calibrate", "leave it out")
    if recipe.data.variants > 1 and kind != "eianet":
        yield Mistake("data.variants", f"{kind} takes the signal, which varies at every epoch", "leave it out")
    if training.warmup and training.schedule == "plateau":
        yield Mistake("training.warmup", "does not go with schedule plateau", "leave it out")
    yield from _split_misfits(split)


def _split_misfits(split: ByPatient | ByDate) -> Iterator[Mistake]:
    if isinstance(split, ByPatient):
        if split.validation <= 0:
            yield Mistake("split.validation", "nothing to choose the best epoch by", "above 0")
        if split.validation + split.test >= 1:
            yield Mistake("split", "validation and test leave nothing to train on", "together below 1")
    elif split.validation_before is not None and split.validation_before <= split.train_before:
        yield Mistake("split.validation_before", "not after train_before")
