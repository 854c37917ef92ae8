"""What a server says it can do (CapabilityStatement), against what the chosen profile needs. Pure.

A server that says nothing is taken for one that can do what its profile supposes: it will refuse what it cannot.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from config.schema import Fhir


@dataclass(frozen=True, slots=True)
class Offer:
    """What a server does with one type of resource. ``named``: finds it by identifier."""

    create: bool = True
    update: bool = True
    named: bool = True
    conditional: bool = True
    chosen: bool = False  # PUT under an id of ours creates


@dataclass(frozen=True, slots=True)
class Capability:
    """A server. ``types`` is ``None`` where it did not say: then every type is offered as FHIR supposes it."""

    transactions: bool = True
    version: str = ""
    types: Mapping[str, Offer] | None = field(default=None)

    def offer(self, kind: str) -> Offer:
        """What it does with resources of one type.

        One that it does not list it may yet keep (sekmet-fhir does): where every listed type can be put under an id of
        ours, so is this, and what it will not have it refuses.
        """
        if self.types is None:
            return Offer()
        chosen = all(one.chosen for one in self.types.values())
        return self.types.get(kind, Offer(create=False, update=False, named=False, conditional=False, chosen=chosen))


_NEEDED = {
    "r4": ("Device", "DocumentReference", "Observation", "RiskAssessment", "Flag"),
    "oracle": ("DocumentReference", "DiagnosticReport"),
    "epic": ("DocumentReference", "Observation"),
}


def supposed(settings: Fhir) -> Capability:
    """What a profile supposes of a server that has not said: neither Oracle nor Epic documents transactions."""
    return Capability(transactions=settings.profile == "r4")


def capability(statement: Any, settings: Fhir) -> Capability | None:
    """Read a CapabilityStatement; ``None`` where it is none."""
    if not isinstance(statement, Mapping) or statement.get("resourceType") != "CapabilityStatement":
        return None
    servers = [one for one in _list(statement.get("rest")) if one.get("mode") in ("server", None)]
    rest = servers[0] if servers else {}
    version = statement.get("fhirVersion")
    types = {one["type"]: _offer(one) for one in _list(rest.get("resource")) if isinstance(one.get("type"), str)}
    return Capability(
        transactions="transaction" in _codes(rest) and settings.profile == "r4",
        version=version if isinstance(version, str) else "",
        types=types or None,
    )


def _offer(resource: Mapping[str, Any]) -> Offer:
    codes = _codes(resource)
    params = {one.get("name") for one in _list(resource.get("searchParam"))}
    return Offer(
        create="create" in codes,
        update="update" in codes,
        named="identifier" in params and "search-type" in codes,
        conditional=resource.get("conditionalCreate") is True,
        chosen=resource.get("updateCreate") is True and "update" in codes,
    )


def _codes(of: Mapping[str, Any]) -> set[Any]:
    return {one.get("code") for one in _list(of.get("interaction"))}


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def lacks(found: Capability, settings: Fhir) -> Iterator[str]:
    """What the profile needs and the server does not say it has, in words for ``ecgd check`` and the log."""
    if found.version and not found.version.startswith("4."):
        yield f"speaks FHIR {found.version[:16]}, not R4"
    if not found.offer("Patient").named:
        yield "cannot find a Patient by identifier"
    if settings.patient.unknown == "create" and not found.offer("Patient").create:
        yield "cannot create a Patient, and patient.unknown is create"
    for kind in _NEEDED[settings.profile]:
        yield from _lacking(kind, found.offer(kind))


def _lacking(kind: str, offer: Offer) -> Iterator[str]:
    if not offer.create:
        yield f"cannot create a {kind}: another profile may suit it"
    elif not offer.named and not offer.chosen:
        yield f"cannot find a {kind} by identifier nor create it under an id of ours: a repeat would double it"
