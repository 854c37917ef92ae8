"""A finding as one FHIR R4 transaction: pure, deterministic, every entry a conditional create."""

from typing import Any

from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from config.schema import Fhir
from delivery.part import Context, Resource
from delivery.profiles import PROFILES
from domain.errors import Permanent
from domain.finding import Finding
from domain.reason import Reason


def bundle(finding: Finding, settings: Fhir, replaced: tuple[str, ...] = ()) -> Resource:
    """Build the transaction for one finding, in place of those ``replaced``, and hold it against the R4B models.

    Raises ``Permanent(OUR_FAULT)`` naming the element, never its value, when a model refuses what was built.
    """
    entries = [part.entry() for part in PROFILES[settings.profile](Context(finding, settings, replaced))]
    made: Resource = _present({"resourceType": "Bundle", "type": "transaction", "entry": entries})
    try:
        Bundle.model_validate(made)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        places = "; ".join(f"{'.'.join(map(str, fault['loc']))} {fault['type']}" for fault in faults[:5])
        raise Permanent(Reason.OUR_FAULT, f"FHIR model refuses {places}") from None  # the cause would print values
    return made


def _present(value: Any) -> Any:
    """Leave out what is ``None``, at any depth: FHIR JSON has no null elements (R4 2.6.2)."""
    if isinstance(value, dict):
        return {name: _present(inner) for name, inner in value.items() if inner is not None}
    return [_present(inner) for inner in value] if isinstance(value, list) else value
