import json
from dataclasses import replace

from domain.ecg import Identifier, Patient
from store.facts import facts
from tests.store.values import ecg, finding


def test_facts_survive_json_unchanged():
    kept = facts(finding(1))
    assert json.loads(json.dumps(kept, allow_nan=False)) == kept


def test_facts_hold_what_deciding_again_needs():
    kept = facts(finding(1))
    assert kept["assessments"][0]["score"]["value"] == 0.31
    assert kept["assessments"][0]["level"] == "high"
    assert kept["severity"] == "critical"
    assert kept["abstentions"][0]["reason"] == "lead_flat"
    assert kept["ecg"]["order"]["location"] == "ED"
    assert kept["ecg"]["device"]["serial"] == "S"
    assert kept["ecg"]["patient"]["identifiers"] == [{"value": "PAT-7", "authority": "SIM", "type": "MR"}]
    assert kept["ecg"]["patient"]["birth_date"] == "1950-02-03"
    assert kept["ecg"]["unfit"] == [{"reason": "lead_flat", "leads": ["V1"]}]
    assert kept["ecg"]["acquired_at"].startswith("2025-03-30T00:59:00")


def test_nothing_scored_is_not_kept_as_normal():
    assert facts(finding(1, scored=False))["severity"] is None


def test_numbers_that_json_cannot_hold_become_unknown():
    kept = facts(finding(1))
    assert kept["ecg"]["measured"]["qt_ms"] is None
    assert kept["ecg"]["measured"]["heart_rate_bpm"] == 71.5


def test_neither_names_nor_samples_nor_free_text_are_copied():
    kept = json.dumps(facts(finding(1)))
    assert len(kept) < 4000
    assert not any(word in kept for word in ("Nachname", "Vorname", "free text", "signal", "picture"))


def test_text_that_a_database_cannot_hold_is_mended():
    patient = Patient(identifiers=(Identifier(value="A\0B\ud800"),))
    kept = facts(replace(finding(1), ecg=replace(ecg(), patient=patient)))
    assert kept["ecg"]["patient"]["identifiers"][0]["value"] == "AB?"
