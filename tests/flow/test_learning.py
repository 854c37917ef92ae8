"""Every model learns from ECGs: it beats chance, and itself taught the same ECGs with the truths dealt out anew.

By the commands a user has: ``simulate``, ``train``, and what ``evaluate`` measures on predictions.csv. The signs are
strong and little else differs, so that networks a few channels wide learn in seconds: this proves that truth, ECG,
preprocessing, network and loss belong together, and nothing about medicine.
"""

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.stats import spearmanr

from inference.evaluation import predictions
from inference.evaluation.potassium import CUTS, Potassium
from inference.evaluation.predictions import Predictions
from inference.evaluation.ranking import rank

pytestmark = [pytest.mark.learn, pytest.mark.timeout(900)]

AREA = 0.7  # AUROC, of potassium the mean at the four cuts; chance is 0.5
OVER_CONTROL = 0.15
OF_CONSTANT = 0.8  # mean absolute error as a share of the best constant's

SIZES = {"train": (11, 300), "test": (12, 200)}  # seed and ECGs, each of a patient of its own
TRUTHS = {"arrest": "label", "potassium": "potassium"}
SIGNS = {
    "arrest": {"prevalence": 0.5, "steepness": 20, "loading": 1.3},
    "potassium": {"even_share": 1.0, "sensitivity": 1.2, "spread": 0, "silent": 0, "jitter": 0},
}
CONDITIONS = (
    "fibrillation atrial_pacing ventricular_pacing rbbb lbbb ectopy high_voltage low_voltage flat_t ischaemia "
    "early_repolarisation long_qt"
)
COHORT = {
    "hearts": {"rate_bpm": {"low": 68, "high": 76}, "axis_deg": {"low": 30, "high": 50}},
    "shares": dict.fromkeys(CONDITIONS.split(), 0),
    "noise": {"muscle": 0, "mains": 0, "loose": 0, "clipping": 0},
}
MODELS = {
    "eianet": {"width": 4, "in_channels": 1, "attention": True, "input_height": 96, "input_width": 160},
    "ecg12net": {"width": 4, "trunks": "shared", "head": "ordinal", "emps": False, "crops": 1},
    "arrestnet": {"width": 4},
}
TRAININGS = {
    "eianet": {"loss": "brloss", "learning_rate": 1.0e-2, "epochs": 24},
    "ecg12net": {"loss": "ordinal", "learning_rate": 5.0e-3},
    "arrestnet": {"loss": "bce", "learning_rate": 5.0e-3},
}
TRAINING = {"epochs": 6, "batch": 16, "optimizer": "adamw", "schedule": "cosine", "warmup": 1, "seed": 1}
COHORT_OF = {"eianet": "arrest", "ecg12net": "potassium", "arrestnet": "arrest"}

Taught = tuple[Predictions, Predictions]  # with the truth, and with truths dealt out anew


def ecgd(*arguments: object) -> None:
    """Run the command on one thread; what it says is shown where it fails."""
    command = [sys.executable, "-m", "ecgd", *map(str, arguments)]
    one = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=one, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout


def simulate(folder: Path, kind: str, part: str) -> None:
    seed, ecgs = SIZES[part]
    plan = folder / f"{kind}-{part}.yaml"
    said = {"name": plan.stem, "kind": kind, "seed": seed, "ecgs": ecgs, "patients": ecgs, kind: SIGNS[kind]}
    plan.write_text(yaml.safe_dump({**COHORT, **said}))
    ecgd("simulate", plan, "--out", folder / plan.stem)


def deal_anew(manifest: Path, column: str, name: str) -> Path:
    """The manifest with its truths between patients, none of whose rank is told by the true one's.

    A plain shuffle of a few hundred leaves a correlation of some hundredths, which a network finds here, where all
    signs of an ECG say the same.
    """
    with manifest.open(newline="") as file:
        rows = list(csv.DictReader(file))
    truths, chance = np.array([float(row[column]) for row in rows]), np.random.default_rng(13)
    dealt = chance.permutation(len(rows))
    while abs(spearmanr(truths, truths[dealt]).statistic) > 0.01:
        dealt = chance.permutation(len(rows))
    texts = [rows[place][column] for place in dealt]
    with manifest.with_name(name).open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows({**row, column: text} for row, text in zip(rows, texts, strict=True))
    return manifest.with_name(name)


def teach(folder: Path, kind: str) -> Taught:
    """The same recipe and ECGs twice; both are tested on the true test manifest, which is read once."""
    train, test = (folder / f"{COHORT_OF[kind]}-{part}" / "manifest.csv" for part in SIZES)
    recipe = folder / f"{kind}.yaml"
    words = {"status": "stand-in", "intended_use": "A test.", "training_data": "Simulated ECGs."}
    recipe.write_text(
        yaml.safe_dump(
            {
                **{"name": kind, "version": "0.0.1", **words},
                "model": {"kind": kind, **MODELS[kind]},
                "split": {"by": "patient", "validation": 0.2, "test": 0},
                "training": {**TRAINING, **TRAININGS[kind]},
            }
        )
    )
    dealt = deal_anew(train, TRUTHS[COHORT_OF[kind]], f"dealt-{kind}.csv")

    def tested(name: str, manifest: Path) -> Predictions:
        out, alone = folder / f"{kind}-{name}", ("--workers", 0, "--threads", 1)
        manifests = ("--manifest", manifest, "--test-manifest", test)
        ecgd("train", recipe, *manifests, "--out", out, "--cache", folder / "cache", *alone)
        return predictions.read(out / "predictions.csv")

    return tested("true", train), tested("dealt", dealt)


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Taught]]]:
    """Two models at a time, for their two cores."""
    folder = tmp_path_factory.mktemp("learning")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(simulate, [folder] * 4, ["arrest", "arrest", "potassium", "potassium"], [*SIZES] * 2))
        yield {kind: pool.submit(teach, folder, kind) for kind in MODELS}


def figures(found: Predictions) -> dict[str, float]:
    """``area``; of potassium also the mean absolute errors."""
    everyone = np.ones((1, found.patients), np.int32)
    if found.binary:
        areas = rank(found.truth == 1, found.score, found.patient).areas(everyone)
        return {"area": float(areas["auroc"][0])}
    measured = Potassium(found)(everyone)
    area = float(np.mean([measured[f"auroc_{cut}"][0] for cut in CUTS]))
    return {"area": area, "mae": float(measured["mae"][0]), "mae_constant": float(measured["mae_constant"][0])}


@pytest.mark.parametrize("kind", MODELS)
def test_it_learns_what_the_ecgs_show_and_not_what_they_do_not(kind, taught, capsys):
    learned, control = map(figures, taught[kind].result())
    with capsys.disabled():
        print(f"\n{kind}: learned {learned}, control {control}")
    assert learned["area"] >= AREA
    assert learned["area"] - control["area"] >= OVER_CONTROL
    if "mae" in learned:
        assert learned["mae"] <= OF_CONSTANT * learned["mae_constant"]
