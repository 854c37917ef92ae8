"""What a cohort's YAML says: how many, of whom, with what, and how noisy. ``cohort`` draws from it."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from config.schema import Strict
from domain.errors import Rejected
from domain.reason import Reason

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Natural = Annotated[float, Field(ge=0)]


class Between(Strict):
    """A range, drawn from evenly."""

    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.high < self.low:
            raise ValueError("high lies below low")
        return self


class Ages(Strict):
    """Years, normal and cut."""

    mean: Positive = 62.0
    sd: Positive = 17.0
    low: Positive = 18.0
    high: Positive = 95.0


class Potassium(Strict):
    """Serum potassium in mmol/L: a share drawn evenly over the range, the rest normal around ``mean``.

    ``spread`` is the standard deviation of the logarithm of a patient's sensitivity, ``silent`` the share of patients
    with a quarter of it, ``jitter`` the same as ``spread`` of each wave at each ECG.
    """

    low: Annotated[float, Field(ge=1, le=10)] = 1.5
    high: Annotated[float, Field(ge=1, le=10)] = 9.0
    even_share: Share = 0.6
    mean: Positive = 4.2
    sd: Positive = 0.55
    sensitivity: Positive = 1.0
    spread: Natural = 0.40
    silent: Share = 0.08
    jitter: Natural = 0.30

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.high <= self.low:
            raise ValueError("high lies below low")
        return self


class Arrest(Strict):
    """``prevalence`` of arrest; ``steepness`` of its logistic in the latent risk; ``loading`` scales every sign's."""

    prevalence: Annotated[float, Field(gt=0, lt=1)] = 0.4
    steepness: Positive = 6.0
    loading: Annotated[float, Field(gt=0, le=1.3)] = 1.0


class Hearts(Strict):
    """Ranges that hearts are drawn from before age, sex and conditions change them."""

    rate_bpm: Between = Between(low=52, high=112)
    axis_deg: Between = Between(low=-20, high=85)
    horizontal_deg: Between = Between(low=-18, high=28)
    pr_ms: Between = Between(low=130, high=195)
    qrs_ms: Between = Between(low=78, high=108)
    qtc_ms: Between = Between(low=385, high=445)
    t_amplitude: Between = Between(low=0.55, high=1.5)
    t_width: Between = Between(low=0.82, high=1.2)
    amplitude: Between = Between(low=0.65, high=1.35)


class Shares(Strict):
    """Shares of patients with what else changes an ECG, whatever the truth is."""

    fibrillation: Share = 0.08
    atrial_pacing: Share = 0.01
    ventricular_pacing: Share = 0.02
    rbbb: Share = 0.06
    lbbb: Share = 0.04
    ectopy: Share = 0.08
    high_voltage: Share = 0.08
    low_voltage: Share = 0.04
    flat_t: Share = 0.07
    ischaemia: Share = 0.06
    early_repolarisation: Share = 0.06
    long_qt: Share = 0.05


class Noise(Strict):
    """Sizes in mV at an electrode; a share of ECGs has muscle bursts, mains, a loose electrode, clipping."""

    white_mv: Between = Between(low=0.0005, high=0.005)
    wander_mv: Between = Between(low=0.005, high=0.07)
    muscle: Share = 0.15
    muscle_mv: Between = Between(low=0.004, high=0.025)
    mains: Share = 0.15
    mains_mv: Between = Between(low=0.003, high=0.03)
    mains_hz: Literal[50, 60] = 50
    loose: Share = 0.04
    loose_mv: Between = Between(low=0.2, high=1.2)
    clipping: Share = 0.003
    limit_mv: Between = Between(low=1.2, high=3.0)


class Device(Strict):
    """A cart: its name and its filters."""

    name: Annotated[str, Field(min_length=1)]
    high_pass_hz: Annotated[float, Field(gt=0, lt=5)] | None = 0.05
    low_pass_hz: Annotated[float, Field(ge=20, lt=250)] | None = 150.0
    step_uv: Annotated[float, Field(ge=0, le=10)] = 2.5


class Backgrounds(Strict):
    """``share`` of patients whose ECGs start from a real recording; ``part``: which of them, from 0 to 1 by name.

    Cohorts that train and cohorts that test take parts that do not overlap. ``differ`` scales what makes a stranger of
    each recording at each use (``simulator.stranger``); 0 leaves it as it was recorded.
    """

    share: Share = 0.0
    differ: Annotated[float, Field(ge=0, le=2)] = 1.0
    part: tuple[Share, Share] = (0.0, 1.0)


class Plan(Strict):
    """A simulated cohort."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    kind: Literal["potassium", "arrest"]
    ecgs: Annotated[int, Field(ge=1, le=10_000_000)]
    patients: Annotated[int, Field(ge=1)]
    seed: Annotated[int, Field(ge=0)]
    first_day: date = date(2016, 1, 1)
    last_day: date = date(2021, 12, 31)
    male: Share = 0.55
    age: Ages = Ages()
    potassium: Potassium = Potassium()
    arrest: Arrest = Arrest()
    hearts: Hearts = Hearts()
    shares: Shares = Shares()
    noise: Noise = Noise()
    devices: Annotated[tuple[Device, ...], Field(min_length=1)] = (Device(name="cart A"),)
    backgrounds: Backgrounds = Backgrounds()

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.patients > self.ecgs:
            raise ValueError("patients outnumber ecgs: every patient has one at least")
        if self.last_day < self.first_day:
            raise ValueError("last_day lies before first_day")
        if self.kind == "arrest" and self.backgrounds.share:
            raise ValueError("backgrounds.share: real recordings can be bent by potassium only, not into arrest")
        return self


def read_plan(path: Path) -> Plan:
    """Read a cohort file. Raises ``Rejected`` with every mistake and its place."""
    try:
        return Plan.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise Rejected(Reason.UNDECODABLE, f"cannot be read ({type(error).__name__})") from None
    except yaml.YAMLError:
        raise Rejected(Reason.UNDECODABLE, "not YAML") from None
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        raise Rejected(Reason.UNDECODABLE, "; ".join(map(_words, found))) from None


def _words(mistake: ErrorDetails) -> str:
    where = ".".join(map(str, mistake["loc"]))
    said = mistake["msg"].removeprefix("Value error, ")
    return f"{where}: {said}" if where else said
