"""manifest.csv -> the lines to read, and the lines that cannot be used, each with its reason.

Columns: ``file``, ``patient``, ``time``, and ``label`` (0 or 1) or ``potassium`` (mmol/L); optional ``potassium_time``,
``part``, ``age``, ``sex``, ``device``, ``door``. Others are ignored. A reason never holds what stands in the line.
"""

import csv
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from domain.ecg import Ecg, Sex
from domain.errors import Rejected
from domain.finding import Output
from domain.reason import Reason

TRUTH_COLUMN = {Output.ARREST: "label", Output.POTASSIUM: "potassium"}
PLAUSIBLE_MMOL_L = (0.5, 15.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One usable line. ``time`` is ``None`` where only the ECG itself can tell; ``part`` counts from one."""

    number: int
    file: str
    patient: str
    time: datetime | None
    truth: float
    truth_time: datetime | None
    part: int = 1
    age: str = ""
    sex: str = ""
    device: str = ""
    door: str = ""


@dataclass(frozen=True, slots=True)
class Unusable:
    """A line of the manifest (the header is line 1) that is left out, and why."""

    number: int
    reason: str


def read_manifest(path: Path, output: Output) -> tuple[list[Line], list[Unusable]]:
    """Parse every line; ``Rejected`` where the file as a whole cannot be one."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = {"file", "patient", TRUTH_COLUMN[output]} - set(rows.fieldnames or ())
            if missing:
                raise Rejected(Reason.MISSING_FIELD, f"{path.name}: no column {', '.join(sorted(missing))}")
            return _sorted_out(rows, output)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Rejected(Reason.UNDECODABLE, f"{path.name}: cannot be read ({type(error).__name__})") from None


def pairs(taken: datetime | None, truth_time: datetime | None, window_h: float) -> str:
    """Why an ECG and its laboratory value are no pair, ``""`` where they are: within ``window_h``, before or after.

    Without a ``truth_time`` whoever wrote the manifest has paired them.
    """
    if truth_time is None:
        return ""
    if taken is None:
        return "the time of the ECG is not known"
    apart = abs(taken - truth_time)
    return f"potassium is more than {window_h:g} h from the ECG" if apart > timedelta(hours=window_h) else ""


def groups(line: Line, ecg: Ecg, taken: datetime | None) -> dict[str, str]:
    """``age`` in years, ``sex``, ``device`` and ``door`` of the manifest, else of the ECG; ``""``: not known."""
    return {
        "age": line.age or _age(ecg.patient.birth_date, taken),
        "sex": line.sex or ("" if ecg.patient.sex is Sex.UNKNOWN else str(ecg.patient.sex)),
        "device": line.device or " ".join(filter(None, (ecg.device.manufacturer, ecg.device.model))),
        "door": line.door or str(ecg.origin.format),
    }


def _age(born: date | None, taken: datetime | None) -> str:
    if born is None or taken is None:
        return ""
    return str(taken.year - born.year - ((taken.month, taken.day) < (born.month, born.day)))


def _sorted_out(rows: "csv.DictReader[str]", output: Output) -> tuple[list[Line], list[Unusable]]:
    lines: list[Line] = []
    unusable: list[Unusable] = []
    seen: set[tuple[str, int]] = set()
    for number, row in enumerate(rows, start=2):
        try:
            line = _line(number, {k: (v or "").strip() for k, v in row.items() if isinstance(k, str)}, output)
            if (line.file, line.part) in seen:
                raise ValueError("the same ECG as on an earlier line")
            seen.add((line.file, line.part))
            lines.append(line)
        except ValueError as error:
            unusable.append(Unusable(number, str(error)))
    return lines, unusable


def _line(number: int, row: dict[str, str], output: Output) -> Line:
    for column in ("file", "patient"):
        if not row[column]:
            raise ValueError(f"no {column}")
    if not row["file"].isprintable():
        raise ValueError("file is no name")
    return Line(
        number=number,
        file=row["file"],
        patient=row["patient"],
        time=_time(row.get("time", ""), "time"),
        truth=_truth(row[TRUTH_COLUMN[output]], output),
        truth_time=_time(row.get("potassium_time", ""), "potassium_time") if output is Output.POTASSIUM else None,
        part=_part(row.get("part", "")),
        age=row.get("age", ""),
        sex=row.get("sex", ""),
        device=row.get("device", ""),
        door=row.get("door", ""),
    )


def _truth(text: str, output: Output) -> float:
    name = TRUTH_COLUMN[output]
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} is not a number" if text else f"no {name}") from None
    if output is Output.ARREST and value not in (0, 1):
        raise ValueError("label is neither 0 nor 1")
    low, high = PLAUSIBLE_MMOL_L
    if output is Output.POTASSIUM and not low <= value <= high:
        raise ValueError(f"potassium is not between {low:g} and {high:g} mmol/L")
    return value


def _time(text: str, name: str) -> datetime | None:
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{name} is not ISO 8601") from None
    if time.tzinfo is None:
        raise ValueError(f"{name} has no time zone")
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{name} is out of range") from None


def _part(text: str) -> int:
    if not text:
        return 1
    if not text.isdecimal() or int(text) < 1:
        raise ValueError("part is not a number from 1")
    return int(text)
