"""A manifest's files read in processes and scored by one bundle, as the daemon would."""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from config.schema import Models, Reading, Settings
from domain.errors import Rejected

if TYPE_CHECKING:
    from inference.evaluation.scored import Read, Scored
    from inference.scorer import ModelFacts
    from inference.training.manifest import Line

_WAITING = 4  # files read ahead per process: an ECG holds a picture of some MB


def scored(bundle: Path, manifest: Path, settings: Settings) -> tuple["ModelFacts", "Scored"]:
    """Score every usable line of the manifest. Raises ``Rejected`` (manifest) and ``Permanent`` (bundle)."""
    from inference.evaluation.scored import score
    from inference.scorer import Scorer
    from inference.training.manifest import read_manifest

    models = settings.models.model_dump() | {"bundles": (bundle,), "explain": False}
    scorer = Scorer(Models.model_validate(models))
    (facts,) = scorer.models
    lines, unusable = read_manifest(manifest, facts.output)
    files = _followed(_files(lines, manifest.parent, settings.reading), len(lines))
    return facts, score(files, lambda ecg: scorer.score(ecg)[0], unusable)


def _files(lines: list["Line"], root: Path, reading: Reading) -> Iterator[tuple["Line", "Read"]]:
    """Every line with its file's ECGs, in the manifest's order, read a little ahead."""
    processes = len(os.sched_getaffinity(0))
    if len(lines) < processes * _WAITING:  # starting processes would take longer
        yield from ((line, read(root / line.file, reading)) for line in lines)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        left = ((line, pool.submit(read, root / line.file, reading)) for line in lines)
        begun = deque(islice(left, processes * _WAITING))
        while begun:
            line, future = begun.popleft()
            yield line, future.result()
            begun.extend(islice(left, 1))


def read(path: Path, reading: Reading) -> "Read":
    """A file's ECGs, or why there are none; a module's function, for other processes."""
    from adapters import formats

    try:
        return formats.read_file(path, reading)
    except Rejected as error:
        return error


def _followed(files: Iterator[tuple["Line", "Read"]], total: int) -> Iterator[tuple["Line", "Read"]]:
    from inference.training.progress import Reporter

    with Reporter(Console(stderr=True)).following("scoring ECGs", total) as step:
        for found in files:
            yield found
            step(1, "")
