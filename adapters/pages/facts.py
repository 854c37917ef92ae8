"""What a page says in words about the patient, the time and the measurements; only under an explicit label.

A patient is never identified by a guess: an identifier counts when a label that can mean nothing else stands before it
on its line, and no other identifier so labelled differs. The labels are in ``vocabulary``.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import TypeVar

from adapters import codes
from adapters.pages import vocabulary
from domain.ecg import Identifier, Measurements, Patient, Sex

Value = TypeVar("Value")

_START, _END = r"(?:^|\t)\s*", r"\s*(?=\t|$)"
_DATE = r"(\d{4}-\d{2}-\d{2}|\d{1,2}[./-]\d{1,2}[./-]\d{4}|\d{1,2}[- ][^\W\d_]{3,}\.?[- ]\d{4})"
_NUMBER = r"(-?\d{1,4})"


def _labelled(label: str, value: str) -> re.Pattern[str]:
    return re.compile(f"{_START}(?:{label})\\s*{value}", re.IGNORECASE)


_BARE_ID = _labelled("id", r":[\s\t]*([^\s\t]{2,32})" + _END)
_PATIENT_ID = _labelled(vocabulary.PATIENT_ID, r"(?::[\s\t]*|\t\s*)([^\s\t]{2,32})" + _END)
_WHOLE_FIELD = re.compile(r"(?:^|\t)[^\t:]+: *[^\t\s][^\t]*$")  # a label and its value
_NAMED = r"(?::[\s\t]*|\t\s*)([^\t:\d]{2,80}?)" + _END
_NAME, _FAMILY, _GIVEN, _GIVEN_OR_WHOLE = (
    _labelled(label, _NAMED)
    for label in (vocabulary.NAME, vocabulary.FAMILY, vocabulary.GIVEN, vocabulary.GIVEN_OR_WHOLE)
)
_BORN, _BORN_ENGLISH = (_labelled(label, r":?[\s\t]*" + _DATE) for label in (vocabulary.BORN, vocabulary.BORN_ENGLISH))
_SEX, _SEX_H_M = (_labelled(label, r"(?::[\s\t]*|\t\s*)([^\W\d]+)") for label in (vocabulary.SEX, vocabulary.SEX_H_M))
_AT = r":[\s\t]*" + _DATE + r"[T\s\t,]+" + vocabulary.CLOCK + r"(\d{1,2}:\d{2}(?::\d{2})?)" + _END
_WHEN, _WHEN_ENGLISH = (_labelled(label, _AT) for label in (vocabulary.WHEN, vocabulary.WHEN_ENGLISH))
_SAID = _labelled(vocabulary.SAID, r":[\s\t]*([^\t]+)")
_UNIT_MS, _UNIT_RATE, _UNIT_DEG = r"\s*ms\b", r"\s*" + vocabulary.PER_MINUTE, r"\s*(?:°|deg)?" + _END
_GAP = r"[\s\t]*:?[\s\t]*"
_OF, _SPAN = f"(?:{vocabulary.OF})?", rf"(?:\s*{vocabulary.SPAN})?"
_MEASURED = {
    "heart_rate_bpm": (vocabulary.RATE, _UNIT_RATE),
    "p_ms": (_OF + r"p" + _SPAN, _UNIT_MS),
    "pr_ms": (_OF + r"p[rq]" + _SPAN, _UNIT_MS),
    "qrs_ms": (_OF + r"qrs" + _SPAN, _UNIT_MS),
    "qt_ms": (_OF + r"qt" + _SPAN, _UNIT_MS),
    "qtc_ms": (_OF + r"qtc ?(?:b|f|bazett|fridericia)?" + _SPAN, _UNIT_MS),
    "p_axis_deg": (rf"p[- ](?:axis|achse|as)|{vocabulary.AXIS_OF}p", _UNIT_DEG),
    "qrs_axis_deg": (rf"(?:qrs|r)[- ](?:axis|achse|as)|{vocabulary.AXIS_OF}(?:qrs|r)", _UNIT_DEG),
    "t_axis_deg": (rf"t[- ](?:axis|achse|as)|{vocabulary.AXIS_OF}t", _UNIT_DEG),
}
_SINGLE = {name: _labelled(label, _GAP + _NUMBER + unit) for name, (label, unit) in _MEASURED.items()}
_QT_PAIR = _labelled(_OF + r"qt\s*/\s*qtc ?[bf]?" + _SPAN, _GAP + _NUMBER + r"\s*/\s*" + _NUMBER + _UNIT_MS)
_AXES = _labelled(
    rf"(?:{vocabulary.AXES}\s*)?p[-/](?:qrs|r)[-/]t(?:\s*(?:axes|axis|winkel))?",
    _GAP + _NUMBER + r"[\s/]+" + _NUMBER + r"[\s/]+" + _NUMBER,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the writing says; ``local_time`` has no zone, as printed."""

    patient: Patient = field(default_factory=Patient)
    local_time: datetime | None = None
    reported: Measurements = field(default_factory=Measurements)
    statements: tuple[str, ...] = ()


