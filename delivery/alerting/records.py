"""An alert for a record: a FHIR Communication, or an HL7 v2 message to the interface engine."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from config.schema import Fhir, Hl7v2
from delivery.alerting.words import Message, sentences, subject_line, test_only
from delivery.coding import HTEST
from delivery.hl7 import control_id, escaped
from delivery.narrative import xhtml
from delivery.subject import identifiers, token, urn
from domain.alert import Why
from domain.ecg import Identifier, Patient

_NOBODY: Mapping[str, Any] = {"patient": (), "encounter": None, "order": {"placer": None}}
_CATEGORY = {"system": "http://terminology.hl7.org/CodeSystem/communication-category", "code": "alert"}


def communication(message: Message, settings: Fhir) -> bytes:
    """A transaction with one Communication (R4 9.6), created once under the message's own identifier."""
    system, value = settings.identifier_system, control_id(message.key)
    lines = sentences(message)
    first = message.alerts[0].raised if message.alerts and message.why is not Why.SUMMARY else None
    resource = {
        "resourceType": "Communication",
        "identifier": [{"system": system, "value": value}],
        "text": xhtml((subject_line(message), *lines)),
        "status": "completed",
        "category": [{"coding": [_CATEGORY], "text": "ECG alert"}],
        "priority": "stat",
        "sent": message.now.isoformat(),
        "payload": [{"contentString": line} for line in lines],
    }
    if test_only(message):
        resource["meta"] = {"tag": [HTEST]}
    if first is not None:
        picture = {"system": system, "value": f"{first.finding}.picture"}
        resource["about"] = [{"type": "DocumentReference", "identifier": picture}]
        resource |= _whose(first.said, settings)
    request = {"method": "POST", "url": "Communication", "ifNoneExist": token(system, value)}
    entry = {"fullUrl": urn(system, value), "resource": resource, "request": request}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    return json.dumps(bundle, ensure_ascii=False, separators=(",", ":")).encode()


def _whose(said: Any, settings: Fhir) -> dict[str, Any]:
    """The patient as the server finds them; one it does not know is not named."""
    found = identifiers(Patient(identifiers=_record_numbers(said)), settings.patient)
    return {"subject": {"reference": f"Patient?{token(*found[0])}", "type": "Patient"}} if found else {}


def _record_numbers(said: Any) -> tuple[Identifier, ...]:
    return tuple(Identifier(**one) for one in said["patient"])


def engine(message: Message, settings: Hl7v2) -> bytes:
    """An unsolicited ORU^R01 whose one result is the alert as text, each sentence an OBX, flagged AA."""
    who = (settings.sending, settings.sending_facility, settings.receiving, settings.receiving_facility)
    number, now = control_id(message.key), _time(message.now)
    head = [*map(escaped, who), now, "", "ORU^R01^ORU_R01", number, settings.processing_id]
    alone = message.alerts[0] if message.alerts and message.why is not Why.SUMMARY else None
    said: Mapping[str, Any] = alone.raised.said if alone else _NOBODY
    numbers = "~".join(_cx(one) for one in _record_numbers(said))
    visit = escaped(said["encounter"]["value"]) if said["encounter"] else ""
    unit = escaped(message.units[0]) if alone else ""
    placer, filler = escaped(said["order"]["placer"] or ""), f"{number}^ECGD"
    status = "P" if test_only(message) else "F"  # as the results it is about
    segments = [
        "MSH|^~\\&|" + "|".join([*head, "2.5.1", "", "", "", "", "", "UNICODE UTF-8"]),
        f"PID|1||{numbers}",
        f"PV1|1|U|{unit}" + "|" * 16 + visit,
        f"OBR|1|{placer}|{filler}|ecg-alert^ECG alert^L|||{now}" + "|" * 15 + f"{now}||EC|{status}",
        *(
            f"OBX|{n}|TX|ecg-alert^ECG alert^L|{n}|{escaped(line)}|||AA|||{status}|||{now}"
            for n, line in enumerate((subject_line(message), *sentences(message)), start=1)
        ),
    ]
    return ("\r".join(segments) + "\r").encode("utf-8", "replace")


def _cx(one: Identifier) -> str:
    return f"{escaped(one.value)}^^^{escaped(one.authority)}^{escaped(one.type)}"


def _time(moment: datetime) -> str:
    return moment.strftime("%Y%m%d%H%M%S%z")
