"""What the sections of the configuration have in common: their base and the types of their values."""

import codecs
from pathlib import Path
from typing import Annotated, Any, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from config.mistakes import Fault, Faults

Port = Annotated[int, Field(ge=0, le=65535, description="TCP port; 0 lets the system choose one (tests)")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]


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


Charset = Annotated[str, AfterValidator(_charset)]
TimeZone = Annotated[str, AfterValidator(_zone)]


def _counts(annotation: Any) -> bool:
    kinds = {annotation, *(inner for one in get_args(annotation) for inner in (one, *get_args(one)))}
    return bool(kinds & {int, float}) and bool not in kinds


class Strict(BaseModel):
    """A mapping in the YAML: unknown keys are mistakes, values do not change once loaded."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _numbers(cls, value: Any) -> Any:
        """YAML reads yes and on as true, and Python counts true as 1: as a threshold, one that nobody reaches."""
        written = value if isinstance(value, dict) else {}
        truths = [name for name, each in written.items() if isinstance(each, bool) and name in cls.model_fields]
        wrong = [name for name in truths if _counts(cls.model_fields[name].annotation)]
        if wrong:
            raise Faults(*(Fault((name,), "true or false in place of a number", "write a number") for name in wrong))
        return value


class Tls(Strict):
    """TLS 1.2 or later; ``client_ca`` makes client certificates compulsory."""

    certificate: Path = Field(description="PEM file of the certificate and those that lead to its authority")
    key: Path = Field(description="PEM file of its private key, without a password")
    client_ca: Path | None = Field(
        None, description="PEM file of the clients' authorities; absent: clients need no certificate"
    )
