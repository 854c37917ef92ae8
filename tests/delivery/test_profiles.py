"""What each EHR is given: nothing it does not take, everything a clinician needs."""

import base64
import json

import pymupdf
import pytest
from fhir.resources.R4B.bundle import Bundle

from delivery.fhir import bundle
from delivery.profiles import PROFILES
from delivery.profiles.epic import LONGEST_NOTE, fitting
from delivery.superseded import retracting, superseding
from tests.delivery import findings

NEW = "b" * 32
STATED = "STAND-IN MODEL"
ROWS = {"arrest": "urn:oid:1.2.3|1001", "potassium": "urn:oid:1.2.3|1002", "qtc": "urn:oid:1.2.3|1003"}


def made(profile, finding, **changes):
    return bundle(finding, findings.settings(profile=profile, **changes))


def resources(transaction, kind=None):
    all_of = [entry["resource"] for entry in transaction["entry"]]
    return [one for one in all_of if kind in (None, one["resourceType"])]


def pages(transaction):
    (document,) = resources(transaction, "DocumentReference")
    (content,) = document["content"]
    data = base64.b64decode(content["attachment"]["data"])
    return [page.get_text() for page in pymupdf.open(stream=data, filetype="pdf")]


@pytest.mark.parametrize("name", findings.TABLE)
@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_makes_valid_r4_of_every_finding_and_the_same_each_time(profile, name):
    first = made(profile, findings.TABLE[name])
    Bundle.model_validate(first)
    assert json.dumps(first) == json.dumps(made(profile, findings.TABLE[name]))


@pytest.mark.parametrize(
    ("profile", "kinds"),
    [("oracle", {"DocumentReference", "DiagnosticReport"}), ("epic", {"DocumentReference", "Observation"})],
)
@pytest.mark.parametrize("name", findings.TABLE)
def test_nothing_goes_out_that_the_ehr_does_not_take(profile, kinds, name):
    assert {one["resourceType"] for one in resources(made(profile, findings.TABLE[name]))} <= kinds


@pytest.mark.parametrize("profile", PROFILES)
def test_a_stand_in_says_so_wherever_it_can_be_read(profile):
    for one in resources(made(profile, findings.STAND_IN)):
        if one["resourceType"] == "DocumentReference" and profile != "r4":
            assert STATED in one["description"]
            assert STATED in one["content"][0]["attachment"]["title"]
        if one["resourceType"] in ("Observation", "DiagnosticReport", "RiskAssessment"):
            if one["code"]["coding"][0]["system"] == "http://loinc.org" and one["resourceType"] == "Observation":
                continue  # measurements are no model's
            assert STATED in json.dumps(one)
            assert one["meta"]["tag"][0]["code"] == "HTEST"
            assert one["status"] == ("final" if profile == "epic" else "preliminary")


def test_the_oracle_report_tells_in_words_what_was_found_by_what_and_how_sure():
    (report,) = resources(made("oracle", findings.CRITICAL), "DiagnosticReport")
    said = report["conclusion"]
    assert "Potassium estimated from ECG: 6.82 mmol/L, severely high." in said
    assert "Risk of cardiac arrest estimated from ECG: 23.4 %" in said
    assert "not a laboratory value" in said
    model = findings.CRITICAL.assessments[0].score
    assert f"{model.model} {model.version}, weights sha256 {model.bundle_sha256}" in said
    assert f"thresholds sha256 {findings.CRITICAL.thresholds_sha256}" in said
    assert report["category"][0]["coding"][0]["code"] == "EC"


@pytest.mark.parametrize("profile", ["oracle", "epic"])
def test_the_document_has_the_words_the_ecg_and_a_page_for_each_heat_map(profile):
    found = pages(made(profile, findings.EXPLAINED))
    assert len(found) == 3
    assert "Potassium estimated from ECG: 2.31 mmol/L, severely low." in " ".join(found[0].split())
    assert STATED in found[2]
    assert len(pages(made(profile, findings.NORMAL))) == 1


