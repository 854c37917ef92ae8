"""Epic: one Observation a flowsheet row, and the document.

Rows are numbers that the site gives (``flowsheets`` in the configuration); status is final and a note holds 254
characters at most (third-party code, not Epic's own word). A stand-in can therefore not be *preliminary*: it says what
it is in the code's text, in the note and in ``meta.tag``.
"""

from delivery import narrative
from delivery.coding import HTEST, MEASUREMENTS, PROCEDURE, UCUM, WHAT, absent, concept, interpretation, local
from delivery.estimate import Answer, model_of
from delivery.part import Context, Part, Resource
from delivery.profiles.document import document
from delivery.profiles.r4 import patient
from delivery.study import known
from domain.finding import Abstention, Output, Status

LONGEST_NOTE = 254
_ROWS = {"heart_rate_bpm": "heart_rate", "pr_ms": "pr", "qrs_ms": "qrs", "qt_ms": "qt", "qtc_ms": "qtc"}
_CODES = {Output.ARREST: "arrest-risk", Output.POTASSIUM: "potassium-from-ecg"}


def parts(context: Context) -> list[Part]:
    """The document, a row an answer, a row a measurement that has one."""
    shown = document(context)
    answers: tuple[Answer, ...] = (*context.finding.assessments, *context.finding.abstentions)
    estimates = [_estimate(context, answer, shown) for answer in answers]
    return [*patient(context), shown, *estimates, *_measurements(context, shown)]


def _row(context: Context, name: str, code: Resource, shown: Part, note: str) -> Resource:
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [concept("Procedure", PROCEDURE)],
        "code": code,
        **context.about,
        **context.times(),
        "derivedFrom": [{"reference": shown.url}],
        "note": [{"text": note}],
        "text": narrative.xhtml((*context.unidentified, note)),
    }


def _coding(context: Context, name: str, otherwise: dict[str, str]) -> dict[str, str]:
    row = context.settings.flowsheets.get(name)  # type: ignore[call-overload]
    if row is None:
        return otherwise
    system, _, code = row.rpartition("|")
    return {"system": system, "code": code}


def _estimate(context: Context, answer: Answer, shown: Part) -> Part:
    model = model_of(answer)
    stand_in = model.status is Status.STAND_IN
    text = f"{'STAND-IN MODEL, TEST ONLY: ' if stand_in else ''}{WHAT[model.output]}"
    code = concept(text, _coding(context, model.output.value, local(_CODES[model.output], WHAT[model.output])))
    resource = {
        **_row(context, model.output.value, code, shown, note(context, answer)),
        "meta": {"tag": [HTEST]} if stand_in else None,
        **_value(context, answer),
    }
    return context.ours(resource, f"{model.output.value}.{model.bundle_sha256[:12]}")


def _value(context: Context, answer: Answer) -> Resource:
    if isinstance(answer, Abstention):
        return {"dataAbsentReason": absent("unknown", "No estimate")}
    score = answer.score
    if score.output is Output.POTASSIUM:
        quantity = {"value": round(score.value, 2), "comparator": score.censored or None}
        unit = {"unit": score.unit, "system": UCUM, "code": score.unit}
        return {"valueQuantity": {**quantity, **unit}, "interpretation": [interpretation(answer.level)]}
    if context.settings.probability_scale == "percent":
        return {"valueQuantity": {"value": round(score.value * 100, 2), "unit": "%", "system": UCUM, "code": "%"}}
    return {"valueQuantity": {"value": round(score.value, 4), "unit": "fraction", "system": UCUM, "code": "1"}}


def note(context: Context, answer: Answer) -> str:
    """What fits: that it is a stand-in, the verdict, then whole sentences as long as there is room."""
    return fitting((*context.unidentified_in_short, *narrative.brief(answer, context.finding)), LONGEST_NOTE)


def fitting(sentences: tuple[str, ...], longest: int) -> str:
    """The first sentences that fit whole; the first alone is cut when even it does not."""
    text = sentences[0][:longest]
    for sentence in sentences[1:]:
        if len(text) + 1 + len(sentence) <= longest:
            text += f" {sentence}"
    return text


def _measurements(context: Context, shown: Part) -> list[Part]:
    rows = []
    for measurement in MEASUREMENTS:
        found = known(measurement, context.finding)
        if found is None or measurement.field not in _ROWS:
            continue
        _, value, source = found
        name = _ROWS[measurement.field]
        code = concept(measurement.text, _coding(context, name, measurement.coding))
        said = f"{source[0].upper()}{source[1:]}, not confirmed by a person."
        quantity = {"value": value, "unit": measurement.shown, "system": UCUM, "code": measurement.unit}
        rows.append(context.ours({**_row(context, name, code, shown, said), "valueQuantity": quantity}, name))
    return rows
