"""The codes that go out, each with where it comes from."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from domain.finding import Output

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
LOCAL = "urn:ecgd:code"
WEIGHTS = "urn:ecgd:bundle-sha256"
HTEST = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
    "code": "HTEST",
    "display": "test health data",
}
EKG_STUDY = {"system": LOINC, "code": "11524-6", "display": "EKG study"}
EKG_PANEL = {"system": LOINC, "code": "34534-8", "display": "12 lead EKG panel"}
PROCEDURE = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "procedure"}

ARREST_HORIZON = timedelta(hours=24)
"""EIANet predicts arrest during the stay in the emergency department and names no horizon; in its derivation cohort
three quarters of the arrests came within 23.5 h of triage (table 1), hence one day. FHIR reads an absent
``whenPeriod`` as *lifespan*."""


def concept(text: str, *codings: dict[str, str]) -> dict[str, Any]:
    """A CodeableConcept: the words a person reads and the codes a program does."""
    return {"coding": list(codings) or None, "text": text}


def local(code: str, display: str) -> dict[str, str]:
    """A Coding of ours, for what no public code system names."""
    return {"system": LOCAL, "code": code, "display": display}


STANDARD_PICTURE = local("ecg-picture", "12-lead ECG, standard picture")
EXPLANATION = local("ecg-explanation", "12-lead ECG with what a model looked at")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One of ``domain.ecg.Measurements`` as FHIR has it; ``unit`` is UCUM, ``digits`` after the decimal point."""

    field: str
    text: str
    coding: dict[str, str]
    unit: str
    shown: str
    digits: int = 0


# qtc_ms is 8636-3, not Bazett's 76635-2: carts seldom say which formula they used.
MEASUREMENTS = (
    Measurement("heart_rate_bpm", "Heart rate", {"system": LOINC, "code": "8867-4"}, "/min", "beats/min"),
    Measurement("p_ms", "P duration", local("p-duration", "P duration"), "ms", "ms"),
    Measurement("pr_ms", "PR interval", {"system": LOINC, "code": "8625-6"}, "ms", "ms"),
    Measurement("qrs_ms", "QRS duration", {"system": LOINC, "code": "8633-0"}, "ms", "ms"),
    Measurement("qt_ms", "QT interval", {"system": LOINC, "code": "8634-8"}, "ms", "ms"),
    Measurement("qtc_ms", "QT interval, corrected", {"system": LOINC, "code": "8636-3"}, "ms", "ms"),
    Measurement("qtcf_ms", "QT interval, corrected (Fridericia)", {"system": LOINC, "code": "76634-5"}, "ms", "ms"),
    Measurement("p_axis_deg", "P axis", {"system": LOINC, "code": "8626-4"}, "deg", "degrees"),
    Measurement("qrs_axis_deg", "QRS axis", {"system": LOINC, "code": "8632-2"}, "deg", "degrees"),
    Measurement("t_axis_deg", "T axis", {"system": LOINC, "code": "8638-9"}, "deg", "degrees"),
)

ARREST = concept("Cardiac arrest", {"system": SNOMED, "code": "410429000", "display": "Cardiac arrest"})
HYPOKALEMIA = concept("Hypokalemia", {"system": SNOMED, "code": "43339004", "display": "Hypokalemia"})
HYPERKALEMIA = concept("Hyperkalemia", {"system": SNOMED, "code": "14140009", "display": "Hyperkalemia"})

WHAT = {
    Output.ARREST: "Risk of cardiac arrest estimated from ECG",
    Output.POTASSIUM: "Potassium estimated from ECG",
}
"""What an output is called wherever a person reads it: an estimate, never a measurement."""

_INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
_POTASSIUM_FLAGS = {
    "severe_low": ("LL", "Critical low"),
    "low": ("L", "Low"),
    "normal": ("N", "Normal"),
    "high": ("H", "High"),
    "severe_high": ("HH", "Critical high"),
}


def interpretation(level: str) -> dict[str, Any]:
    """LL, L, N, H or HH for a level of the potassium thresholds."""
    code, display = _POTASSIUM_FLAGS[level]
    return concept(display, {"system": _INTERPRETATION, "code": code, "display": display})


_RISKS = {
    (Output.ARREST, ""): {"normal": "low", "moderate": "moderate", "high": "high"},
    (Output.POTASSIUM, "Hypokalemia"): {"severe_low": "high", "low": "moderate"},
    (Output.POTASSIUM, "Hyperkalemia"): {"severe_high": "high", "high": "moderate"},
}


def qualitative_risk(output: Output, level: str, outcome: str = "") -> dict[str, Any]:
    """*low*, *moderate* or *high* of HL7's risk-probability; never *negligible*: no estimate rules anything out."""
    code = _RISKS[output, outcome].get(level, "low")
    system = "http://terminology.hl7.org/CodeSystem/risk-probability"
    return concept(f"{code} risk", {"system": system, "code": code})


ANY_PROBABILITY = {
    end: {"value": value, "unit": "%", "system": UCUM, "code": "%"} for end, value in (("low", 0), ("high", 100))
}
"""A Range that says nothing is known. R4's invariant ras-2 (``probability is decimal implies ..``) is empty, and so not
true, for a prediction without any probability: servers that read it to the letter (Medplum) refuse the resource."""


def absent(code: str, text: str) -> dict[str, Any]:
    """Why there is no value (``error`` or ``unknown``), in words too."""
    return concept(text, {"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": code})
