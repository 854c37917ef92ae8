"""Oracle Health (Millennium): a report and its document.

It documents no write of RiskAssessment or Flag, and Observations of category laboratory or vital-signs only, which an
estimate is not. So everything stands in the text and the PDF of a DiagnosticReport of electrocardiography.
"""

from delivery import narrative
from delivery.coding import EKG_STUDY, concept
from delivery.part import Context, Part
from delivery.profiles.document import document, trust
from delivery.profiles.r4 import patient

_SECTION = {
    "system": "http://terminology.hl7.org/CodeSystem/v2-0074",
    "code": "EC",
    "display": "Electrocardiac (e.g. EKG, EEC, Holter)",
}


def parts(context: Context) -> list[Part]:
    """The patient where it is to be created, the document, the report that presents it."""
    shown = document(context)
    return [*patient(context), shown, _report(context, shown)]


def _report(context: Context, shown: Part) -> Part:
    lines = (*context.unidentified, *narrative.whole(context.finding))
    resource = {
        "resourceType": "DiagnosticReport",
        **trust(context.finding),
        "category": [concept("Cardiology", _SECTION)],
        "code": concept("12-lead ECG", EKG_STUDY),
        **context.about,
        **context.times(),
        "conclusion": "\n".join(lines),
        "presentedForm": [shown.resource["content"][0]["attachment"]],
        "text": narrative.xhtml(lines),
    }
    return context.ours(resource, "report")
