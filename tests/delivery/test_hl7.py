"""What an engine is sent, read by two parsers that are not ours."""

import base64
from datetime import date

import hl7
import pymupdf
import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from config.schema import Hl7v2
from delivery.hl7 import control_id, escaped, oru, taken_back
from delivery.superseded import retracting, superseding
from domain.ecg import Identifier, Order, Patient
from domain.finding import Output, Severity
from tests.delivery import findings

SETTINGS = Hl7v2(kind="hl7v2", name="engine", host="127.0.0.1", port=1, receiving="EPIC", receiving_facility="HOSP")
OTHER = "b" * 32


def read(body):
    return hl7.parse(body.decode("utf-8"))


def observations(message):
    return {str(one[3][0][0][0]): one for one in message.segments("OBX")}


def notes_after(message, code):
    found, on = [], False
    for segment in message:
        name = str(segment[0])
        if name == "OBX":
            on = str(segment[3][0][0][0]) == code
        elif name == "NTE" and on:
            found.append(str(segment[3]))
    return found


@pytest.mark.parametrize("name", findings.TABLE)
def test_every_finding_is_a_message_that_another_parser_reads_and_the_same_each_time(name):
    body = oru(findings.TABLE[name], SETTINGS)
    assert body == oru(findings.TABLE[name], SETTINGS)
    parsed = parse_message(body.decode(), validation_level=VALIDATION_LEVEL.TOLERANT)
    assert parsed.msh.msh_9.to_er7() == "ORU^R01^ORU_R01"
    assert len(read(body).segments("OBX")) >= 1


def test_the_header_names_both_ends_the_version_and_the_character_set():
    (head,) = read(oru(findings.CRITICAL, SETTINGS)).segments("MSH")
    assert [str(head[n]) for n in (3, 5, 6, 7, 11, 12, 18)] == [
        *("ECGD", "EPIC", "HOSP", "20260501083301+0000", "P", "2.5.1", "UNICODE UTF-8")
    ]
    assert str(head[10]) == control_id(f"{findings.CRITICAL.key}:hl7v2:engine")
    assert len(str(head[10])) == 20


def test_the_patient_the_visit_and_the_order_are_the_sender_s():
    message = read(oru(findings.CRITICAL, SETTINGS))
    (pid,), (pv1,), (obr,) = (message.segments(name) for name in ("PID", "PV1", "OBR"))
    assert str(pid[3]) == "P 1\\F\\2,3^^^HOSP^MR~V-77^^^VISITS"
    assert str(pid[5][0][0][0]) == "Öztürk<script>"
    assert (str(pid[7]), str(pid[8])) == ("19500203", "F")
    assert str(pv1[3]) == "ED 3"
    assert str(pv1[19]).startswith("E-55")
    assert (str(obr[2]), str(obr[3][0][0][0]), str(obr[7])) == ("ORD-9", findings.CRITICAL.key, "20260501103205+0200")
    assert str(obr[25]) == "F"


def test_an_estimate_has_its_number_unit_flag_and_model_and_the_words_behind_it():
    message = read(oru(findings.CRITICAL, SETTINGS))
    potassium = observations(message)["potassium-from-ecg"]
    assert [str(potassium[n]) for n in (2, 5, 6, 8, 11)] == ["NM", "6.82", "mmol/L^^UCUM", "HH", "F"]
    assert str(potassium[18]) == "ecg12net^0.1"
    arrest = observations(message)["arrest-risk"]
    assert [str(arrest[n]) for n in (5, 6, 8)] == ["23.40", "%^percent^UCUM", "AA"]
    said = " ".join(notes_after(message, "potassium-from-ecg"))
    assert "severely high" in said
    assert "not a laboratory value" in said
    assert findings.CRITICAL.assessments[1].score.bundle_sha256 in said
    assert findings.CRITICAL.thresholds_sha256 in said


def test_an_estimate_beyond_the_model_s_range_is_a_structured_number():
    potassium = observations(read(oru(findings.TABLE["censored"], SETTINGS)))["potassium-from-ecg"]
    assert (str(potassium[2]), str(potassium[5])) == ("SN", ">^7.50")


