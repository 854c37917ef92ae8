"""Who hears what."""

import json
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.policy import default

import pytest

from config.schema import Alerts, Models, Settings, Smtp, Webhook
from delivery.alert import location
from delivery.route import messages
from domain.ecg import Identifier, Order, Patient, ReadWarning
from domain.finding import Output, Severity, Status
from tests.delivery import findings

MAIL = Smtp(name="ed", host="127.0.0.1", sender="ECG <ecg@hospital.example>", recipients=("a@h.example", "b@h.example"))
ALERTS = Alerts(webhooks=(Webhook(name="pager", url="http://127.0.0.1:1/alert"),), smtp=(MAIL,), expire_s=60)


def settings(**changes):
    return Settings(**{"destinations": (findings.settings(),), "alerts": ALERTS, **changes})


def channels(finding, **changes):
    return [one.channel for one in messages(finding, settings(**changes))]


def sent(finding, channel, **changes):
    return next(one for one in messages(finding, settings(**changes)) if one.channel.startswith(channel))


def mail(finding, **changes):
    return message_from_bytes(sent(finding, "smtp", **changes).body, policy=default)


def test_every_finding_goes_to_the_ehr_and_only_a_critical_one_alerts():
    assert channels(findings.NORMAL) == ["fhir:ehr"]
    assert channels(findings.TABLE["moderate"]) == ["fhir:ehr"]
    assert channels(findings.TABLE["abstained"]) == ["fhir:ehr"]
    assert channels(findings.CRITICAL) == ["fhir:ehr", "webhook:pager", "smtp:ed"]


def test_nothing_configured_nothing_sent():
    assert messages(findings.CRITICAL, Settings()) == ()


@pytest.mark.parametrize(("allowed", "count"), [(False, 1), (True, 3)])
def test_a_stand_in_alerts_only_where_that_is_allowed(allowed, count):
    assert len(messages(findings.STAND_IN, settings(models=Models(allow_stand_in=allowed)))) == count


def test_of_two_models_only_the_one_that_may_is_in_the_alert():
    mixed = findings.finding(
        findings.arrest(0.9, "high", Severity.CRITICAL, status=Status.STAND_IN),
        findings.potassium(7.0, "severe_high", Severity.CRITICAL),
    )
    body = json.loads(sent(mixed, "webhook").body)
    assert [one["output"] for one in body["results"]] == ["potassium"]
    assert body["stand_in"] is False


def test_keys_are_the_finding_s_and_the_channel_s_and_unique():
    keys = [one.key for one in messages(findings.CRITICAL, settings())]
    assert keys == [f"{findings.CRITICAL.key}:{channel}" for channel in channels(findings.CRITICAL)]


def test_messages_are_the_same_bytes_every_time():
    assert messages(findings.CRITICAL, settings()) == messages(findings.CRITICAL, settings())


def test_alerts_expire_counted_from_the_receipt_and_results_never():
    result, hook, mailed = messages(findings.CRITICAL, settings())
    assert result.expires_at is None
    assert {hook.expires_at, mailed.expires_at} == {findings.RECEIVED + timedelta(seconds=60)}


def test_a_cart_with_a_wrong_clock_does_not_silence_its_alert():
    years_ago = findings.finding(*findings.CRITICAL.assessments, acquired_at=findings.ACQUIRED - timedelta(days=999))
    assert sent(years_ago, "webhook").expires_at == findings.RECEIVED + timedelta(seconds=60)


def test_the_webhook_says_what_how_much_and_where():
    body = json.loads(sent(findings.CRITICAL, "webhook").body)
    arrest, potassium = body["results"]
    assert (body["schema"], body["severity"], body["finding"]) == ("ecgd-alert/1", "critical", findings.CRITICAL.key)
    assert (arrest["value"], arrest["unit"], arrest["level"]) == (0.234, "1", "high")
    assert (potassium["value"], potassium["unit"], potassium["level"]) == (6.824, "mmol/L", "severe_high")
    assert body["acquired_at"] == "2026-05-01T10:32:05+02:00"
    assert (body["location"], body["encounter"]["value"], body["order"]["placer"]) == ("ED 3", "E-55", "ORD-9")


def test_alerts_carry_no_name_no_birth_date_and_no_patient_identifier():
    for one in messages(findings.CRITICAL, settings())[1:]:
        for word in ("Öztürk", "Ada", "1950", "P 1|2", "V-77", findings.MRN, "female"):
            assert word.encode() not in one.body
    assert b"E-55" not in sent(findings.CRITICAL, "smtp").body


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
    message = mail(findings.STAND_IN, models=Models(allow_stand_in=True))
    assert message["Subject"].startswith("[STAND-IN MODEL, TEST ONLY] ")
    assert message.get_content().startswith("STAND-IN MODEL, FOR TESTING ONLY")
    assert json.loads(sent(findings.STAND_IN, "webhook", models=Models(allow_stand_in=True)).body)["stand_in"] is True


def test_the_mail_is_a_whole_internet_message():
    raw = sent(findings.CRITICAL, "smtp").body
    message = mail(findings.CRITICAL)
    assert message["Message-ID"] == f"<{findings.CRITICAL.key}.ed@hospital.example>"
    assert (message["From"], message["To"]) == ("ECG <ecg@hospital.example>", "a@h.example, b@h.example")
    assert message["Date"].datetime == findings.DECIDED
    assert message["Auto-Submitted"] == "auto-generated"
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998  # RFC 5322 2.1.1
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
    text, body = mail(finding, **changes).get_content(), json.loads(sent(finding, "webhook", **changes).body)
    for said in (text.splitlines(), body["text"]):
        assert (NOT_IDENTIFIED in said) == unidentified
        assert any("patient record" in line for line in said) == record
    assert body["identified"] is not unidentified
    assert finding.key in text


def test_an_alert_tells_what_is_doubtful_about_the_recording():
    warnings = (ReadWarning.CALIBRATED_BY_LABEL, ReadWarning.RATE_DISAGREES)
    origin = replace(findings.ORIGIN, warnings=warnings)
    finding = findings.finding(*findings.CRITICAL.assessments, origin=origin)
    body = json.loads(sent(finding, "webhook").body)
    doubts = (
        "Doubts about the recording: scale taken from the printed label, reported and measured heart rate disagree."
    )
    assert doubts in mail(finding).get_content().splitlines()
    assert doubts in body["text"]
    assert body["warnings"] == ["calibrated_by_label", "rate_disagrees"]
    assert "Doubts" not in mail(findings.CRITICAL).get_content()


def test_abstaining_beside_a_critical_answer_still_alerts_on_the_answer():
    half = findings.finding(
        findings.potassium(7.0, "severe_high", Severity.CRITICAL), findings.abstention(Output.ARREST)
    )
    assert len(channels(half)) == 3
