"""FHIR over real sockets, against the simulated EHR and an independent server."""

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial

import httpx
import pytest

from delivery.capability import Capability
from delivery.fhir import bundle
from delivery.http import LARGEST_ANSWER, FhirSender, Wire
from domain.ecg import Identifier, Patient
from domain.errors import Permanent, Rejected, Transient
from domain.outgoing import Outgoing
from domain.reason import Reason
from simulator.ehr import Fault, Receiver
from tests.delivery import findings
from tests.flow.certificates import Authority

sending = partial(FhirSender, can=Capability())
KNOWN = {"resourceType": "Patient", "identifier": [{"system": findings.MRN, "value": "P 1|2,3"}]}
OUTCOME = json.dumps(
    {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "not-found", "diagnostics": "Ada"}]}
).encode()


@pytest.fixture
def known(ehr):
    ehr.records.create("Patient", KNOWN, None)
    return ehr


@pytest.fixture
def sender(ehr):
    made = sending(findings.settings(base_url=ehr.url, timeout_s=5))
    yield made
    made.close()


def outgoing(finding=findings.CRITICAL, **changes):
    body = json.dumps(bundle(finding, findings.settings(**changes))).encode()
    return Outgoing(key=f"{finding.key}:fhir:ehr", channel="fhir:ehr", content_type="application/fhir+json", body=body)


def creating():
    return {"patient": findings.MATCHING.model_copy(update={"unknown": "create"})}


def test_a_transaction_arrives_whole_about_the_patient_the_ehr_knows(known, sender):
    sender.send(outgoing())
    patient = known.resources("Patient")[0]["id"]
    subjects = {one["subject"]["reference"] for one in known.resources() if "subject" in one}
    assert subjects == {f"Patient/{patient}"}
    assert len(known.resources()) == 8


def test_the_search_for_the_patient_is_encoded_as_the_reference_was(known, sender):
    sender.send(outgoing())
    searches = [target for method, target, _ in known.requests if method == "GET"]
    assert searches == ["/Patient?identifier=urn%3Aoid%3A1.2.3.4%7CP%201%5C%7C2%5C%2C3&_count=2"]


def test_sending_again_creates_nothing(known, sender):
    for _ in range(3):
        sender.send(outgoing())
    assert known.duplicates() == []
    assert len(known.resources()) == 8


def test_connections_are_reused(known, sender, monkeypatch):
    ports = set()
    original = Receiver._note

    def note(receiver, request):
        ports.add(request.client.port)
        original(receiver, request)

    monkeypatch.setattr(Receiver, "_note", note)
    for _ in range(3):
        sender.send(outgoing())
    assert len(ports) == 1


def test_an_unknown_patient_is_waited_for(ehr, sender):
    with pytest.raises(Transient) as caught:
        sender.send(outgoing())
    assert caught.value.reason is Reason.PATIENT_UNKNOWN
    assert ehr.resources() == []
    ehr.records.create("Patient", KNOWN, None)
    sender.send(outgoing())


def test_two_patients_with_the_identifier_are_a_task_for_a_person(known, sender):
    known.records.create("Patient", KNOWN, None)
    with pytest.raises(Rejected) as caught:
        sender.send(outgoing())
    assert caught.value.reason is Reason.AMBIGUOUS_MATCH
    assert known.resources("Observation") == []


def test_an_unknown_patient_is_created_where_that_is_configured(ehr, sender):
    sender.send(outgoing(**creating()))
    assert len(ehr.resources("Patient")) == 1
    assert [method for method, _, _ in ehr.requests] == ["POST"]


