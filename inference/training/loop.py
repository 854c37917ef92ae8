"""The training loop, one for every kind of network.

After each epoch everything that decides the next is on disk. On a CPU, with the same number of threads, a training that
was killed and goes on ends with the same weights, bit for bit, as one that was not.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from domain.errors import Permanent
from domain.reason import Reason
from inference.models import model_of
from inference.training import checkpoint
from inference.training.batches import loader, sampled_truth
from inference.training.cohort import Cohort
from inference.training.device import Device, raw_estimates
from inference.training.initial import initial_weights
from inference.training.measures import measured
from inference.training.objective import objective_of
from inference.training.progress import Reporter
from inference.training.recipe import Recipe
from inference.training.schedule import factor
from inference.training.split import Parts

DESCENDING = ("mae", "loss")
"""Metrics of which less is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """A line of history.csv; times in seconds, ``waiting_s`` the share spent on preparing batches."""

    epoch: int
    learning_rate: float
    loss: float
    validation_loss: float
    metric: float
    seconds: float
    waiting_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The best epoch's weights, and how it came to them."""

    weights: dict[str, Tensor]
    best: int
    history: tuple[Epoch, ...]
    threads: int
    device: str


class Trainer:
    """One training: a recipe, its cohort, a folder for checkpoints."""

    def __init__(
        self, recipe: Recipe, cohort: Cohort, parts: Parts, folder: Path, identity: str, reporter: Reporter
    ) -> None:
        self._recipe, self._cohort, self._parts = recipe, cohort, parts
        self._folder, self._identity, self._reporter = folder, identity, reporter
        self._device = Device()

    def run(self, threads: int) -> Trained:
        """Train to the end, from the checkpoint where there is one."""
        kept = checkpoint.load(self._folder, self._identity)
        self._threads = kept["threads"] if kept else threads
        _make_exact(self._threads, self._recipe.training.seed)
        self._build()
        history, best = self._resume(kept) if kept else ([], None)
        self._loader, self._batches = loader(self._cohort, self._parts.train, self._recipe)
        while len(history) < self._recipe.training.epochs and not self._settled(history):
            history.append(self._epoch(len(history) + 1, history))
            if best is None or self._better(history[-1].metric, history[best["epoch"] - 1].metric):
                best = {"epoch": len(history), "weights": _copied(self._network)}
            self._save(history, best)
            self._reporter.say(_line(history[-1], self._recipe, best["epoch"]))
        assert best is not None
        return Trained(
            weights=best["weights"],
            best=best["epoch"],
            history=tuple(history),
            threads=self._threads,
            device=self._device.torch.type,
        )

    def _build(self) -> None:
        how = self._recipe.training
        self._network: Any = model_of(self._recipe.model).build()
        self._objective = objective_of(self._recipe)
        self._objective.start(
            self._network, torch.from_numpy(sampled_truth(self._recipe, self._cohort, self._parts.train))
        )
        if how.init:
            self._reporter.say(initial_weights(self._network, how.init))
        self._device.take(self._network)
        self._objective.to(self._device.torch)
        optimizer = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[how.optimizer]
        self._optimizer = optimizer(
            self._network.parameters(), lr=how.learning_rate, weight_decay=how.weight_decay, fused=True
        )

    def _resume(self, kept: dict[str, Any]) -> tuple[list[Epoch], dict[str, Any]]:
        self._network.load_state_dict(kept["network"])
        self._optimizer.load_state_dict(kept["optimizer"])
        self._objective.load_state_dict(kept["objective"])
        torch.set_rng_state(kept["random"])
        history = [Epoch(**line) for line in kept["history"]]
        self._reporter.say(f"going on after epoch {len(history)}, with {self._threads} threads as it began")
        return history, kept["best"]

    def _save(self, history: list[Epoch], best: dict[str, Any]) -> None:
        state = {
            "identity": self._identity,
            "threads": self._threads,
            "network": self._network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "objective": self._objective.state_dict(),
            "random": torch.get_rng_state(),
            "history": [asdict(line) for line in history],
            "best": best,
        }
        checkpoint.save(self._folder, state)

    def _epoch(self, number: int, history: list[Epoch]) -> Epoch:
        began = time.perf_counter()
        self._batches.epoch = number
        losses: list[Tensor] = []
        waiting = 0.0
        with self._reporter.following(f"epoch {number}", len(self._batches)) as step:
            for place, (batch, waited) in enumerate(_timed(iter(self._loader))):
                waiting += waited
                rate = self._set_rate(number - 1 + place / len(self._batches), history)
                losses.append(self._learn(*batch))
                step(1, f"loss {float(losses[-1]):.4f}" if place % 10 == 0 else "")
        loss = float(torch.stack(losses).mean())
        if not np.isfinite(loss):
            raise Permanent(Reason.MODEL_OUTPUT_INVALID, f"the loss of epoch {number} is no number: learn more slowly")
        spent = time.perf_counter() - began
        line = Epoch(
            epoch=number,
            learning_rate=rate,
            loss=loss,
            validation_loss=0.0,
            metric=0.0,
            seconds=round(spent, 3),
            waiting_s=round(waiting, 3),
        )
        return self._validated(line)

    def _learn(self, inputs: tuple[Tensor, ...], truth: Tensor) -> Tensor:
        """One step; the loss stays on the device, so that nothing waits for it."""
        self._network.train()
        self._objective.train()
        self._optimizer.zero_grad(set_to_none=True)
        with self._device.precision(self._recipe):
            loss = self._objective(self._network, self._device.given(inputs), self._device.given((truth,))[0])
        loss.backward()
        if self._recipe.training.clip_norm:
            nn.utils.clip_grad_norm_(self._network.parameters(), self._recipe.training.clip_norm)
        self._optimizer.step()
        return loss.detach()  # type: ignore[no-any-return]

    def _set_rate(self, epoch: float, history: list[Epoch]) -> float:
        how = self._recipe.training
        rate = how.learning_rate * factor(how, epoch, [line.validation_loss for line in history])
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        return rate

    def _validated(self, line: Epoch) -> Epoch:
        with self._device.precision(self._recipe):
            raw = raw_estimates(
                self._network, self._cohort, self._parts.validation, self._recipe, self._device, crops=1
            )
        truth = self._cohort.truth[self._parts.validation].astype(np.float64)
        loss = float(self._objective.loss_of(torch.from_numpy(raw), torch.from_numpy(truth)))
        name = self._recipe.metric
        metric = loss if name == "loss" else measured(name, self._recipe.output, truth, raw)
        return replace(line, validation_loss=loss, metric=metric)

    def _better(self, new: float, old: float) -> bool:
        if np.isnan(old) or np.isnan(new):
            return bool(np.isnan(old) and not np.isnan(new))
        return new < old if self._recipe.metric in DESCENDING else new > old

    def _settled(self, history: list[Epoch]) -> bool:
        patience = self._recipe.training.patience
        if patience is None or not history:
            return False
        best = 0
        for place, line in enumerate(history):
            best = place if self._better(line.metric, history[best].metric) else best
        return len(history) - 1 - best >= patience


def _timed(batches: Iterator[Any]) -> Iterator[tuple[Any, float]]:
    """Each batch, and how long it was waited for."""
    while True:
        began = time.perf_counter()
        batch = next(batches, None)
        if batch is None:
            return
        yield batch, time.perf_counter() - began


def _make_exact(threads: int, seed: int) -> None:
    """The same numbers every time, on the same machine with as many threads."""
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)


def _copied(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in network.state_dict().items()}


def _line(epoch: Epoch, recipe: Recipe, best: int) -> str:
    waiting = epoch.waiting_s / max(epoch.seconds, 1e-9)
    return (
        f"epoch {epoch.epoch}/{recipe.training.epochs}: loss {epoch.loss:.4f}, validation loss "
        f"{epoch.validation_loss:.4f}, {recipe.metric} {epoch.metric:.4f} (best in epoch {best}), "
        f"{epoch.seconds:.1f} s, {waiting:.0%} of it for batches"
    )
