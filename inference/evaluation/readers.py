"""The model beside the clinicians who read the same ECGs (ECG12Net table 2)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inference.evaluation import binary, potassium, sheet, thresholds
from inference.evaluation.bootstrap import Estimates, Floats
from inference.evaluation.predictions import Places, Predictions
from inference.evaluation.sheet import Unusable
from inference.evaluation.thresholds import Threshold

_ANSWERS = {"hypo": 3.0, "normo": 4.5, "hyper": 6.0}  # mmol/L inside each of the paper's three selections
ARREST = ("recall", "specificity", "balanced_accuracy")
SIDES = ("hypokalemia", "hyperkalemia")
POTASSIUM = tuple(
    f"{figure}_{side}"
    for side in SIDES
    for figure in (
        "sensitivity",
        "sensitivity_severe",
        "sensitivity_mild_to_moderate",
        "specificity",
        "balanced_accuracy",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """``answer [k]`` to the predictions' ``rows [k]``: 0/1, or a mmol/L that lies in the class named."""

    reader: str
    rows: Places
    answer: Floats


def read(path: Path, predictions: Predictions) -> tuple[list[Reading], int]:
    """The readers in the file's order, and how many answers were to cases that the predictions lack.

    Columns ``reader``, ``answer`` (0/1, or hypokalemia, normokalemia, hyperkalemia), and ``case`` or ``file`` with
    ``part`` (1 where not said), which the predictions have too. Raises ``Unusable`` with every mistake.
    """
    table = sheet.read(path, ("reader", "answer"))
    key = _key(table.names, predictions.columns)
    rows = _rows(predictions, key)
    mistakes, strangers = list(table.mistakes), 0
    found: dict[str, dict[int, float]] = {}
    for line in table.lines:
        answer = _answer(line.cells["answer"], predictions.binary)
        row = rows.get(_case(line.cells, key))
        answers = found.setdefault(line.cells["reader"], {})
        if answer is None:
            wanted = "0 or 1" if predictions.binary else "hypokalemia, normokalemia or hyperkalemia"
            mistakes.append((line.number, f"answer: write {wanted}"))
        elif row is None:
            strangers += 1
        elif row in answers:
            mistakes.append((line.number, "case: this reader has answered it before; keep one line"))
        else:
            answers[row] = answer
    if mistakes:
        raise Unusable(sheet.in_words(mistakes))
    if not any(found.values()):
        raise Unusable([f"no answer is to a case of the predictions; {key} must be spelt the same in both"])
    return [_reading(name, answers) for name, answers in found.items() if answers], strangers


def compare(
    predictions: Predictions, readings: Sequence[Reading], threshold: Threshold | None, resamples: int, seed: int
) -> dict[str, Any]:
    """Every reader's figures, the model's on the same cases, and McNemar's test between the two.

    ``model``: on all cases that any reader answered.
    """
    union = np.unique(np.concatenate([reading.rows for reading in readings]))
    return {
        "readers": [_against(predictions, reading, threshold, resamples, seed) for reading in readings],
        "model": {"cases": len(union)} | _figures(predictions.take(union), threshold, resamples, seed),
    }


def mcnemar(first: int, second: int) -> float:
    """Exact two-sided P that ``first`` and ``second`` discordant pairs are alike: binomial with one half."""
    pairs = first + second
    tail: int = sum(math.comb(pairs, k) for k in range(min(first, second) + 1))
    return min(1.0, float(2 * tail / 2**pairs))


def _against(
    predictions: Predictions, reading: Reading, threshold: Threshold | None, resamples: int, seed: int
) -> dict[str, Any]:
    model = predictions.take(reading.rows)
    reader = model.scored(reading.answer)
    fixed = threshold and thresholds.given(0.5)
    return {
        "reader": reading.reader,
        "cases": len(reading.rows),
        **_figures(reader, fixed, resamples, seed),
        "model": _figures(model, threshold, resamples, seed),
        "mcnemar": _tested(_right(model, threshold), _right(reader, fixed), model),
    }


def _tested(model: Places, reader: Places, cases: Predictions) -> dict[str, Any]:
    """Over all cases, then where something was to be found, then where not."""
    ill = cases.truth == 1 if cases.binary else np.abs(potassium.five(cases.truth) - 2) > 0
    found: dict[str, Any] = {}
    for name, rows in {"all": np.full(len(ill), True), "sensitivity": ill, "specificity": ~ill}.items():
        ours = int(np.count_nonzero(model[rows] & ~reader[rows]))
        theirs = int(np.count_nonzero(reader[rows] & ~model[rows]))
        found[name] = {"only_model_right": ours, "only_reader_right": theirs, "p": mcnemar(ours, theirs)}
    return found


def _right(predictions: Predictions, threshold: Threshold | None) -> Any:
    """Whether each answer is right: in two classes, or in the paper's three."""
    if threshold is not None:
        return (predictions.score >= threshold.value) == (predictions.truth == 1)
    return potassium.three(predictions.score) == potassium.three(predictions.truth)


def _figures(part: Predictions, threshold: Threshold | None, resamples: int, seed: int) -> dict[str, Any]:
    found: Estimates = (
        potassium.estimates(part, {}, resamples, seed)
        if threshold is None
        else binary.discrimination(part, threshold, resamples, seed)
    )
    names = POTASSIUM if threshold is None else ARREST
    return found.named(names)


def _reading(name: str, answers: Mapping[int, float]) -> Reading:
    return Reading(reader=name, rows=np.array(list(answers)), answer=np.array(list(answers.values())))


def _answer(cell: str, binary_truth: bool) -> float | None:
    if binary_truth:
        return float(cell) if cell in ("0", "1") else None
    word = cell.casefold().replace("normal", "normokal").replace("kalaem", "kalem")
    return next((value for name, value in _ANSWERS.items() if f"{name}kal" in word), None)


def _key(names: Sequence[str], columns: Mapping[str, Sequence[str]]) -> str:
    fitting = [name for name in ("case", "file") if name in names and name in columns]
    if not fitting:
        raise Unusable(["line 1: no column case or file that the predictions have too"])
    return fitting[0]


def _case(cells: Mapping[str, str], key: str) -> tuple[str, str]:
    return cells[key], (cells.get("part") or "1") if key == "file" else ""


def _rows(predictions: Predictions, key: str) -> dict[tuple[str, str], int]:
    columns = predictions.columns
    names = [name for name in (key, "part") if name in columns]
    found: dict[tuple[str, str], int] = {}
    for row in range(len(predictions.truth)):
        case = _case({name: columns[name][row] for name in names}, key)
        if found.setdefault(case, row) != row:
            raise Unusable([f"predictions: a {key} stands on two lines; readers cannot be joined to it"])
    return found
