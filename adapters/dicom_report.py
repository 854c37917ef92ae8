"""What the cart itself said: measurements and statements, DICOM PS3.3 C.10.10 and CID 3227-3229."""

from collections.abc import Iterator
from typing import Any

from adapters import codes, reports
from adapters.dicom_beats import beats, intervals
from adapters.dicom_header import text
from domain.ecg import Measurements

_MOST_ANNOTATIONS = 20_000
_PLACES = ("TemporalRangeType", "ReferencedSamplePositions", "ReferencedTimeOffsets", "ReferencedDateTime")


def reported(dataset: Any) -> tuple[Measurements, bool]:
    """Return the global measurements by their codes, the first of each, and whether a unit was odd.

    What was not given as a number is taken from the cart's own marks of its beats, where it marked them.
    """
    annotations = _annotations(dataset)
    values = list(_measured(annotations))
    return reports.reported([*values, *intervals(beats(dataset, annotations))])


def statements(dataset: Any) -> tuple[str, ...]:
    """Return the statements, free text or coded, each once, in any language."""
    return reports.statements(_statement(annotation) for annotation in _annotations(dataset))


def _annotations(dataset: Any) -> list[Any]:
    return list((dataset.get("WaveformAnnotationSequence") or ())[:_MOST_ANNOTATIONS])


def _measured(annotations: list[Any]) -> Iterator[tuple[str, float | None, str]]:
    for annotation in annotations:
        name = _name(annotation) if "NumericValue" in annotation else None
        if name is not None:
            units = annotation.get("MeasurementUnitsCodeSequence")
            yield name, _value(annotation), _code(units[0]) if units else ""


def _statement(annotation: Any) -> str:
    """Free text; else the meaning of a code that is no measurement and no mark in the waveform."""
    if "UnformattedTextValue" in annotation:
        return text(annotation, "UnformattedTextValue")
    if "NumericValue" in annotation or any(keyword in annotation for keyword in _PLACES):
        return ""
    said = annotation.get("ConceptCodeSequence") or annotation.get("ConceptNameCodeSequence")
    return text(said[0], "CodeMeaning") if said else ""


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
