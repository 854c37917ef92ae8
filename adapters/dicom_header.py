"""Who, which order and which cart, from a DICOM header: PS3.3 C.2.2, C.3.4, C.7.2.1, C.7.5.1."""

from typing import Any

from pydicom.multival import MultiValue

from adapters.codes import clean
from adapters.dicom_time import day
from domain.ecg import Device, Identifier, Order, Patient, Sex

_SEXES = {"M": Sex.MALE, "F": Sex.FEMALE, "O": Sex.OTHER}
_MOST_IDENTIFIERS = 16


def patient(dataset: Any) -> Patient:
    """Name the patient: Patient ID with its issuer first, then the other IDs."""
    family, given = _name(dataset)
    return Patient(
        identifiers=_identifiers(dataset),
        family=family,
        given=given,
        birth_date=day(text(dataset, "PatientBirthDate")),
        sex=_SEXES.get(text(dataset, "PatientSex").upper(), Sex.UNKNOWN),
    )


def _name(dataset: Any) -> tuple[str, str]:
    """Family and given name in the first group that holds one: alphabetic, ideographic, phonetic (PS3.5 6.2.1)."""
    for group in text(dataset, "PatientName").split("="):
        if clean(group.replace("^", "")):
            family, _, rest = group.partition("^")
            return clean(family), clean(rest.split("^")[0])
    return "", ""


def _identifiers(dataset: Any) -> tuple[Identifier, ...]:
    found = [_identifier(dataset)]
    found += [_identifier(item) for item in dataset.get("OtherPatientIDsSequence") or ()]
    found += [Identifier(value=clean(str(value))) for value in _many(dataset.get("OtherPatientIDs"))]
    unique: dict[tuple[str, str], Identifier] = {}
    for identifier in found:
        if identifier.value:
            unique.setdefault((identifier.value, identifier.authority), identifier)
    return tuple(unique.values())[:_MOST_IDENTIFIERS]


def _identifier(dataset: Any) -> Identifier:
    qualifiers = _first(dataset, "IssuerOfPatientIDQualifiersSequence")
    authority = text(dataset, "IssuerOfPatientID") or text(qualifiers, "UniversalEntityID")
    return Identifier(
        value=text(dataset, "PatientID"), authority=authority, type=text(qualifiers, "IdentifierTypeCode")
    )


def order(dataset: Any) -> Order:
    """Name the order and the visit."""
    request = _first(dataset, "RequestAttributesSequence") or _first(dataset, "ReferencedRequestSequence")
    admission = text(dataset, "AdmissionID")
    issuer = _first(dataset, "IssuerOfAdmissionIDSequence")
    authority = text(issuer, "LocalNamespaceEntityID") or text(issuer, "UniversalEntityID")
    return Order(
        placer=_either(dataset, request, "PlacerOrderNumberImagingServiceRequest"),
        filler=_either(dataset, request, "AccessionNumber")
        or _either(dataset, request, "FillerOrderNumberImagingServiceRequest"),
        encounter=Identifier(value=admission, authority=authority, type="VN") if admission else None,
        location=text(dataset, "CurrentPatientLocation"),
    )


def device(dataset: Any) -> Device:
    """Name the cart."""
    return Device(
        manufacturer=text(dataset, "Manufacturer"),
        model=text(dataset, "ManufacturerModelName"),
        serial=text(dataset, "DeviceSerialNumber"),
        software=" ".join(clean(str(value)) for value in _many(dataset.get("SoftwareVersions"))),
    )


def text(dataset: Any, keyword: str) -> str:
    """A value as text; the first of several; empty where absent."""
    values = _many(dataset.get(keyword)) if dataset is not None else []
    return clean(str(values[0])) if values else ""


def _many(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, MultiValue) else [value]


def _first(dataset: Any, keyword: str) -> Any:
    items = dataset.get(keyword)
    return items[0] if items else None


def _either(dataset: Any, request: Any, keyword: str) -> str:
    return text(dataset, keyword) or text(request, keyword)
