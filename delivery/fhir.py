"""A finding as one FHIR R4 transaction: pure, deterministic, every entry a conditional create.

At most eight entries for two models (Patient, two Devices, picture, measurements, arrest, potassium and its risk):
Medplum takes no more in a transaction with conditional creates.
"""

from typing import Any

from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from config.schema import Fhir
from delivery.estimate import Answer, answered, device, model_of
from delivery.part import Context, Part, Resource
from delivery.study import measurements, picture
from delivery.subject import patient_to_create
from domain.errors import Permanent
from domain.finding import Finding
from domain.reason import Reason


def bundle(finding: Finding, settings: Fhir, replaced: tuple[str, ...] = ()) -> Resource:
    """Build the transaction for one finding, in place of those ``replaced``, and hold it against the R4B models.

    Raises ``Permanent(OUR_FAULT)`` naming the element, never its value, when a model refuses what was built.
    """
    entries = [part.entry() for part in _parts(Context(finding, settings, replaced))]
    made: Resource = _present({"resourceType": "Bundle", "type": "transaction", "entry": entries})
    try:
        Bundle.model_validate(made)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        places = "; ".join(f"{'.'.join(map(str, fault['loc']))} {fault['type']}" for fault in faults[:5])
        raise Permanent(Reason.OUR_FAULT, f"FHIR model refuses {places}") from None  # the cause would print values
    return made


def _parts(context: Context) -> list[Part]:
    """What is referred to comes before what refers to it."""
    answers: tuple[Answer, ...] = (*context.finding.assessments, *context.finding.abstentions)
    models = {model.bundle_sha256: model for model in map(model_of, answers)}
    drawn = picture(context)
    parts = [*_patient(context), *map(device, models.values()), drawn, *measurements(context, drawn)]
    for answer in answers:
        parts += answered(context, answer, drawn)
    return parts


def _patient(context: Context) -> list[Part]:
    made = patient_to_create(context.finding, context.settings)
    return [Part(resource=made[1], system=made[0][0], value=made[0][1])] if made else []


def _present(value: Any) -> Any:
    """Leave out what is ``None``, at any depth: FHIR JSON has no null elements (R4 2.6.2)."""
    if isinstance(value, dict):
        return {name: _present(inner) for name, inner in value.items() if inner is not None}
    return [_present(inner) for inner in value] if isinstance(value, list) else value
