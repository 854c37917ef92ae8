"""Where results go, and how often it is tried."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, HttpUrl, model_validator

from config.base import Name, Strict
from config.mistakes import Faults, twice
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


class Smart(Strict):
    """SMART Backend Services: a signed JWT in place of a password, for a token that lasts minutes."""

    client_id: str = Field(min_length=1, description="as registered with the EHR")
    jwks_file: Secret = Field(description="our private keys as a JWKS, each with its kid; the last one signs")
    token_url: HttpUrl | None = Field(None, description="absent: as .well-known/smart-configuration says")
    scope: str = Field("system/*.read system/*.write", description="what is asked for")


_ITEMS = Literal["arrest", "potassium", "heart_rate", "pr", "qrs", "qt", "qtc"]


class Fhir(Strict):
    """A FHIR R4 server."""

    kind: Literal["fhir"] = Field("fhir", description="what it is")
    name: Name = Field("ehr", description="its queue is kind:name; shown in logs and metrics")
    profile: Literal["r4", "oracle", "epic"] = Field("r4", description="what the EHR can take; docs/adr/0016")
    base_url: HttpUrl = Field(description="of the server, without a resource")
    timeout_s: float = Field(30, gt=0, le=300, description="for one answer")
    auth: Literal["none", "basic", "bearer", "smart"] = Field("none", description="how the service says who it is")
    username: str | None = Field(None, description="with auth: basic")
    secret_file: Secret | None = Field(None, description="password or bearer token")
    smart: Smart | None = None
    ca: Path | None = Field(None, description="PEM file of the server's authorities; absent: those of the machine")
    certificate: Path | None = Field(None, description="client certificate for mutual TLS")
    key: Path | None = Field(None, description="PEM file of its private key")
    probability_scale: Literal["fraction", "percent"] = Field(
        "fraction", description="how probabilities are written, as the EHR shows them"
    )
    identifier_system: str = Field(
        "urn:ecgd:result", description="system of the identifiers that results are kept once by"
    )
    flowsheets: dict[_ITEMS, str] = Field({}, description="epic: result -> system|code of the site's flowsheet row")
    patient: PatientMatching = PatientMatching()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.auth in ("basic", "bearer") and self.secret_file is None:
            raise ValueError(f"auth: {self.auth} needs secret_file")
        if self.auth == "basic" and not self.username:
            raise ValueError("auth: basic needs username")
        if (self.auth == "smart") != (self.smart is not None):
            raise ValueError("auth: smart and the block smart go together")
        if self.profile != "epic" and self.flowsheets:
            raise ValueError("flowsheets are for profile: epic")
        if any("|" not in row for row in self.flowsheets.values()):
            raise ValueError("a flowsheet row is written system|code")
        return self

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        return self

    @property
    def channel(self) -> str:
        """What its messages are queued under."""
        return f"{self.kind}:{self.name}"


class Hl7v2(Strict):
    """An interface engine or EHR that takes ORU^R01 (HL7 v2.5.1) over MLLP."""

    kind: Literal["hl7v2"] = Field(description="what it is")
    name: Name = Field("engine", description="its queue is kind:name; shown in logs and metrics")
    host: str = Field(min_length=1, description="address or name of the receiver")
    port: int = Field(ge=1, le=65535, description="its port")
    timeout_s: float = Field(30, gt=0, le=300, description="for the connection, and again for the acknowledgement")
    tls: bool = Field(False, description="whether the connection is encrypted")
    ca: Path | None = Field(None, description="absent: the system's authorities")
    certificate: Path | None = Field(None, description="client certificate for mutual TLS")
    key: Path | None = Field(None, description="PEM file of its private key")
    sending: str = Field("ECGD", description="MSH-3")
    sending_facility: str = Field("", description="MSH-4")
    receiving: str = Field("", description="MSH-5")
    receiving_facility: str = Field("", description="MSH-6")
    processing_id: Literal["P", "T", "D"] = Field("P", description="MSH-11")
    picture: Literal["pdf", "png", "none"] = Field("pdf", description="the ECG with the heat maps, as OBX of type ED")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        if not self.tls and (self.ca or self.certificate):
            raise ValueError("ca, certificate and key are for tls: true")
        return self

    @property
    def patient(self) -> PatientMatching:
        """No authority is renamed: PID-3 goes out as it came."""
        return PatientMatching()

    @property
    def channel(self) -> str:
        """What its messages are queued under."""
        return f"{self.kind}:{self.name}"


def _kind(value: Any) -> Any:
    """FHIR where nothing is said."""
    return {"kind": "fhir", **value} if isinstance(value, dict) else value


Destination = Annotated[Fhir | Hl7v2, Field(discriminator="kind"), BeforeValidator(_kind)]


def _differing(destinations: tuple[Fhir | Hl7v2, ...]) -> tuple[Fhir | Hl7v2, ...]:
    faults = [*twice(((number, "name"), one.channel) for number, one in enumerate(destinations))]
    if faults:
        raise Faults(*faults)
    return destinations


Destinations = Annotated[tuple[Destination, ...], AfterValidator(_differing)]
"""Each has a queue of its own: a dead or refusing one delays no other."""


class Delivery(Strict):
    """Retry of outgoing messages: exponential between the two waits, with jitter, until ``give_up_s``."""

    first_wait_s: float = Field(1, gt=0, le=60, description="before the second try")
    longest_wait_s: float = Field(300, gt=0, le=86400, description="between two tries")
    give_up_s: float = Field(7 * 86400, gt=0, description="a message this old is buried")
    hold_patient_s: float = Field(3600, ge=0, description="how long to wait for an unknown patient to appear")
    concurrency: int = Field(4, ge=1, le=64, description="messages at once, a destination")
