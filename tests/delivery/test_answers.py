"""The table of answers, row by row."""

from datetime import UTC, datetime

import pytest

from delivery.answers import LONGEST_WAIT_S, entries_problem, issue_codes, problem, retry_after
from domain.errors import Permanent, Rejected, Transient
from domain.reason import Reason

NOW = datetime(2026, 5, 1, 8, 0, 0, tzinfo=UTC)


def outcome(*codes):
    issues = [{"severity": "error", "code": code, "diagnostics": "Ada Öztürk"} for code in codes]
    return {"resourceType": "OperationOutcome", "issue": issues}


@pytest.mark.parametrize(
    ("status", "issues", "kind", "reason"),
    [
        (400, (), Rejected, Reason.DESTINATION_REFUSED),
        (422, ("invalid",), Rejected, Reason.DESTINATION_REFUSED),
        (405, (), Rejected, Reason.DESTINATION_REFUSED),
        (413, (), Rejected, Reason.DESTINATION_REFUSED),
        (401, (), Transient, Reason.UNAUTHORISED),
        (403, (), Permanent, Reason.DESTINATION_FORBIDDEN),
        (404, ("not-found",), Transient, Reason.PATIENT_UNKNOWN),
        (410, ("deleted",), Transient, Reason.PATIENT_UNKNOWN),
        (404, (), Transient, Reason.DESTINATION_UNAVAILABLE),
        (408, (), Transient, Reason.DESTINATION_UNAVAILABLE),
        (409, (), Transient, Reason.CONFLICT),
        (412, (), Rejected, Reason.AMBIGUOUS_MATCH),
        (429, (), Transient, Reason.DESTINATION_UNAVAILABLE),
        (500, (), Transient, Reason.DESTINATION_UNAVAILABLE),
        (503, (), Transient, Reason.DESTINATION_UNAVAILABLE),
        (599, (), Transient, Reason.DESTINATION_UNAVAILABLE),
        (301, (), Permanent, Reason.DESTINATION_MISCONFIGURED),
        (308, (), Permanent, Reason.DESTINATION_MISCONFIGURED),
        (302, (), Transient, Reason.DESTINATION_UNAVAILABLE),
        (307, (), Transient, Reason.DESTINATION_UNAVAILABLE),
    ],
)
def test_every_status_means_something(status, issues, kind, reason):
    found = problem(status, issues=issues)
    assert (type(found), found.reason) == (kind, reason)
    assert str(status) in found.detail


@pytest.mark.parametrize("status", [200, 201, 204])
def test_success_is_no_problem(status):
    assert problem(status) is None


def test_a_wait_that_was_asked_for_goes_with_the_problem():
    assert problem(429, retry_after_s=7.0).retry_after_s == 7.0


def test_of_an_operation_outcome_only_known_codes_are_kept():
    codes = issue_codes(outcome("invalid", "Ada Öztürk", "invalid", "not-found"))
    assert codes == ("invalid", "not-found")
    assert "Ada" not in str(problem(422, issues=codes))


@pytest.mark.parametrize("body", [None, [], "x", {}, {"resourceType": "Bundle"}])
def test_what_is_no_operation_outcome_has_no_codes(body):
    assert issue_codes(body) == ()


@pytest.mark.parametrize("issue", [None, "x", [], [1], [{}], [{"code": 3}]])
def test_a_malformed_operation_outcome_is_still_one(issue):
    assert issue_codes({"resourceType": "OperationOutcome", "issue": issue}) == ("processing",)


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        (None, None),
        ("120", 120.0),
        (" 3 ", 3.0),
        ("Fri, 01 May 2026 08:00:30 GMT", 30.0),
        ("Fri, 01 May 2026 07:00:00 GMT", 0.0),
        ("999999999", LONGEST_WAIT_S),
        ("Fri, 01 May 2099 08:00:30 GMT", LONGEST_WAIT_S),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("Fri, 01 May 2026 08:00:30 -0000", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_bounded(header, wait):
    assert retry_after(header, NOW) == wait


def answer(*statuses):
    return {
        "resourceType": "Bundle",
        "type": "transaction-response",
        "entry": [{"response": {"status": status, "outcome": outcome("conflict")}} for status in statuses],
    }


def test_every_entry_is_looked_into_and_the_gravest_counts():
    assert entries_problem(answer("201 Created", "200 OK", "200"), 3) is None
    assert entries_problem(answer("201 Created", "409 Conflict"), 2).reason is Reason.CONFLICT
    assert type(entries_problem(answer("503", "422 Unprocessable"), 2)) is Rejected
    assert type(entries_problem(answer("422", "403"), 2)) is Permanent


@pytest.mark.parametrize(
    "body",
    [None, {}, [], {"resourceType": "Bundle"}, {"resourceType": "Bundle", "entry": {}}, answer("201"),
     {"resourceType": "Bundle", "entry": [1, 2]}, {"resourceType": "Bundle", "entry": [{}, {"response": {}}]},
     {"resourceType": "Bundle", "entry": [{"response": {"status": 201}}, {"response": {"status": "Created"}}]}],
)  # fmt: skip
def test_an_answer_that_does_not_say_so_is_no_delivery(body):
    found = entries_problem(body, 2)
    assert (type(found), found.reason) == (Transient, Reason.DESTINATION_UNAVAILABLE)
