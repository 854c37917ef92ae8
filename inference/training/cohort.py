"""A manifest's ECGs, read once through the same adapters as the daemon's, kept as arrays that training maps.

A cache folder holds ``inputs.npy`` (a row a manifest line and variant), ``cases.csv`` and ``unusable.csv``. Its name is
a hash of the manifest, of its files' sizes and times, of who reads them and of what is prepared of them: a second run
starts at once, and other adapters or reading settings read again. It holds patients' data.
"""

import csv
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.ecg import Ecg, Picture
from domain.errors import Rejected
from domain.reason import Reason
from inference import crops
from inference.training import augment
from inference.training.kinds import fingerprint, kind_of
from inference.training.manifest import Line, Unusable, groups, pairs, read_manifest
from inference.training.progress import Reporter
from inference.training.recipe import Recipe

LAYOUT = 1  # of the cache folder
INPUTS, CASES, UNUSABLE = "inputs.npy", "cases.csv", "unusable.csv"
CHUNK = 16
VARIANT_SEED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """How ECGs are read and drawn; given by the program, for adapters and models do not know one another."""

    read: Callable[[Path], tuple[Ecg, ...]]  # raises Rejected; goes to other processes, so a module's function
    draw: Callable[[NDArray[np.float32], float], Picture]
    edition: str  # the same for readers that make the same of every file


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One ECG with its truth; ``row`` of the inputs."""

    row: int
    line: int
    file: str
    part: int
    patient: str
    time: datetime | None
    truth: float
    age: str
    sex: str
    device: str
    door: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cohort:
    """All usable cases of a manifest. ``emps``: ``[cases, 8]``, NaN where unknown."""

    folder: Path
    cases: tuple[Case, ...]
    emps: NDArray[np.float32]
    unusable: tuple[Unusable, ...]
    sha256: str  # of the manifest

    @property
    def truth(self) -> NDArray[np.float32]:
        """``[cases]``."""
        return np.array([case.truth for case in self.cases], np.float32)

    def inputs(self) -> NDArray[Any]:
        """``[lines, variants, ...]``, mapped."""
        return np.load(self.folder / INPUTS, mmap_mode="r")  # type: ignore[no-any-return]

    def reasons(self) -> Counter[str]:
        """How many lines were left out for what."""
        return Counter(entry.reason for entry in self.unusable)


def gather(manifest: Path, recipe: Recipe, reader: Reader, cache: Path, processes: int, reporter: Reporter) -> Cohort:
    """Read the manifest's ECGs, or what an earlier run made of the same ones. Raises ``Rejected`` without any."""
    lines, unusable = read_manifest(manifest, recipe.output)
    folder = cache / _key(manifest, lines, recipe, reader)
    if not (folder / CASES).exists():
        work = folder.with_name(f"{folder.name}.{os.getpid()}")
        _fill(work, manifest.parent, lines, unusable, recipe, reader, processes, reporter)
        shutil.rmtree(folder, ignore_errors=True)
        work.rename(folder)
    found = _load(folder, hashlib.sha256(manifest.read_bytes()).hexdigest())
    if not found.cases:
        most = "; ".join(f"{count} {reason}" for reason, count in found.reasons().most_common(3))
        raise Rejected(Reason.NO_ECG, f"{manifest.name}: no line can be used ({most})")
    return found


