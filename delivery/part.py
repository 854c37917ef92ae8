"""One entry of the transaction, and what all entries of one finding share."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from config.schema import Fhir
from delivery.subject import encounter, identifiers, subject, token, urn
from domain.finding import Finding

Resource = dict[str, Any]
"""A FHIR resource or element as JSON has it; ``None`` stands for an absent element until the bundle is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A resource and the identifier under which it is created once, however often it is sent."""

    resource: Resource
    system: str
    value: str

    @property
    def url(self) -> str:
        """What the other entries refer to it by."""
        return urn(self.system, self.value)

    def entry(self) -> Resource:
        """A conditional create (R4 3.1.0.8.1)."""
        kind = self.resource["resourceType"]
        request = {"method": "POST", "url": kind, "ifNoneExist": token(self.system, self.value)}
        return {"fullUrl": self.url, "resource": self.resource, "request": request}


@dataclass(frozen=True, slots=True)
class Context:
    """Whose ECG, when, in which visit; ``replaced``: the keys of findings whose place this one takes.

    ``taken``: the acquisition, or the receipt where the sender did not say. ``about``: subject and encounter.
    ``unidentified``: a line that says so aloud, or none.
    """

    finding: Finding
    settings: Fhir
    replaced: tuple[str, ...] = ()
    taken: datetime = field(init=False)
    about: Resource = field(init=False)
    unidentified: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        known = identifiers(self.finding.ecg.patient, self.settings.patient)
        line = f"PATIENT NOT IDENTIFIED: the ECG came without an identifier this record knows (ECG {self.finding.key})."
        about = {"subject": subject(self.finding, self.settings), "encounter": encounter(self.finding, self.settings)}
        object.__setattr__(self, "taken", self.finding.ecg.acquired_at or self.finding.received_at)
        object.__setattr__(self, "about", about)
        object.__setattr__(self, "unidentified", () if known else (line,))

    def ours(self, resource: Resource, name: str) -> Part:
        """Give a resource our identifier: the finding's key and what it is."""
        system, value = self.settings.identifier_system, f"{self.finding.key}.{name}"
        return Part(
            resource={**resource, "identifier": [{"system": system, "value": value}]}, system=system, value=value
        )

    @property
    def unidentified_in_short(self) -> tuple[str, ...]:
        """The same aloud where there is little room."""
        return ("PATIENT NOT IDENTIFIED.",) if self.unidentified else ()

    def replaces(self, key: str, name: str) -> Resource:
        """A logical reference to a document of an earlier finding, which may not have arrived yet."""
        identifier = {"system": self.settings.identifier_system, "value": f"{key}.{name}"}
        return {"code": "replaces", "target": {"type": "DocumentReference", "identifier": identifier}}

    def times(self) -> Resource:
        """When an Observation was true, and when it was made known."""
        return {"effectiveDateTime": stamp(self.taken), "issued": stamp(self.finding.decided_at)}

    def period(self, end: datetime) -> Resource:
        """From the acquisition to ``end``."""
        return {"start": stamp(self.taken), "end": stamp(end)}


def stamp(moment: datetime) -> str:
    """A FHIR dateTime or instant, to the second, with its zone."""
    return moment.isoformat(timespec="seconds")
