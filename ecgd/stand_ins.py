"""``python -m ecgd.stand_ins``: from simulated cohorts to the stand-in bundles and docs/models.md.

Every step is a command that a site runs on its own data: ``ecgd simulate`` in place of its records, ``ecgd train`` with
a recipe of config/recipes/stand-ins, the figures of ``ecgd evaluate``. A run that was killed goes on where it was.
"""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ecgd.terminal import USAGE, end

ROOT = Path(__file__).parent.parent
RECIPES = ROOT / "config/recipes/stand-ins"
SOURCE = "PTB-XL 1.0.3 (physionet.org/content/ptb-xl, CC BY 4.0)"


@dataclass(frozen=True, slots=True)
class Cohort:
    """A cohort file, and how many of its ECGs are enough here."""

    file: str
    ecgs: int
    real: bool


COHORTS = {
    "potassium-train": Cohort("potassium-train-real", 9000, real=True),
    "potassium-test": Cohort("potassium-test-real", 1500, real=True),
    "arrest-train": Cohort("arrest-train", 12_000, real=False),
    "arrest-train-small": Cohort("arrest-train", 3600, real=False),
    "arrest-test": Cohort("arrest-test", 1200, real=False),
}
TRAINED = {  # recipe -> the cohorts that train and test it; the longest first, none beside one that reads the same ECGs
    "ecg12net": ("potassium-train", "potassium-test"),
    "eianet": ("arrest-train", "arrest-test"),
    "ecg12net-2": ("potassium-train", "potassium-test"),
    "eianet-both": ("arrest-train-small", "arrest-test"),  # the tables compare alike with alike: a third of the ECGs
    "eianet-none": ("arrest-train-small", "arrest-test"),
    "eianet-attention": ("arrest-train-small", "arrest-test"),
    "eianet-brloss": ("arrest-train-small", "arrest-test"),
    "eianet-raw": ("arrest-train-small", "arrest-test"),
    "arrestnet": ("arrest-train-small", "arrest-test"),
}
SHIPPED = ("eianet", "ecg12net")


def command(
    work: Annotated[Path, typer.Option(help="Cohorts, caches, checkpoints and figures.")] = Path("build/stand-ins"),
    backgrounds: Annotated[Path | None, typer.Option(help="Real recordings (WFDB); or ECGD_SAMPLES, ptbxl.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="These recipes alone; the page needs all.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Trainings at a time, each on one core.")] = os.cpu_count() or 1,
) -> None:
    """Simulate, train, compare, ship: the stand-in bundles and docs/models.md."""
    from ecgd import models_page
    from inference.bundle import PACKAGED

    real = backgrounds or (Path(samples) / "ptbxl" if (samples := os.environ.get("ECGD_SAMPLES")) else None)
    if real is None or not real.is_dir():
        end(USAGE, f"two cohorts start from real recordings: name their folder with --backgrounds; used: {SOURCE}")
    for name, cohort in COHORTS.items():
        _simulate(work / name, cohort, real, jobs)
    chosen = tuple(only or TRAINED)
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda recipe: _train(work, recipe), chosen))
    for recipe in SHIPPED:
        if recipe in chosen:
            _ship(work / recipe, PACKAGED)
    if only is None:
        models_page.write(work, ROOT / "docs", real)


def _simulate(out: Path, cohort: Cohort, real: Path, workers: int) -> None:
    if (out / "manifest.csv").exists():
        return
    given = ["--backgrounds", str(real)] if cohort.real else []
    file = ROOT / "config/cohorts" / f"{cohort.file}.yaml"
    _ecgd("simulate", str(file), "--out", str(out), "--ecgs", str(cohort.ecgs), "--workers", str(workers), *given)


def _train(work: Path, recipe: str) -> None:
    """One thread each: two trainings side by side are faster than one on two cores, and as exact."""
    if (work / recipe / "predictions.csv").exists():
        return
    train, test = (str(work / cohort / "manifest.csv") for cohort in TRAINED[recipe])
    named = {"manifest": train, "test-manifest": test}
    places = {**named, "out": str(work / recipe), "cache": str(work / "cache"), "threads": "1"}
    _ecgd("train", str(RECIPES / f"{recipe}.yaml"), *(part for k, v in places.items() for part in (f"--{k}", v)))


def _ship(trained: Path, packaged: Path) -> None:
    """Put the trained bundle in the place of the one that is packaged."""
    (card,) = trained.glob("*/card.md")
    shutil.rmtree(packaged / card.parent.name, ignore_errors=True)
    shutil.copytree(card.parent, packaged / card.parent.name)


def _ecgd(*words: str) -> None:
    print("ecgd", *words, flush=True)
    done = subprocess.run([sys.executable, "-m", "ecgd", *words], check=False, env=_quiet())
    if done.returncode:
        raise typer.Exit(done.returncode)


def _quiet() -> dict[str, str]:
    """Threads that wait must not spin: two trainings share the cores."""
    return {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}


if __name__ == "__main__":
    typer.run(command)