@pytest.mark.parametrize("profile", ["oracle", "epic"])
def test_the_document_names_nobody(profile):
    text = " ".join(pages(made(profile, findings.CRITICAL)))
    assert "Ada" not in text
    assert "P 1|2,3" not in text


@pytest.mark.parametrize("profile", PROFILES)
def test_an_ecg_without_a_patient_says_so(profile):
    transaction = made(profile, findings.TABLE["unidentified"])
    assert all("NOT IDENTIFIED" in json.dumps(one) for one in resources(transaction, "Observation"))
    if profile != "r4":
        assert "PATIENT NOT IDENTIFIED" in pages(transaction)[0]


@pytest.mark.parametrize("name", findings.TABLE)
def test_a_note_for_epic_fits_and_leads_with_what_matters_most(name):
    for one in resources(made("epic", findings.TABLE[name]), "Observation"):
        (note,) = one["note"]
        assert len(note["text"]) <= LONGEST_NOTE
    for one in resources(made("epic", findings.STAND_IN), "Observation")[:2]:
        assert one["note"][0]["text"].startswith("STAND-IN MODEL, TEST ONLY. Do not use for care.")


def test_sentences_that_do_not_fit_are_left_out_whole():
    assert fitting(("one.", "two.", "three."), 9) == "one. two."
    assert fitting(("one.", "far too long.", "two."), 9) == "one. two."
    assert fitting(("much too long",), 4) == "much"


def test_epic_rows_have_the_site_s_numbers():
    rows = resources(made("epic", findings.CRITICAL, flowsheets=ROWS), "Observation")
    codes = {one["code"]["coding"][0]["code"] for one in rows if one["code"]["coding"][0]["system"] == "urn:oid:1.2.3"}
    assert codes == {"1001", "1002", "1003"}
    arrest = next(one for one in rows if one["code"]["coding"][0]["code"] == "1001")
    assert arrest["valueQuantity"]["value"] == 0.234
    (percent,) = [
        one
        for one in resources(made("epic", findings.CRITICAL, probability_scale="percent"), "Observation")
        if one["code"]["coding"][0]["code"] == "arrest-risk"
    ]
    assert (percent["valueQuantity"]["value"], percent["valueQuantity"]["unit"]) == (23.4, "%")


def test_no_estimate_is_no_number_and_says_why():
    for profile in ("oracle", "epic"):
        said = json.dumps(made(profile, findings.TABLE["abstained"]))
        assert "NO ESTIMATE, because a lead is flat (V1, V2)" in said
    for one in resources(made("epic", findings.TABLE["abstained"]), "Observation")[:2]:
        assert "valueQuantity" not in one
        assert one["dataAbsentReason"]


@pytest.mark.parametrize("take_back", [superseding, retracting])
@pytest.mark.parametrize("profile", PROFILES)
def test_what_was_sent_can_be_taken_back(profile, take_back):
    settings = findings.settings(profile=profile)
    sent = json.dumps(bundle(findings.CRITICAL, settings)).encode()
    told = json.loads(take_back(sent, findings.CRITICAL.key, NEW, settings).body)
    Bundle.model_validate(told)
    for entry in told["entry"]:
        kind = entry["resource"]["resourceType"]
        if kind not in ("Patient", "Device"):
            assert entry["request"]["method"] == "PUT"
            assert NEW in json.dumps(entry["resource"])
            document = take_back is superseding and kind == "DocumentReference"
            assert entry["resource"]["status"] == ("superseded" if document else "entered-in-error")


@pytest.mark.parametrize("profile", ["oracle", "epic"])
def test_what_takes_another_s_place_says_so(profile):
    transaction = bundle(findings.CRITICAL, findings.settings(profile=profile), ("a" * 32,))
    (document,) = resources(transaction, "DocumentReference")
    (relation,) = document["relatesTo"]
    assert (relation["code"], relation["target"]["identifier"]["value"]) == ("replaces", f"{'a' * 32}.document")
