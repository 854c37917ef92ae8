"""predictions.csv: what the finished bundle says of ECGs it was not fitted to, as the daemon would say it."""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from domain.finding import Output
from inference.calibration import probability
from inference.ecg12net import censor
from inference.manifest import Calibration
from inference.scorer import DECIMALS
from inference.training.cohort import Cohort
from inference.training.measures import Values

COLUMNS = ("truth", "score", "patient", "file", "part", "time", "age", "sex", "device", "door", "raw")


def reported(output: Output, calibration: Calibration, raw: Values) -> Values:
    """What the daemon reports: a calibrated probability, or mmol/L within the model's range, rounded as there.

    Probabilities are not rounded: at a prevalence of 0.0006 six decimals would tie ECGs that the model tells apart.
    """
    if output is Output.POTASSIUM:
        return np.array([round(censor(float(value))[0], DECIMALS[output]) for value in raw], np.float64)
    return np.array([probability(calibration, float(value)) for value in raw], np.float64)


def write_predictions(path: Path, cohort: Cohort, cases: NDArray[np.intp], score: Values, raw: Values) -> None:
    """A line a case; ``cases`` are indices of the cohort, ``score`` and ``raw`` in their order."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for index, value, estimate in zip(cases, score, raw, strict=True):
            case = cohort.cases[index]
            time = case.time.isoformat() if case.time else ""
            described = (case.patient, case.file, case.part, time, case.age, case.sex, case.device, case.door)
            table.writerow((f"{case.truth:g}", repr(float(value)), *described, f"{estimate:.6f}"))