def test_an_unidentified_ecg_is_sent_without_asking_for_a_patient(ehr, sender):
    sender.send(outgoing(findings.TABLE["unidentified"]))
    assert [method for method, _, _ in ehr.requests] == ["POST"]


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason"),
    [
        (400, OUTCOME, Rejected, Reason.DESTINATION_REFUSED),
        (422, OUTCOME, Rejected, Reason.DESTINATION_REFUSED),
        (401, b"", Transient, Reason.UNAUTHORISED),
        (403, OUTCOME, Permanent, Reason.DESTINATION_FORBIDDEN),
        (404, OUTCOME, Transient, Reason.PATIENT_UNKNOWN),
        (410, OUTCOME, Transient, Reason.PATIENT_UNKNOWN),
        (404, b"<html>", Transient, Reason.DESTINATION_UNAVAILABLE),
        (409, OUTCOME, Transient, Reason.CONFLICT),
        (412, OUTCOME, Rejected, Reason.AMBIGUOUS_MATCH),
        (429, b"", Transient, Reason.DESTINATION_UNAVAILABLE),
        (503, b"", Transient, Reason.DESTINATION_UNAVAILABLE),
        (500, OUTCOME, Transient, Reason.DESTINATION_UNAVAILABLE),
        (301, b"", Permanent, Reason.DESTINATION_MISCONFIGURED),
        (302, b"", Transient, Reason.DESTINATION_UNAVAILABLE),
        (200, b"<html>log in</html>", Transient, Reason.DESTINATION_UNAVAILABLE),
        (200, b"", Transient, Reason.DESTINATION_UNAVAILABLE),
        (200, b"[" * 100_000, Transient, Reason.DESTINATION_UNAVAILABLE),
        (204, b"", Transient, Reason.DESTINATION_UNAVAILABLE),
        (200, b" " * (LARGEST_ANSWER + 1), Transient, Reason.DESTINATION_UNAVAILABLE),
    ],
)
@pytest.mark.parametrize("where", [("POST", "/"), ("GET", "/Patient")])
def test_answers_are_taken_as_the_table_says(known, sender, status, body, kind, reason, where):
    location = {"Location": f"{known.url}/elsewhere"} if status in (301, 302) else {}
    known.fail(Fault(status=status, body=body, headers=location, method=where[0], path=where[1]))
    with pytest.raises(kind) as caught:
        sender.send(outgoing())
    assert type(caught.value) is kind
    assert caught.value.reason is reason
    assert "Ada" not in str(caught.value)
    assert not any("elsewhere" in target for _, target, _ in known.requests)
    known.recover()
    sender.send(outgoing())
    assert known.duplicates() == []


@pytest.mark.parametrize(("header", "wait"), [("17", 17.0), ("Fri, 01 May 2026 08:00:30 GMT", 30.0), ("?", None)])
def test_retry_after_is_handed_on(known, header, wait):
    sender = sending(findings.settings(base_url=known.url), clock=lambda: datetime(2026, 5, 1, 8, tzinfo=UTC))
    known.fail(Fault(status=429, headers={"Retry-After": header}, method="POST"))
    with pytest.raises(Transient) as caught:
        sender.send(outgoing())
    assert caught.value.retry_after_s == wait
    sender.close()


@pytest.mark.parametrize("fault", [Fault(status=500, applied=True, times=1), Fault(cut=True, applied=True, times=1)])
def test_an_answer_lost_after_the_work_was_done_leads_to_one_of_each(known, sender, fault):
    known.fail(Fault(times=1))  # the search for the patient goes well
    known.fail(fault)
    with pytest.raises(Transient) as caught:
        sender.send(outgoing())
    assert caught.value.reason is Reason.DESTINATION_UNAVAILABLE
    assert len(known.resources("Observation")) == 2
    sender.send(outgoing())
    assert known.duplicates() == []
    assert len(known.resources("Observation")) == 2


def test_an_entry_that_failed_inside_a_200_is_a_failure(known, sender):
    entries = [{"response": {"status": "201 Created"}}] * 6 + [{"response": {"status": "422 Unprocessable Entity"}}]
    body = json.dumps({"resourceType": "Bundle", "type": "batch-response", "entry": entries}).encode()
    known.fail(Fault(status=200, body=body, method="POST"))
    with pytest.raises(Rejected):
        sender.send(outgoing())


@pytest.mark.parametrize("status", [404, 410])
def test_a_patient_who_went_away_in_between_is_looked_up_again(known, sender, status):
    known.fail(Fault(status=status, body=OUTCOME, method="POST", times=1))
    with pytest.raises(Transient) as caught:
        sender.send(outgoing())
    assert caught.value.reason is Reason.PATIENT_UNKNOWN
    sender.send(outgoing())
    assert len([path for _, path, _ in known.requests if path.startswith("/Patient?")]) == 2
    assert len(known.resources()) == 8


