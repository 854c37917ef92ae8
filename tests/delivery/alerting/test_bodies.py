"""What people are told, in what form, and what a channel must not carry."""

import json
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.policy import default

import hl7
import pytest
from fhir.resources.R4B.communication import Communication

from config.alerts import Apprise
from config.schema import Alerts, Models, Settings, Smtp, Webhook
from delivery.alerting.plan import plan
from delivery.alerting.records import communication, engine
from delivery.alerting.said import location, raised
from delivery.alerting.words import TEST_ONLY, Message, sentences, subject_line
from delivery.alerting.write import change
from domain.alert import Alert, Book, Closing, Event, Happened, Why
from domain.ecg import Identifier, Order, Patient, ReadWarning
from domain.finding import Output, Severity, Status
from tests.delivery import findings
from tests.delivery.alerting.alerts import alert

MAIL = Smtp(name="ed", host="127.0.0.1", sender="ECG <ecg@hospital.example>", recipients=("a@h.example", "b@h.example"))
HOOK = Webhook(name="pager", url="http://127.0.0.1:1/alert")
SMS = Apprise(name="sms", url_file="/etc/sms")
ALERTS = Alerts(webhooks=(HOOK,), smtp=(MAIL,), apprise=(SMS,), expire_s=60)
IDENTIFIED = Alerts(
    webhooks=(HOOK.model_copy(update={"content": "identified"}),),
    smtp=(MAIL.model_copy(update={"content": "identified"}),),
)


def settings(**changes):
    return Settings(**{"destinations": (findings.settings(),), "alerts": ALERTS, **changes})


def alerts(finding, **changes):
    found = raised(finding, settings(**changes))
    at = findings.DECIDED
    return tuple(Alert(id=n, raised=one, raised_at=at, since=at) for n, one in enumerate(found, start=17))


def messages(finding, *, now=findings.DECIDED, key=None, change_alerts=lambda one: one, units=None, **changes):
    """Everything that goes out about a new alert, by the kind of channel."""
    own = settings(**changes)
    book = Book(alerts=tuple(map(change_alerts, alerts(finding, **changes))), units=units or {})
    out = change(plan(book, own.alerts, now), book, own, now, key=key).outgoing
    return {one.channel.partition(":")[0]: one for one, _ in out}


def hook(finding, **changes):
    return json.loads(messages(finding, **changes)["webhook"].body)


def mail(finding, **changes):
    return message_from_bytes(messages(finding, **changes)["smtp"].body, policy=default)


def test_only_a_critical_finding_is_told_and_to_every_channel():
    assert [*messages(findings.CRITICAL)] == ["apprise", "smtp", "webhook"]
    for name in ("normal", "moderate", "abstained"):
        assert messages(findings.TABLE[name]) == {}
    assert raised(findings.CRITICAL, Settings()) == ()


def test_a_stand_in_alerts_only_where_that_is_allowed():
    assert raised(findings.STAND_IN, settings()) == ()
    assert len(raised(findings.STAND_IN, settings(models=Models(allow_stand_in=True)))) == 2


def test_of_two_models_only_the_one_that_may_is_in_the_alert():
    mixed = findings.finding(
        findings.arrest(0.9, "high", Severity.CRITICAL, status=Status.STAND_IN),
        findings.potassium(7.0, "severe_high", Severity.CRITICAL),
    )
    assert [(one["risk"], one["stand_in"]) for one in hook(mixed)["alerts"]] == [("potassium_high", False)]


def test_messages_are_the_same_bytes_every_time_and_expire_with_the_alert():
    assert messages(findings.CRITICAL) == messages(findings.CRITICAL)
    ends = {one.expires_at for one in messages(findings.CRITICAL).values()}
    assert ends == {findings.RECEIVED + timedelta(seconds=60)}


def test_a_cart_with_a_wrong_clock_does_not_silence_its_alert():
    years_ago = findings.finding(*findings.CRITICAL.assessments, acquired_at=findings.ACQUIRED - timedelta(days=999))
    assert messages(years_ago)["webhook"].expires_at == findings.RECEIVED + timedelta(seconds=60)


