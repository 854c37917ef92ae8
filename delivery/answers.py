"""What an answer means for the message: the table, pure.

2xx          delivered, once every entry of a transaction's answer says so
301, 308     Permanent: the address has moved for good; following would take patient data to a place nobody configured
other 3xx    Transient: a proxy's maintenance page or login
400, 422     Rejected: refused; sending it again changes nothing
401          Transient, after one more try with the secret read again (the sender's part)
403          Permanent: we are not allowed; stop the destination and tell a person
404, 410     Transient: the patient is not there (yet), when it is a FHIR server that says so; else nothing is there
409          Transient: somebody else was writing
412          Rejected: several match; a person has to reconcile
408, 425, 429, 503, other 5xx    Transient, after what Retry-After asks
"""

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from domain.errors import Permanent, Problem, Rejected, Transient
from domain.reason import Reason

LONGEST_WAIT_S = 86400.0
_CODES = frozenset(
    {
        "invalid",
        "structure",
        "required",
        "value",
        "invariant",
        "security",
        "login",
        "unknown",
        "expired",
        "forbidden",
        "suppressed",
        "processing",
        "not-supported",
        "duplicate",
        "multiple-matches",
        "not-found",
        "deleted",
        "too-long",
        "code-invalid",
        "extension",
        "too-costly",
        "business-rule",
        "conflict",
        "transient",
        "lock-error",
        "no-store",
        "exception",
        "timeout",
        "incomplete",
        "throttled",
        "informational",
    }
)
"""IssueType (R4 4.3.14.2): the only part of an OperationOutcome that is kept; its texts may quote patient data."""

_PERMANENT = {
    301: (Reason.DESTINATION_MISCONFIGURED, "moved for good"),
    308: (Reason.DESTINATION_MISCONFIGURED, "moved for good"),
    403: (Reason.DESTINATION_FORBIDDEN, "forbidden"),
}
_REJECTED = {412: (Reason.AMBIGUOUS_MATCH, "several match")}
_TRANSIENT = {
    401: (Reason.UNAUTHORISED, "not authorised"),
    408: (Reason.DESTINATION_UNAVAILABLE, "time-out there"),
    409: (Reason.CONFLICT, "conflict"),
    425: (Reason.DESTINATION_UNAVAILABLE, "too early"),
    429: (Reason.DESTINATION_UNAVAILABLE, "too many requests"),
}


def problem(status: int, *, issues: tuple[str, ...] = (), retry_after_s: float | None = None) -> Problem | None:
    """What a status is to us, ``None`` when delivered; ``issues``: the codes of an OperationOutcome, if it was one."""
    if 200 <= status < 300:
        return None
    said = f" ({', '.join(issues)})" if issues else ""
    if status in _PERMANENT:
        reason, words = _PERMANENT[status]
        return Permanent(reason, f"{status} {words}{said}")
    if status in (404, 410):
        reason = Reason.PATIENT_UNKNOWN if issues else Reason.DESTINATION_UNAVAILABLE
        return Transient(reason, f"{status} not found{said}", retry_after_s=retry_after_s)
    if status in _TRANSIENT or status < 400 or status >= 500:
        reason, words = _TRANSIENT.get(status, (Reason.DESTINATION_UNAVAILABLE, "not available"))
        return Transient(reason, f"{status} {words}{said}", retry_after_s=retry_after_s)
    reason, words = _REJECTED.get(status, (Reason.DESTINATION_REFUSED, "refused"))
    return Rejected(reason, f"{status} {words}{said}")


def issue_codes(outcome: Any) -> tuple[str, ...]:
    """The known issue codes of an OperationOutcome, each once; ``()`` when it is none."""
    if not isinstance(outcome, Mapping) or outcome.get("resourceType") != "OperationOutcome":
        return ()
    issues = outcome.get("issue")
    codes = [issue.get("code") for issue in issues if isinstance(issue, Mapping)] if isinstance(issues, list) else []
    known = [code for code in codes if isinstance(code, str) and code in _CODES]
    return tuple(dict.fromkeys(known)) or ("processing",)


def retry_after(header: str | None, now: datetime) -> float | None:
    """Read Retry-After (RFC 9110 10.2.3: seconds or an HTTP-date) as s from now, bounded; ``None``: it says nothing."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_WAIT_S)
    try:
        wait = (parsedate_to_datetime(text) - now).total_seconds()
    except (TypeError, ValueError):
        return None
    return min(max(wait, 0.0), LONGEST_WAIT_S)


def entries_problem(answer: Any, expected: int) -> Problem | None:
    """The gravest entry of a transaction's answer; an answer that is none leaves the outcome unknown: send again."""
    entries = answer.get("entry") if isinstance(answer, Mapping) and answer.get("resourceType") == "Bundle" else None
    if not isinstance(entries, list) or len(entries) != expected:
        return Transient(Reason.DESTINATION_UNAVAILABLE, "answer is not a transaction's")
    problems = [found for entry in entries if (found := _entry_problem(entry))]
    return min(problems, key=_rank, default=None)


def _entry_problem(entry: Any) -> Problem | None:
    response = entry.get("response") if isinstance(entry, Mapping) else None
    status = response.get("status") if isinstance(response, Mapping) else None
    if not isinstance(status, str) or not status[:3].isdigit():
        return Transient(Reason.DESTINATION_UNAVAILABLE, "entry without a status")
    outcome = response.get("outcome") if isinstance(response, Mapping) else None
    return problem(int(status[:3]), issues=issue_codes(outcome))


def _rank(found: Problem) -> int:
    return (Permanent, Rejected, Transient).index(type(found))
