"""The sentences a clinician reads: in FHIR narratives, in rationales, in alerts."""

from collections.abc import Iterable
from datetime import datetime
from html import escape

from delivery.coding import WHAT
from domain.ecg import ReadWarning
from domain.finding import Abstention, Assessment, Finding, Output, Score, Status
from domain.reason import Reason

STAND_IN = "STAND-IN MODEL, FOR TESTING ONLY: not trained or validated on patients. Do not use for care."
NOT_A_BLOOD_VALUE = "An estimate by a model, not a laboratory value: confirm with a blood sample."
NOT_A_DIAGNOSIS = "These are estimates by models, not a diagnosis."
EXPLAINED = "Where the model looked on the ECG is drawn in the ECG's document: it shows no cause and is no diagnosis."
NOT_ALL_CLEAR = "This says nothing about the patient's risk: it is not an all-clear."

_LEVELS = {
    (Output.POTASSIUM, "severe_low"): "severely low",
    (Output.POTASSIUM, "low"): "low",
    (Output.POTASSIUM, "normal"): "neither low nor high by the thresholds in force",
    (Output.POTASSIUM, "high"): "high",
    (Output.POTASSIUM, "severe_high"): "severely high",
    (Output.ARREST, "normal"): "below the thresholds in force, which does not rule out arrest",
    (Output.ARREST, "moderate"): "moderate",
    (Output.ARREST, "high"): "high",
}
_REASONS = {
    Reason.LEAD_MISSING: "a lead is missing",
    Reason.LEAD_FLAT: "a lead is flat",
    Reason.SATURATED: "the signal is cut off at the recorder's limit",
    Reason.TOO_SHORT: "the recording is too short",
    Reason.EINTHOVEN: "the limb leads contradict each other",
    Reason.IMPLAUSIBLE_AMPLITUDE: "the amplitude is not plausible",
    Reason.MEDIAN_ONLY: "only a median beat was sent, no rhythm",
    Reason.NOISE: "noise or drift swamps the signal",
    Reason.LEADS_EXCHANGED: "electrodes or leads seem exchanged (or the heart is mirrored)",
    Reason.SCANNED: "the page is a scan: what is read off pixels is shown and not scored",
    Reason.SCALED_PER_LEAD: "each lead was scaled for itself, so amplitudes are lost",
    Reason.CALIBRATION_PULSE: "a calibration pulse stands in the signal",
    Reason.MODEL_OUTPUT_INVALID: "the model gave no valid number",
}
_WARNINGS = {
    ReadWarning.EINTHOVEN_RESIDUAL: "limb leads agree only roughly",
    ReadWarning.LEADS_DERIVED: "some limb leads were computed from others",
    ReadWarning.PADDING_FOUND: "parts of the recording are blank",
    ReadWarning.CALIBRATED_BY_LABEL: "scale taken from the printed label",
    ReadWarning.LABEL_DISAGREES_WITH_GRID: "printed scale disagrees with the grid",
    ReadWarning.PAGE_UNREAD: "the file has another page, a picture that could not be read",
    ReadWarning.SCANNED: "read off the pixels of a scanned page",
    ReadWarning.LEADS_BY_PLACE: "leads not named on the page: known by their place and Einthoven's law",
    ReadWarning.TIME_ZONE_ASSUMED: "time zone assumed",
    ReadWarning.ACQUISITION_TIME_MISSING: "time of recording not given",
    ReadWarning.CHARSET_ASSUMED: "character set assumed",
    ReadWarning.EXTRA_LEADS_DROPPED: "further leads were left out",
    ReadWarning.MEASUREMENT_UNIT_ODD: "a measurement came with an odd unit",
    ReadWarning.RATE_DISAGREES: "reported and measured heart rate disagree",
    ReadWarning.TIMES_DISAGREE: "the time printed on the page disagrees with its header",
    ReadWarning.UNIDENTIFIED: "patient not identified",
    ReadWarning.CORRECTED: "sent as a correction of an earlier one",
    ReadWarning.MAINS_NOISE: "mains interference",
    ReadWarning.BASELINE_WANDER: "the baseline wanders",
    ReadWarning.MUSCLE_NOISE: "muscle noise",
    ReadWarning.PACED: "paced rhythm",
    ReadWarning.LEADS_DOUBTFUL: "electrodes may be exchanged: the leads resemble one another oddly",
    ReadWarning.BEATS_NOT_FOUND: "no single heartbeats could be told apart",
}


def percent(probability: float) -> str:
    """A probability for reading: ``23.4 %``; near 0 and 1 it is bounded, not rounded to certainty."""
    if probability < 0.001:
        return "less than 0.1 %"
    return "more than 99.9 %" if probability > 0.999 else f"{100 * probability:.1f} %"


def amount(score: Score) -> str:
    """The value and its unit: ``6.82 mmol/L``, ``above 7.50 mmol/L`` or ``23.4 % (0.234 on a scale of 0 to 1)``."""
    if score.output is Output.ARREST:
        fraction = f"{score.value:.6f}".rstrip("0").rstrip(".")
        return f"{percent(score.value)} ({fraction} on a scale of 0 to 1)"
    bound = {"<": "below ", ">": "above "}.get(score.censored, "")
    return f"{bound}{score.value:.2f} {score.unit}"


