"""What the cart itself said: measurements and statements, DICOM PS3.3 C.10.10 and CID 3227-3229."""

from typing import Any

from adapters import codes
from adapters.dicom_header import text
from domain.ecg import Measurements

_MOST_ANNOTATIONS = 20_000
_MOST_STATEMENTS = 100
_LONGEST = 1000


def reported(dataset: Any) -> tuple[Measurements, bool]:
    """Return the global measurements by their codes, and whether a unit was odd; the first of each counts."""
    found: dict[str, float] = {}
    odd = False
    for annotation in _annotations(dataset, "NumericValue"):
        name = _name(annotation)
        value = _value(annotation) if name else None
        if name is None or value is None or name in found:
            continue
        units = annotation.get("MeasurementUnitsCodeSequence")
        scaled, strange = codes.scaled(name, value, _code(units[0]) if units else "")
        odd = odd or strange
        if scaled is not None:
            found[name] = scaled
    return codes.measurements(found), odd


def statements(dataset: Any) -> tuple[str, ...]:
    """Return the free text statements, each once, in any language."""
    lines = (
        text(annotation, "UnformattedTextValue")[:_LONGEST]
        for annotation in _annotations(dataset, "UnformattedTextValue")
    )
    return tuple(dict.fromkeys(line for line in lines if line))[:_MOST_STATEMENTS]


def _annotations(dataset: Any, holding: str) -> list[Any]:
    """Those with the element; most of them mark a wave's onset or offset and have neither number nor text."""
    return [one for one in (dataset.get("WaveformAnnotationSequence") or ())[:_MOST_ANNOTATIONS] if holding in one]


def _name(annotation: Any) -> str | None:
    concepts = annotation.get("ConceptNameCodeSequence")
    if not concepts:
        return None
    return codes.measurement(_code(concepts[0]), str(concepts[0].get("CodingSchemeDesignator") or ""))


def _code(item: Any) -> str:
    return str(item.get("CodeValue") or item.get("LongCodeValue") or "")


def _value(annotation: Any) -> float | None:
    """The numeric value; a damaged one costs the measurement, not the ECG."""
    try:
        return float(text(annotation, "NumericValue"))
    except ValueError:
        return None
