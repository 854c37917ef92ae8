"""A cohort of simulated ECGs as files and a manifest, easy to tell apart; recipes to train on it in seconds."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import wfdb
import yaml
from rich.console import Console

from adapters import formats, paper
from config.schema import Reading
from domain.ecg import LEADS
from inference.training.cohort import Reader
from inference.training.progress import Reporter
from simulator import heart

SIZE = 72
START = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """manifest.csv beside its files: half low potassium and no arrest, half high, tall T waves and arrest."""
    folder = tmp_path_factory.mktemp("cohort")
    with (folder / "manifest.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("file", "patient", "time", "label", "potassium", "potassium_time"))
        for i in range(SIZE):
            high = i % 2
            drawn = replace(heart.varied(i), t_amplitude=2.5 if high else 0.3, rate_bpm=110.0 if high else 60.0)
            write_wfdb(folder, f"r{i}", heart.ecg(drawn, i))
            time = START + timedelta(hours=i)
            potassium = (7.0 if high else 3.0) + 0.1 * (i % 5)
            table.writerow((f"r{i}.hea", f"P{i // 2 * 2 + high}", time.isoformat(), high, potassium, time.isoformat()))
    return folder / "manifest.csv"


def write_wfdb(folder: Path, name: str, signal: np.ndarray) -> None:
    wfdb.wrsamp(
        name,
        fs=500,
        units=["mV"] * 12,
        sig_name=list(LEADS),
        p_signal=signal.T.astype(float),
        fmt=["16"] * 12,
        adc_gain=[1000.0] * 12,
        baseline=[0] * 12,
        write_dir=str(folder),
    )


ECG12NET = {"kind": "ecg12net", "width": 2, "trunks": "shared", "head": "ordinal", "emps": True, "crops": 2}
EIANET = {
    "kind": "eianet",
    "width": 2,
    "in_channels": 1,
    "attention": True,
    "input_height": 64,
    "input_width": 96,
}
ARRESTNET = {"kind": "arrestnet", "width": 2}
LOSS = {"ecg12net": "ordinal", "eianet": "brloss", "arrestnet": "bce"}


@pytest.fixture
def recipe_text() -> Callable[..., str]:
    def make(model: dict[str, Any], *, training: dict[str, Any] | None = None, **more: Any) -> str:
        how = {"epochs": 2, "batch": 16, "optimizer": "adam", "learning_rate": 0.01, "loss": LOSS[model["kind"]]}
        parts = {
            "name": f"{model['kind']}-test",
            "version": "1",
            "status": "stand-in",
            "intended_use": "Testing.",
            "training_data": "Simulated.",
            "model": model,
            "split": {"by": "patient", "validation": 0.25, "test": 0.25, "seed": 2},
            "training": how | (training or {}),
        }
        return yaml.safe_dump(parts | more)

    return make


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def reader() -> Reader:
    return Reader(read=partial(formats.read_file, settings=Reading()), draw=paper.draw, edition="1")


@pytest.fixture
def said() -> StringIO:
    return StringIO()


@pytest.fixture
def reporter(said: StringIO) -> Reporter:
    return Reporter(Console(file=said))


@pytest.fixture(autouse=True)
def torch_as_it_was() -> Iterator[None]:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    yield
    torch.set_num_threads(threads)
    torch.set_rng_state(state)
    torch.use_deterministic_algorithms(False)
