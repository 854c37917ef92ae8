"""A manifest's ECGs scored as the daemon scores them, and predictions.csv written of it."""

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from domain.ecg import Ecg
from domain.errors import Rejected
from domain.finding import Abstention, Score
from inference.training.manifest import Line, Unusable, groups, pairs

WINDOW_H = 1.0  # ECG12Net: potassium within an hour of the ECG, before or after
COLUMNS = ("truth", "score", "patient", "file", "part", "time", "age", "sex", "device", "door")

Read = tuple[Ecg, ...] | Rejected
"""What became of a file: its ECGs, or why there are none."""


@dataclass(slots=True)
class Scored:
    """Rows as predictions.csv has them, and the manifest's lines that gave none."""

    rows: list[dict[str, str]] = field(default_factory=list)
    unusable: list[Unusable] = field(default_factory=list)

    def reasons(self) -> dict[str, int]:
        """How many lines were left out for what, the commonest first."""
        found: dict[str, int] = {}
        for entry in self.unusable:
            found[entry.reason] = found.get(entry.reason, 0) + 1
        return dict(sorted(found.items(), key=lambda item: -item[1]))


def score(
    files: Iterable[tuple[Line, Read]], answer: Callable[[Ecg], Score | Abstention], unusable: Sequence[Unusable] = ()
) -> Scored:
    """Score every line's ECG; what is unfit, abstained on or no pair with its truth is counted, not guessed."""
    found = Scored(unusable=list(unusable))
    for line, read in files:
        row = _row(line, read, answer)
        if isinstance(row, str):
            found.unusable.append(Unusable(line.number, row))
        else:
            found.rows.append(row)
    return found


def write(found: Scored, folder: Path) -> Path:
    """``predictions.csv``, whose path is returned, and ``left_out.csv`` (line of the manifest, reason)."""
    path = folder / "predictions.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(found.rows)
    with (folder / "left_out.csv").open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("line", "reason"))
        lines.writerows((entry.number, entry.reason) for entry in sorted(found.unusable, key=lambda e: e.number))
    return path


def _row(line: Line, read: Read, answer: Callable[[Ecg], Score | Abstention]) -> dict[str, str] | str:
    """A row, or why there is none."""
    if isinstance(read, Rejected):
        return read.detail or str(read.reason)
    if line.part > len(read):
        return "the file holds fewer ECGs"
    ecg = read[line.part - 1]
    taken = line.time or ecg.acquired_at
    if apart := pairs(taken, line.truth_time, WINDOW_H):
        return apart
    said = answer(ecg)
    if isinstance(said, Abstention):
        return f"{'unfit' if ecg.unfit else 'not scored'}: {said.reason}"
    return {
        "truth": f"{line.truth:g}",
        "score": repr(said.value),
        "patient": line.patient,
        "file": line.file,
        "part": str(line.part),
        "time": taken.isoformat() if taken else "",
        **groups(line, ecg, taken),
    }