def test_the_webhook_says_what_how_much_and_where():
    body = hook(findings.CRITICAL)
    arrest, potassium = body["alerts"]
    assert (body["schema"], body["kind"]) == ("ecgd-alert/2", "new")
    assert (arrest["alert"], arrest["finding"], arrest["severity"]) == (17, findings.CRITICAL.key, "critical")
    assert (arrest["result"]["value"], arrest["result"]["unit"], arrest["risk"]) == (0.234, "1", "arrest")
    assert (potassium["result"]["value"], potassium["result"]["level"]) == (6.824, "severe_high")
    assert (potassium["acquired_at"], potassium["location"]) == ("2026-05-01T10:32:05+02:00", "ED 3")
    assert "encounter" not in potassium


PATIENT_S = ("Öztürk", "Ada", "1950", "V-77", findings.MRN, "female", "P 1|2", "E-55", "ORD-9")


def test_by_default_a_message_carries_nothing_that_names_a_patient():
    for one in messages(findings.CRITICAL).values():
        for word in PATIENT_S:
            assert word.encode() not in one.body


def test_an_identified_channel_has_the_record_number_and_the_visit_and_still_no_name():
    body, text = hook(findings.CRITICAL, alerts=IDENTIFIED), mail(findings.CRITICAL, alerts=IDENTIFIED).get_content()
    about = body["alerts"][0]
    assert (about["patient"][0]["value"], about["encounter"]["value"]) == ("P 1|2,3", "E-55")
    assert about["order"]["placer"] == "ORD-9"
    assert "Patient: record number P 1|2,3, visit E-55." in text
    for word in PATIENT_S[:3]:
        assert word not in text
        assert word not in json.dumps(body, ensure_ascii=False)


def test_a_channel_without_content_carries_a_number_and_nothing_else():
    page = json.loads(messages(findings.CRITICAL)["apprise"].body)
    assert page["title"] == "ECG alert 17, 18"
    for word in ("otassium", "arrest", "6.8", "ED 3", findings.CRITICAL.key, *PATIENT_S):
        assert word not in page["body"] + page["title"]
    nothing = Alerts(webhooks=(HOOK.model_copy(update={"content": "none", "safe": False}),))
    assert hook(findings.CRITICAL, alerts=nothing)["alerts"] == [{"alert": 17}, {"alert": 18}]


def test_a_nurse_can_read_the_mail():
    message = mail(findings.CRITICAL)
    text = message.get_content()
    assert message["Subject"] == (
        "CRITICAL ECG: Risk of cardiac arrest estimated from ECG 23.4 %; "
        "Potassium estimated from ECG 6.82 mmol/L - ED 3"
    )
    for words in ("23.4 %", "6.82 mmol/L, severely high", "Location: ED 3.", "not a laboratory value",
                  "ECG recorded 2026-05-01 10:32 UTC+02:00", findings.CRITICAL.key):  # fmt: skip
        assert words in text


def test_a_stand_in_s_mail_says_so_first():
    allowed = Models(allow_stand_in=True)
    message = mail(findings.STAND_IN, models=allowed)
    assert message["Subject"].startswith("[STAND-IN MODEL, TEST ONLY] ")
    assert message.get_content().startswith("STAND-IN MODEL, FOR TESTING ONLY")
    assert {one["stand_in"] for one in hook(findings.STAND_IN, models=allowed)["alerts"]} == {True}


def message_of(*stand_in, **changes):
    made = tuple(alert(number, stand_in=one) for number, one in enumerate(stand_in, start=17))
    known = {"key": "k", "channel": "c", "why": Why.NEW, "now": findings.DECIDED, "units": ("ED 3",) * len(made)}
    return Message(**known | changes, alerts=made)


def test_a_real_alert_beside_a_stand_in_s_does_not_pass_for_a_test():
    both = message_of(False, True)
    assert subject_line(both) == (
        "CRITICAL ECG: Potassium estimated from ECG 7.00 mmol/L; "
        f"{TEST_ONLY}Potassium estimated from ECG 7.00 mmol/L - ED 3"
    )
    real, stand_in, *_ = sentences(both)
    assert (real.startswith("Potassium"), stand_in.startswith(TEST_ONLY)) == (True, True)


def test_a_list_of_many_alerts_marks_each_stand_in_s():
    several = message_of(False, True, why=Why.SUMMARY)
    assert subject_line(several) == "2 CRITICAL ECGs, alerts 17, 18"
    assert [line.startswith(TEST_ONLY) for line in sentences(several)] == [False, False, True]
    assert subject_line(message_of(True, True, why=Why.SUMMARY)).startswith(TEST_ONLY)


