"""Scores against thresholds: pure, and without torch, so that it can be read and tested alone."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime

from config.schema import ArrestThresholds, PotassiumThresholds, Thresholds
from domain.ecg import Ecg
from domain.finding import Abstention, Assessment, Finding, Mode, Output, Score, Severity


def decide(
    ecg: Ecg,
    answers: Sequence[Score | Abstention],
    thresholds: Thresholds,
    *,
    arrival_id: int,
    arrival_key: str,
    part: int,
    received_at: datetime,
    now: datetime,
) -> Finding:
    """Hold every score against the thresholds in force; ``part`` numbers the ECGs of one arrival from 0.

    What shadow models say is set apart.
    """
    told = [answer for answer in answers if answer.mode is not Mode.SHADOW]
    aside = [answer for answer in answers if answer.mode is Mode.SHADOW]
    return Finding(
        key=finding_key(arrival_key, part, answers),
        arrival_id=arrival_id,
        ecg=ecg,
        assessments=tuple(assess(answer, thresholds) for answer in told if isinstance(answer, Score)),
        abstentions=tuple(answer for answer in told if isinstance(answer, Abstention)),
        thresholds_sha256=thresholds_sha256(thresholds),
        received_at=received_at,
        decided_at=now,
        shadow=tuple(assess(each, thresholds) if isinstance(each, Score) else each for each in aside),
    )


def finding_key(arrival_key: str, part: int, answers: Sequence[Score | Abstention]) -> str:
    """Name a finding in 32 hexadecimal digits: the same for the same arrival, part and bundles, in any order.

    Shadow models have no part in the name: what is reported stays the same result when one comes or goes.
    """
    told = sorted(answer.bundle_sha256 for answer in answers if answer.mode is not Mode.SHADOW)
    text = "|".join([arrival_key, str(part), *told])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def thresholds_sha256(thresholds: Thresholds) -> str:
    """Hash the thresholds as canonical JSON (keys sorted, no blanks)."""
    text = json.dumps(thresholds.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def assess(score: Score, thresholds: Thresholds) -> Assessment:
    """Give one score its level and its severity."""
    if score.output is Output.ARREST:
        level, severity = _arrest(score.value, thresholds.arrest)
    else:
        level, severity = _potassium(score.value, thresholds.potassium)
    return Assessment(score=score, level=level, severity=severity)


def _arrest(probability: float, at: ArrestThresholds) -> tuple[str, Severity]:
    if probability >= at.high:
        return "high", Severity.CRITICAL
    if probability >= at.moderate:
        return "moderate", Severity.ABNORMAL
    return "normal", Severity.NORMAL


def _potassium(mmol_l: float, at: PotassiumThresholds) -> tuple[str, Severity]:
    """Use ECG12Net's five classes: <= 2.5, <= 3.5, < 5.5, < 6.5, >= 6.5 mmol/L at the default thresholds."""
    if mmol_l <= at.severe_low:
        return "severe_low", Severity.CRITICAL
    if mmol_l <= at.low:
        return "low", Severity.ABNORMAL
    if mmol_l < at.high:
        return "normal", Severity.NORMAL
    if mmol_l < at.severe_high:
        return "high", Severity.ABNORMAL
    return "severe_high", Severity.CRITICAL
