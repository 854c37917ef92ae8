"""What a page says in words about the patient, the time and the measurements; only under an explicit label.

A patient is never identified by a guess: an identifier counts when a label that can mean nothing else stands before it
on its line, and no other identifier so labelled differs. Labels in English and German.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import TypeVar

from adapters import codes
from domain.ecg import Identifier, Measurements, Patient, Sex

Value = TypeVar("Value")

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_START, _END = r"(?:^|\t)\s*", r"\s*(?=\t|$)"
_DATE = r"(\d{4}-\d{2}-\d{2}|\d{1,2}[./-]\d{1,2}[./-]\d{4}|\d{1,2}[- ][A-Za-z]{3}[a-z]*[- ]\d{4})"
_NUMBER = r"(-?\d{1,4})"


def _labelled(label: str, value: str) -> re.Pattern[str]:
    return re.compile(f"{_START}(?:{label})\\s*{value}", re.IGNORECASE)


_BARE_ID = _labelled("id", r":[\s\t]*([^\s\t]{2,32})" + _END)
_PATIENT_ID = _labelled(
    r"patient[- ]?id|patient id no\.?|pat\.?[- ]?id|patienten-?(?:nr|id)\.?|medical record (?:no|number)\.?|mrn",
    r"(?::[\s\t]*|\t\s*)([^\s\t]{2,32})" + _END,
)
_WHOLE_FIELD = re.compile(r"(?:^|\t)[^\t:]+: *[^\t\s][^\t]*$")  # a label and its value
_NAME = _labelled(r"name|patient(?: name)?", r"(?::[\s\t]*|\t\s*)([^\t:\d]{2,80}?)" + _END)
_BORN = _labelled(r"dob|d\.o\.b\.|date of birth|birth ?date|born|geb\.?-?\s?datum|geburtsdatum", r":?[\s\t]*" + _DATE)
_SEX = _labelled(r"sex|gender|geschlecht", r"(?::[\s\t]*|\t\s*)([^\W\d]+)")
_WHEN = _labelled(
    r"date(?:/time)?|(?:acquired|recorded)(?: on| at)?|(?:acquisition|recording|ecg)(?: date)?(?:/time)?"
    r"|aufnahme(?:datum)?",
    r":[\s\t]*" + _DATE + r"[T\s\t,]+(\d{1,2}:\d{2}(?::\d{2})?)" + _END,
)
_SAID = _labelled(r"interpretation|statements?|diagnosis|conclusion|befund", r":[\s\t]*([^\t]+)")
_UNIT_MS, _UNIT_RATE, _UNIT_DEG = r"\s*ms\b", r"\s*(?:bpm|/\s*min)", r"\s*(?:°|deg)?" + _END
_GAP = r"[\s\t]*:?[\s\t]*"
_SPAN = r"(?:\s*(?:interval|intervall|int\.?|duration|dur\.?|dauer))?"
_MEASURED = {
    "heart_rate_bpm": (r"(?:vent(?:ricular|\.)? |heart )?rate|hr|hf|herzfrequenz", _UNIT_RATE),
    "p_ms": (r"p" + _SPAN, _UNIT_MS),
    "pr_ms": (r"p[rq]" + _SPAN, _UNIT_MS),
    "qrs_ms": (r"qrs" + _SPAN, _UNIT_MS),
    "qt_ms": (r"qt" + _SPAN, _UNIT_MS),
    "qtc_ms": (r"qtc ?(?:b|f|bazett|fridericia)?" + _SPAN, _UNIT_MS),
    "p_axis_deg": (r"p[- ](?:axis|achse)", _UNIT_DEG),
    "qrs_axis_deg": (r"(?:qrs|r)[- ](?:axis|achse)", _UNIT_DEG),
    "t_axis_deg": (r"t[- ](?:axis|achse)", _UNIT_DEG),
}
_SINGLE = {name: _labelled(label, _GAP + _NUMBER + unit) for name, (label, unit) in _MEASURED.items()}
_QT_PAIR = _labelled(r"qt\s*/\s*qtc ?[bf]?" + _SPAN, _GAP + _NUMBER + r"\s*/\s*" + _NUMBER + _UNIT_MS)
_AXES = _labelled(
    r"(?:axes\s*)?p[-/](?:qrs|r)[-/]t(?:\s*(?:axes|axis|winkel))?",
    _GAP + _NUMBER + r"[\s/]+" + _NUMBER + r"[\s/]+" + _NUMBER,
)
_SEXES = {
    **dict.fromkeys(("m", "male", "männlich", "mann"), Sex.MALE),
    **dict.fromkeys(("f", "female", "w", "weiblich", "frau"), Sex.FEMALE),
}


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
        local_time=_only({_moment(*match) for match in _all(_WHEN, lines)}),
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
    family, given = _only({_name(match[0]) for match in _all(_NAME, lines)}) or ("", "")
    return Patient(
        identifiers=(Identifier(value=identifier),) if identifier else (),
        family=family,
        given=given,
        birth_date=_only({_date(match[0]) for match in _all(_BORN, lines)}),
        sex=_only({_SEXES.get(match[0].lower(), Sex.UNKNOWN) for match in _all(_SEX, lines)}) or Sex.UNKNOWN,
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


def _name(text: str) -> tuple[str, str]:
    family, _, given = text.replace("^", ",", 1).partition(",")
    return family.strip(), given.strip()


def _date(text: str) -> date | None:
    """Read a date whose order of day and month is beyond doubt, else ``None``."""
    parts = re.split(r"[./ -]", text)
    try:
        if len(parts[0]) == 4:
            return date(int(parts[0]), int(parts[1]), int(parts[2]))
        year = int(parts[2])
        if parts[1].isalpha():
            return date(year, _MONTHS.index(parts[1][:3].lower()) + 1, int(parts[0]))
        first, second = int(parts[0]), int(parts[1])
        if "." in text or first > 12 or first == second:
            return date(year, second, first)
        return date(year, first, second) if second > 12 else None
    except ValueError:
        return None


def _moment(day: str, clock: str) -> datetime | None:
    on = _date(day)
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
