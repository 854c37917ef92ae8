import hashlib
import json
import math
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from config.schema import ArrestThresholds, PotassiumThresholds, Thresholds
from domain.context import Context
from domain.finding import Abstention, Output, Score, Severity, Status
from domain.reason import Reason
from inference.decide import assess, decide, thresholds_sha256

NOW = datetime(2025, 3, 30, 1, 0, tzinfo=UTC)
HERE = Context(recorded_at=NOW, decided_at=NOW)
NORMAL, ABNORMAL, CRITICAL = Severity.NORMAL, Severity.ABNORMAL, Severity.CRITICAL


def score(output: Output, value: float, sha256: str = "a" * 64, censored: str = "") -> Score:
    unit = "1" if output is Output.ARREST else "mmol/L"
    return Score(
        model="m",
        version="1",
        bundle_sha256=sha256,
        status=Status.STAND_IN,
        output=output,
        value=value,
        unit=unit,
        censored=censored,
    )


def abstention(sha256: str = "b" * 64) -> Abstention:
    return Abstention(
        model="n",
        version="1",
        bundle_sha256=sha256,
        status=Status.STAND_IN,
        output=Output.POTASSIUM,
        reason=Reason.LEAD_FLAT,
        leads=("V1",),
    )


def find(make_ecg, *answers, thresholds=None, key="file:0", part=0):
    return decide(
        make_ecg(),
        answers,
        thresholds or Thresholds(),
        arrival_id=7,
        arrival_key=key,
        part=part,
        received_at=NOW,
        now=NOW,
    )


@pytest.mark.parametrize(
    ("probability", "level", "severity"),
    [
        (0.0, "normal", NORMAL),
        (math.nextafter(0.05, 0), "normal", NORMAL),
        (0.05, "moderate", ABNORMAL),
        (math.nextafter(0.2, 0), "moderate", ABNORMAL),
        (0.2, "high", CRITICAL),
        (1.0, "high", CRITICAL),
    ],
)
def test_arrest_is_graded_from_the_threshold_upwards(probability, level, severity):
    found = assess(score(Output.ARREST, probability), Thresholds(), HERE)
    assert (found.level, found.severity) == (level, severity)


@pytest.mark.parametrize(
    ("mmol_l", "level", "severity"),
    [  # ECG12Net's classes: <= 2.5, <= 3.5, < 5.5, < 6.5, >= 6.5
        (1.5, "severe_low", CRITICAL),
        (2.5, "severe_low", CRITICAL),
        (2.51, "low", ABNORMAL),
        (3.5, "low", ABNORMAL),
        (3.51, "normal", NORMAL),
        (5.49, "normal", NORMAL),
        (5.5, "high", ABNORMAL),
        (6.49, "high", ABNORMAL),
        (6.5, "severe_high", CRITICAL),
        (7.5, "severe_high", CRITICAL),
    ],
)
def test_potassium_falls_into_the_paper_s_five_classes(mmol_l, level, severity):
    found = assess(score(Output.POTASSIUM, mmol_l), Thresholds(), HERE)
    assert (found.level, found.severity) == (level, severity)


def test_the_thresholds_of_the_site_are_the_ones_used():
    site = Thresholds(
        arrest=ArrestThresholds(moderate=0.001, high=0.002),
        potassium=PotassiumThresholds(severe_low=2.0, low=3.0, high=5.0, severe_high=6.0),
    )
    assert assess(score(Output.ARREST, 0.002), site, HERE).level == "high"
    assert assess(score(Output.POTASSIUM, 3.5), site, HERE).level == "normal"
    assert assess(score(Output.POTASSIUM, 6.0), site, HERE).level == "severe_high"


def test_a_finding_keeps_scores_and_abstentions_apart_and_is_as_grave_as_the_gravest(make_ecg):
    found = find(make_ecg, score(Output.ARREST, 0.9), abstention(), score(Output.POTASSIUM, 4.2))
    assert [a.level for a in found.assessments] == ["high", "normal"]
    assert [a.reason for a in found.abstentions] == [Reason.LEAD_FLAT]
    assert found.severity is CRITICAL
    assert (found.arrival_id, found.received_at, found.decided_at) == (7, NOW, NOW)


def test_abstentions_alone_are_a_finding_without_assessments(make_ecg):
    found = find(make_ecg, abstention())
    assert (found.assessments, found.severity) == ((), None)


def test_the_key_is_the_hash_of_arrival_part_and_bundles_in_any_order(make_ecg):
    text = "|".join(["dicom:1.2.3", "1", "a" * 64, "b" * 64])
    expected = hashlib.sha256(text.encode()).hexdigest()[:32]
    answers = (score(Output.ARREST, 0.1), abstention())
    assert find(make_ecg, *answers, key="dicom:1.2.3", part=1).key == expected
    assert find(make_ecg, *reversed(answers), key="dicom:1.2.3", part=1).key == expected


def test_the_key_differs_with_arrival_part_and_bundle_but_not_with_the_answer(make_ecg):
    keys = {
        find(make_ecg, score(Output.ARREST, 0.1), key=key, part=part).key
        for key in ("file:0", "file:1")
        for part in (0, 1)
    }
    assert len(keys) == 4
    assert find(make_ecg, score(Output.ARREST, 0.9)).key in keys
    assert find(make_ecg, score(Output.ARREST, 0.1, sha256="c" * 64)).key not in keys


def test_the_thresholds_hash_is_of_canonical_json_and_moves_with_any_threshold(make_ecg):
    expected = {
        "arrest": {"high": 0.2, "moderate": 0.05},
        "hysteresis": {"arrest": 0.0, "potassium": 0.0, "within_h": 24.0},
        "overrides": [],
        "potassium": {"high": 5.5, "low": 3.5, "severe_high": 6.5, "severe_low": 2.5},
    }
    canonical = json.dumps(expected, sort_keys=True, separators=(",", ":"))
    assert thresholds_sha256(Thresholds()) == hashlib.sha256(canonical.encode()).hexdigest()
    other = Thresholds(arrest=ArrestThresholds(moderate=0.06))
    assert thresholds_sha256(other) != thresholds_sha256(Thresholds())
    assert find(make_ecg, thresholds=other).thresholds_sha256 == thresholds_sha256(other)


def test_deciding_loads_neither_torch_nor_openvino():
    code = "import sys, inference.decide; print(sorted({'torch', 'openvino', 'cv2'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
