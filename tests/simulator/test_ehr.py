"""The simulated EHR behaves as R4's transaction rules say, since the other tests lean on it."""

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from fhir.resources.R4B.capabilitystatement import CapabilityStatement

from simulator.ehr import Fault, Receiver

DEVICE = {"resourceType": "Device", "identifier": [{"system": "urn:d", "value": "1"}]}
ADA = {"resourceType": "Patient", "identifier": [{"system": "urn:p", "value": "a|b,c"}]}


@pytest.fixture
def ehr():
    with Receiver() as receiver:
        yield receiver


def call(url, body=None, method=None, **headers):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/fhir+json", **headers}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"null")


def transaction(*entries):
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


def entry(resource, uuid=None, exists=None):
    request = {"method": "POST", "url": resource["resourceType"]}
    made = {"resource": resource, "request": {**request, "ifNoneExist": exists} if exists else request}
    return {**made, "fullUrl": f"urn:uuid:{uuid}"} if uuid else made


def observation(reference, **more):
    subject = {"reference": reference}
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": subject, **more}


UUID = "61ebe359-bfdc-4613-8bf2-c5e300945f0a"


def test_a_transaction_creates_and_rewrites_its_own_references(ehr):
    status, answer = call(
        f"{ehr.url}/",
        transaction(entry(observation(f"urn:uuid:{UUID}")), entry(ADA, UUID, "identifier=urn:p%7Ca%5C%7Cb%5C%2Cc")),
    )
    assert status == 200
    assert [one["response"]["status"] for one in answer["entry"]] == ["201 Created", "201 Created"]
    patient = ehr.resources("Patient")[0]["id"]
    assert ehr.resources("Observation")[0]["subject"]["reference"] == f"Patient/{patient}"


def test_the_same_conditional_create_again_finds_what_is_there(ehr):
    sent = transaction(entry(DEVICE, exists="identifier=urn%3Ad%7C1"))
    first, again = (call(f"{ehr.url}/", sent)[1]["entry"][0]["response"] for _ in range(2))
    assert (first["status"], again["status"]) == ("201 Created", "200 OK")
    assert first["location"] == again["location"]
    assert ehr.duplicates() == []


def test_several_matches_are_412_and_nothing_is_stored(ehr):
    for _ in range(2):
        call(f"{ehr.url}/Device", DEVICE)
    status, outcome = call(f"{ehr.url}/", transaction(entry(ADA), entry(DEVICE, exists="identifier=urn:d|1")))
    assert (status, outcome["issue"][0]["code"]) == (412, "multiple-matches")
    assert ehr.resources("Patient") == []
    assert ehr.duplicates() == [("Device", "urn:d", "1")]


@pytest.mark.parametrize(
    ("bundle", "status"),
    [
        ({"resourceType": "Patient"}, 400),
        ({"resourceType": "Bundle", "type": "batch"}, 400),
        (transaction({"resource": ADA, "request": {"method": "PUT", "url": "Patient/1"}}), 400),
        (transaction(entry(observation(f"urn:uuid:{UUID}"))), 400),
        (transaction(entry(observation("Patient/nobody"))), 404),
        (transaction(entry(observation("Patient?identifier=urn:p|nobody"))), 404),
        (transaction(entry({**ADA, "shoe": "size"})), 422),
        (transaction(entry(ADA), entry({"resourceType": "Observation", "code": {"text": "x"}})), 422),
    ],
)
def test_what_a_server_refuses_is_refused_whole(ehr, bundle, status):
    assert call(f"{ehr.url}/", bundle)[0] == status
    assert ehr.resources() == []


def test_a_conditional_reference_is_resolved(ehr):
    _, patient = call(f"{ehr.url}/Patient", ADA)
    call(f"{ehr.url}/", transaction(entry(observation("Patient?identifier=urn%3Ap%7Ca%5C%7Cb%5C%2Cc"))))
    assert ehr.resources("Observation")[0]["subject"]["reference"] == f"Patient/{patient['id']}"