def test_a_stand_in_s_alert_without_content_says_that_it_is_a_test():
    page = message_of(True, content="none")
    assert subject_line(page) == f"{TEST_ONLY}ECG alert 17"
    assert [line.startswith(f"{TEST_ONLY}ECG alert 17: look") for line in sentences(page)] == [True]


def test_the_mail_is_a_whole_internet_message():
    sent = messages(findings.CRITICAL)["smtp"]
    message = mail(findings.CRITICAL)
    assert message["Message-ID"].endswith(".ed@hospital.example>")
    assert (message["From"], message["To"]) == ("ECG <ecg@hospital.example>", "a@h.example, b@h.example")
    assert message["Date"].datetime == findings.DECIDED
    assert message["Auto-Submitted"] == "auto-generated"
    assert b"\n" not in sent.body.replace(b"\r\n", b"")
    assert sent.body.isascii()
    assert max(map(len, sent.body.split(b"\r\n"))) <= 998  # RFC 5322 2.1.1
    assert message.defects == []


def test_a_location_with_line_breaks_adds_no_header():
    order = Order(location="ED\r\nBcc: everyone@h.example\x00" + "x" * 500, encounter=Identifier(value="E"))
    finding = findings.finding(*findings.CRITICAL.assessments, order=order)
    assert mail(finding)["Bcc"] is None
    assert len(location(finding)) <= 60
    assert location(finding).startswith("ED Bcc: everyone@h.example x")


def test_a_location_in_any_script_arrives():
    finding = findings.finding(*findings.CRITICAL.assessments, order=Order(location="急診 3"))
    assert mail(finding)["Subject"].endswith(" - 急診 3")
    assert "Location: 急診 3." in mail(finding).get_content()


def test_without_place_or_time_the_mail_says_that_it_does_not_know():
    text = mail(findings.finding(*findings.CRITICAL.assessments, order=Order(), acquired_at=None)).get_content()
    assert "Location: not given" in text
    assert "Time of recording not given" in text


NOT_IDENTIFIED = "PATIENT NOT IDENTIFIED: ask at the unit that recorded the ECG."


@pytest.mark.parametrize(
    ("patient", "changes", "unidentified", "record"),
    [
        (findings.PATIENT, {}, False, True),
        (Patient(), {}, True, False),
        (Patient(identifiers=(Identifier(value="1", authority="ELSEWHERE"),)), {}, True, False),
        (findings.PATIENT, {"destinations": ()}, False, False),
        (Patient(), {"destinations": ()}, True, False),
    ],
)
def test_an_alert_says_whether_the_patient_is_known_and_names_no_record_that_is_not(
    patient, changes, unidentified, record
):
    finding = findings.finding(*findings.CRITICAL.assessments, patient=patient)
    text, body = mail(finding, **changes).get_content(), hook(finding, **changes)
    for said in (text.splitlines(), body["text"]):
        assert (NOT_IDENTIFIED in said) == unidentified
        assert any("patient record" in line for line in said) == record
    assert {one["identified"] for one in body["alerts"]} == {not unidentified}
    assert finding.key in text


def test_an_alert_tells_what_is_doubtful_about_the_recording():
    warnings = (ReadWarning.CALIBRATED_BY_LABEL, ReadWarning.RATE_DISAGREES)
    finding = findings.finding(*findings.CRITICAL.assessments, origin=replace(findings.ORIGIN, warnings=warnings))
    body = hook(finding)
    doubts = (
        "Doubts about the recording: scale taken from the printed label, reported and measured heart rate disagree."
    )
    assert doubts in mail(finding).get_content().splitlines()
    assert doubts in body["text"]
    assert body["alerts"][0]["warnings"] == ["calibrated_by_label", "rate_disagrees"]
    assert "Doubts" not in mail(findings.CRITICAL).get_content()


def test_abstaining_beside_a_critical_answer_still_alerts_on_the_answer():
    half = findings.finding(
        findings.potassium(7.0, "severe_high", Severity.CRITICAL), findings.abstention(Output.ARREST)
    )
    assert len(messages(half)) == 3


