"""Flags in patients' records."""

from pydantic import Field

from config.base import Strict


class Flags(Strict):
    """One active Flag a patient and risk, at FHIR destinations that take them."""

    lasts_h: float = Field(24, gt=0, le=24 * 30, description="a flag that no ECG renews ends after so many hours")
