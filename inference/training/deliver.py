"""The end of a training: calibration, measured performance, card, bundle. The same weights give the same bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from domain.finding import Output
from inference.bundle import VERSIONS, Bundle, write_bundle
from inference.evaluation import predictions
from inference.evaluation.report import Wanted, report
from inference.evaluation.sheet import Unusable
from inference.manifest import OUTPUT_OF, PREPROCESSING_OF, Calibration, Identity, ResidualInterval
from inference.training import calibrate
from inference.training.measures import Values
from inference.training.recipe import Recipe

FIGURES = {
    Output.ARREST: ("auroc", "auprc", "brier", "calibration_slope", "calibration_intercept"),
    Output.POTASSIUM: (
        "mae",
        "mae_constant",
        "bias",
        "kappa_five",
        "auroc_severe_hypokalemia",
        "auroc_hypokalemia",
        "auroc_hyperkalemia",
        "auroc_severe_hyperkalemia",
    ),
}
RESAMPLES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What the validation part says of the raw estimates.

    ``fitted`` holds at the validation part's own prevalence, ``calibration`` at the recipe's.
    """

    fitted: Calibration
    calibration: Calibration
    residual_interval: ResidualInterval | None


def fit(recipe: Recipe, truth: Values, raw: Values, sampled: float) -> Fit:
    """Calibrate on the validation part; ``sampled``: the share of arrests that the network was trained on."""
    if recipe.output is Output.POTASSIUM:
        interval = calibrate.residual_interval(truth, raw)
        as_it_is = Identity(kind="identity")
        return Fit(fitted=as_it_is, calibration=as_it_is, residual_interval=interval)
    label = truth > 0.5
    found = calibrate.fitted(recipe.calibration.method, raw, label)
    at = sampled if isinstance(found, Identity) else float(label.mean())
    moved = calibrate.to_prevalence(found, at, recipe.calibration.prevalence)
    return Fit(fitted=found, calibration=moved, residual_interval=None)


def measured(truth: Values, score: Values, patients: NDArray[Any]) -> dict[str, Any]:
    """Figures with intervals by patient; empty where the test part cannot show any."""
    try:
        return report(predictions.of(truth, score, list(patients)), Wanted(resamples=RESAMPLES))
    except Unusable:
        return {}


def deliver(
    path: Path, recipe: Recipe, weights: Mapping[str, Tensor], found: Fit, figures: Mapping[str, Any], card: str
) -> Bundle:
    """Write the bundle and load it back."""
    facts: dict[str, Any] = {
        "name": recipe.name,
        "version": recipe.version,
        "status": str(recipe.status),
        "architecture": recipe.model.model_dump(mode="json"),
        "preprocessing": _preprocessing(recipe),
        "output": {"quantity": str(recipe.output), "unit": OUTPUT_OF[recipe.model.kind][1]},
        "calibration": found.calibration.model_dump(mode="json"),
        "intended_use": recipe.intended_use,
        "training_data": recipe.training_data,
        "performance": _performance(recipe, figures),
    }
    if found.residual_interval is not None:
        facts["residual_interval"] = found.residual_interval.model_dump(mode="json")
    return write_bundle(path, facts, weights, card)


def _preprocessing(recipe: Recipe) -> dict[str, Any]:
    name = PREPROCESSING_OF[recipe.model.kind]
    return {"name": name, "version": VERSIONS[name]}


def _performance(recipe: Recipe, figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    data = f"{figures.get('data')}, {figures.get('n')} ECGs of {figures.get('patients')} patients"
    if recipe.calibration.prevalence:
        data += ", before the move to the stated prevalence"
    known = [(name, figures.get(name)) for name in FIGURES[recipe.output]]
    return [
        {"metric": name, "value": round(float(value), 4), "data": data}
        for name, value in known
        if value is not None and np.isfinite(value)
    ]