def test_the_mail_says_where_the_patient_is_now_when_they_were_moved():
    persons = {one.raised.person for one in alerts(findings.CRITICAL)}
    moved = mail(findings.CRITICAL, units=dict.fromkeys(persons, "ICU 2"))
    assert moved["Subject"].endswith(" - ICU 2")
    assert "Location: ED 3. Now in ICU 2, as the hospital's messages say." in moved.get_content()


def test_a_withdrawn_alert_is_told_as_such_and_asks_for_nothing():
    sent = Event(
        alert=17, at=findings.DECIDED, what=Happened.SENT, actor="a", channel="smtp:ed", why=Why.NEW, message="m"
    )
    gone = mail(
        findings.CRITICAL,
        change_alerts=lambda one: replace(one, closed=Closing.SUPERSEDED, events=(sent,)),
        key=b"k" * 32,
    )
    text = gone.get_content()
    assert gone["Subject"].strip().startswith("WITHDRAWN CRITICAL ECG")
    assert text.startswith("WITHDRAWN: what you were told of this ECG does not stand any more.")
    assert "Please see the patient" not in text
    assert "/ack/" not in text


RECORDS = Settings.model_validate(
    {
        "destinations": [
            {"base_url": "http://ehr/fhir", "patient": {"systems": {"HOSP": findings.MRN}}},
            {"kind": "hl7v2", "name": "engine", "host": "engine", "port": 2575, "receiving": "IE|1"},
        ],
        "alerts": {"routes": [{"name": "all", "steps": [{"to": ["fhir:ehr", "hl7v2:engine"]}]}]},
    }
)


def recorded(finding=findings.CRITICAL):
    kept = {"destinations": RECORDS.destinations, "alerts": RECORDS.alerts}
    return messages(finding, **kept)


def test_a_record_gets_a_communication_of_its_patient_once():
    sent = recorded()["fhir"]
    (entry,) = json.loads(sent.body)["entry"]
    made = Communication.model_validate(entry["resource"])
    assert (made.status, made.priority, made.category[0].coding[0].code) == ("completed", "stat", "alert")
    assert entry["resource"]["subject"]["reference"].startswith("Patient?identifier=urn%3Aoid%3A1.2.3.4%7CP%201")
    assert entry["request"]["ifNoneExist"].endswith(entry["resource"]["identifier"][0]["value"])
    assert made.about[0].identifier.value == f"{findings.CRITICAL.key}.picture"
    assert any("6.82 mmol/L" in one.contentString for one in made.payload)
    assert sent.lane == raised(findings.CRITICAL, RECORDS)[0].person


def test_a_patient_the_record_does_not_know_is_not_named_to_it():
    (entry,) = json.loads(recorded(findings.finding(*findings.CRITICAL.assessments, patient=Patient()))["fhir"].body)[
        "entry"
    ]
    assert "subject" not in entry["resource"]


@pytest.mark.parametrize(("stand_in", "tags", "status"), [(True, ["HTEST"], "P"), (False, [], "F")])
def test_a_record_tells_a_stand_in_s_alert_by_its_codes_too(stand_in, tags, status):
    message, (fhir, hl7v2) = message_of(stand_in), RECORDS.destinations
    resource = json.loads(communication(message, fhir))["entry"][0]["resource"]
    assert [one["code"] for one in resource.get("meta", {}).get("tag", [])] == tags
    sent = hl7.parse(engine(message, hl7v2).decode())
    assert {str(one[11]) for one in sent["OBX"]} | {str(sent["OBR"][0][25])} == {status}


def test_an_engine_gets_an_oru_that_python_hl7_reads():
    message = hl7.parse(recorded()["hl7v2"].body.decode())
    assert str(message["MSH"][0][9]) == "ORU^R01^ORU_R01"
    assert str(message["PID"][0][3]) == "P 1\\F\\2,3^^^HOSP^MR~V-77^^^VISITS^"
    assert (str(message["PV1"][0][3]), str(message["PV1"][0][19])) == ("ED 3", "E-55")
    assert (str(message["OBR"][0][2]), str(message["OBR"][0][24]), str(message["OBR"][0][25])) == ("ORD-9", "EC", "F")
    first = message["OBX"][0]
    assert (str(first[2]), str(first[8]), str(first[11])) == ("TX", "AA", "F")
    assert str(first[5]).startswith("CRITICAL ECG: Risk of cardiac arrest")
    assert len(message["OBX"]) > 5
