"""Who a person is to the service: never a name, and never a guess."""

import hashlib

from domain.ecg import Identifier, Patient

RECORD_NUMBERS = {"", "MR", "MRN", "PI", "PT"}
"""Identifier types (HL7 table 0203) that name a person in a record: no account, visit, licence or insurance does."""


def record_numbers(patient: Patient) -> tuple[Identifier, ...]:
    """The identifiers that name a person in somebody's record, medical record numbers first."""
    usable = (one for one in patient.identifiers if one.value and one.type.upper() in RECORD_NUMBERS)
    return tuple(sorted(usable, key=lambda one: one.type.upper() not in {"MR", "MRN"}))


def person_key(patient: Patient) -> str:
    """Name a patient in 32 hexadecimal digits by the first record number and who assigned it; ``""``: unidentified.

    With the authority: two hospitals' equal numbers are two people, whose alerts must not be taken for one another's.
    """
    numbers = record_numbers(patient)
    if not numbers:
        return ""
    text = f"{numbers[0].authority.strip().casefold()}|{numbers[0].value.strip().casefold()}"
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
