"""What is kept of an ECG so that it is known again when it comes through another door."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from domain.alert import Risk
from domain.ecg import Identifier
from domain.finding import Severity
from domain.report import Report


class Source(IntEnum):
    """How near to the recorder the samples are; the higher wins."""

    SAID = -1  # none came: only what a message says of them
    RASTER = 0  # read off pixels
    VECTOR = 1  # read off a page's drawn lines
    NATIVE = 2  # the samples themselves


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An ECG's patient, time and signal, each in a form that can be compared and tells no more than it must.

    ``patients``: digests of the record numbers, empty when unidentified. ``acquired_at``: with a zone; ``clock``: the
    same as the sender's clock read, without. ``quarters``: lead-seconds recorded, in quarters of a whole ECG (2.5 s
    columns have 1, twelve leads of 10 s have 4). ``print``: the signal's fingerprint (``adapters.identity``).
    ``orders``: digests of the order's numbers, placer's and filler's.
    """

    patients: frozenset[str]
    acquired_at: datetime | None
    clock: datetime | None
    source: Source
    quarters: int
    print: bytes
    orders: frozenset[str] = frozenset()

    @property
    def worth(self) -> int:
        """Which of two that are one recording is scored: the higher, at a tie the one that came first."""
        return 10 * self.source + self.quarters


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An ECG that is kept already. ``ecg`` names the recording: all that came of it through any door carry the same.

    Where it is only what a message says of one, ``identifiers``: whose it is; ``withdrawn``: that it was taken back.
    """

    arrival_id: int
    part: int
    ecg: str
    seen: Seen
    identifiers: tuple[Identifier, ...] = ()
    withdrawn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What was decided of a recording before: the finding's key, of which ECG, and who heard of it.

    ``worth``: its ECG's, ``None`` where that is not known any more. ``current``: nothing has taken its place yet.
    ``scored``: a model answered. ``alerted``: the risks people were told of, or are about to be, each with its
    severity; what was withdrawn since is not among them. ``retracted``: it was taken back, and nothing has its place.
    """

    key: str
    arrival_id: int
    part: int
    worth: int | None
    current: bool
    scored: bool
    identifiers: tuple[Identifier, ...]
    alerted: frozenset[tuple[Risk, Severity]]
    retracted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """Whose an ECG is, said by a person or by another message. ``part`` 0: every ECG of the arrival."""

    arrival_id: int
    part: int
    identifiers: tuple[Identifier, ...]
    by: str
    id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retraction:
    """A result that is taken back: whose (by arrival and part), who says so, and why, in words for the EHR."""

    arrival_id: int
    part: int
    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One ECG of an arrival as it is to be remembered.

    ``finding``: the key of what was decided of it. ``named``: the EHR would know its patient. ``said``: what a message
    says of an ECG, in place of one.
    """

    part: int
    ecg: str
    seen: Seen
    finding: str | None = None
    named: bool = True
    said: Report | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """How far a worker saw when it looked for earlier ECGs: what was settled since makes it look again."""

    recording: int
    attachments: int
    merges: int = 0
