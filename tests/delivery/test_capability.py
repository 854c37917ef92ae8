"""What a server says it can do, and what follows for how it is written to."""

import json

import pytest

from delivery.capability import Capability, Offer, capability, lacks, supposed
from delivery.fhir import bundle
from delivery.http import FhirSender
from delivery.singly import under_our_ids
from domain.errors import Rejected, Transient
from domain.outgoing import Outgoing
from domain.reason import Reason
from simulator.ehr import Fault
from tests.delivery import findings

SETTINGS = findings.settings()
KNOWN = {"resourceType": "Patient", "identifier": [{"system": findings.MRN, "value": "P 1|2,3"}]}
KINDS = ("Patient", "Device", "DocumentReference", "Observation", "RiskAssessment", "DiagnosticReport", "Flag")


def resource(kind, *, codes=("read", "create", "update", "search-type"), params=("identifier",), **more):
    interaction = [{"code": code} for code in codes]
    return {"type": kind, "interaction": interaction, "searchParam": [{"name": one} for one in params], **more}


def statement(*resources, transaction=True, version="4.0.1"):
    interaction = [{"code": "transaction"}] if transaction else []
    rest = {"mode": "server", "resource": list(resources or map(resource, KINDS)), "interaction": interaction}
    return {"resourceType": "CapabilityStatement", "fhirVersion": version, "rest": [rest]}


def said(found, **changes):
    settings = findings.settings(**changes)
    return list(lacks(capability(found, settings), settings))


def without(kind, **changes):
    return statement(*(resource(one, **(changes if one == kind else {})) for one in KINDS))


@pytest.mark.parametrize("profile", ["r4", "oracle", "epic"])
def test_a_server_that_has_everything_lacks_nothing(profile):
    assert said(statement(), profile=profile) == []


@pytest.mark.parametrize(
    ("found", "changes", "words"),
    [
        (statement(version="5.0.0"), {}, "speaks FHIR 5.0.0, not R4"),
        (without("Patient", params=()), {}, "cannot find a Patient by identifier"),
        (without("Patient", codes=("read", "search-type")), {"unknown": "create"}, "cannot create a Patient"),
        (without("RiskAssessment", codes=("read",)), {}, "cannot create a RiskAssessment: another profile may suit"),
        (without("RiskAssessment", params=("subject",)), {}, "a repeat would double it"),
        (without("Flag", codes=("read",)), {}, "cannot create a Flag"),
        (statement(resource("Patient")), {"profile": "oracle"}, "cannot create a DiagnosticReport"),
    ],
)
def test_what_a_server_lacks_is_said(found, changes, words):
    if "unknown" in changes:
        changes = {"patient": findings.MATCHING.model_copy(update=changes)}
    assert any(words in line for line in said(found, **changes))


def test_what_is_not_searched_for_but_put_under_our_ids_is_not_lacking():
    assert said(without("RiskAssessment", params=(), updateCreate=True)) == []


@pytest.mark.parametrize("profile", ["oracle", "epic"])
def test_neither_oracle_nor_epic_is_sent_a_transaction_whatever_it_says(profile):
    settings = findings.settings(profile=profile)
    assert not supposed(settings).transactions
    assert not capability(statement(), settings).transactions


@pytest.mark.parametrize("body", [None, [], {}, {"resourceType": "Bundle"}, "x"])
def test_what_is_no_statement_says_nothing(body):
    assert capability(body, SETTINGS) is None


@pytest.mark.parametrize("rest", [None, {}, "x", [1], [{"mode": "client"}], [{"resource": [{"type": 3}, "x"]}]])
def test_a_malformed_statement_is_read_as_far_as_it_goes(rest):
    found = capability({"resourceType": "CapabilityStatement", "rest": rest}, SETTINGS)
    assert found is not None
    assert found.offer("Patient") == Offer()