def test_a_server_that_is_down_or_too_slow_is_tried_again(known):
    sender = sending(findings.settings(base_url=known.url, timeout_s=0.2))
    known.fail(Fault(delay_s=1, method="GET", times=1))
    with pytest.raises(Transient, match="time-out"):
        sender.send(outgoing())
    known.stop()
    with pytest.raises(Transient) as caught:
        sender.send(outgoing())
    assert caught.value.reason is Reason.DESTINATION_UNAVAILABLE
    assert "Patient" not in str(caught.value)
    sender.close()


def test_an_answer_that_trickles_is_cut_off(ehr):
    ticks = iter([0.0])
    wire = Wire(timeout_s=5, monotonic=lambda: next(ticks, 99.0))
    ehr.fail(Fault(status=200, body=b"x"))
    with pytest.raises(Transient, match="too slow"):
        wire.request("GET", httpx.URL(f"{ehr.url}/metadata"), {})
    wire.close()


def test_a_renewed_token_is_read_again(known, tmp_path):
    file = tmp_path / "token"
    file.write_text("old\n")
    known.token = "old"
    sender = sending(findings.settings(base_url=known.url, auth="bearer", secret_file=file))
    sender.send(outgoing())
    known.token = "new"
    with pytest.raises(Transient) as caught:
        sender.send(outgoing())
    assert caught.value.reason is Reason.UNAUTHORISED
    file.write_text("new\n")
    sender.send(outgoing())
    sender.close()


def test_basic_authentication_is_sent_as_rfc_7617_has_it(known, tmp_path):
    file = tmp_path / "password"
    file.write_text("open sesame")
    sender = sending(findings.settings(base_url=known.url, auth="basic", username="Aladdin", secret_file=file))
    sender.send(outgoing())
    assert known.requests[0][2]["authorization"] == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="  # RFC 7617 2
    sender.close()


@pytest.mark.parametrize("missing", ["secret_file", "ca"])
def test_a_file_that_cannot_be_read_stops_the_destination_and_not_before_it_is_used(missing, tmp_path):
    auth = {"auth": "bearer"} if missing == "secret_file" else {}
    sender = sending(findings.settings(**auth, **{missing: tmp_path / "none"}))
    with pytest.raises(Permanent) as caught:
        sender.send(outgoing())
    assert caught.value.reason is Reason.DESTINATION_MISCONFIGURED
    sender.close()


def test_a_secret_that_is_put_there_later_is_used(known, tmp_path):
    known.token = "s3cret"
    sender = sending(findings.settings(base_url=known.url, auth="bearer", secret_file=tmp_path / "token"))
    with pytest.raises(Permanent):
        sender.send(outgoing())
    (tmp_path / "token").write_text("s3cret")
    sender.send(outgoing())
    sender.close()


def test_mutual_tls_with_the_hospital_s_own_authority(tmp_path):
    authority = Authority(tmp_path, "hospital")
    server, client = authority.sign("ehr"), authority.sign("ecgd")
    tls = {"certificate": server.certificate, "key": server.key, "client_ca": authority.certificate}
    with Receiver(**tls) as ehr:
        ehr.records.create("Patient", KNOWN, None)
        files = {"ca": authority.certificate, "certificate": client.certificate, "key": client.key}
        sender = sending(findings.settings(base_url=ehr.url, **files))
        sender.send(outgoing())
        assert len(ehr.resources()) == 8
        sender.close()
        for less in ({"ca": authority.certificate}, {}):
            stranger = sending(findings.settings(base_url=ehr.url, **less))
            with pytest.raises(Transient) as caught:
                stranger.send(outgoing())
            assert caught.value.reason is Reason.DESTINATION_UNAVAILABLE
            stranger.close()


