"""The doors, and how what comes through them is read."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, HttpUrl, model_validator

from config.base import Charset, Port, Strict, TimeZone, Tls

AeTitle = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[\x21-\x5b\x5d-\x7e][\x20-\x5b\x5d-\x7e]*$")]


class DicomPeer(Strict):
    """A calling AE title bound to where it may call from; with TLS also to its certificate's common name."""

    ae_title: AeTitle = Field(description="as it calls itself")
    addresses: tuple[IPv4Network | IPv6Network, ...] = Field(min_length=1, description="networks it may call from")
    certificate_cn: str | None = Field(
        None, description="its certificate's common name, with doors.dicom.tls and client_ca"
    )


class DicomDoor(Strict):
    """The DICOM storage SCP."""

    bind: str = Field("127.0.0.1", description="address to listen at; 0.0.0.0: every one of the machine")
    port: Port = 11112
    ae_title: AeTitle = Field("ECGD", description="as it is called")
    peers: tuple[DicomPeer, ...] = ()
    max_associations: int = Field(16, ge=1, le=500, description="at once; one more is refused")
    max_object_mib: int = Field(64, ge=1, le=1024, description="a larger object is refused")
    idle_s: float = Field(60, gt=0, le=3600, description="an association without a message for so long is aborted")
    tls: Tls | None = None


class Hl7Sender(Strict):
    """What is agreed with one sending application and facility (MSH-3, MSH-4; empty matches any)."""

    application: str = Field("", description="MSH-3; empty: any")
    facility: str = Field("", description="MSH-4; empty: any")
    charset: Charset | None = Field(None, description="used when MSH-18 is absent, e.g. gb18030; never guessed")
    waveform_rate_hz: float | None = Field(None, gt=0, description="NA or MA waveforms without a rate of their own")
    waveform_uv_per_unit: float | None = Field(None, gt=0, description="likewise their resolution, in uV")


class Hl7Door(Strict):
    """The MLLP listener."""

    bind: str = Field("127.0.0.1", description="address to listen at; 0.0.0.0: every one of the machine")
    port: Port = 2575
    max_message_mib: int = Field(32, ge=1, le=512, description="a larger message is refused")
    idle_s: float = Field(300, gt=0, le=86400, description="a connection without a message for so long is closed")
    max_connections: int = Field(64, ge=1, le=10_000, description="at once; one more is closed")
    processing_ids: tuple[Literal["P", "T", "D"], ...] = Field(
        ("P",), description="MSH-11 that are taken; T: tests, D: debugging"
    )
    versions: tuple[str, ...] = Field(
        ("2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8"),
        description="MSH-12 that are taken",
    )
    addresses: tuple[IPv4Network | IPv6Network, ...] = Field((), description="who may connect; empty: anyone who can")
    tls: Tls | None = None


class FolderDoor(Strict):
    """The drop folder; ``done/`` and ``refused/`` are made inside it."""

    path: Path = Field(description="the folder; the service must be able to write into it")
    settle_s: float = Field(2.0, ge=0, le=600, description="unchanged size for this long counts as settled")
    sweep_s: float = Field(30, gt=0, le=3600, description="how often it is looked through for what the watcher missed")
    max_file_mib: int = Field(64, ge=1, le=1024, description="a larger file is refused")


class Doors(Strict):
    """Which doors are open; an absent one is closed."""

    dicom: DicomDoor | None = None
    hl7: Hl7Door | None = None
    folder: FolderDoor | None = None


class References(Strict):
    """Where an ECG may be fetched that an HL7 message only points to (OBX type RP); nowhere else, and never by default.

    A reference is fetched when it begins with one of ``allow``, host, port and path compared whole.
    """

    allow: tuple[HttpUrl, ...] = Field(min_length=1, description="e.g. https://muse.hospital/museweb/")
    plain_http: bool = Field(False, description="also where neither the sender nor the bytes can be trusted")
    ca: Path | None = Field(None, description="the hospital's CA; absent: the system's")
    max_mib: int = Field(32, ge=1, le=512, description="what is larger is refused")
    timeout_s: float = Field(30, gt=0, le=300, description="for the whole document")
    missing_s: float = Field(900, ge=0, le=86400, description="how long a 404 may mean that it is not written yet")

    @model_validator(mode="after")
    def _secure(self) -> Self:
        if not self.plain_http and any(url.scheme != "https" for url in self.allow):
            raise ValueError("http is neither secret nor certain: write https, or plain_http: true beside it")
        if any(url.query or url.fragment or url.username for url in self.allow):
            raise ValueError("an allowed address is a host and a path, without ?, # or a user")
        return self


class Reading(Strict):
    """Bounds on the child process that parses untrusted bytes, and what a file leaves unsaid."""

    timeout_s: float = Field(30, gt=0, le=600, description="a file that takes longer is quarantined as reader_timeout")
    memory_mib: int = Field(2048, ge=256, description="one that needs more, as reader_memory")
    timezone: TimeZone = Field("UTC", description="zone of times that come without one")
    hl7_senders: tuple[Hl7Sender, ...] = Field((), description="what is agreed with whom; the first match counts")
    references: References | None = Field(None, description="absent: what messages point to is not fetched")
