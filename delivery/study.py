"""The ECG itself in FHIR: its picture, its rate and intervals."""

from base64 import b64encode

import cv2

from delivery import narrative
from delivery.coding import (
    EKG_PANEL,
    EKG_STUDY,
    EXPLANATION,
    MEASUREMENTS,
    PROCEDURE,
    STANDARD_PICTURE,
    UCUM,
    Measurement,
    concept,
)
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
    """The standard picture, inline: what every answer was derived from; then where each model looked on it.

    Further contents of one document, each with a format of its own, and not documents of their own: a transaction stays
    within eight entries, and whoever follows an answer's basis finds them.
    """
    finding = context.finding
    explained = [one for one in finding.assessments if one.drawing is not None]
    lines = (
        "12-lead ECG, 25 mm/s, 10 mm/mV, redrawn from the recording.",
        narrative.when(finding),
        *(f"{narrative.looked(one.score)}: see the attachment of that title." for one in explained),
    )
    drawn = [(one.drawing, narrative.looked(one.score), EXPLANATION) for one in explained if one.drawing is not None]
    contents = [_content(context, *one) for one in ((finding.ecg.picture, "12-lead ECG", STANDARD_PICTURE), *drawn)]
    visit = context.about["encounter"]
    resource = {
        "resourceType": "DocumentReference",
        "status": "current",
        "docStatus": "preliminary",
        "type": concept("12-lead ECG", EKG_STUDY),
        "subject": context.about["subject"],
        "date": stamp(finding.decided_at),
        "description": "12-lead ECG, standard picture",
        "relatesTo": [context.replaces(key, "picture") for key in context.replaced] or None,
        "content": contents,
        "context": {"encounter": [visit] if visit else None, "period": {"start": stamp(context.taken)}},
        "text": narrative.xhtml((*context.unidentified, *lines)),
    }
    return context.ours(resource, "picture")


def _content(context: Context, shown: Picture, title: str, form: Resource) -> Resource:
    data = png(shown)
    attachment = {
        "contentType": "image/png",
        "data": b64encode(data).decode("ascii"),
        "size": len(data),
        "title": title,
        "creation": stamp(context.taken),
    }
    return {"attachment": attachment, "format": form}


def measurements(context: Context, drawn: Part) -> list[Part]:
    """Rate, intervals and axes, each saying whether the cart reported it or we measured it; none known: no entry.

    They are components of one Observation: a transaction stays within eight entries, and LOINC 8867-4 as an
    Observation's own code would make it a vital sign (R4, heartrate profile), which a rate off an ECG is not.
    """
    found = [one for measurement in MEASUREMENTS if (one := known(measurement, context.finding))]
    if not found:
        return []
    lines = [f"{one.text}: {value:.{one.digits}f} {one.shown}, {source}." for one, value, source in found]
    resource = {
        "resourceType": "Observation",
        "status": "preliminary",
        "category": [concept("Procedure", PROCEDURE)],
        "code": concept("12-lead ECG measurements", EKG_PANEL),
        **context.about,
        **context.times(),
        "method": concept("Automatic analysis of the 12-lead ECG, not confirmed by a person"),
        "derivedFrom": [{"reference": drawn.url}],
        "component": [_component(one, value, source) for one, value, source in found],
        "note": [{"text": line} for line in lines],
        "text": narrative.xhtml((*context.unidentified, *lines, narrative.when(context.finding))),
    }
    return [context.ours(resource, "measurements")]


def known(measurement: Measurement, finding: Finding) -> tuple[Measurement, float, str] | None:
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
