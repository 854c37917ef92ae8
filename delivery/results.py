"""A finding as every destination's message: which builder, which queue, which lane. Pure."""

import json

from config.schema import Fhir, Hl7v2
from delivery.fhir import bundle
from delivery.hl7 import CONTENT_TYPE, oru
from domain.finding import Finding
from domain.outgoing import Outgoing
from domain.person import person_key

FHIR_JSON = "application/fhir+json"


def result(finding: Finding, destination: Fhir | Hl7v2, replaced: tuple[str, ...] = ()) -> Outgoing:
    """The message for one destination, in the lane of the finding's person; an unidentified ECG stands for itself."""
    if isinstance(destination, Hl7v2):
        content_type, body = CONTENT_TYPE, oru(finding, destination, replaced)
    else:
        made = bundle(finding, destination, replaced)
        content_type, body = FHIR_JSON, json.dumps(made, ensure_ascii=False, separators=(",", ":")).encode()
    return Outgoing(
        key=f"{finding.key}:{destination.channel}",
        channel=destination.channel,
        content_type=content_type,
        body=body,
        lane=person_key(finding.ecg.patient) or finding.key,
    )
