"""Taking back what the EHR was sent of an ECG, when a better copy of the same recording, or its patient, became known.

Nothing is deleted. R4 has no *superseded* for an Observation or a RiskAssessment, so these become ``entered-in-error``,
which every viewer leaves out of its lists; the document becomes ``superseded``. All say what took their place.
What was retracted has nothing in its place: then the document is ``entered-in-error`` too, and all say why.
"""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from config.schema import Fhir, Hl7v2
from delivery import hl7
from delivery.subject import token
from domain.outgoing import Outgoing

_ERROR = "entered-in-error"
_STATUS = {
    "DocumentReference": "superseded",
    "DiagnosticReport": _ERROR,
    "Observation": _ERROR,
    "RiskAssessment": _ERROR,
}


def superseding(sent: bytes, old: str, new: str, settings: Fhir | Hl7v2) -> Outgoing:
    """Turn the transaction of finding ``old`` into one that says that ``new`` has its place.

    Every result of ours becomes a conditional update (R4 3.1.0.7.3), which also creates it where the first transaction
    has not arrived yet: that one's conditional creates then change nothing, so the order does not matter. Patient and
    Devices stay conditional creates.
    """
    line = f"SUPERSEDED: the same ECG was decided again from a better source or under its patient; see ECG {new}."
    return _updating(sent, f"{old}:{settings.channel}:superseded", line, _STATUS, settings)


def retracting(sent: bytes, key: str, why: str, settings: Fhir | Hl7v2) -> Outgoing:
    """Turn the transaction of finding ``key`` into one that says that it was retracted, and ``why``."""
    line = f"RETRACTED: {why.rstrip('.')}. Do not act on this result."
    return _updating(sent, f"{key}:{settings.channel}:retracted", line, dict.fromkeys(_STATUS, _ERROR), settings)


def _updating(sent: bytes, key: str, line: str, statuses: Mapping[str, str], settings: Fhir | Hl7v2) -> Outgoing:
    if isinstance(settings, Hl7v2):
        body = hl7.taken_back(sent, key, line)
        return Outgoing(key=key, channel=settings.channel, content_type=hl7.CONTENT_TYPE, body=body)
    bundle = json.loads(sent)
    for entry in bundle["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] in statuses:
            kind, value = resource["resourceType"], resource["identifier"][0]["value"]
            query = token(settings.identifier_system, value)
            entry["request"] = {"method": "PUT", "url": f"{kind}?{query}"}
            entry["resource"] = _taken_back(resource, line, statuses[kind])
    body = json.dumps(bundle, ensure_ascii=False, separators=(",", ":")).encode()
    return Outgoing(key=key, channel=settings.channel, content_type="application/fhir+json", body=body)


def _taken_back(resource: dict[str, Any], line: str, status: str) -> dict[str, Any]:
    """Say it in the status, the narrative and, where there is one, the note."""
    kind = resource["resourceType"]
    div = resource["text"]["div"].replace(">", f"><p>{escape(line)}</p>", 1)
    changed = {**resource, "status": status, "text": {**resource["text"], "div": div}}
    if kind == "DocumentReference":
        return {**changed, "description": f"{resource['description']} ({line})"}
    if kind == "DiagnosticReport":
        return {**changed, "conclusion": f"{line}\n{resource['conclusion']}"}
    return {**changed, "note": [{"text": line}, *resource.get("note", [])]}