def test_nothing_of_the_patient_s_is_logged_at_any_level(known, sender, caplog):
    caplog.set_level(logging.DEBUG)
    sender.send(outgoing())
    known.fail(Fault(status=422, body=OUTCOME, method="POST"))
    with pytest.raises(Rejected):
        sender.send(outgoing())
    assert not any(word in caplog.text for word in ("P 1", "P%201", "1.2.3.4", "Ada"))


def test_the_first_transactions_go_one_by_one_so_that_a_device_is_made_once(ehr, sender):
    sent = [outgoing(findings.TABLE[name]) for name in ("unidentified",) * 6]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(sender.send, sent))
    assert ehr.duplicates() == []


def test_a_first_delivery_that_hangs_does_not_keep_the_others_waiting_for_ever(known):
    sender = sending(findings.settings(base_url=known.url, timeout_s=0.5))
    known.fail(Fault(delay_s=1.2, method="GET"))
    with ThreadPoolExecutor(4) as pool:
        failed = [one.exception(20) for one in [pool.submit(sender.send, outgoing()) for _ in range(4)]]
    assert {type(one) for one in failed} == {Transient}
    assert "another first delivery is under way" in " ".join(map(str, failed))
    sender.close()


def test_the_longest_send_covers_its_turn_the_search_the_post_and_their_repeats():
    sender = sending(findings.settings(timeout_s=3))
    assert sender.longest_s >= 3 + 4 * 3
    sender.close()


@pytest.mark.peer
@pytest.mark.parametrize("unknown", ["hold", "create"])
def test_an_independent_server_takes_it_and_keeps_one_of_each(medplum, unknown):
    person = Patient(identifiers=(Identifier(value=f"medplum-{unknown}", authority="HOSP"),), family="Lovelace")
    finding = findings.finding(findings.arrest(), findings.potassium(), patient=person)
    sender = sending(findings.settings(base_url=medplum.url))
    matching = findings.MATCHING.model_copy(update={"unknown": unknown, "systems": {"HOSP": f"urn:{unknown}"}})
    sent = outgoing(finding, patient=matching, identifier_system=f"urn:ecgd:{unknown}")
    if unknown == "hold":
        with pytest.raises(Transient) as caught:
            sender.send(sent)
        assert caught.value.reason is Reason.PATIENT_UNKNOWN
        identifier = [{"system": f"urn:{unknown}", "value": f"medplum-{unknown}"}]
        medplum.create({"resourceType": "Patient", "identifier": identifier})
    for _ in range(2):
        sender.send(sent)
    ours = [
        one["resourceType"]
        for one in medplum.stored()
        if any(identifier["system"] == f"urn:ecgd:{unknown}" for identifier in one.get("identifier", []))
    ]
    assert sorted(ours) == ["DocumentReference", "Observation", "Observation", "RiskAssessment", "RiskAssessment"]
    patient = next(
        one for one in medplum.stored() if one["resourceType"] == "Patient" and f"medplum-{unknown}" in json.dumps(one)
    )
    stored = [one for one in medplum.stored() if unknown in json.dumps(one.get("identifier")) and "subject" in one]
    subjects = {one["subject"]["reference"] for one in stored}
    assert subjects == {f"Patient/{patient['id']}"}
    sender.close()


@pytest.mark.peer
def test_an_independent_server_s_412_and_422_are_understood(medplum):
    sender = sending(findings.settings(base_url=medplum.url))
    twice = {"resourceType": "Device", "identifier": [{"system": "urn:twice", "value": "1"}]}
    for _ in range(2):
        medplum.create(twice)
    for resource, exists, reason in (
        (twice, "identifier=urn%3Atwice%7C1", Reason.AMBIGUOUS_MATCH),
        ({"resourceType": "Device", "shoe": 1}, "identifier=urn%3Aonce%7C1", Reason.DESTINATION_REFUSED),
    ):
        request = {"method": "POST", "url": "Device", "ifNoneExist": exists}
        entry = {"fullUrl": "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a", "resource": resource, "request": request}
        body = json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": [entry]}).encode()
        with pytest.raises(Rejected) as caught:
            sender.send(Outgoing(key="k", channel="fhir:ehr", content_type="application/fhir+json", body=body))
        assert caught.value.reason is reason
    sender.close()
