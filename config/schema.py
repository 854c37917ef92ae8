"""What can be configured, with its bounds and defaults. Times are in s, sizes in MiB, probabilities 0 to 1."""

import codecs
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl, model_validator

Port = Annotated[int, Field(ge=0, le=65535, description="TCP port; 0 lets the system choose one (tests)")]
AeTitle = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[\x21-\x5b\x5d-\x7e][\x20-\x5b\x5d-\x7e]*$")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Probability = Annotated[float, Field(ge=0, le=1)]
Potassium = Annotated[float, Field(ge=1.5, le=7.5, description="mmol/L; estimates are bounded to the same range")]


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError("not a time zone of the IANA database; write e.g. Europe/Berlin or UTC") from error
    return name


def _charset(name: str) -> str:
    try:
        codecs.lookup(name)
    except LookupError as error:
        raise ValueError("not a character set that is known; write e.g. utf-8, latin-1 or gb18030") from error
    return name


def _database(url: str) -> str:
    if not url.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
        raise ValueError("neither sqlite:///FILE nor postgresql://USER@HOST/NAME")
    if urlsplit(url).password:
        raise ValueError("holds a password; put it into store.password_file")
    return url


Charset = Annotated[str, AfterValidator(_charset)]
DatabaseUrl = Annotated[str, AfterValidator(_database)]
TimeZone = Annotated[str, AfterValidator(_zone)]


class Strict(BaseModel):
    """A mapping in the YAML: unknown keys are mistakes, values do not change once loaded."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Tls(Strict):
    """TLS 1.2 or later; ``client_ca`` makes client certificates compulsory."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


class Store(Strict):
    """Where arrivals, jobs, findings and messages live."""

    url: DatabaseUrl = "sqlite:///ecgd.db"
    password_file: Path | None = Field(None, description="PostgreSQL password; never in the URL")
    lease_s: float = Field(60, ge=1, le=3600)
    max_attempts: int = Field(8, ge=1, le=100)
    free_disk_mib: int = Field(512, ge=0, description="below this the doors answer 'later' (A700, 207)")
    max_waiting: int = Field(10_000, ge=1, description="unsettled arrivals beyond which the doors answer 'later'")


class DicomPeer(Strict):
    """A calling AE title bound to where it may call from; with TLS also to its certificate's common name."""

    ae_title: AeTitle
    addresses: tuple[IPv4Network | IPv6Network, ...] = Field(min_length=1)
    certificate_cn: str | None = None


class DicomDoor(Strict):
    """The DICOM storage SCP."""

    bind: str = "127.0.0.1"
    port: Port = 11112
    ae_title: AeTitle = "ECGD"
    peers: tuple[DicomPeer, ...] = ()
    max_associations: int = Field(16, ge=1, le=500)
    max_object_mib: int = Field(64, ge=1, le=1024)
    idle_s: float = Field(60, gt=0, le=3600)
    tls: Tls | None = None


class Hl7Sender(Strict):
    """What is agreed with one sending application and facility (MSH-3, MSH-4; empty matches any)."""

    application: str = ""
    facility: str = ""
    charset: Charset | None = Field(None, description="used when MSH-18 is absent, e.g. gb18030; never guessed")
    waveform_rate_hz: float | None = Field(None, gt=0, description="NA or MA waveforms without a rate of their own")
    waveform_uv_per_unit: float | None = Field(None, gt=0, description="likewise their resolution, in uV")


class Hl7Door(Strict):
    """The MLLP listener."""

    bind: str = "127.0.0.1"
    port: Port = 2575
    max_message_mib: int = Field(32, ge=1, le=512)
    idle_s: float = Field(300, gt=0, le=86400)
    max_connections: int = Field(64, ge=1, le=10_000)
    processing_ids: tuple[Literal["P", "T", "D"], ...] = ("P",)
    versions: tuple[str, ...] = ("2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8")
    addresses: tuple[IPv4Network | IPv6Network, ...] = Field((), description="who may connect; empty: anyone who can")
    tls: Tls | None = None


