"""What a finding says in FHIR; its form is test_fhir_validation's matter."""

import base64
import json
import re
from dataclasses import replace
from datetime import timedelta
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from delivery.coding import ARREST_HORIZON, HTEST, LOINC
from delivery.fhir import bundle
from domain.ecg import Identifier, Order, Patient
from domain.errors import Permanent
from domain.finding import Output, Status
from domain.reason import Reason
from tests.delivery import findings
from tests.delivery.findings import TABLE, settings


def made(finding, **changes):
    return [entry["resource"] for entry in bundle(finding, settings(**changes))["entry"]]


def of(finding, kind, **changes):
    return [resource for resource in made(finding, **changes) if resource["resourceType"] == kind]


def estimate(finding):
    return next(one for one in of(finding, "Observation") if "device" in one)


def arrest(finding, **changes):
    return next(one for one in of(finding, "RiskAssessment", **changes) if "arrest" in one["code"]["text"])


def dyskalemia(finding):
    return next(one for one in of(finding, "RiskAssessment") if "dyskalemia" in one["code"]["text"])


def words(resource):
    return " ".join(ElementTree.fromstring(resource["text"]["div"]).itertext())


def test_the_same_finding_is_the_same_bytes():
    assert json.dumps(bundle(TABLE["critical"], settings())) == json.dumps(bundle(TABLE["critical"], settings()))


def test_every_entry_is_a_conditional_create_under_the_identifier_of_its_resource():
    for entry in bundle(TABLE["critical"], settings())["entry"]:
        identifier = entry["resource"]["identifier"][0]
        assert entry["request"]["method"] == "POST"
        assert entry["request"]["url"] == entry["resource"]["resourceType"]
        encoded = entry["request"]["ifNoneExist"]
        assert encoded == f"identifier={identifier['system'].replace(':', '%3A')}%7C{identifier['value']}"


def test_references_between_entries_are_to_entries():
    whole = bundle(TABLE["critical"], settings())
    urls = {entry["fullUrl"] for entry in whole["entry"]}
    named = set(re.findall(r'"reference": "(urn:uuid:[^"]+)"', json.dumps(whole)))
    assert len(urls) == len(whole["entry"])
    assert named < urls


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("unknown", ["hold", "create"])
def test_a_transaction_has_at_most_eight_entries(name, unknown):
    matching = findings.MATCHING.model_copy(update={"unknown": unknown})
    assert len(bundle(TABLE[name], settings(patient=matching))["entry"]) <= 8


def test_potassium_is_an_estimate_and_never_a_laboratory_value():
    found = estimate(TABLE["critical"])
    assert found["code"]["text"] == "Potassium estimated from ECG"
    assert found["category"][0]["coding"][0]["code"] == "procedure"
    assert found["valueQuantity"] == {
        "value": 6.82, "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"
    }  # fmt: skip
    everything = json.dumps(made(TABLE["critical"]))
    assert "2823-3" not in everything
    assert "laboratory" not in everything.replace("not a laboratory value", "")


@pytest.mark.parametrize(
    ("level", "flag", "low", "high"),
    [
        ("severe_low", "LL", "high", "low"),
        ("low", "L", "moderate", "low"),
        ("normal", "N", "low", "low"),
        ("high", "H", "low", "moderate"),
        ("severe_high", "HH", "low", "high"),
    ],
)
def test_potassium_s_level_becomes_its_flag_and_the_risk_of_each_class(level, flag, low, high):
    finding = findings.finding(findings.potassium(level=level))
    assert estimate(finding)["interpretation"][0]["coding"][0]["code"] == flag
    risks = {
        one["outcome"]["text"]: one["qualitativeRisk"]["coding"][0]["code"] for one in dyskalemia(finding)["prediction"]
    }
    assert risks == {"Hypokalemia": low, "Hyperkalemia": high}


def test_a_censored_estimate_has_its_comparator_in_value_and_words():
    found = estimate(TABLE["censored"])
    assert (found["valueQuantity"]["comparator"], found["valueQuantity"]["value"]) == (">", 7.5)
    assert "above 7.50 mmol/L" in words(found)


