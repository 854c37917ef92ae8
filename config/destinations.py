"""Where results go, and how often it is tried."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, HttpUrl, model_validator

from config.base import Name, Strict
from config.secrets import Secret


class PatientMatching(Strict):
    """How an assigning authority becomes a FHIR identifier system, and what to do with a patient the EHR lacks."""

    systems: dict[str, str] = Field({}, description="assigning authority -> FHIR identifier.system")
    default_system: str | None = Field(
        None, description="system of identifiers from senders that name no authority; absent: unidentified"
    )
    encounter_systems: dict[str, str] = Field({}, description="assigning authority -> system of its visit numbers")
    encounter_system: str | None = Field(None, description="system of visit numbers without an authority")
    unknown: Literal["hold", "create"] = Field("hold", description="hold: retry, then bury with patient_unknown")


class Fhir(Strict):
    """A FHIR R4 server that takes transactions."""

    kind: Literal["fhir"] = "fhir"
    name: Name = "ehr"
    base_url: HttpUrl
    timeout_s: float = Field(30, gt=0, le=300)
    auth: Literal["none", "basic", "bearer"] = "none"
    username: str | None = None
    secret_file: Secret | None = Field(None, description="password or bearer token")
    ca: Path | None = None
    certificate: Path | None = Field(None, description="client certificate for mutual TLS")
    key: Path | None = None
    probability_scale: Literal["fraction", "percent"] = "fraction"
    identifier_system: str = "urn:ecgd:result"
    patient: PatientMatching = PatientMatching()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.auth != "none" and self.secret_file is None:
            raise ValueError(f"auth: {self.auth} needs secret_file")
        if self.auth == "basic" and not self.username:
            raise ValueError("auth: basic needs username")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        return self

    @property
    def channel(self) -> str:
        """What its messages are queued under."""
        return f"{self.kind}:{self.name}"


def _differing(destinations: tuple[Fhir, ...]) -> tuple[Fhir, ...]:
    channels = [one.channel for one in destinations]
    if len(set(channels)) != len(channels):
        raise ValueError("the names of destinations of one kind must differ")
    return destinations


Destinations = Annotated[tuple[Fhir, ...], AfterValidator(_differing)]
"""Each has a queue of its own: a dead or refusing one delays no other."""


class Delivery(Strict):
    """Retry of outgoing messages: exponential between the two waits, with jitter, until ``give_up_s``."""

    first_wait_s: float = Field(1, gt=0, le=60)
    longest_wait_s: float = Field(300, gt=0, le=86400)
    give_up_s: float = Field(7 * 86400, gt=0)
    hold_patient_s: float = Field(3600, ge=0, description="how long to wait for an unknown patient to appear")
    concurrency: int = Field(4, ge=1, le=64)
