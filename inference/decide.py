"""Scores against thresholds: pure, and without torch, so that it can be read and tested alone."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime

from config.thresholds import Thresholds
from domain.context import Context, Earlier, context_of
from domain.ecg import Ecg
from domain.finding import Abstention, Assessment, Finding, Score, Severity
from domain.mode import Mode
from inference.levels import step_of


def decide(
    ecg: Ecg,
    answers: Sequence[Score | Abstention],
    thresholds: Thresholds,
    *,
    arrival_id: int,
    arrival_key: str,
    part: int,
    source: str = "",
    received_at: datetime,
    now: datetime,
    earlier: Sequence[Earlier] = (),
) -> Finding:
    """Hold every score against the thresholds in force; ``part`` numbers the ECGs of one arrival from 0.

    What shadow models say is set apart. ``earlier``: what models said of the person's ECGs before, the latest first.
    """
    context = context_of(ecg, source, received_at, now)
    told = [answer for answer in answers if answer.mode is not Mode.SHADOW]
    aside = [answer for answer in answers if answer.mode is Mode.SHADOW]
    return Finding(
        key=finding_key(arrival_key, part, answers),
        arrival_id=arrival_id,
        ecg=ecg,
        assessments=tuple(assess(answer, thresholds, context, earlier) for answer in told if isinstance(answer, Score)),
        abstentions=tuple(answer for answer in told if isinstance(answer, Abstention)),
        thresholds_sha256=thresholds_sha256(thresholds),
        received_at=received_at,
        decided_at=now,
        source=source,
        shadow=tuple(assess(each, thresholds, context, earlier) if isinstance(each, Score) else each for each in aside),
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


def assess(score: Score, thresholds: Thresholds, context: Context, earlier: Sequence[Earlier] = ()) -> Assessment:
    """Give one score its level and its severity; what was said of other ECGs before may keep a level."""
    whose = (score.model, score.output, score.mode is Mode.SHADOW)  # it may have the name of what it shall replace
    mine = [one for one in earlier if (one.model, one.output, one.shadow) == whose]
    step, rule = step_of(score.value, thresholds, score.output, context, mine)
    if step is None:
        return Assessment(score=score, level="normal", severity=Severity.NORMAL, rule=rule)
    return Assessment(score=score, level=step.level, severity=step.severity, rule=rule)
