"""Who, which order and which cart, from a DICOM header: PS3.3 C.2.2, C.3.4, C.7.2.1, C.7.5.1."""

from typing import Any

from adapters.codes import clean
from adapters.dicom_time import day
from domain.ecg import Device, Identifier, Order, Patient, Sex

_SEXES = {"M": Sex.MALE, "F": Sex.FEMALE, "O": Sex.OTHER}
_MOST_IDENTIFIERS = 16


def patient(dataset: Any) -> Patient:
    """Name the patient: Patient ID with its issuer first, then the other IDs."""
    name = dataset.get("PatientName")
    return Patient(
        identifiers=_identifiers(dataset),
        family=_component(name, "family_name"),
        given=_component(name, "given_name"),
        birth_date=day(text(dataset, "PatientBirthDate")),
        sex=_SEXES.get(text(dataset, "PatientSex").upper(), Sex.UNKNOWN),
    )


def _component(name: Any, part: str) -> str:
    """The alphabetic group's part; pydicom falls back on the ideographic group where that is all there is."""
    return clean(str(getattr(name, part, "") or "")) if name is not None else ""


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
    return list(value) if hasattr(value, "__iter__") and not isinstance(value, str | bytes) else [value]


def _first(dataset: Any, keyword: str) -> Any:
    items = dataset.get(keyword)
    return items[0] if items else None


def _either(dataset: Any, request: Any, keyword: str) -> str:
    return text(dataset, keyword) or text(request, keyword)
