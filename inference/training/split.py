"""Who is trained on, who chooses, who is tested: no patient in two parts."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import numpy as np
from numpy.typing import NDArray

from inference.training.recipe import ByDate, ByPatient

Indices = NDArray[np.intp]
TRAIN, VALIDATION, TEST, OUT = range(4)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parts:
    """Indices of cases. ``dropped``: ECGs of patients who are in an earlier part, and of no known time."""

    train: Indices
    validation: Indices
    test: Indices
    dropped: int


def split(patients: Sequence[str], times: Sequence[datetime | None], how: ByPatient | ByDate) -> Parts:
    """Assign every case, given its patient and the time of its ECG."""
    if isinstance(how, ByPatient):
        part = np.array([_part_of(patient, how) for patient in patients], np.intp)
    else:
        part = _without_earlier(patients, np.array([_period(time, how) for time in times], np.intp))
    train, validation, test = (np.flatnonzero(part == number) for number in (TRAIN, VALIDATION, TEST))
    return Parts(train=train, validation=validation, test=test, dropped=int(np.sum(part == OUT)))


def apart(patients: Sequence[str], known: Sequence[str]) -> Indices:
    """Cases of patients who are not ``known``: of a test cohort, those that nothing was fitted to."""
    seen = set(known)
    return np.array([i for i, patient in enumerate(patients) if patient not in seen], np.intp)


def _part_of(patient: str, how: ByPatient) -> int:
    """By a hash of seed and patient: nobody else's coming or going moves a patient."""
    digest = hashlib.sha256(f"{how.seed}:{patient}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < how.test:
        return TEST
    return VALIDATION if place < how.test + how.validation else TRAIN


def _period(taken: datetime | None, how: ByDate) -> int:
    if taken is None:
        return OUT
    if taken < _midnight(how.train_before):
        return TRAIN
    return VALIDATION if how.validation_before is None or taken < _midnight(how.validation_before) else TEST


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _without_earlier(patients: Sequence[str], part: Indices) -> Indices:
    """ECG12Net's paper: who is in the training set is excluded from validation and test."""
    first: dict[str, int] = {}
    for patient, number in zip(patients, part, strict=True):
        first[patient] = min(first.get(patient, OUT), int(number))
    return np.array([n if n == first[p] else OUT for p, n in zip(patients, part, strict=True)], np.intp)
