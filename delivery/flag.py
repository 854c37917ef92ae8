"""A flag as FHIR R4 has it (9.8): one Flag under one identifier, written again with every change."""

import json
from typing import Any

from config.schema import Fhir
from delivery import narrative
from delivery.coding import ARREST, HTEST, HYPERKALEMIA, HYPOKALEMIA
from delivery.estimate import device
from delivery.part import stamp
from delivery.subject import identifiers, token, urn
from domain.alert import Risk
from domain.ecg import Identifier, Patient
from domain.finding import Score, Status
from domain.flag import Flag, Over
from domain.outgoing import Outgoing
from domain.person import person_key

_SAFETY = {
    "system": "http://terminology.hl7.org/CodeSystem/flag-category",
    "code": "safety",
    "display": "Safety",
}
_WHAT: dict[Risk, tuple[str, dict[str, Any]]] = {
    Risk.ARREST: ("High risk of cardiac arrest estimated from ECG", ARREST),
    Risk.POTASSIUM_HIGH: ("Critically high potassium estimated from ECG", HYPERKALEMIA),
    Risk.POTASSIUM_LOW: ("Critically low potassium estimated from ECG", HYPOKALEMIA),
}
_ENDS = {
    Over.BELOW: "Ended: a later ECG was below the threshold.",
    Over.TIME: "Ended: no later ECG showed it again in time. This is not an all-clear.",
    Over.DISCHARGED: "Ended: the patient was discharged.",
    Over.MERGED: "Ended: the patient's records were merged, and the flag of the other record stands.",
    Over.OFF: "Ended: flags were switched off. This is not an all-clear.",
    Over.RETRACTED: "ENTERED IN ERROR: the result it stood on was retracted. Do not act on this flag.",
}


def message(flag: Flag, patient: Patient, visit: Identifier | None, model: Score, settings: Fhir) -> Outgoing | None:
    """Make a destination's Flag what ``flag`` is, in a transaction; ``None`` where it would not know the patient."""
    whose = identifiers(patient, settings.patient)
    if not whose:
        return None
    author = device(model)
    resource = {**_resource(flag, model), "subject": {"reference": f"Patient?{token(*whose[0])}", "type": "Patient"}}
    resource |= {"encounter": _encounter(visit, settings), "author": {"reference": author.url, "type": "Device"}}
    system, value = settings.identifier_system, f"{flag.key}.flag"
    resource["identifier"] = [{"system": system, "value": value}]
    request = {"method": "PUT", "url": f"Flag?{token(system, value)}"}
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [author.entry(), {"fullUrl": urn(system, value), "resource": resource, "request": request}],
    }
    body = json.dumps(_present(bundle), ensure_ascii=False, separators=(",", ":")).encode()
    return Outgoing(
        key=f"{flag.finding}:{settings.channel}:flag:{flag.key}:{flag.changes}",
        channel=settings.channel,
        content_type="application/fhir+json",
        body=body,
        lane=person_key(patient),
    )


def _resource(flag: Flag, model: Score) -> dict[str, Any]:
    words, code = _WHAT[flag.risk]
    stand_in = model.status is Status.STAND_IN
    end = flag.ended or flag.until
    lines = (
        *((narrative.STAND_IN,) if stand_in else ()),
        f"{words}.",
        f"Since the ECG of {narrative.clock(flag.begun)}; flagged by {model.model} {model.version}.",
        _ENDS[flag.why] if flag.why else f"Ends {narrative.clock(flag.until)} unless a later ECG shows it again.",
    )
    return {
        "resourceType": "Flag",
        "meta": {"tag": [HTEST]} if stand_in else None,
        "status": flag.state.value,
        "category": [{"coding": [_SAFETY], "text": "Safety"}],
        "code": {**code, "text": f"{words} (STAND-IN MODEL: NO CLINICAL MEANING)" if stand_in else words},
        "period": {"start": stamp(flag.begun), "end": stamp(max(end, flag.begun))},
        "text": narrative.xhtml(lines),
    }


def _encounter(visit: Identifier | None, settings: Fhir) -> dict[str, Any] | None:
    if visit is None or not visit.value:
        return None
    matching = settings.patient
    system = matching.encounter_systems.get(visit.authority) if visit.authority else matching.encounter_system
    return {"type": "Encounter", "identifier": {"system": system, "value": visit.value}} if system else None


def _present(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _present(inner) for name, inner in value.items() if inner is not None}
    return [_present(inner) for inner in value] if isinstance(value, list) else value
