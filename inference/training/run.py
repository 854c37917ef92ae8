"""From a recipe to a bundle, in order."""

import csv
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from domain.errors import Rejected
from domain.finding import Output, Status
from domain.reason import Reason
from inference.bundle import Bundle
from inference.models import model_of
from inference.training.batches import sampled_truth
from inference.training.card import Part, card
from inference.training.cohort import Cohort, Reader, gather
from inference.training.deliver import deliver, fit, measured
from inference.training.device import Device, raw_estimates
from inference.training.kinds import fingerprint
from inference.training.loop import Epoch, Trained, Trainer
from inference.training.measures import Values
from inference.training.predict import reported, write_predictions
from inference.training.progress import Reporter
from inference.training.recipe import Recipe
from inference.training.split import Parts, apart, split

HISTORY, PREDICTIONS = "history.csv", "predictions.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where things are, and how much of the machine may be used."""

    manifest: Path
    test_manifest: Path | None
    out: Path
    cache: Path
    threads: int
    processes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """The cohort in its parts; what is tested may be a cohort of its own."""

    cohort: Cohort
    parts: Parts
    tested: Cohort
    held_out: NDArray[np.intp]

    @property
    def tested_on(self) -> str:
        """The test part in words."""
        return "held-out test part" if self.tested is self.cohort else "test cohort of its own"

    @property
    def dropped(self) -> int:
        """ECGs that were left out for their patient's sake, or for want of a time."""
        again = 0 if self.tested is self.cohort else len(self.tested.cases) - self.held_out.size
        return self.parts.dropped + again


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of it. ``figures``: of the test part, as ``ecgd evaluate`` names them; empty without one."""

    bundle: Bundle
    figures: Mapping[str, Any]
    trained: Trained


def train(recipe: Recipe, places: Places, reader: Reader, reporter: Reporter) -> Result:
    """Read, split, train (going on where a killed run was), calibrate, test, write the bundle. Raises ``Problem``."""
    data = gathered(recipe, places, reader, reporter)
    places.out.mkdir(mode=0o700, parents=True, exist_ok=True)  # predictions.csv and the cache are patients' data
    identity = _identity(recipe, data)
    trained = Trainer(recipe, data.cohort, data.parts, places.out, identity, reporter).run(places.threads)
    _write_history(places.out / HISTORY, trained)
    return finished(recipe, places.out, data, trained)


def gathered(recipe: Recipe, places: Places, reader: Reader, reporter: Reporter) -> Data:
    """Read the cohorts and split; ``Rejected`` where a part is empty or holds one class only."""
    cohort = _cohort(places.manifest, recipe, places, reader, reporter)
    patients = [case.patient for case in cohort.cases]
    parts = split(patients, [case.time for case in cohort.cases], recipe.split)
    tested, held_out = cohort, parts.test
    if places.test_manifest:
        tested = _cohort(places.test_manifest, recipe, places, reader, reporter)
        known = {patients[i] for i in (*parts.train, *parts.validation)}
        held_out = apart([case.patient for case in tested.cases], sorted(known))
    data = Data(cohort=cohort, parts=parts, tested=tested, held_out=held_out)
    reporter.say(
        f"{parts.train.size} ECGs to train on, {parts.validation.size} to choose by, {held_out.size} to test on, "
        f"{data.dropped} dropped so that no patient is in two parts"
    )
    _require(recipe, data)
    return data


def finished(recipe: Recipe, out: Path, data: Data, trained: Trained) -> Result:
    """Calibrate on validation, measure on test, and write bundle and predictions."""
    network, device = _network(recipe, trained.weights), Device()
    device.take(network)

    def estimate(cohort: Cohort, cases: NDArray[np.intp]) -> Values:
        return raw_estimates(network, cohort, cases, recipe, device, crops=getattr(recipe.model, "crops", 1))

    truth = data.cohort.truth[data.parts.validation].astype(np.float64)
    sampled = float(sampled_truth(recipe, data.cohort, data.parts.train).mean())
    found = fit(recipe, truth, estimate(data.cohort, data.parts.validation), sampled)
    raw = estimate(data.tested, data.held_out)
    score = reported(recipe.output, found.calibration, raw)
    patients = np.array([data.tested.cases[i].patient for i in data.held_out])
    unmoved = reported(recipe.output, found.fitted, raw)
    figures = measured(data.tested.truth[data.held_out].astype(np.float64), unmoved, patients)
    parts = (
        Part(name="training", cohort=data.cohort, cases=data.parts.train),
        Part(name="validation", cohort=data.cohort, cases=data.parts.validation),
        Part(name="test", cohort=data.tested, cases=data.held_out),
    )
    text = card(recipe, parts, (data.tested_on, data.dropped), found, figures, trained.best)
    bundle = deliver(out / recipe.name, recipe, trained.weights, found, {**figures, "data": data.tested_on}, text)
    write_predictions(out / PREDICTIONS, data.tested, data.held_out, score, raw)
    return Result(bundle=bundle, figures=figures, trained=trained)


def _network(recipe: Recipe, weights: Mapping[str, Tensor]) -> nn.Module:
    network = model_of(recipe.model).build()
    network.load_state_dict(dict(weights))
    return network


def _cohort(manifest: Path, recipe: Recipe, places: Places, reader: Reader, reporter: Reporter) -> Cohort:
    found = gather(manifest, recipe, reader, places.cache, places.processes, reporter)
    reporter.say(f"{manifest.name}: {len(found.cases)} usable ECGs, {len(found.unusable)} lines left out")
    for reason, count in found.reasons().most_common():
        lines = [str(entry.number) for entry in found.unusable if entry.reason == reason]
        shown = ", ".join(lines[:8]) + (", ..." if count > 8 else "")
        reporter.say(f"  {count} x {reason} (line {shown})")
    return found


def _require(recipe: Recipe, data: Data) -> None:
    needed = {"train": data.parts.train, "validation": data.parts.validation}
    for name, cases in needed.items():
        if cases.size < 2:
            raise Rejected(Reason.NO_ECG, f"the {name} part holds {cases.size} ECGs")
        if recipe.output is Output.ARREST and len(set(data.cohort.truth[cases])) < 2:
            raise Rejected(Reason.NO_ECG, f"the {name} part holds one class only")
    if data.held_out.size < 2:
        raise Rejected(Reason.NO_ECG, f"the test part holds {data.held_out.size} ECGs of patients not trained on")
    one = recipe.output is Output.ARREST and len(set(data.tested.truth[data.held_out])) < 2
    if one and recipe.status is Status.SITE_VALIDATED:
        raise Rejected(Reason.NO_ECG, "the test part holds one class only: nothing to validate the model by")


def _identity(recipe: Recipe, data: Data) -> str:
    """Of all that decides the weights; how many processes prepare batches does not."""
    said = recipe.model_dump(mode="json", include={"model", "training", "augmentation"})
    said["training"].pop("workers")
    said["training"]["init"] = _sha256(recipe.training.init)
    said["cache"] = (data.cohort.sha256, fingerprint(recipe))
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for part in (data.parts.train, data.parts.validation):
        digest.update(part.astype(np.int64).tobytes())
    digest.update(data.cohort.truth.tobytes())
    return digest.hexdigest()


def _sha256(path: Path | None) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path and path.is_file() else ""


def _write_history(path: Path, trained: Trained) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, [entry.name for entry in fields(Epoch)])
        table.writeheader()
        table.writerows(asdict(epoch) for epoch in trained.history)