@pytest.mark.parametrize(("scale", "value"), [("fraction", 0.234), ("percent", 23.4)])
def test_probability_stands_in_the_scale_asked_for_and_in_words_with_its_unit(scale, value):
    found = arrest(TABLE["critical"], probability_scale=scale)
    prediction = found["prediction"][0]
    assert prediction["probabilityDecimal"] == value
    assert prediction["qualitativeRisk"]["coding"][0]["code"] == "high"
    assert "23.4 % (0.234 on a scale of 0 to 1)" in prediction["rationale"]
    assert {"fraction": "a fraction", "percent": "a percentage"}[scale] in prediction["rationale"]
    assert "23.4 %" in words(found)


def test_arrest_is_predicted_from_acquisition_for_a_stated_horizon():
    found = arrest(TABLE["critical"])
    start, end = findings.ACQUIRED, findings.ACQUIRED + ARREST_HORIZON
    assert timedelta(hours=24) == ARREST_HORIZON
    assert found["prediction"][0]["whenPeriod"] == {"start": start.isoformat(), "end": end.isoformat()}
    assert found["occurrenceDateTime"] == start.isoformat()


def test_every_prediction_has_a_period():
    for finding in TABLE.values():
        for risk in of(finding, "RiskAssessment"):
            assert all({"start", "end"} == set(one["whenPeriod"]) for one in risk["prediction"])


def test_an_abstention_is_said_aloud_and_carries_no_number_and_no_reassurance():
    finding = TABLE["abstained"]
    potassium, risks = estimate(finding), of(finding, "RiskAssessment")
    assert "valueQuantity" not in potassium
    assert "interpretation" not in potassium
    assert potassium["dataAbsentReason"]["coding"][0]["code"] == "error"
    for risk in risks:
        for prediction in risk["prediction"]:
            assert not {"probabilityDecimal", "qualitativeRisk"} & set(prediction)
            span = prediction["probabilityRange"]
            assert (span["low"]["value"], span["high"]["value"], span["low"]["code"]) == (0, 100, "%")
            assert "NO ESTIMATE" in prediction["rationale"]
    for resource in (potassium, *risks):
        assert "NO ESTIMATE" in words(resource)
        assert "not an all-clear" in words(resource)
        assert any("NO ESTIMATE" in note["text"] for note in resource["note"])
    assert "a lead is flat (V1, V2)" in words(arrest(finding))


def test_an_unfit_ecg_s_potassium_is_unknown_not_an_error():
    found = estimate(findings.finding(findings.abstention(Output.POTASSIUM, Reason.TOO_SHORT)))
    assert found["dataAbsentReason"]["coding"][0]["code"] == "unknown"


def test_a_stand_in_says_so_wherever_its_answer_can_be_seen():
    for resource in made(TABLE["stand-in"]):
        if resource["resourceType"] in ("DocumentReference",) or "component" in resource:
            continue
        assert resource["meta"]["tag"] == [HTEST]
        assert resource["status"] == ("active" if resource["resourceType"] == "Device" else "preliminary")
        assert words(resource).startswith("STAND-IN MODEL, FOR TESTING ONLY")
        assert resource["note"][0]["text"].startswith("STAND-IN")
        assert all(one["rationale"].startswith("STAND-IN") for one in resource.get("prediction", []))


def test_a_site_validated_model_is_final_and_untagged():
    for resource in made(TABLE["critical"]):
        assert "meta" not in resource
        assert "STAND-IN" not in json.dumps(resource)
    assert {one["status"] for one in [estimate(TABLE["critical"]), *of(TABLE["critical"], "RiskAssessment")]} == {
        "final"
    }


def test_the_model_is_a_device_known_by_its_weights():
    device = of(TABLE["critical"], "Device")[0]
    score = TABLE["critical"].assessments[0].score
    assert device["identifier"] == [{"system": "urn:ecgd:bundle-sha256", "value": score.bundle_sha256}]
    assert device["deviceName"] == [{"name": "eianet", "type": "model-name"}]
    assert (device["modelNumber"], device["version"]) == ("eianet", [{"value": "0.1"}])


def test_weights_and_thresholds_can_be_traced_from_every_answer():
    for resource in [estimate(TABLE["critical"]), *of(TABLE["critical"], "RiskAssessment")]:
        assert "e" * 64 in resource["note"][-1]["text"]
        assert re.search(r"weights sha256 [0-9a-f]{64}", words(resource))


