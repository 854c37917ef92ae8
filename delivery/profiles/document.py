"""The whole result as one document, for EHRs that show documents better than data."""

from base64 import b64encode

from delivery import narrative
from delivery.coding import EKG_STUDY, HTEST, concept
from delivery.estimate import Answer, model_of
from delivery.part import Context, Part, Resource, stamp
from delivery.report import pdf
from domain.finding import Finding, Status

TITLE = "12-lead ECG with estimates by models"
PDF = "application/pdf"


def stand_in(finding: Finding) -> bool:
    """Whether any of the models is one that means nothing clinically: then the whole document says so."""
    answers: tuple[Answer, ...] = (*finding.assessments, *finding.abstentions)
    return any(model_of(answer).status is Status.STAND_IN for answer in answers)


def trust(finding: Finding) -> Resource:
    """The status of everything that speaks of all models at once."""
    return {"status": "preliminary", "meta": {"tag": [HTEST]}} if stand_in(finding) else {"status": "final"}


def title(finding: Finding) -> str:
    """What stands in a list of documents."""
    return f"STAND-IN MODEL, TEST ONLY: {TITLE}" if stand_in(finding) else TITLE


def attachment(context: Context, content: bytes) -> Resource:
    """The document itself."""
    return {
        "contentType": PDF,
        "data": b64encode(content).decode("ascii"),
        "size": len(content),
        "title": title(context.finding),
        "creation": stamp(context.finding.decided_at),
    }


def document(context: Context) -> Part:
    """A DocumentReference with the PDF: text, picture and where each model looked."""
    finding, visit = context.finding, context.about["encounter"]
    whole = trust(finding)
    made = {
        "resourceType": "DocumentReference",
        "meta": whole.get("meta"),
        "status": "current",
        "docStatus": whole["status"],
        "type": concept("12-lead ECG", EKG_STUDY),
        "subject": context.about["subject"],
        "date": stamp(finding.decided_at),
        "description": title(finding),
        "relatesTo": [context.replaces(key, "document") for key in context.replaced] or None,
        "content": [{"attachment": attachment(context, pdf(finding, context.unidentified))}],
        "context": {"encounter": [visit] if visit else None, "period": {"start": stamp(context.taken)}},
        "text": narrative.xhtml((*context.unidentified, *narrative.whole(finding))),
    }
    return context.ours(made, "document")
