"""The ECG itself in FHIR: its picture, its rate and intervals."""

from base64 import b64encode

import cv2

from delivery import narrative
from delivery.coding import EKG_PANEL, EKG_STUDY, MEASUREMENTS, PROCEDURE, UCUM, Measurement, concept
from delivery.part import Context, Part, Resource, stamp
from domain.ecg import Measurements, Picture
from domain.errors import Permanent
from domain.finding import Finding
from domain.reason import Reason

_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 3, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]
"""Thin lines on flat ground: without row filters the standard picture is a third of the work and no larger."""


def png(picture: Picture) -> bytes:
    """Encode RGB ``[height, width, 3]`` as PNG; the same bytes for the same picture."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    done, encoded = cv2.imencode(".png", bgr, _PNG)
    if not done:
        raise Permanent(Reason.OUR_FAULT, "picture not encoded")
    return bytes(encoded)


def picture(context: Context) -> Part:
    """The standard picture, inline: what every answer was derived from."""
    data = png(context.finding.ecg.picture)
    lines = ("12-lead ECG, 25 mm/s, 10 mm/mV, redrawn from the recording.", narrative.when(context.finding))
    attachment = {
        "contentType": "image/png",
        "data": b64encode(data).decode("ascii"),
        "size": len(data),
        "title": "12-lead ECG",
        "creation": stamp(context.taken),
    }
    visit = context.about["encounter"]
    resource = {
        "resourceType": "DocumentReference",
        "status": "current",
        "docStatus": "preliminary",
        "type": concept("12-lead ECG", EKG_STUDY),
        "subject": context.about["subject"],
        "date": stamp(context.finding.decided_at),
        "description": "12-lead ECG, standard picture",
        "content": [{"attachment": attachment}],
        "context": {"encounter": [visit] if visit else None, "period": {"start": stamp(context.taken)}},
        "text": narrative.xhtml((*context.unidentified, *lines)),
    }
    return context.ours(resource, "picture")


def measurements(context: Context, drawn: Part) -> list[Part]:
    """Rate, intervals and axes, each saying whether the cart reported it or we measured it; none known: no entry.

    They are components of one Observation: a transaction stays within eight entries, and LOINC 8867-4 as an
    Observation's own code would make it a vital sign (R4, heartrate profile), which a rate off an ECG is not.
    """
    known = [found for measurement in MEASUREMENTS if (found := _known(measurement, context.finding))]
    if not known:
        return []
    lines = [f"{one.text}: {value:.{one.digits}f} {one.shown}, {source}." for one, value, source in known]
    resource = {
        "resourceType": "Observation",
        "status": "preliminary",
        "category": [concept("Procedure", PROCEDURE)],
        "code": concept("12-lead ECG measurements", EKG_PANEL),
        **context.about,
        **context.times(),
        "method": concept("Automatic analysis of the 12-lead ECG, not confirmed by a person"),
        "derivedFrom": [{"reference": drawn.url}],
        "component": [_component(one, value, source) for one, value, source in known],
        "note": [{"text": line} for line in lines],
        "text": narrative.xhtml((*context.unidentified, *lines, narrative.when(context.finding))),
    }
    return [context.ours(resource, "measurements")]


def _known(measurement: Measurement, finding: Finding) -> tuple[Measurement, float, str] | None:
    """The cart's value before ours: it saw the raw signal, and people have learnt to read its numbers."""
    sources: tuple[tuple[Measurements, str], ...] = (
        (finding.ecg.reported, "reported by the ECG device"),
        (finding.ecg.measured, "measured by ecgd"),
    )
    for values, source in sources:
        value: float | None = getattr(values, measurement.field)
        if value is not None:
            return measurement, round(value, measurement.digits) if measurement.digits else round(value), source
    return None


def _component(measurement: Measurement, value: float, source: str) -> Resource:
    return {
        "code": concept(f"{measurement.text}, {source}", measurement.coding),
        "valueQuantity": {"value": value, "unit": measurement.shown, "system": UCUM, "code": measurement.unit},
    }
