"""Which ECGs make a batch, and their arrays: a pure function of seed, epoch and place, so an epoch can be redone."""

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from domain.finding import Output
from inference.training.cohort import Cohort
from inference.training.kinds import kind_of
from inference.training.measures import classes
from inference.training.recipe import Recipe, Training

Draw = tuple[int, int, int]
"""Epoch, place in it, index of the case."""
Batch = tuple[tuple[Tensor, ...], Tensor]


def chances(truth: NDArray[np.float32], output: Output, balance: float) -> NDArray[np.float64]:
    """How likely each case is drawn, ``[cases]``, summing to 1: its class's size to the power of ``-balance``."""
    known = classes(truth, output)
    weight = np.bincount(known)[known].astype(np.float64) ** -balance
    return np.asarray(weight / weight.sum())


def order(epoch: int, truth: NDArray[np.float32], output: Output, how: Training) -> NDArray[np.intp]:
    """An epoch's cases in order, as places in ``truth``; each once, or with ``balance`` drawn with replacement."""
    rng = np.random.default_rng((how.seed, epoch))
    count = how.epoch_cases or truth.size
    if how.balance:
        return rng.choice(truth.size, count, p=chances(truth, output, how.balance)).astype(np.intp)
    rounds = [rng.permutation(truth.size) for _ in range(-(-count // truth.size))]
    return np.concatenate(rounds)[:count].astype(np.intp)


def sampled_truth(recipe: Recipe, cohort: Cohort, cases: NDArray[np.intp]) -> NDArray[np.float32]:
    """The truths of the first epoch: what the network meets, balanced or not."""
    truth = cohort.truth[cases]
    return truth[order(1, truth, recipe.output, recipe.training)]


class Batches(Sampler[list[Draw]]):
    """Batches of nearly equal size: none of a single case, which batch norm cannot take."""

    def __init__(self, cases: NDArray[np.intp], truth: NDArray[np.float32], recipe: Recipe) -> None:
        self._cases, self._truth, self._recipe = cases, truth, recipe
        self.epoch = 0

    def __len__(self) -> int:
        how = self._recipe.training
        return -(-(how.epoch_cases or self._cases.size) // how.batch)

    def __iter__(self) -> Iterator[list[Draw]]:
        places = order(self.epoch, self._truth, self._recipe.output, self._recipe.training)
        draws = [(self.epoch, place, int(self._cases[at])) for place, at in enumerate(places)]
        for part in np.array_split(np.arange(len(draws)), len(self)):
            yield [draws[at] for at in part]


class Cases(Dataset[Batch]):
    """Augmented batches, made whole: an item is a list of draws."""

    def __init__(self, cohort: Cohort, recipe: Recipe) -> None:
        self._rows = np.array([case.row for case in cohort.cases], np.intp)
        self._truth, self._emps, self._cohort = cohort.truth, cohort.emps, cohort
        self._kind, self._seed = kind_of(recipe), recipe.training.seed
        self._inputs: NDArray[Any] | None = None  # mapped by the process that reads it

    def __getitem__(self, draws: list[Draw]) -> Batch:
        if self._inputs is None:
            self._inputs = self._cohort.inputs()
        made = []
        for epoch, place, index in draws:
            rng = np.random.default_rng((self._seed, epoch, place))
            variants = self._inputs[self._rows[index]]
            stored = np.asarray(variants[rng.integers(len(variants))])
            made.append(self._kind.varied(stored, self._emps[index], rng))
        arrays = tuple(torch.from_numpy(np.stack(column)) for column in zip(*made, strict=True))
        return arrays, torch.from_numpy(self._truth[[index for _, _, index in draws]])


def loader(cohort: Cohort, cases: NDArray[np.intp], recipe: Recipe) -> tuple[DataLoader[Batch], Batches]:
    """Batches of these cases, by worker processes where the recipe wants them; set ``epoch`` before each."""
    batches = Batches(cases, cohort.truth[cases], recipe)
    workers = recipe.training.workers
    made: DataLoader[Batch] = DataLoader(
        Cases(cohort, recipe),
        batch_size=None,
        sampler=batches,
        num_workers=workers,
        persistent_workers=workers > 0,
        multiprocessing_context="spawn" if workers else None,
        worker_init_fn=_alone if workers else None,
        pin_memory=torch.cuda.is_available(),
    )
    return made, batches


def _alone(_: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def whole_batches(
    cohort: Cohort, cases: NDArray[np.intp], recipe: Recipe, crops: int
) -> Iterator[tuple[tuple[Tensor, ...], int]]:
    """The cases as the daemon's model sees them, some at a time, and how many rows each has."""
    kind, inputs = kind_of(recipe), cohort.inputs()
    for part in np.array_split(cases, -(-cases.size * crops // recipe.training.batch)):
        if part.size:
            made = [kind.whole(np.asarray(inputs[cohort.cases[i].row, 0]), cohort.emps[i], crops) for i in part]
            yield tuple(torch.from_numpy(np.concatenate(c)) for c in zip(*made, strict=True)), len(made[0][0])