class FolderDoor(Strict):
    """The drop folder; ``done/`` and ``refused/`` are made inside it."""

    path: Path
    settle_s: float = Field(2.0, ge=0, le=600, description="unchanged size for this long counts as settled")
    sweep_s: float = Field(30, gt=0, le=3600)
    max_file_mib: int = Field(64, ge=1, le=1024)


class Doors(Strict):
    """Which doors are open; an absent one is closed."""

    dicom: DicomDoor | None = None
    hl7: Hl7Door | None = None
    folder: FolderDoor | None = None


class Reading(Strict):
    """Bounds on the child process that parses untrusted bytes, and what a file leaves unsaid."""

    timeout_s: float = Field(30, gt=0, le=600)
    memory_mib: int = Field(2048, ge=256)
    timezone: TimeZone = Field("UTC", description="zone of times that come without one")
    hl7_senders: tuple[Hl7Sender, ...] = Field((), description="what is agreed with whom; the first match counts")


class Models(Strict):
    """The resident models."""

    bundles: tuple[Path, ...] = Field((), description="empty: the stand-ins that come with ecgd")
    device: Literal["auto", "cuda", "cpu"] = "auto"
    backend: Literal["auto", "openvino", "torch"] = "auto"
    threads: int = Field(0, ge=0, le=256, description="0: as many as the machine has cores")
    allow_stand_in: bool = Field(False, description="let stand-in models alert people")
    explain: bool = Field(True, description="draw where each model looked, and send it with the result")


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

    name: Name = "ehr"
    base_url: HttpUrl
    timeout_s: float = Field(30, gt=0, le=300)
    auth: Literal["none", "basic", "bearer"] = "none"
    username: str | None = None
    secret_file: Path | None = Field(None, description="password or bearer token")
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


class Webhook(Strict):
    """An alert as JSON by POST, signed (``X-Ecgd-Signature: sha256=...``) when ``secret_file`` is set."""

    name: Name
    url: HttpUrl
    secret_file: Path | None = None
    timeout_s: float = Field(10, gt=0, le=60)


class Smtp(Strict):
    """An alert by mail; minimum content, no names."""

    name: Name
    host: str
    port: Port = 25
    starttls: bool = False
    username: str | None = None
    secret_file: Path | None = None
    sender: str
    recipients: tuple[str, ...] = Field(min_length=1)
    timeout_s: float = Field(20, gt=0, le=120)


class Alerts(Strict):
    """Who hears of a critical finding. An alert older than ``expire_s`` misleads and is buried, loudly."""

    webhooks: tuple[Webhook, ...] = ()
    smtp: tuple[Smtp, ...] = ()
    expire_s: float = Field(4 * 3600, gt=0)

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = [webhook.name for webhook in self.webhooks] + [mail.name for mail in self.smtp]
        if len(set(names)) != len(names):
            raise ValueError("channel names must differ")
        return self


class Delivery(Strict):
    """Retry of outgoing messages: exponential between the two waits, with jitter, until ``give_up_s``."""

    first_wait_s: float = Field(1, gt=0, le=60)
    longest_wait_s: float = Field(300, gt=0, le=86400)
    give_up_s: float = Field(7 * 86400, gt=0)
    hold_patient_s: float = Field(3600, ge=0, description="how long to wait for an unknown patient to appear")
    concurrency: int = Field(4, ge=1, le=64)


class Health(Strict):
    """Loopback only: ``/healthz`` and ``/metrics``; each role has its own port, 0 is off."""

    listen_port: Port = 9461
    work_port: Port = 9462
    deliver_port: Port = 9463


class Logging(Strict):
    """Structured logs on stderr; no patient data at any level."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


class Settings(Strict):
    """The whole of ecgd.yaml."""

    state_dir: Path = Path("/var/lib/ecgd")
    store: Store = Store()
    doors: Doors = Doors()
    reading: Reading = Reading()
    models: Models = Models()
    thresholds: Thresholds = Thresholds()
    fhir: Fhir | None = None
    alerts: Alerts = Alerts()
    delivery: Delivery = Delivery()
    health: Health = Health()
    logging: Logging = Logging()