def facts_of(lines: Sequence[str]) -> Facts:
    """Read the labelled facts from a page's lines (fields apart by tabs)."""
    return Facts(
        patient=_patient(lines),
        local_time=_only(
            {
                *(_moment(*match, day_first=True) for match in _all(_WHEN, lines)),
                *(_moment(*match, day_first=False) for match in _all(_WHEN_ENGLISH, lines)),
            }
        ),
        reported=_measurements(lines),
        statements=tuple(match[0].strip() for match in _all(_SAID, lines)),
    )


def _all(pattern: re.Pattern[str], lines: Iterable[str]) -> list[tuple[str, ...]]:
    return [match.groups() for line in lines for match in pattern.finditer(line)]


def _only(values: Iterable[Value | None]) -> Value | None:
    """Return the value when all say the same; contradicting ones are none."""
    distinct = list(dict.fromkeys(values))
    return distinct[0] if len(distinct) == 1 else None


def _patient(lines: Sequence[str]) -> Patient:
    identifier = _only({text for text in _identifiers(lines) if re.search(r"\d", text)})
    family, given = _names(lines)
    return Patient(
        identifiers=(Identifier(value=identifier),) if identifier else (),
        family=family,
        given=given,
        birth_date=_only(
            {
                *(_date(match[0], day_first=True) for match in _all(_BORN, lines)),
                *(_date(match[0], day_first=False) for match in _all(_BORN_ENGLISH, lines)),
            }
        ),
        sex=_only(_sexes(lines)) or Sex.UNKNOWN,
    )


def _identifiers(lines: Sequence[str]) -> list[str]:
    """Find identifiers; a bare "ID:" may be half a label ("Operator", tab, "ID: 77") unless it opens its line."""
    bare = [
        match[1]
        for line in lines
        for match in _BARE_ID.finditer(line)
        if not line[: match.start()].strip() or _WHOLE_FIELD.search(line[: match.start()])
    ]
    return [*bare, *(match[0] for match in _all(_PATIENT_ID, lines))]


def _names(lines: Sequence[str]) -> tuple[str, str]:
    """Return family and given name: each under its own label, or both under one."""
    family, given, either = (
        _only({match[0].strip() for match in _all(pattern, lines)}) for pattern in (_FAMILY, _GIVEN, _GIVEN_OR_WHOLE)
    )
    if family:
        return family, given or either or ""
    named = [*_all(_NAME, lines), *_all(_GIVEN_OR_WHOLE, lines)]
    first, second = _only({_name(match[0]) for match in named}) or ("", "")
    return first, second or (given or "" if first else "")


def _sexes(lines: Sequence[str]) -> Iterator[Sex]:
    for match in _all(_SEX, lines):
        yield vocabulary.SEXES.get(match[0].lower(), Sex.UNKNOWN)
    for match in _all(_SEX_H_M, lines):
        yield vocabulary.SEXES.get(match[0].lower(), Sex.UNKNOWN) if match[0] not in "mM" else Sex.UNKNOWN


def _name(text: str) -> tuple[str, str]:
    family, _, given = text.replace("^", ",", 1).partition(",")
    return family.strip(), given.strip()


def _date(text: str, *, day_first: bool) -> date | None:
    """Read a date whose order of day and month is beyond doubt, else ``None``; ``day_first``: the language's order."""
    parts = re.split(r"[./ -]+", text)
    try:
        if len(parts[0]) == 4:
            return date(int(parts[0]), int(parts[1]), int(parts[2]))
        year = int(parts[2])
        if parts[1].isalpha():
            return date(year, vocabulary.month(parts[1]), int(parts[0]))
        first, second = int(parts[0]), int(parts[1])
        if day_first or "." in text or first > 12 or first == second:
            return date(year, second, first)
        return date(year, first, second) if second > 12 else None
    except ValueError:
        return None


def _moment(day: str, clock: str, *, day_first: bool) -> datetime | None:
    on = _date(day, day_first=day_first)
    try:
        return datetime.combine(on, time.fromisoformat(clock.zfill(len(clock) + (clock[1] == ":")))) if on else None
    except ValueError:
        return None


def _measurements(lines: Sequence[str]) -> Measurements:
    found = {name: _only({match[0] for match in _all(pattern, lines)}) for name, pattern in _SINGLE.items()}
    pair = _only(set(_all(_QT_PAIR, lines)))
    if pair:
        found["qt_ms"], found["qtc_ms"] = pair
    axes = _only(set(_all(_AXES, lines)))
    if axes:
        found["p_axis_deg"], found["qrs_axis_deg"], found["t_axis_deg"] = axes
    scaled = {name: _plausible(name, value) for name, value in found.items() if value is not None}
    return codes.measurements({name: value for name, value in scaled.items() if value is not None})


def _plausible(name: str, text: str) -> float | None:
    """The patterns saw the unit, which is the one in the field's name; carts print 0 for "not measured"."""
    value, _ = codes.scaled(name, float(text), name.rsplit("_", 1)[1])
    return value
