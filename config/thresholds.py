"""The thresholds: one owner for every number that makes a person come."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from config.base import Strict

Probability = Annotated[float, Field(ge=0, le=1)]
Potassium = Annotated[float, Field(ge=1.5, le=7.5, description="mmol/L; estimates are bounded to the same range")]


class ArrestThresholds(Strict):
    """Probabilities of arrest; at or above ``high`` a person is alerted."""

    moderate: Probability = 0.05
    high: Probability = 0.20

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.moderate <= self.high:
            raise ValueError("moderate must not exceed high")
        return self


class PotassiumThresholds(Strict):
    """Estimated potassium in mmol/L; at ``severe_low`` or below and ``severe_high`` or above a person is alerted."""

    severe_low: Potassium = 2.5
    low: Potassium = 3.5
    high: Potassium = 5.5
    severe_high: Potassium = 6.5

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.severe_low < self.low < self.high < self.severe_high:
            raise ValueError("severe_low < low < high < severe_high must hold")
        return self


class Thresholds(Strict):
    """One owner for every threshold."""

    arrest: ArrestThresholds = ArrestThresholds()
    potassium: PotassiumThresholds = PotassiumThresholds()