def test_what_cannot_be_searched_for_is_put_under_an_id_that_is_the_same_each_time():
    can = Capability(types={"RiskAssessment": Offer(named=False, chosen=True)} | dict.fromkeys(KINDS[:4], Offer()))
    first, again = (under_our_ids(bundle(findings.CRITICAL, SETTINGS), can) for _ in range(2))
    assert first == again
    for entry in first["entry"]:
        if entry["resource"]["resourceType"] == "RiskAssessment":
            assert entry["request"] == {"method": "PUT", "url": f"RiskAssessment/{entry['resource']['id']}"}
        else:
            assert entry["request"]["method"] == "POST"


@pytest.fixture
def known(ehr):
    ehr.records.create("Patient", KNOWN, None)
    return ehr


def outgoing(profile="r4"):
    body = json.dumps(bundle(findings.CRITICAL, findings.settings(profile=profile))).encode()
    return Outgoing(key="k", channel="fhir:ehr", content_type="application/fhir+json", body=body)


@pytest.fixture
def singly(ehr):
    """A sender to a server that takes no transactions."""
    made = FhirSender(findings.settings(base_url=ehr.url, timeout_s=5), can=Capability(transactions=False))
    yield made
    made.close()


def test_without_transactions_each_resource_is_sent_once_however_often_the_message_is(known, singly):
    singly.send(outgoing())
    singly.send(outgoing())
    assert known.duplicates() == []
    assert len(known.resources()) == 8
    assert not any(method == "POST" and path == "/" for method, path, _ in known.requests)


def test_what_was_sent_singly_refers_to_what_is_there(known, singly):
    singly.send(outgoing())
    places = {f"{one['resourceType']}/{one['id']}" for one in known.resources()}
    risk = known.resources("RiskAssessment")[0]
    named = [risk["subject"], risk["performer"], *risk["basis"]]
    assert {one["reference"] for one in named} <= places


@pytest.mark.parametrize("applied", [True, False])
def test_an_answer_lost_in_the_middle_doubles_nothing(known, singly, applied):
    known.fail(Fault(status=502, applied=applied, times=1, method="POST", path="/Observation"))
    with pytest.raises(Transient):
        singly.send(outgoing())
    singly.send(outgoing())
    assert known.duplicates() == []
    assert len(known.resources()) == 8


@pytest.mark.parametrize(("status", "kind"), [(422, Rejected), (429, Transient), (409, Transient), (412, Rejected)])
def test_an_entry_that_is_refused_means_what_it_means_in_a_transaction(known, singly, status, kind):
    known.fail(Fault(status=status, method="POST", path="/DocumentReference"))
    with pytest.raises(kind):
        singly.send(outgoing())


def test_what_the_server_lacks_is_heard_once(known):
    heard = []
    sender = FhirSender(findings.settings(base_url=known.url, profile="oracle"), on_lacks=heard.append)
    sender.can()
    sender.can()
    assert len(heard) == 1
    assert any("DiagnosticReport" in line for line in heard[0])
    sender.close()


def test_a_server_that_is_down_is_asked_again_later_and_not_at_every_message(known):
    known.fail(Fault(status=503, path="/metadata"))
    sender = FhirSender(findings.settings(base_url=known.url))
    for _ in range(3):
        sender.send(outgoing())
    assert [path for _, path, _ in known.requests].count("/metadata") == 1
    assert sender.can() == supposed(SETTINGS)
    sender.close()


def test_a_patient_who_went_away_is_looked_up_again_at_the_next_try(known, singly):
    known.fail(Fault(status=410, body=OUTCOME, method="POST", path="/Observation", times=1))
    with pytest.raises(Transient) as caught:
        singly.send(outgoing())
    assert caught.value.reason is Reason.PATIENT_UNKNOWN
    before = len([path for _, path, _ in known.requests if path.startswith("/Patient?")])
    singly.send(outgoing())
    assert len([path for _, path, _ in known.requests if path.startswith("/Patient?")]) == before + 1


OUTCOME = json.dumps({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "deleted"}]}).encode()