def short(score: Score) -> str:
    """The value for one line: ``6.82 mmol/L`` or ``23.4 %``."""
    return percent(score.value) if score.output is Output.ARREST else amount(score)


def level(assessment: Assessment) -> str:
    """The threshold's name in words."""
    return _LEVELS.get((assessment.score.output, assessment.level), assessment.level)


def _interval(score: Score) -> str:
    if score.interval is None:
        return ""
    low, high = score.interval
    if score.output is Output.ARREST:
        return f" 95 % interval {percent(low)} to {percent(high)}."
    return f" 95 % interval {low:.2f} to {high:.2f} {score.unit}."


def verdict(assessment: Assessment) -> str:
    """One sentence: what, how much, how grave."""
    score = assessment.score
    return f"{WHAT[score.output]}: {amount(score)}, {level(assessment)}.{_interval(score)}"


def refusal(abstention: Abstention) -> str:
    """One sentence: what could not be said, and why; silence must not pass for good news."""
    why = _REASONS.get(abstention.reason, abstention.reason.value.replace("_", " "))
    where = f" ({', '.join(abstention.leads)})" if abstention.leads else ""
    return f"{WHAT[abstention.output]}: NO ESTIMATE, because {why}{where}. {NOT_ALL_CLEAR}"


def looked(score: Score) -> str:
    """The title of an explanation."""
    worth = " (STAND-IN MODEL: NO CLINICAL MEANING)" if score.status is Status.STAND_IN else ""
    return f"Where {score.model} {score.version} looked on the ECG{worth}"


def when(finding: Finding) -> str:
    """When the ECG was recorded, or that it is not known."""
    if finding.ecg.acquired_at is None:
        return f"Time of recording not given; ECG received {clock(finding.received_at)}."
    return f"ECG recorded {clock(finding.ecg.acquired_at)}."


def clock(moment: datetime) -> str:
    """A time for reading, with its offset from UTC as the sender's clock has it."""
    offset = moment.isoformat()[-6:] if moment.utcoffset() else ""
    return f"{moment:%Y-%m-%d %H:%M} UTC{offset}"


def doubts(finding: Finding) -> str:
    """One sentence: what is doubtful about the recording; empty when nothing is."""
    found = [_WARNINGS.get(one, one.value.replace("_", " ")) for one in finding.ecg.origin.warnings]
    return f"Doubts about the recording: {', '.join(found)}." if found else ""


def provenance(answer: Score | Abstention, finding: Finding) -> str:
    """Which model, which weights, which thresholds."""
    return (
        f"Model {answer.model} {answer.version}, weights sha256 {answer.bundle_sha256}, "
        f"thresholds sha256 {finding.thresholds_sha256}."
    )


def told(answer: Assessment | Abstention, finding: Finding, *more: str) -> tuple[str, ...]:
    """Everything a reader of one answer should know, the gravest first; ``more`` follows the verdict."""
    score = answer.score if isinstance(answer, Assessment) else answer
    estimate = isinstance(answer, Assessment) and score.output is Output.POTASSIUM
    drawn = isinstance(answer, Assessment) and answer.drawing is not None
    lines = (
        STAND_IN if score.status is Status.STAND_IN else "",
        verdict(answer) if isinstance(answer, Assessment) else refusal(answer),
        *more,
        NOT_A_BLOOD_VALUE if estimate else "",
        EXPLAINED if drawn else "",
        when(finding),
        doubts(finding),
        provenance(score, finding),
    )
    return tuple(line for line in lines if line)


def brief(answer: Assessment | Abstention, finding: Finding) -> tuple[str, ...]:
    """The same in sentences that may be left out from the end, the gravest first."""
    score = answer.score if isinstance(answer, Assessment) else answer
    estimate = isinstance(answer, Assessment)
    lines = (
        "STAND-IN MODEL, TEST ONLY. Do not use for care." if score.status is Status.STAND_IN else "",
        f"{amount(answer.score)}, {level(answer)}." if isinstance(answer, Assessment) else refusal(answer),
        "Estimate from the ECG, not a blood value." if estimate and score.output is Output.POTASSIUM else "",
        f"{score.model} {score.version}, weights {score.bundle_sha256[:8]}, "
        f"thresholds {finding.thresholds_sha256[:8]}.",
    )
    return tuple(line for line in lines if line)


def whole(finding: Finding) -> tuple[str, ...]:
    """Everything a reader of the whole result should know, each thing once."""
    answers: tuple[Assessment | Abstention, ...] = (*finding.assessments, *finding.abstentions)
    lines = [line for answer in answers for line in told(answer, finding)]
    return tuple(dict.fromkeys(lines)) or (when(finding), "No model has looked at this ECG.")


def xhtml(lines: Iterable[str]) -> dict[str, str]:
    """A FHIR Narrative, a paragraph a line, escaped."""
    body = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{body}</div>'}