def test_the_cart_s_measurements_come_before_ours_and_each_says_whose_it_is():
    found = next(one for one in of(TABLE["normal"], "Observation") if "component" in one)
    known = [
        (one["code"]["coding"][0]["code"], one["valueQuantity"], one["code"]["text"]) for one in found["component"]
    ]
    assert {(code, quantity["value"], quantity["code"], text) for code, quantity, text in known} == {
        ("8867-4", 71, "/min", "Heart rate, reported by the ECG device"),
        ("8625-6", 162, "ms", "PR interval, measured by ecgd"),
        ("8633-0", 96, "ms", "QRS duration, reported by the ECG device"),
        ("8634-8", 388, "ms", "QT interval, reported by the ECG device"),
        ("8636-3", 421, "ms", "QT interval, corrected, measured by ecgd"),
        ("76634-5", 410, "ms", "QT interval, corrected (Fridericia), measured by ecgd"),
        ("8632-2", -31, "deg", "QRS axis, measured by ecgd"),
    }  # fmt: skip
    assert all(one["code"]["coding"][0]["system"] == LOINC for one in found["component"])
    assert found["code"]["coding"][0]["code"] != "8867-4"  # it would claim R4's vital-signs profile


def test_nothing_measured_is_no_observation():
    assert of(TABLE["nothing measured"], "Observation") == []


def test_the_picture_is_the_standard_picture_in_its_own_colours():
    picture = np.zeros((40, 50, 3), np.uint8)
    picture[:, :25] = (255, 0, 0)
    document = of(findings.finding(picture=picture), "DocumentReference")[0]
    attachment = document["content"][0]["attachment"]
    data = base64.b64decode(attachment["data"])
    assert attachment["size"] == len(data)
    assert document["type"]["coding"][0]["code"] == "11524-6"
    shown = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    assert np.array_equal(shown, picture)


def test_each_models_explanation_is_a_further_content_of_the_ecgs_document():
    document = of(TABLE["explained"], "DocumentReference")[0]
    ecg, *explained = document["content"]
    assert ecg["attachment"]["title"] == "12-lead ECG"
    assert [one["format"]["code"] for one in document["content"]] == [
        "ecg-picture",
        "ecg-explanation",
        "ecg-explanation",
    ]
    assert [one["attachment"]["title"] for one in explained] == [
        "Where eianet 0.1 looked on the ECG",
        "Where ecg12net 0.1 looked on the ECG (STAND-IN MODEL: NO CLINICAL MEANING)",
    ]
    for one, assessment in zip(explained, TABLE["explained"].assessments, strict=True):
        shown = cv2.imdecode(np.frombuffer(base64.b64decode(one["attachment"]["data"]), np.uint8), cv2.IMREAD_COLOR)
        assert np.array_equal(cv2.cvtColor(shown, cv2.COLOR_BGR2RGB), assessment.drawing)
        assert one["attachment"]["title"] in words(document)


def test_every_answer_with_a_drawing_says_so_and_leads_to_it():
    (document,) = (
        entry["fullUrl"]
        for entry in bundle(TABLE["explained"], settings())["entry"]
        if entry["resource"]["resourceType"] == "DocumentReference"
    )
    told = [
        *((one, "basis") for one in of(TABLE["explained"], "RiskAssessment")),
        (estimate(TABLE["explained"]), "derivedFrom"),
    ]
    assert len(told) == 3
    for resource, link in told:
        assert "Where the model looked on the ECG is drawn in the ECG's document" in words(resource)
        assert {"reference": document} in resource[link]
    assert "Where the model looked" not in words(estimate(TABLE["critical"]))


def test_subject_is_a_conditional_reference_with_the_identifier_escaped_and_encoded():
    for resource in made(TABLE["normal"]):
        if resource["resourceType"] != "Device":
            query = resource["subject"]["reference"]
            assert query == "Patient?identifier=urn%3Aoid%3A1.2.3.4%7CP%201%5C%7C2%5C%2C3"


def test_create_adds_the_patient_once_and_refers_to_it():
    matching = findings.MATCHING.model_copy(update={"unknown": "create"})
    whole = bundle(TABLE["normal"], settings(patient=matching))
    patient = whole["entry"][0]
    assert patient["resource"] == {
        "resourceType": "Patient",
        "identifier": [{"system": findings.MRN, "value": "P 1|2,3"}],
        "name": [{"family": "Öztürk<script>", "given": ["Ada"]}],
        "birthDate": "1950-02-03",
        "gender": "female",
    }
    assert patient["request"]["ifNoneExist"] == "identifier=urn%3Aoid%3A1.2.3.4%7CP%201%5C%7C2%5C%2C3"
    assert all(one["resource"]["subject"]["reference"] == patient["fullUrl"] for one in whole["entry"][3:])


