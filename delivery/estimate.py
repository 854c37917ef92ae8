"""What the models said, in FHIR: an estimate or an open refusal, never silence."""

from collections.abc import Iterable
from datetime import datetime

from delivery import narrative
from delivery.coding import (
    ANY_PROBABILITY,
    ARREST,
    ARREST_HORIZON,
    HTEST,
    HYPERKALEMIA,
    HYPOKALEMIA,
    PROCEDURE,
    UCUM,
    WEIGHTS,
    WHAT,
    absent,
    concept,
    interpretation,
    local,
    qualitative_risk,
)
from delivery.part import Context, Part, Resource, stamp
from delivery.subject import urn
from domain.finding import Abstention, Assessment, Output, Score, Status
from domain.reason import Reason

Answer = Assessment | Abstention
Model = Score | Abstention


def model_of(answer: Answer) -> Model:
    """The part of an answer that names the model."""
    return answer.score if isinstance(answer, Assessment) else answer


def device(model: Model) -> Part:
    """The model as a Device, known by the sha256 of its bundle."""
    stand_in = model.status is Status.STAND_IN
    line = f"{model.model} {model.version}, weights sha256 {model.bundle_sha256}, {model.status.value}."
    resource = {
        "resourceType": "Device",
        "meta": {"tag": [HTEST]} if stand_in else None,
        "identifier": [{"system": WEIGHTS, "value": model.bundle_sha256}],
        "status": "active",
        "deviceName": [{"name": model.model, "type": "model-name"}],
        "modelNumber": model.model,
        "version": [{"value": model.version}],
        "type": concept("Software estimating from ECGs"),
        "note": [{"text": narrative.STAND_IN}] if stand_in else None,
        "text": narrative.xhtml((narrative.STAND_IN, line) if stand_in else (line,)),
    }
    return Part(resource=resource, system=WEIGHTS, value=model.bundle_sha256)


def answered(context: Context, answer: Answer, drawn: Part) -> list[Part]:
    """The entries of one answer; ``drawn`` is the picture it is based on."""
    if model_of(answer).output is Output.ARREST:
        return [_arrest(context, answer, drawn)]
    estimate = _potassium(context, answer, drawn)
    return [estimate, _dyskalemia(context, answer, [estimate, drawn])]


def _shared(context: Context, answer: Answer, *more: str) -> Resource:
    """Status, tag, narrative, note, subject and encounter: the narrative may be dropped on the way, so both speak."""
    lines = (*context.unidentified, *narrative.told(answer, context.finding, *more))
    trust: Resource = {"status": "final"}
    if model_of(answer).status is Status.STAND_IN:
        trust = {"status": "preliminary", "meta": {"tag": [HTEST]}}
    return {**trust, **context.about, "text": narrative.xhtml(lines), "note": [{"text": line} for line in lines]}


def _reference(model: Model) -> Resource:
    return {"reference": urn(WEIGHTS, model.bundle_sha256), "display": f"{model.model} {model.version}"}


def _arrest(context: Context, answer: Answer, drawn: Part) -> Part:
    percent = context.settings.probability_scale == "percent"
    prediction = _prediction(context, answer, ARREST, context.taken + ARREST_HORIZON)
    if isinstance(answer, Assessment):
        value = answer.score.value
        del prediction["probabilityRange"]
        prediction["probabilityDecimal"] = round(value * 100, 4) if percent else round(value, 6)
        prediction["qualitativeRisk"] = qualitative_risk(Output.ARREST, answer.level)
        unit = "a percentage (0 to 100)" if percent else "a fraction (0 to 1)"
        prediction["rationale"] += f" probabilityDecimal is {unit}."
    hours = round(ARREST_HORIZON.total_seconds() / 3600)
    line = f"The risk is that of the stay in the emergency department, taken as {hours} h from the recording."
    return _risk(context, answer, "arrest-risk", WHAT[Output.ARREST], [prediction], [drawn], line)


def _dyskalemia(context: Context, answer: Answer, basis: list[Part]) -> Part:
    predictions = [_prediction(context, answer, outcome, context.taken) for outcome in (HYPOKALEMIA, HYPERKALEMIA)]
    lines = []
    if isinstance(answer, Assessment):
        for prediction in predictions:
            outcome = prediction["outcome"]["text"]
            risk = qualitative_risk(Output.POTASSIUM, answer.level, outcome)
            prediction["qualitativeRisk"] = risk
            doubt = " by the thresholds in force, which does not rule it out" if risk["text"] == "low risk" else ""
            lines.append(f"{outcome}: {risk['text']}{doubt}.")
    return _risk(
        context, answer, "dyskalemia-risk", "Risk of dyskalemia estimated from ECG", predictions, basis, *lines
    )


def _prediction(context: Context, answer: Answer, outcome: Resource, end: datetime) -> Resource:
    """Say nothing of probability or risk yet; an abstention stays so. Without ``whenPeriod`` it would be *lifespan*."""
    said = narrative.verdict(answer) if isinstance(answer, Assessment) else narrative.refusal(answer)
    warned = f"{narrative.STAND_IN} " if model_of(answer).status is Status.STAND_IN else ""
    return {
        "outcome": outcome,
        "probabilityRange": ANY_PROBABILITY,
        "whenPeriod": context.period(end),
        "rationale": warned + said,
    }


def _risk(
    context: Context,
    answer: Answer,
    code: str,
    text: str,
    predictions: list[Resource],
    basis: Iterable[Part],
    *lines: str,
) -> Part:
    model = model_of(answer)
    resource = {
        "resourceType": "RiskAssessment",
        **_shared(context, answer, *lines),
        "code": concept(text, local(code, text)),
        "method": concept("Neural network on the 12-lead ECG"),
        "occurrenceDateTime": stamp(context.taken),
        "performer": _reference(model),
        "basis": [{"reference": part.url} for part in basis],
        "prediction": predictions,
    }
    return context.ours(resource, f"{code}.{model.bundle_sha256[:12]}")


def _potassium(context: Context, answer: Answer, drawn: Part) -> Part:
    model, text = model_of(answer), WHAT[Output.POTASSIUM]
    resource = {
        "resourceType": "Observation",
        **_shared(context, answer),
        "category": [concept("Procedure", PROCEDURE)],
        "code": concept(text, local("potassium-from-ecg", text)),
        **context.times(),
        **_quantity(answer),
        "method": concept("Neural network on the 12-lead ECG; not a measurement in blood"),
        "device": _reference(model),
        "derivedFrom": [{"reference": drawn.url}],
    }
    return context.ours(resource, f"potassium.{model.bundle_sha256[:12]}")


def _quantity(answer: Answer) -> Resource:
    """The estimate with its flag, or why there is none."""
    if isinstance(answer, Abstention):
        code = "error" if answer.reason is Reason.MODEL_OUTPUT_INVALID else "unknown"
        return {"dataAbsentReason": absent(code, narrative.refusal(answer))}
    score = answer.score
    value = {"value": round(score.value, 2), "comparator": score.censored or None}
    return {
        "valueQuantity": {**value, "unit": score.unit, "system": UCUM, "code": score.unit},
        "interpretation": [interpretation(answer.level)],
    }
