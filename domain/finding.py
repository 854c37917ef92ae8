"""What the models said of an ECG, and what follows."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum

from domain.context import Context, context_of
from domain.ecg import Ecg, Picture
from domain.explanation import Explanation
from domain.mode import Mode
from domain.reason import Reason


class Output(StrEnum):
    """What a model estimates."""

    ARREST = "arrest"  # probability of cardiac arrest in the emergency department
    POTASSIUM = "potassium"  # serum potassium, mmol/L


class Status(StrEnum):
    """How far a model may be trusted: FHIR preliminary and HTEST while ``stand-in``."""

    STAND_IN = "stand-in"
    SITE_VALIDATED = "site-validated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One model's answer. ``unit`` is UCUM: ``1`` for a probability, ``mmol/L`` for potassium.

    ``interval``: the bundle's own 95 % interval, where it has one. ``censored``: ``<`` or ``>`` when the estimate lies
    outside the model's range (ECG12Net: 1.5 to 7.5 mmol/L) and ``value`` is the bound. ``explanation``: where the model
    looked; it is not part of what makes two scores the same, and is not stored.
    """

    model: str
    version: str
    bundle_sha256: str
    status: Status
    output: Output
    value: float
    unit: str
    interval: tuple[float, float] | None = None
    censored: str = ""
    mode: Mode = Mode.ALERT
    explanation: Explanation | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Abstention:
    """A model that did not answer, and why."""

    model: str
    version: str
    bundle_sha256: str
    status: Status
    output: Output
    reason: Reason
    leads: tuple[str, ...] = ()
    mode: Mode = Mode.ALERT


class Severity(IntEnum):
    """How grave; ordered. ``CRITICAL`` alerts a person."""

    NORMAL = 0
    ABNORMAL = 1
    CRITICAL = 2


def in_a_word(severity: Severity | None) -> str:
    """For logs and tables; that no model answered must not pass for good news."""
    return "not scored" if severity is None else severity.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """A score against the thresholds in force; ``level`` is the threshold's name in the YAML, or ``normal``.

    ``rule``: the override that the thresholds are from, by its name; ``""``: none. ``drawing``: the ECG with its
    explanation, for people to look at.
    """

    score: Score
    level: str
    severity: Severity
    rule: str = ""
    drawing: Picture | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Finding:
    """Everything decided about one ECG.

    ``key``: 32 hexadecimal digits, the same for the same arrival, part and models; carries nothing of a patient's.
    ``source``: the arrival's.
    ``shadow``: what models in ``Mode.SHADOW`` said: kept, and in no other field, so that nothing can follow from it.
    """

    key: str
    arrival_id: int
    ecg: Ecg
    assessments: tuple[Assessment, ...]
    abstentions: tuple[Abstention, ...]
    thresholds_sha256: str
    received_at: datetime
    decided_at: datetime
    source: str = ""
    shadow: tuple[Assessment | Abstention, ...] = ()

    @property
    def severity(self) -> Severity | None:
        """The gravest of the assessments; ``None`` when there is none: nothing is known then, least of all 'normal'."""
        return max((a.severity for a in self.assessments), default=None)

    @property
    def context(self) -> Context:
        """What decided which thresholds hold."""
        return context_of(self.ecg, self.source, self.received_at, self.decided_at)
