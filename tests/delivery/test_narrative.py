"""The words a clinician reads."""

from xml.etree import ElementTree

import pytest

from delivery import narrative
from domain.ecg import ReadWarning
from domain.finding import Output
from domain.reason import Reason
from tests.delivery import findings


@pytest.mark.parametrize(
    ("probability", "text"),
    [(0.0, "less than 0.1 %"), (0.00099, "less than 0.1 %"), (0.001, "0.1 %"), (0.234, "23.4 %"),
     (0.9994, "more than 99.9 %"), (1.0, "more than 99.9 %")],
)  # fmt: skip
def test_a_probability_is_never_rounded_to_certainty(probability, text):
    assert narrative.percent(probability) == text


def test_a_critical_potassium_reads_like_this():
    told = narrative.told(findings.CRITICAL.assessments[1], findings.CRITICAL)
    assert told[:3] == (
        "Potassium estimated from ECG: 6.82 mmol/L, severely high. 95 % interval 5.90 to 7.40 mmol/L.",
        "An estimate by a model, not a laboratory value: confirm with a blood sample.",
        "ECG recorded 2026-05-01 10:32 UTC+02:00.",
    )


def test_low_risk_is_not_an_all_clear():
    assert "does not rule out arrest" in narrative.verdict(findings.arrest())


def test_a_stand_in_s_first_line_says_so():
    assert narrative.told(findings.STAND_IN.assessments[0], findings.STAND_IN)[0].startswith("STAND-IN MODEL")


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_of_an_abstention_can_be_read(reason):
    text = narrative.refusal(findings.abstention(Output.ARREST, reason))
    assert "_" not in text
    assert text.startswith("Risk of cardiac arrest estimated from ECG: NO ESTIMATE, because")


def test_doubts_about_the_recording_are_told():
    text = " ".join(narrative.told(findings.arrest(), findings.TABLE["doubtful"]))
    assert "limb leads agree only roughly" in text
    assert text.count(", ") >= len(ReadWarning) - 1
    assert "_" not in text


def test_markup_in_the_words_is_escaped():
    div = narrative.xhtml(["a < b & <script>alert('x')</script>"])["div"]
    assert "<script>" not in div
    assert "".join(ElementTree.fromstring(div).itertext()) == "a < b & <script>alert('x')</script>"


def test_a_stand_in_is_never_said_to_have_learnt_from_anything():
    words = "STAND-IN MODEL, FOR TESTING ONLY: not trained or validated on patients. Do not use for care."
    assert words == narrative.STAND_IN
    assert narrative.told(findings.STAND_IN.assessments[0], findings.STAND_IN)[0] == words