@pytest.mark.parametrize(
    ("query", "found"),
    [("urn%3Ap%7Ca%5C%7Cb%5C%2Cc", 1), ("a%5C%7Cb%5C%2Cc", 1), ("%7Ca%5C%7Cb", 0), ("urn%3Aq%7Ca%5C%7Cb%5C%2Cc", 0)],
)
def test_a_patient_is_found_by_identifier(ehr, query, found):
    call(f"{ehr.url}/Patient", ADA)
    status, bundle = call(f"{ehr.url}/Patient?identifier={query}")
    assert (status, bundle["total"], len(bundle.get("entry", []))) == (200, found, found)


def test_create_read_and_conditional_create_over_rest(ehr):
    status, made = call(f"{ehr.url}/Device", DEVICE, **{"If-None-Exist": "identifier=urn:d|1"})
    again, same = call(f"{ehr.url}/Device", DEVICE, **{"If-None-Exist": "identifier=urn:d|1"})
    assert (status, again, made["id"]) == (201, 200, same["id"])
    assert call(f"{ehr.url}/Device/{made['id']}") == (200, made)
    assert call(f"{ehr.url}/Device/none")[0] == 404


def test_it_says_what_it_can(ehr):
    status, statement = call(f"{ehr.url}/metadata")
    assert status == 200
    assert CapabilityStatement.model_validate(statement).fhirVersion == "4.0.1"


def test_alerts_are_kept_as_they_came(ehr):
    call(f"{ehr.url}/alert", {"a": 1}, **{"X-Sign": "s"})
    assert [(alert.body, alert.headers["x-sign"]) for alert in ehr.alerts] == [(b'{"a": 1}', "s")]


def test_bundles_are_written_to_the_folder(tmp_path):
    with Receiver(folder=tmp_path / "out") as ehr:
        call(f"{ehr.url}/", transaction(entry(ADA)))
    assert json.loads((tmp_path / "out" / "00001.json").read_text())["entry"][0]["resource"] == ADA


def test_faults_come_in_order_and_end(ehr):
    ehr.fail(Fault(status=429, headers={"Retry-After": "7"}, times=1))
    ehr.fail(Fault(status=500, times=1, applied=True))
    sent = transaction(entry(DEVICE, exists="identifier=urn:d|1"))
    assert [call(f"{ehr.url}/", sent)[0] for _ in range(3)] == [429, 500, 200]
    assert len(ehr.resources()) == 1
    assert [method for method, _, _ in ehr.requests] == ["POST"] * 3


def test_a_fault_for_one_path_leaves_the_others_alone(ehr):
    ehr.fail(Fault(status=503, method="GET", path="/Patient"))
    assert call(f"{ehr.url}/Patient")[0] == 503
    assert call(f"{ehr.url}/", transaction(entry(ADA)))[0] == 200
    ehr.recover()
    assert call(f"{ehr.url}/Patient")[0] == 200


def test_down_and_up_again_on_the_same_port_with_everything_kept(ehr):
    call(f"{ehr.url}/", transaction(entry(ADA)))
    url = ehr.url
    ehr.stop()
    with pytest.raises(urllib.error.URLError):
        call(f"{url}/metadata")
    ehr.start()
    assert ehr.url == url
    assert len(ehr.resources()) == 1


def test_a_token_is_asked_for(ehr):
    ehr.token = "t1"
    assert call(f"{ehr.url}/metadata")[0] == 401
    assert call(f"{ehr.url}/metadata", Authorization="Bearer t1")[0] == 200


def test_simultaneous_conditional_creates_make_one(ehr):
    sent = transaction(entry(DEVICE, exists="identifier=urn:d|1"))
    with ThreadPoolExecutor(8) as pool:
        assert {status for status, _ in pool.map(lambda _: call(f"{ehr.url}/", sent), range(32))} == {200}
    assert len(ehr.resources()) == 1
