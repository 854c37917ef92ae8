"""Drawing where a model looked: the words around it, for people who were not there."""

from dataclasses import replace

from adapters import overlay, paper
from delivery import narrative
from delivery.coding import WHAT
from domain.ecg import RATE_HZ, Ecg, Picture
from domain.explanation import Direction, Explanation, LeadHeat
from domain.finding import Assessment, Finding, Output, Score, Status

TITLE = "Where the model looked. Not a diagnosis."
STAND_IN = "STAND-IN MODEL: NO CLINICAL MEANING. Not trained or validated on patients. Do not use for care."


def with_drawings(finding: Finding) -> Finding:
    """Add to each assessment the drawing of its explanation, where its score has one."""
    assessments = tuple(replace(one, drawing=drawing(finding.ecg, one)) for one in finding.assessments)
    return replace(finding, assessments=assessments)


def drawing(ecg: Ecg, assessment: Assessment) -> Picture | None:
    """The standard picture with the model's heat, its legend, and what the model and its answer are worth."""
    explanation = assessment.score.explanation
    return None if explanation is None else overlay.draw(ecg, explanation, caption(ecg, assessment, explanation))


def caption(ecg: Ecg, assessment: Assessment, explanation: Explanation) -> overlay.Caption:
    """What stands around the drawing; no patient's name or number, for it is shown and printed anywhere."""
    score = assessment.score
    taken = f"ECG recorded {narrative.clock(ecg.acquired_at)}" if ecg.acquired_at else "Time of recording not given"
    validated = "stand-in" if score.status is Status.STAND_IN else "validated at this site"
    return overlay.Caption(
        title=TITLE,
        warning=STAND_IN if score.status is Status.STAND_IN else "",
        lines=(
            f"{WHAT[score.output]}: {narrative.short(score)}, {narrative.level(assessment)}",
            f"Model {score.model} {score.version}, {validated}",
            f"{taken}; bundle sha256 {score.bundle_sha256[:16]}",
        ),
        legend=_legend(score, explanation),
    )


def _legend(score: Score, explanation: Explanation) -> tuple[str, ...]:
    if explanation.direction is Direction.ARREST:
        meant = "The darker a place, the more it counted towards arrest, against the darkest place of this ECG."
    else:
        meant = f"The darker a place, the more it moved the estimate towards {explanation.direction}."
    lines = [meant, "How dark says nothing of how high the risk is; blank does not mean normal."]
    if score.output is Output.POTASSIUM:
        lines = [meant, "Dark does not mean severe; blank does not mean normal. Confirm with a blood sample."]
    if isinstance(explanation, LeadHeat):
        lines.append("The model saw the whole recording: the darkest place may lie in seconds that are not drawn.")
        if explanation.attention is not None:
            lines.append("Bar and per cent beside a lead's name: how much that lead counted in the estimate.")
    return (
        *lines,
        f"Heat is coarse: the model tells apart only what is {_coarse_s(explanation):.2g} s from each other.",
    )


def _coarse_s(explanation: Explanation) -> float:
    if isinstance(explanation, LeadHeat):
        return explanation.resolution / RATE_HZ
    return explanation.step_px[1] / (paper.PX_MM * paper.SPEED_MM_S)
