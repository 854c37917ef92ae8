"""card.md: the TRIPOD+AI items (Collins et al. 2024, doi 10.1136/bmj-2023-078378) of one training, as far as known.

What nobody stated is said not to be stated. Nothing here may vary between two runs of the same recipe on the same data:
the card is part of the bundle's hash.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from domain.finding import Output, Status
from inference.manifest import PREPROCESSING_OF
from inference.training.cohort import Cohort
from inference.training.deliver import FIGURES, Fit
from inference.training.measures import classes
from inference.training.recipe import ByDate, Recipe

UNSTATED = "Not stated in the recipe."
STAND_IN = """**Stand-in. Its answers have no clinical meaning and are for no patient.** It shows that the software
works, on simulated ECGs or others that no clinical study stands behind."""
SUBGROUPS = (
    "`ecgd evaluate` on this training's predictions.csv measures by age, sex, device and door; the card does not."
)
TASK = {
    Output.ARREST: "probability of cardiac arrest in the emergency department",
    Output.POTASSIUM: "serum potassium in mmol/L",
}
INPUT = {
    "picture": "the standard picture of the 12-lead ECG (25 mm/s, 10 mm/mV), prepared as in EIANet's paper",
    "crops": "12 leads at 500 Hz in crops of 1024 samples, each centred on its median",
    "signal": "12 leads at 500 Hz, 10 s",
}
CLASSES = {
    Output.ARREST: ("no arrest", "arrest"),
    Output.POTASSIUM: ("<= 2.5", "<= 3.5", "< 5.5", "< 6.5", ">= 6.5 mmol/L"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One side of the split, for the table."""

    name: str
    cohort: Cohort
    cases: NDArray[np.intp]


def card(
    recipe: Recipe, parts: Sequence[Part], tested: tuple[str, int], found: Fit, figures: Mapping[str, Any], best: int
) -> str:
    """The whole card; ``tested``: the test part in words, and how many ECGs were dropped; ``best``: the epoch."""
    facts = recipe.card
    warning = f"{STAND_IN}\n\n" if recipe.status is Status.STAND_IN else ""
    sections = {
        "Intended use": recipe.intended_use,
        "Source of data": f"{recipe.training_data}\n\n{facts.source or UNSTATED}",
        "Participants": facts.eligibility or UNSTATED,
        "Outcome and its timing": _outcome(recipe),
        "Predictors": _predictors(recipe),
        "Sample size": f"No size was calculated in advance.\n\n{_sizes(parts, recipe.output)}",
        "Missing data": _missing(parts),
        "Split": _split(recipe, *tested),
        "Development": _development(recipe, best),
        "Performance": _performance(recipe, figures),
        "Calibration": _calibration(recipe, found),
        "Fairness and subgroups": SUBGROUPS,
        "Limitations": facts.limitations or UNSTATED,
        "Funding": facts.funding or UNSTATED,
        "Registration": facts.registration or UNSTATED,
    }
    body = "\n\n".join(f"## {name}\n\n{text}" for name, text in sections.items())
    return f"# {recipe.name} {recipe.version}\n\nEstimates the {TASK[recipe.output]}.\n\n{warning}{body}\n"


def _outcome(recipe: Recipe) -> str:
    stated = recipe.card.outcome or UNSTATED
    if recipe.output is Output.ARREST:
        return stated
    hours = recipe.data.window_h
    return f"{stated} Measured at most {hours:g} h before or after the ECG where the manifest gives its time."


def _predictors(recipe: Recipe) -> str:
    name = PREPROCESSING_OF[recipe.model.kind]
    emps = " Heart rate, PR, QRS, QT, QTc and three axes where known." if getattr(recipe.model, "emps", False) else ""
    return f"One ECG: {INPUT[name]}.{emps} Neither age, sex nor anything else of the patient."


def _sizes(parts: Sequence[Part], output: Output) -> str:
    names = CLASSES[output]
    lines = [f"| part | ECGs | patients | {' | '.join(names)} |", f"|---|{'---:|' * (len(names) + 2)}"]
    for part in parts:
        patients = len({part.cohort.cases[i].patient for i in part.cases})
        counts = np.bincount(classes(part.cohort.truth[part.cases], output), minlength=len(names))
        lines.append(f"| {part.name} | {part.cases.size} | {patients} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def _missing(parts: Sequence[Part]) -> str:
    seen: Counter[str] = Counter()
    for cohort in {id(part.cohort): part.cohort for part in parts}.values():
        seen += cohort.reasons()
    if not seen:
        return "No line of the manifest was left out."
    listed = "\n".join(f"- {count}: {reason}" for reason, count in sorted(seen.items()))
    return f"Lines of the manifest that were left out, by reason:\n\n{listed}"


def _split(recipe: Recipe, tested: str, dropped: int) -> str:
    how = recipe.split
    if isinstance(how, ByDate):
        later = f", to {how.validation_before} validation, then test" if how.validation_before else ", then validation"
        text = f"By date of the ECG: before {how.train_before} training{later}."
    else:
        text = f"By patient at random: validation {how.validation:g}, test {how.test:g}, seed {how.seed}."
    apart = f"No patient is in two parts; {dropped} ECGs were dropped for that, or for want of a time."
    return f"{text} Tested on the {tested}. {apart}"


def _development(recipe: Recipe, best: int) -> str:
    entries = {
        "model": recipe.model.model_dump(mode="json"),
        "training": recipe.training.model_dump(mode="json", exclude={"workers", "init"}),
        "augmentation": recipe.augmentation.model_dump(mode="json"),
    }
    shown = yaml.safe_dump(entries, sort_keys=False)
    begun = f" It began with the weights of {recipe.training.init.name}." if recipe.training.init else ""
    return f"The weights of epoch {best}, the best by {recipe.metric} on validation.{begun}\n\n```yaml\n{shown}```"


def _performance(recipe: Recipe, figures: Mapping[str, Any]) -> str:
    if not figures:
        return "Not measured: the test part cannot show it."
    lines = ["| figure | value | 95 % interval |", "|---|---:|---:|"]
    for name in FIGURES[recipe.output]:
        value, between = figures.get(name), figures.get(f"{name}_ci")
        if value is not None:
            shown = f"{between[0]:.3f} to {between[1]:.3f}" if between else ""
            lines.append(f"| {name} | {value:.3f} | {shown} |")
    table = "\n".join(lines)
    aim = recipe.calibration.prevalence
    before = f", before the move to a prevalence of {aim:g}, which these ECGs do not have" if aim else ""
    size = f"{figures['n']} ECGs, {figures['patients']} patients"
    return f"On the test part ({size}), resampled by patient{before}:\n\n{table}"


def _calibration(recipe: Recipe, found: Fit) -> str:
    if found.residual_interval is not None:
        low, high = found.residual_interval.lower, found.residual_interval.upper
        return f"On validation 95 % of truth minus estimate lie between {low:g} and {high:g} mmol/L."
    aim = recipe.calibration.prevalence
    moved = f" Moved to a prevalence of {aim:g} by Bayes' rule." if aim else " Not moved to another prevalence."
    return f"{found.calibration.kind}, fitted on the validation part.{moved}"
