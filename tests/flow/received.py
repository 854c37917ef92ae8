"""What a FHIR server ended up with, put in order."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tests.flow.ecgs import AUTHORITY_SYSTEM

Resource = Mapping[str, Any]
OURS = "urn:ecgd:result"
PARTS = frozenset({"picture", "measurements", "arrest-risk", "potassium", "dyskalemia-risk"})
"""What one finding of the two models is sent as, beside Patient and Device."""


def identifiers(resource: Resource) -> list[tuple[str, str, str]]:
    """Type, system and value of each identifier; FHIR has it as a list or as one element."""
    found = resource.get("identifier") or []
    items = [found] if isinstance(found, Mapping) else found
    return [(resource["resourceType"], item.get("system", ""), item["value"]) for item in items]


def doubled(resources: Iterable[Resource]) -> list[tuple[str, str, str]]:
    """Identifiers that more than one resource of a type carries."""
    counts = Counter(identifier for resource in resources for identifier in identifiers(resource))
    return [identifier for identifier, count in counts.items() if count > 1]


def findings(resources: Iterable[Resource]) -> dict[str, Counter[str]]:
    """Finding key -> how often each of its parts is there; the model's hash is left off."""
    by_key: dict[str, Counter[str]] = {}
    for resource in resources:
        for _, system, value in identifiers(resource):
            if system == OURS:
                key, part = value.split(".")[:2]
                by_key.setdefault(key, Counter())[part] += 1
    return by_key


def patients(resources: Iterable[Resource]) -> Counter[str]:
    """Patient identifiers under the simulator's authority, and how often each was created."""
    return Counter(
        value
        for resource in resources
        for kind, system, value in identifiers(resource)
        if kind == "Patient" and system == AUTHORITY_SYSTEM
    )


def whole_and_once(resources: Iterable[Resource], count: int) -> None:
    """Assert that ``count`` findings arrived, each with all its parts, each part once."""
    resources = list(resources)
    twice = doubled(resources)
    assert not twice, f"stored twice: {twice[:10]}"
    found = findings(resources)
    wrong = {key: dict(parts) for key, parts in found.items() if parts != Counter(PARTS)}
    assert not wrong, f"not whole or not once: {wrong}"
    assert len(found) == count, f"{len(found)} findings, not {count}"
