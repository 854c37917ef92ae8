"""What the EHR is told of a result that another took the place of."""

import json

import pytest
from fhir.resources.R4B.bundle import Bundle

from config.schema import Fhir
from delivery.fhir import bundle
from delivery.superseded import superseding
from simulator.records import Records
from tests.delivery.findings import TABLE

SETTINGS = Fhir.model_validate(
    {
        "base_url": "http://ehr/fhir",
        "patient": {"systems": {"SIM": "urn:sim"}, "default_system": "urn:sim", "unknown": "create"},
    }
)
NEW = "b" * 32


@pytest.fixture
def sent():
    return json.dumps(bundle(TABLE["critical"], SETTINGS))


@pytest.fixture
def told(sent):
    return superseding(sent.encode(), TABLE["critical"].key, NEW, SETTINGS)


def test_it_is_a_message_of_the_old_finding_s_own_on_the_same_channel(told):
    assert told.key == f"{TABLE['critical'].key}:fhir:ehr:superseded"
    assert (told.channel, told.expires_at) == ("fhir:ehr", None)


def test_every_result_is_taken_back_by_a_conditional_update_and_nothing_else_is_touched(sent, told):
    before, after = json.loads(sent)["entry"], json.loads(told.body)["entry"]
    assert len(before) == len(after) <= 8
    for old, new in zip(before, after, strict=True):
        kind = old["resource"]["resourceType"]
        if kind in ("Patient", "Device"):
            assert old == new
            continue
        assert new["resource"]["status"] == ("superseded" if kind == "DocumentReference" else "entered-in-error")
        assert new["request"] == {"method": "PUT", "url": f"{kind}?{old['request']['ifNoneExist']}"}
        assert NEW in new["resource"]["text"]["div"]
        assert new["resource"]["text"]["div"].count("<div") == 1


def test_it_fits_r4(told):
    Bundle.model_validate(json.loads(told.body))


@pytest.mark.parametrize("first", ["sent", "told"])
def test_whichever_arrives_first_each_resource_is_there_once_and_taken_back(sent, told, first):
    records = Records()
    both = [json.loads(sent), json.loads(told.body)]
    for transaction in both if first == "sent" else both[::-1]:
        records.transaction(transaction)
    assert records.duplicates() == []
    of_ours = [one for one in records.all() if one["resourceType"] in ("Observation", "RiskAssessment")]
    assert {one["status"] for one in of_ours} == {"entered-in-error"}
    (document,) = [one for one in records.all() if one["resourceType"] == "DocumentReference"]
    assert document["status"] == "superseded"


def test_what_takes_its_place_says_so_in_its_document():
    made = bundle(TABLE["critical"], SETTINGS, ("a" * 32,))
    (document,) = [one["resource"] for one in made["entry"] if one["resource"]["resourceType"] == "DocumentReference"]
    (relation,) = document["relatesTo"]
    assert (relation["code"], relation["target"]["identifier"]["value"]) == ("replaces", f"{'a' * 32}.picture")
