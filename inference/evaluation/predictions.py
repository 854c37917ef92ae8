"""predictions.csv: what was true and what the model said, a line per ECG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.evaluation import sheet
from inference.evaluation.sheet import Unusable

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

REQUIRED = ("truth", "score")
POTASSIUM_MMOL_L = (0.5, 15.0)  # beyond, a laboratory would call it an error


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """``truth`` and ``score``, float64 ``[n]``; ``patient``, codes 0..patients-1 ``[n]``; other columns as text.

    ``truth`` is 0/1 (arrest) or mmol/L (potassium). Without a patient column every row is a patient of its own.
    """

    truth: Floats
    score: Floats
    patient: Places
    by_patient: bool
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def binary(self) -> bool:
        """Whether ``truth`` is 0 or 1 throughout."""
        return bool(np.isin(self.truth, (0, 1)).all())

    @property
    def patients(self) -> int:
        """How many patients."""
        return int(self.patient.max()) + 1 if len(self.patient) else 0

    @property
    def probabilities(self) -> bool:
        """Whether every score can be a probability."""
        return bool(((self.score >= 0) & (self.score <= 1)).all())

    def take(self, rows: Places) -> "Predictions":
        """The predictions of some rows, patients numbered anew."""
        return Predictions(
            truth=self.truth[rows],
            score=self.score[rows],
            patient=np.unique(self.patient[rows], return_inverse=True)[1],
            by_patient=self.by_patient,
            columns={name: tuple(values[row] for row in rows) for name, values in self.columns.items()},
        )

    def scored(self, score: Floats) -> "Predictions":
        """The same cases with another's scores."""
        return replace(self, score=score)

    def by_row(self) -> "Predictions":
        """The same with every row a patient of its own."""
        return replace(self, patient=np.arange(len(self.truth)), by_patient=False)


def of(truth: Sequence[float] | Floats, score: Sequence[float] | Floats, patient: Sequence[str] = ()) -> Predictions:
    """Predictions from arrays; raises ``Unusable`` like ``read``, with rows counted from one."""
    values, scores = np.asarray(truth, float), np.asarray(score, float)
    found = Predictions(truth=values, score=scores, patient=_codes(patient, len(values)), by_patient=bool(len(patient)))
    _require_usable(found, range(1, len(values) + 1))
    return found


def read(path: Path) -> Predictions:
    """Read a CSV with the columns ``truth`` and ``score`` (see ``sheet``); raises ``Unusable`` with every mistake."""
    table = sheet.read(path, REQUIRED)
    truth, wrong_truth = table.numbers("truth")
    score, wrong_score = table.numbers("score")
    columns = {name: tuple(line.cells[name] for line in table.lines) for name in table.names}
    patient = columns.get("patient", ())
    mistakes = [*table.mistakes, *wrong_truth, *wrong_score]
    for line, name in zip(table.lines, patient, strict=False):
        if not name:
            mistakes.append((line.number, "patient: empty; name the patient or leave the column out"))
    if mistakes:
        raise Unusable(sheet.in_words(mistakes))
    found = Predictions(
        truth=np.array(truth),
        score=np.array(score),
        patient=_codes(patient, len(truth)),
        by_patient=bool(patient),
        columns={name: cells for name, cells in columns.items() if name not in REQUIRED},
    )
    _require_usable(found, [line.number for line in table.lines])
    return found


def _codes(patient: Sequence[str], rows: int) -> Places:
    return np.unique(np.array(patient), return_inverse=True)[1] if len(patient) else np.arange(rows)


def _require_usable(found: Predictions, lines: Sequence[int]) -> None:
    """Mistakes of the whole rather than of one cell."""
    if len(found.truth) < 2:
        raise Unusable([f"{len(found.truth)} row(s); at least two are needed"])
    if not (np.isfinite(found.truth).all() and np.isfinite(found.score).all()):
        raise Unusable(["truth and score must be finite"])
    if not found.binary:
        _require_potassium(found.truth, lines)
    elif len(np.unique(found.truth)) < 2:
        raise Unusable([f"truth: {int(found.truth[0])} on every line; both 0 and 1 are needed"])


def _require_potassium(truth: Floats, lines: Sequence[int]) -> None:
    low, high = POTASSIUM_MMOL_L
    classes = np.isin(truth, (0, 1))
    if classes.mean() > 0.5:
        wrong, advice = ~classes, "neither 0 nor 1, as most lines have it"
    else:
        wrong, advice = (truth < low) | (truth > high), f"neither 0/1 nor potassium in mmol/L ({low:g} to {high:g})"
    if wrong.any():
        raise Unusable(sheet.in_words([(lines[int(row)], f"truth: {advice}") for row in np.flatnonzero(wrong)]))
    if len(np.unique(truth)) <= 2 and (truth == np.round(truth)).all():
        raise Unusable(["truth: two whole numbers only; write 0 and 1 for classes, or potassium in mmol/L"])
