"""What can be configured, with its bounds and defaults. Times are in s, sizes in MiB, probabilities 0 to 1."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from config.alerts import DESTINATIONS, Alerts, Smtp, Webhook
from config.base import Port, Strict, Tls
from config.destinations import Delivery, Destinations, Fhir, Hl7v2, PatientMatching, Smart
from config.doors import DicomDoor, DicomPeer, Doors, FolderDoor, Hl7Door, Hl7Sender, Reading
from config.flags import Flags
from config.include import Include, Includes
from config.mistakes import Fault, Faults
from config.models import ModelBundle, Models
from config.secrets import Secret
from config.thresholds import ArrestThresholds, PotassiumThresholds, Thresholds

__all__ = [
    "Alerts",
    "ArrestThresholds",
    "Delivery",
    "Destinations",
    "DicomDoor",
    "DicomPeer",
    "Doors",
    "Fhir",
    "Flags",
    "FolderDoor",
    "Health",
    "Hl7Door",
    "Hl7Sender",
    "Hl7v2",
    "Include",
    "Logging",
    "ModelBundle",
    "Models",
    "PatientMatching",
    "PotassiumThresholds",
    "Reading",
    "Settings",
    "Smart",
    "Smtp",
    "Store",
    "Strict",
    "Thresholds",
    "Tls",
    "Webhook",
]


def _database(url: str) -> str:
    if not url.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
        raise ValueError("neither sqlite:///FILE nor postgresql://USER@HOST/NAME")
    if urlsplit(url).password:
        raise ValueError("holds a password; put it into store.password_file")
    return url


DatabaseUrl = Annotated[str, AfterValidator(_database)]


class Store(Strict):
    """Where arrivals, jobs, findings and messages live."""

    url: DatabaseUrl = Field(
        "sqlite:///ecgd.db",
        description="sqlite:///FILE, relative to state_dir, or postgresql://USER@HOST/NAME for several machines",
    )
    password_file: Secret | None = Field(None, description="where the PostgreSQL password is; never in the URL")
    lease_s: float = Field(60, ge=1, le=3600, description="a dead worker's ECG is taken up again after this long")
    max_attempts: int = Field(8, ge=1, le=100, description="then an ECG is quarantined as too_many_attempts")
    free_disk_mib: int = Field(512, ge=0, description="below this the doors answer 'later' (A700, 207)")
    max_waiting: int = Field(10_000, ge=1, description="unsettled arrivals beyond which the doors answer 'later'")


class Health(Strict):
    """Loopback only: ``/healthz`` and ``/metrics``; each role has its own port, 0 is off."""

    listen_port: Port = Field(9461, description="of `ecgd listen`; 0: off")
    work_port: Port = Field(9462, description="of `ecgd work`; 0: off")
    deliver_port: Port = Field(9463, description="of `ecgd deliver`; 0: off")


class Logging(Strict):
    """Structured logs on stderr; no patient data at any level."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="the least grave lines that are written"
    )
    format: Literal["json", "console"] = Field(
        "json", description="json for machines, console for a person who looks on"
    )


class Settings(Strict):
    """The whole of ecgd.yaml."""

    include: Includes = Field((), description="other files, and the one list that each may add to")
    state_dir: Path = Field(Path("/var/lib/ecgd"), description="of the SQLite file, wake-up sockets and the like")
    store: Store = Store()
    doors: Doors = Doors()
    reading: Reading = Reading()
    models: Models = Models()
    thresholds: Thresholds = Thresholds()
    destinations: Destinations = Field((), description="EHRs and interface engines; each has a queue of its own")
    alerts: Alerts = Alerts()
    delivery: Delivery = Delivery()
    flags: Flags | None = Flags()
    health: Health = Health()
    logging: Logging = Logging()

    @model_validator(mode="after")
    def _heard(self) -> Self:
        """A route that leads nowhere would lose an alert."""
        there = [one.channel for one in self.destinations]
        faults = [
            Fault(("alerts", *place), f"no such destination: {channel}", f"there are: {', '.join(there) or 'none'}")
            for place, channel in self.alerts.named
            if channel.startswith(DESTINATIONS) and channel not in there
        ]
        if faults:
            raise Faults(*faults)
        return self
