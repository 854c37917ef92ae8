"""A Flag as it goes to the EHR: valid by the official definitions, one identifier, and plain about what it is worth."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from delivery.flag import message
from domain.alert import Risk
from domain.ecg import Identifier, Patient
from domain.finding import Status
from domain.flag import Flag, Over, State
from tests.delivery import findings
from tests.fhir_validation import errors

FLAG = Flag(
    key="a" * 32,
    person="b" * 32,
    risk=Risk.ARREST,
    raised_by="c" * 32,
    finding="d" * 32,
    begun=findings.ACQUIRED,
    until=findings.ACQUIRED + timedelta(hours=24),
    changes=1,
)
ENDED = replace(FLAG, state=State.INACTIVE, ended=FLAG.begun + timedelta(hours=3), why=Over.BELOW, changes=2)
ERROR = replace(ENDED, state=State.ERROR, why=Over.RETRACTED, changes=3)
VISIT = Identifier(value="E-55")


def told(flag=FLAG, status=Status.SITE_VALIDATED, visit=VISIT, patient=findings.PATIENT):
    model = findings.arrest(status=status).score
    return message(flag, patient, visit, model, findings.settings())


def resource(outgoing):
    bundle = json.loads(outgoing.body)
    return next(one["resource"] for one in bundle["entry"] if one["resource"]["resourceType"] == "Flag")


@pytest.mark.peer
@pytest.mark.parametrize("risk", Risk)
@pytest.mark.parametrize("flag", [FLAG, ENDED, ERROR], ids=lambda one: one.state)
@pytest.mark.parametrize("status", Status)
def test_every_flag_fits_the_definitions(risk, flag, status, medplum):
    assert errors(json.loads(told(replace(flag, risk=risk), status).body), medplum) == []


def test_every_change_is_written_over_the_one_flag():
    bundles = [json.loads(told(flag).body) for flag in (FLAG, ENDED, ERROR)]
    requests = {json.dumps(one["entry"][-1]["request"]) for one in bundles}
    (only,) = requests
    assert json.loads(only)["method"] == "PUT"
    assert "identifier=urn%3Aecgd%3Aresult%7C" + "a" * 32 + ".flag" in only
    assert [one["entry"][-1]["resource"]["status"] for one in bundles] == ["active", "inactive", "entered-in-error"]


def test_every_change_is_a_message_of_its_own_in_the_patients_lane():
    keys = [told(flag).key for flag in (FLAG, ENDED, ERROR)]
    assert len(set(keys)) == 3
    assert all(key.startswith("d" * 32 + ":fhir:ehr:flag:") for key in keys)
    assert told().lane


def test_a_flag_says_when_it_ends_and_why_it_ended():
    assert resource(told())["period"] == {"start": "2026-05-01T10:32:05+02:00", "end": "2026-05-02T10:32:05+02:00"}
    assert "unless a later ECG shows it again" in resource(told())["text"]["div"]
    assert resource(told(ENDED))["period"]["end"] == "2026-05-01T13:32:05+02:00"
    assert "a later ECG was below the threshold" in resource(told(ENDED))["text"]["div"]
    assert "Do not act on this flag" in resource(told(ERROR))["text"]["div"]


def test_a_stand_ins_flag_says_so_in_tag_code_and_text():
    made = resource(told(status=Status.STAND_IN))
    assert made["meta"]["tag"][0]["code"] == "HTEST"
    assert "NO CLINICAL MEANING" in made["code"]["text"]
    assert "STAND-IN" in made["text"]["div"].upper()


def test_a_flag_names_its_visit_where_the_ehr_knows_such_numbers():
    assert resource(told())["encounter"]["identifier"] == {"system": "urn:oid:1.2.3.5", "value": "E-55"}
    assert "encounter" not in resource(told(visit=None))
    assert "encounter" not in resource(told(visit=Identifier(value="1", authority="ELSEWHERE")))


def test_who_the_ehr_would_not_know_is_not_flagged():
    assert told(patient=Patient(identifiers=(Identifier(value="1", authority="ELSEWHERE"),))) is None
