"""Whose ECG it is, as the EHR can find it."""

from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from config.schema import Destinations, Fhir, Hl7v2, PatientMatching
from domain.ecg import Patient
from domain.finding import Finding
from domain.person import record_numbers


def token(system: str, value: str) -> str:
    r"""The search ``identifier=system|value``: ``\ $ , |`` escaped inside both (R4 3.1.1.4.0.1), percent-encoded."""
    return "identifier=" + quote(f"{_escaped(system)}|{_escaped(value)}", safe="")


def _escaped(text: str) -> str:
    for mark in ("\\", "$", ",", "|"):
        text = text.replace(mark, "\\" + mark)
    return text


def urn(system: str, value: str) -> str:
    """The same ``urn:uuid`` for the same identifier, whoever computes it."""
    return f"urn:uuid:{uuid5(NAMESPACE_URL, f'{system}|{value}')}"


def identifiers(patient: Patient, matching: PatientMatching) -> tuple[tuple[str, str], ...]:
    """The ``(system, value)`` pairs the EHR would know, medical record numbers first; empty: unidentified.

    A sender that names authorities at all leaves one out for a reason: then nothing is taken for ours by default.
    """
    names_authorities = any(one.authority for one in patient.identifiers)
    default = None if names_authorities else matching.default_system
    pairs = (
        (matching.systems.get(one.authority) if one.authority else default, one.value)
        for one in record_numbers(patient)
    )
    return tuple((system, value) for system, value in pairs if system)


def known(patient: Patient, destinations: Destinations) -> bool:
    """Whether a destination would know the patient; without any, or for HL7 v2, whether there is a record number."""
    if not destinations or any(isinstance(one, Hl7v2) for one in destinations):
        return bool(record_numbers(patient))
    return any(identifiers(patient, one.patient) for one in destinations)


def subject(finding: Finding, settings: Fhir) -> dict[str, Any]:
    """A Reference: the Patient this transaction creates, a conditional one, or an openly unidentified one."""
    known = identifiers(finding.ecg.patient, settings.patient)
    if not known:
        return {
            "type": "Patient",
            "identifier": {"system": settings.identifier_system, "value": f"{finding.key}.patient"},
            "display": f"Unidentified patient (ECG {finding.key})",
        }
    if settings.patient.unknown == "create":
        return {"reference": urn(*known[0]), "type": "Patient"}
    return {"reference": f"Patient?{token(*known[0])}", "type": "Patient"}


def patient_to_create(finding: Finding, settings: Fhir) -> tuple[tuple[str, str], dict[str, Any]] | None:
    """The Patient to create where the EHR has none, under the first identifier it would know; ``None`` otherwise."""
    patient = finding.ecg.patient
    known = identifiers(patient, settings.patient)
    if settings.patient.unknown != "create" or not known:
        return None
    name = {"family": patient.family or None, "given": [patient.given] if patient.given else None}
    return known[0], {
        "resourceType": "Patient",
        "identifier": [{"system": system, "value": value} for system, value in known],
        "name": [name] if patient.family or patient.given else None,
        "birthDate": patient.birth_date.isoformat() if patient.birth_date else None,
        "gender": patient.sex.value,
    }


def encounter(finding: Finding, settings: Fhir) -> dict[str, Any] | None:
    """The visit by identifier alone: a logical reference stands even where the EHR does not know the visit."""
    visit = finding.ecg.order.encounter
    if visit is None or not visit.value:
        return None
    matching = settings.patient
    system = matching.encounter_systems.get(visit.authority) if visit.authority else matching.encounter_system
    if not system:
        return None
    return {"type": "Encounter", "identifier": {"system": system, "value": visit.value}}
