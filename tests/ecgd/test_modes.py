"""A shadow model is kept and changes nothing; a model that reports never alerts."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from adapters import formats
from config.schema import Reading, Settings, Thresholds
from domain.alert import Risk
from domain.arrival import Arrival, Format
from domain.context import Earlier, context_of
from domain.finding import Abstention, Output, Score, Severity, Status
from domain.mode import Mode
from domain.outcome import Outcome, Settlement
from domain.reason import Reason
from ecgd.pipeline import process
from inference.decide import assess
from simulator.sample import real_dicom
from store.facts import facts

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
ARRIVAL = Arrival(
    key="dicom:1.2.3", format=Format.DICOM, payload=real_dicom().read_bytes(), source="dicom:A", received_at=NOW
)
NAMED = {"version": "1", "status": Status.SITE_VALIDATED, "output": Output.ARREST}
CALM = Score(**NAMED, model="m", bundle_sha256="0" * 64, value=0.01, unit="1")
ALARMED = Score(**NAMED, model="m", bundle_sha256="1" * 64, value=0.9, unit="1", mode=Mode.SHADOW)
REFUSED = Abstention(**NAMED, model="m", bundle_sha256="2" * 64, reason=Reason.LEAD_FLAT)
SETTINGS = Settings.model_validate({"alerts": {"webhooks": [{"name": "pager", "url": "http://pager/"}]}})


@pytest.fixture(scope="module")
def ecg():
    return formats.read(ARRIVAL, Reading())[0]


def settled(ecg, *answers) -> Settlement:
    return process(7, ARRIVAL, read=lambda _: (ecg,), score=lambda _: answers, settings=SETTINGS, clock=lambda: NOW)


@pytest.mark.parametrize("aside", [ALARMED, replace(REFUSED, mode=Mode.SHADOW)])
@pytest.mark.parametrize("told", [CALM, REFUSED, replace(ALARMED, mode=Mode.ALERT, bundle_sha256="3" * 64)])
def test_a_shadow_model_changes_nothing_that_anybody_is_told(ecg, told, aside) -> None:
    without, beside = settled(ecg, told), settled(ecg, told, aside)
    assert (beside.outcome, beside.reason, beside.outgoing) == (without.outcome, without.reason, without.outgoing)
    assert (beside.raised, beside.standing) == (without.raised, without.standing)
    (one,), (other,) = without.findings, beside.findings
    assert (other.key, other.severity, other.assessments, other.abstentions) == (
        one.key,
        one.severity,
        one.assessments,
        one.abstentions,
    )


def test_what_a_shadow_model_says_is_kept_with_its_level_beside_the_finding(ecg) -> None:
    kept = facts(settled(ecg, CALM, ALARMED).findings[0])
    (aside,) = kept["shadow"]
    assert (aside["score"]["mode"], aside["score"]["value"], aside["level"]) == ("shadow", 0.9, "high")
    assert kept["severity"] == "normal"


def test_a_shadow_model_that_answers_does_not_make_an_abstention_scored(ecg) -> None:
    assert settled(ecg, REFUSED, ALARMED).outcome is Outcome.ABSTAINED


def test_promoting_a_shadow_model_gives_the_result_another_name(ecg) -> None:
    promoted = settled(ecg, CALM, replace(ALARMED, mode=Mode.REPORT))
    assert promoted.findings[0].key != settled(ecg, CALM, ALARMED).findings[0].key


def test_a_model_that_reports_counts_for_severity_and_never_alerts(ecg) -> None:
    reports = settled(ecg, CALM, replace(ALARMED, mode=Mode.REPORT))
    assert (reports.findings[0].severity, reports.raised) == (Severity.CRITICAL, ())
    alerts = settled(ecg, CALM, replace(ALARMED, mode=Mode.ALERT))
    assert [each.risk for each in alerts.raised] == [Risk.ARREST]


@pytest.mark.parametrize("mode", [Mode.SHADOW, Mode.ALERT])
def test_a_level_is_kept_by_what_the_same_model_said_and_not_by_its_shadow_of_the_same_name(ecg, mode) -> None:
    thresholds = Thresholds.model_validate({"hysteresis": {"arrest": 0.02}})
    here = context_of(ecg, "dicom:A", NOW, NOW)
    before = Earlier(model="m", output="arrest", value=0.9, context=here, shadow=mode is Mode.SHADOW)
    falling = replace(CALM, value=0.19)
    assert assess(falling, thresholds, here, [before]).level == ("moderate" if mode is Mode.SHADOW else "high")
    other = replace(falling, mode=Mode.SHADOW)
    assert assess(other, thresholds, here, [before]).level == ("high" if mode is Mode.SHADOW else "moderate")