def test_a_stand_in_is_preliminary_and_says_so_in_name_and_words():
    message = read(oru(findings.STAND_IN, SETTINGS))
    assert str(message.segments("OBR")[0][25]) == "P"
    for code in ("arrest-risk", "potassium-from-ecg"):
        one = observations(message)[code]
        assert str(one[3][0][1][0]).startswith("STAND-IN MODEL, TEST ONLY")
        assert str(one[11]) == "P"
        assert notes_after(message, code)[0].startswith("STAND-IN MODEL, FOR TESTING ONLY")


def test_no_estimate_is_no_number():
    one = observations(read(oru(findings.TABLE["abstained"], SETTINGS)))["arrest-risk"]
    assert (str(one[2]), str(one[11])) == ("TX", "X")
    assert "NO ESTIMATE" in str(one[5])


def test_measurements_have_their_public_codes():
    rate = observations(read(oru(findings.CRITICAL, SETTINGS)))["8867-4"]
    assert [str(rate[n]) for n in (2, 5, 6)] == ["NM", "71", "/min^^UCUM"]


@pytest.mark.parametrize(("picture", "kind"), [("pdf", "application^pdf"), ("png", "image^png"), ("none", None)])
def test_the_ecg_with_its_heat_maps_is_embedded(picture, kind):
    settings = SETTINGS.model_copy(update={"picture": picture})
    found = observations(read(oru(findings.EXPLAINED, settings))).get("11524-6")
    if kind is None:
        assert found is None
        return
    assert str(found[5]).startswith(f"^{kind}^Base64^")
    if picture == "pdf":
        content = base64.b64decode(str(found[5][0][4][0]))
        assert len(pymupdf.open(stream=content, filetype="pdf")) == 3


def test_delimiters_and_line_ends_in_values_cannot_make_fields_or_segments():
    nasty = Patient(
        identifiers=(Identifier(value="1\rOBX|9", authority="A^B&C~D\\E", type="MR"),), birth_date=date(1950, 1, 1)
    )
    finding = findings.finding(findings.arrest(), patient=nasty, order=Order(location="ED|3\nX"))
    message = read(oru(finding, SETTINGS))
    assert [str(one[0]) for one in message][:4] == ["MSH", "PID", "PV1", "OBR"]
    assert str(message.segments("PID")[0][3][0][0][0]) == "1 OBX\\F\\9"
    assert escaped("\\|^&~") == "\\E\\\\F\\\\S\\\\T\\\\R\\"


def test_what_takes_another_s_place_is_a_correction():
    message = read(oru(findings.CRITICAL, SETTINGS, (OTHER,)))
    assert {str(one[11]) for one in message.segments("OBX")} == {"C"}
    assert str(message.segments("OBR")[0][25]) == "C"
    assert OTHER in str(message.segments("NTE")[0][3])


@pytest.mark.parametrize("take_back", [superseding, retracting])
def test_what_is_taken_back_is_posted_as_wrong_under_a_number_of_its_own(take_back):
    sent = oru(findings.CRITICAL, SETTINGS)
    told = take_back(sent, findings.CRITICAL.key, OTHER, SETTINGS)
    before, after = read(sent), read(told.body)
    assert {str(one[11]) for one in after.segments("OBX")} == {"W"}
    assert str(before.segments("MSH")[0][10]) != str(after.segments("MSH")[0][10])
    assert str(before.segments("OBR")[0][3]) == str(after.segments("OBR")[0][3])
    assert OTHER in str(after.segments("NTE")[0][3])
    assert taken_back(sent, told.key, "x") == taken_back(sent, told.key, "x")


def test_an_ecg_without_a_patient_says_so():
    message = read(oru(findings.TABLE["unidentified"], SETTINGS))
    assert str(message.segments("NTE")[0][3]).startswith("PATIENT NOT IDENTIFIED")


@pytest.mark.parametrize(
    ("level", "severity", "flag"),
    [("normal", Severity.NORMAL, "N"), ("moderate", Severity.ABNORMAL, "A"), ("high", Severity.CRITICAL, "AA")],
)
def test_a_risk_of_arrest_is_flagged_by_its_level(level, severity, flag):
    message = read(oru(findings.finding(findings.arrest(0.1, level, severity)), SETTINGS))
    assert str(observations(message)["arrest-risk"][8]) == flag
    assert Output.ARREST in str(observations(message)["arrest-risk"][3])