def _key(manifest: Path, lines: Sequence[Line], recipe: Recipe, reader: Reader) -> str:
    digest = hashlib.sha256(manifest.read_bytes())
    digest.update(f"{LAYOUT} {reader.edition} {recipe.output} {recipe.data.window_h} {fingerprint(recipe)}".encode())
    for line in lines:
        try:
            found = (manifest.parent / line.file).stat()
        except OSError:
            continue
        digest.update(f"{line.file} {found.st_size} {found.st_mtime_ns}".encode())
    return digest.hexdigest()[:24]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What a process needs to prepare lines."""

    root: Path
    array: Path
    recipe: Recipe
    reader: Reader


@dataclass(slots=True)
class _Done:
    cases: list[tuple[Case, list[float]]] = field(default_factory=list)
    unusable: list[Unusable] = field(default_factory=list)


def _fill(
    folder: Path,
    root: Path,
    lines: list[Line],
    unusable: list[Unusable],
    recipe: Recipe,
    reader: Reader,
    processes: int,
    reporter: Reporter,
) -> None:
    folder.mkdir(parents=True, mode=0o700)
    kind = kind_of(recipe)
    shape = (max(1, len(lines)), recipe.data.variants, *kind.shape)
    np.lib.format.open_memmap(folder / INPUTS, "w+", np.dtype(kind.dtype), shape).flush()
    work = _Work(root=root, array=folder / INPUTS, recipe=recipe, reader=reader)
    done = _Done(unusable=list(unusable))
    with reporter.following("reading ECGs", len(lines)) as step:
        for part in _prepared(work, lines, processes):
            done.cases += part.cases
            done.unusable += part.unusable
            step(len(part.cases) + len(part.unusable), f"{len(done.unusable)} left out")
    _save(folder, done)


def _prepared(work: _Work, lines: list[Line], processes: int) -> Iterator[_Done]:
    chunks = [list(enumerate(lines))[at : at + CHUNK] for at in range(0, len(lines), CHUNK)]
    if processes <= 1 or len(chunks) < 2:
        yield from (_prepare(work, chunk) for chunk in chunks)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_alone) as pool:
        yield from pool.map(_prepare, [work] * len(chunks), chunks)


def _alone() -> None:
    """One thread a process: as many processes as cores are at work."""
    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _prepare(work: _Work, chunk: list[tuple[int, Line]]) -> _Done:
    inputs = np.load(work.array, mmap_mode="r+")
    done = _Done()
    for row, line in chunk:
        try:
            case, emps = _case(work, row, line, inputs)
        except Rejected as error:
            done.unusable.append(Unusable(line.number, error.detail or str(error.reason)))
        else:
            done.cases.append((case, emps))
    inputs.flush()
    return done


def _case(work: _Work, row: int, line: Line, inputs: NDArray[Any]) -> tuple[Case, list[float]]:
    ecgs = work.reader.read(work.root / line.file)
    if line.part > len(ecgs):
        raise Rejected(Reason.NO_ECG, "the file holds fewer ECGs")
    ecg = ecgs[line.part - 1]
    if ecg.unfit:
        raise Rejected(ecg.unfit[0].reason, f"unfit: {ecg.unfit[0].reason}")
    taken = line.time or ecg.acquired_at
    apart = pairs(taken, line.truth_time, work.recipe.data.window_h)
    if apart:
        raise Rejected(Reason.BAD_VALUE, apart)
    kind = kind_of(work.recipe)
    inputs[row, 0] = kind.stored(ecg)
    for variant in range(1, work.recipe.data.variants):
        inputs[row, variant] = kind.stored(_redrawn(ecg, work, (VARIANT_SEED, row, variant)))
    emps = [float(value) for value in crops.emps(ecg)]
    return _described(line, row, ecg, taken), emps


def _redrawn(ecg: Ecg, work: _Work, seed: tuple[int, ...]) -> Ecg:
    """The same ECG from a varied signal, drawn anew: noise on the paper, not on the picture."""
    signal = augment.varied(ecg.signal, work.recipe.augmentation.signal, np.random.default_rng(seed))
    return replace(ecg, signal=signal, picture=work.reader.draw(signal, ecg.rate_hz))


def _described(line: Line, row: int, ecg: Ecg, taken: datetime | None) -> Case:
    return Case(
        row=row,
        line=line.number,
        file=line.file,
        part=line.part,
        patient=line.patient,
        time=taken,
        truth=line.truth,
        **groups(line, ecg, taken),
    )


_COLUMNS = tuple(entry.name for entry in fields(Case))


def _save(folder: Path, done: _Done) -> None:
    with (folder / UNUSABLE).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("line", "reason"))
        table.writerows((entry.number, entry.reason) for entry in sorted(done.unusable, key=lambda e: e.number))
    with (folder / CASES).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow((*_COLUMNS, *crops.EMPS))
        for case, emps in sorted(done.cases, key=lambda entry: entry[0].row):
            values = {name: getattr(case, name) for name in _COLUMNS}
            values["time"] = case.time.isoformat() if case.time else ""
            table.writerow((*values.values(), *("" if np.isnan(v) else repr(v) for v in emps)))


def _load(folder: Path, sha256: str) -> Cohort:
    with (folder / CASES).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with (folder / UNUSABLE).open(encoding="utf-8", newline="") as file:
        unusable = tuple(Unusable(int(row["line"]), row["reason"]) for row in csv.DictReader(file))
    emps = np.array([[float(row[name] or "nan") for name in crops.EMPS] for row in rows], np.float32)
    return Cohort(
        folder=folder,
        cases=tuple(_reloaded(row) for row in rows),
        emps=emps.reshape(len(rows), len(crops.EMPS)),
        unusable=unusable,
        sha256=sha256,
    )


def _reloaded(row: dict[str, str]) -> Case:
    texts = {name: row[name] for name in ("file", "patient", "age", "sex", "device", "door")}
    return Case(
        row=int(row["row"]),
        line=int(row["line"]),
        part=int(row["part"]),
        time=datetime.fromisoformat(row["time"]) if row["time"] else None,
        truth=float(row["truth"]),
        **texts,
    )