@pytest.mark.parametrize("name", ["unidentified", "unknown authority"])
@pytest.mark.parametrize("unknown", ["hold", "create"])
def test_nobody_is_guessed_an_unidentified_ecg_says_so(name, unknown):
    matching = findings.MATCHING.model_copy(update={"unknown": unknown})
    for resource in made(TABLE[name], patient=matching):
        assert resource["resourceType"] != "Patient"
        if resource["resourceType"] != "Device":
            assert "reference" not in resource["subject"]
            assert resource["subject"]["display"] == f"Unidentified patient (ECG {TABLE[name].key})"
            assert resource["subject"]["identifier"]["value"] == f"{TABLE[name].key}.patient"
            assert words(resource).startswith("PATIENT NOT IDENTIFIED")


def test_the_default_system_is_for_identifiers_without_an_authority_only():
    matching = findings.MATCHING.model_copy(update={"systems": {}, "default_system": "urn:d"})
    assert "reference" not in arrest(TABLE["normal"], patient=matching)["subject"]


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ([("A778", "HOSP", "AN"), ("4711", "HOSP", "PI")], "4711"),
        ([("4711", "HOSP", "PI"), ("12", "HOSP", "mr")], "12"),
        ([("12", "HOSP", "MRN")], "12"),
        ([("V99", "HOSP", "VN")], None),
        ([("55", "OTHER", "MR"), ("123-45-6789", "", "SS")], None),
        ([("55", "OTHER", "MR"), ("66", "", "")], None),
        ([("123-45-6789", "", "SS")], None),
        ([("66", "", "")], "66"),
    ],
)
def test_only_a_record_number_names_a_patient(given, value):
    people = tuple(Identifier(value=v, authority=authority, type=kind) for v, authority, kind in given)
    matching = findings.MATCHING.model_copy(update={"default_system": findings.MRN})
    finding = findings.finding(findings.arrest(), patient=Patient(identifiers=people))
    query = None if value is None else f"Patient?identifier=urn%3Aoid%3A1.2.3.4%7C{value}"
    assert arrest(finding, patient=matching)["subject"].get("reference") == query


@pytest.mark.parametrize(
    ("authority", "system"), [("", "urn:oid:1.2.3.5"), ("HOSP", "urn:oid:1.2.3.6"), ("ELSEWHERE", None)]
)
def test_a_visit_number_is_its_authority_s_and_of_nobody_else(authority, system):
    matching = findings.MATCHING.model_copy(update={"encounter_systems": {"HOSP": "urn:oid:1.2.3.6"}})
    order = Order(encounter=Identifier(value="E-55", authority=authority))
    found = arrest(findings.finding(findings.arrest(), order=order), patient=matching)
    assert found.get("encounter", {}).get("identifier", {}).get("system") == system


def test_the_visit_is_named_without_claiming_that_the_ehr_has_it():
    visit = {"type": "Encounter", "identifier": {"system": "urn:oid:1.2.3.5", "value": "E-55"}}
    assert arrest(TABLE["normal"])["encounter"] == visit
    assert of(TABLE["normal"], "DocumentReference")[0]["context"]["encounter"] == [visit]
    assert "encounter" not in arrest(TABLE["unidentified"])


def test_without_an_acquisition_time_the_receipt_stands_and_the_text_says_so():
    found = arrest(TABLE["no acquisition time"])
    assert found["occurrenceDateTime"] == findings.RECEIVED.isoformat()
    assert "Time of recording not given" in words(found)


def test_names_and_locations_stay_out_of_narratives():
    everything = json.dumps(made(TABLE["critical"]), ensure_ascii=False)
    assert "Öztürk" not in everything
    assert "1950" not in everything


def test_what_the_models_refuse_is_our_fault_and_named_without_its_value():
    score = replace(findings.potassium().score, censored="SECRET")
    with pytest.raises(Permanent) as caught:
        bundle(findings.finding(replace(findings.potassium(), score=replace(score, unit=" "))), settings())
    assert caught.value.reason is Reason.OUR_FAULT
    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_two_models_for_the_same_output_do_not_collide():
    other = findings.potassium(status=Status.STAND_IN)
    whole = bundle(findings.finding(findings.potassium(), other), settings())
    assert len({entry["request"]["ifNoneExist"] for entry in whole["entry"]}) == len(whole["entry"])
