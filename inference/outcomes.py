"""What became of whom, from a CSV, and how thresholds fare by it.

Columns: ``arrival``, or ``identifier`` (with ``authority`` where the sender names one) and ``time``; and ``outcome``
(1: the arrest happened, 0: it did not) or ``potassium`` (mmol/L, of the laboratory). An ECG that no row is about is
left out.
"""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from domain.ecg import Identifier, Patient
from domain.person import person_key
from domain.scores import Ints, Words
from inference.replay import Bools, microseconds

WITHIN_H = {"outcome": 24.0, "potassium": 1.0}  # EIANet: arrest within 24 h; ECG12Net: the sample within 1 h
ILL: Mapping[str, Callable[[NDArray[np.float64]], Bools]] = {
    "arrest": lambda truth: truth >= 1,
    "potassium_high": lambda truth: truth >= 6.5,  # ECG12Net's classes, whatever the thresholds are
    "potassium_low": lambda truth: truth <= 2.5,
}
_Z = 1.959963984540054


class Unusable(ValueError):
    """The file cannot be used; ``mistakes`` name lines and never what stands in them."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = tuple(mistakes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One row: of an arrival, or of a person at a time (microseconds since 1970)."""

    value: float
    arrival: int | None = None
    person: str = ""
    at_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """``column``: ``outcome`` or ``potassium``."""

    column: str
    rows: tuple[Outcome, ...]


def read(path: Path, zone: str) -> Outcomes:
    """Read the file; times without an offset are in ``zone``. Raise ``Unusable`` with every mistake."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        names = [name.strip().lower() for name in reader.fieldnames or ()]
        column = next((name for name in WITHIN_H if name in names), "")
        if not column or not ("arrival" in names or {"identifier", "time"} <= set(names)):
            raise Unusable(["line 1: columns are arrival, or identifier and time; and outcome or potassium"])
        rows, mistakes = [], []
        for line in reader:
            given = {name: (value or "").strip() for name, value in zip(names, line.values(), strict=False)}
            try:
                rows.append(_outcome(given, column, zone))
            except ValueError as error:
                mistakes.append(f"line {reader.line_num}: {error}")
    if mistakes:
        raise Unusable(mistakes)
    return Outcomes(column=column, rows=tuple(rows))


def _outcome(given: Mapping[str, str], column: str, zone: str) -> Outcome:
    value = _number(given[column], f"{column} is no number")
    if column == "outcome" and value not in (0, 1):
        raise ValueError("outcome is neither 0 nor 1")
    if column == "potassium" and not 0.5 <= value <= 15:
        raise ValueError("potassium is not in mmol/L")
    if given.get("arrival"):
        return Outcome(value=value, arrival=int(_number(given["arrival"], "arrival is no number")))
    if not given.get("identifier"):
        raise ValueError("neither arrival nor identifier")
    who = Identifier(value=given["identifier"], authority=given.get("authority", ""), type="MR")
    return Outcome(value=value, person=person_key(Patient(identifiers=(who,))), at_us=_time(given["time"], zone))


def _number(text: str, otherwise: str) -> float:
    try:
        found = float(text)
    except ValueError:
        raise ValueError(otherwise) from None
    if not np.isfinite(found):
        raise ValueError(otherwise)
    return found


def _time(text: str, zone: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("time is not as in ISO 8601, e.g. 2026-05-01T13:45") from None
    return microseconds(at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone)))


class Rows(Protocol):
    """Answers of models, whose ECG each is of: ``domain.scores.Scores``, ``domain.answers.Answers``."""

    @property
    def arrival(self) -> Ints:
        """The arrival's number."""

    @property
    def recorded_us(self) -> Ints:
        """When it was recorded."""

    @property
    def person(self) -> Words:
        """Whose it is."""

    def __len__(self) -> int: ...


def truth(scores: Rows, outcomes: Outcomes, within_h: float | None = None) -> NDArray[np.float64]:
    """What is known of each row's ECG, NaN where nothing is.

    An arrest counts for ECGs of the hours before it; a laboratory value for those at most as many hours from it, the
    nearest one.
    """
    longest = int((within_h or WITHIN_H[outcomes.column]) * 3_600_000_000)
    known, distance = np.full(len(scores), np.nan), np.full(len(scores), np.inf)
    rows_of = _rows(scores.arrival.tolist(), {one.arrival for one in outcomes.rows if one.arrival is not None})
    codes = {name: code for code, name in enumerate(scores.person.names) if name}
    wanted = {codes[one.person] for one in outcomes.rows if one.person in codes}
    persons = _rows(scores.person.codes.tolist(), wanted)
    for one in outcomes.rows:
        if one.arrival is not None:
            known[rows_of.get(one.arrival, [])] = one.value
        elif one.person in codes:
            rows = persons[codes[one.person]]
            apart = (one.at_us - scores.recorded_us[rows]).astype(float)
            apart = np.where(apart < 0, np.inf, apart) if outcomes.column == "outcome" else np.abs(apart)
            if outcomes.column == "outcome" and one.value:
                apart = np.where(apart <= longest, -1.0, apart)  # that it happened beats that it did not
            chosen = (apart <= longest) & (apart < distance[rows])
            known[rows[chosen]], distance[rows[chosen]] = one.value, apart[chosen]
    return known


def _rows(values: Iterable[Any], wanted: set[Any]) -> dict[Any, NDArray[np.intp]]:
    found: dict[Any, list[int]] = {one: [] for one in wanted}
    for row, value in enumerate(values):
        if value in wanted:
            found[value].append(row)
    return {one: np.array(rows, np.intp) for one, rows in found.items()}


def figures(known: NDArray[np.float64], called: Bools, risk: str) -> dict[str, Any]:
    """Sensitivity, PPV and how many alerts there are to one ill, each with its 95 % interval (Wilson).

    The intervals take ECGs for independent; where few people had many, the truth is wider.
    """
    told = ~np.isnan(known)
    ill, called = ILL[risk](known[told]), called[told]
    hits, alerts, sick = int((ill & called).sum()), int(called.sum()), int(ill.sum())
    ppv = share(hits, alerts)
    needed = None if ppv is None or not ppv[0] else (1 / ppv[0], 1 / ppv[2], 1 / ppv[1] if ppv[1] else None)
    return {
        "known": int(told.sum()),
        "ill": sick,
        "alerts": alerts,
        "hits": hits,
        "sensitivity": share(hits, sick),
        "ppv": ppv,
        "number_needed_to_alert": needed,
    }


def share(part: int, whole: int) -> tuple[float, float, float] | None:
    """A proportion and its 95 % interval (Wilson 1927); ``None`` of nothing."""
    if not whole:
        return None
    p, z2 = part / whole, _Z * _Z
    middle = (p + z2 / (2 * whole)) / (1 + z2 / whole)
    half = _Z / (1 + z2 / whole) * (p * (1 - p) / whole + z2 / (4 * whole * whole)) ** 0.5
    return p, max(0.0, middle - half), min(1.0, middle + half)
