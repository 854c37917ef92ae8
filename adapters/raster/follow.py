"""Following every row's trace through the ink, from column to column: the least-cost path over runs of ink."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from adapters.raster.strokes import Runs

_JUMP_MM = 1.0  # cost of each mm between the ends of two runs that follow one another
_DRIFT_MM = 0.01  # and of each mm between their middles
_AWAY = 0.5  # cost a mm of width, at a row's distance from the row's own level
_COAST = 0.5  # likewise for going on without ink
_MOST_GAP_MM = 80.0  # a lead that was not drawn
_MOST_STATES = 40

Index = NDArray[np.int64]
Cost = NDArray[np.float64]


@dataclass(slots=True)
class _Front:
    """Where paths may stand after a column: ``run`` of each state, for how long without ink, at what cost a row."""

    rows: int
    run: Index = field(default_factory=lambda: np.empty(0, np.int64))
    age: Index = field(default_factory=lambda: np.empty(0, np.int64))
    cost: Cost = field(init=False)
    least: Cost = field(init=False)  # of ending a path, so far
    ends: Index = field(init=False)  # [rows, 2]: column and state of that end
    steps: list[tuple[Index, Index]] = field(default_factory=list)  # run of each state, state before it a row

    def __post_init__(self) -> None:
        self.cost = np.empty((self.rows, 0))
        self.least = np.full(self.rows, np.inf)
        self.ends = np.full((self.rows, 2), -1)


def follow(runs: Runs, levels: NDArray[np.float64], px_mm: float) -> Index:
    """Return ``[rows, columns]``: the run that each row's trace takes in each column, -1 where it takes none.

    ``levels``: a row's usual height, px, ascending.
    """
    width = runs.first.size - 1
    spacing = float(np.min(np.diff(levels))) if levels.size > 1 else 30 * px_mm
    away = _AWAY / px_mm * ((runs.middle - levels[:, None]) / spacing) ** 2
    front = _Front(levels.size)
    for x in range(width):
        _step(front, runs, np.arange(runs.first[x], runs.first[x + 1]), x, away, px_mm)
        _end(front, runs.first[x + 1] - runs.first[x], x, _COAST / px_mm * (width - 1 - x))
    return _traced(front, runs)


def _step(front: _Front, runs: Runs, here: Index, x: int, away: Cost, px_mm: float) -> None:
    before = front.run
    fresh = _COAST / px_mm * x + away[:, here]
    back = np.full(fresh.shape, -1)
    coasting = np.arange(before.size)
    if before.size and here.size:
        above = runs.top[here] - runs.bottom[before][:, None]
        below = runs.top[before][:, None] - runs.bottom[here]
        gap = np.maximum(above, below)
        move = np.maximum(gap - 1.0, 0.0) * (_JUMP_MM / px_mm)
        move += np.abs(runs.middle[here] - runs.middle[before][:, None]) * (_DRIFT_MM / px_mm)
        through = front.cost[:, :, None] + move
        best = through.argmin(axis=1)
        least = np.take_along_axis(through, best[:, None, :], axis=1)[:, 0, :] + away[:, here]
        back = np.where(least < fresh, best, -1)
        fresh = np.minimum(least, fresh)
        coasting = np.flatnonzero((gap > 1.5).all(axis=1) | (front.age > 0))
    coasting = coasting[front.age[coasting] < _MOST_GAP_MM * px_mm]
    if coasting.size > _MOST_STATES:
        coasting = coasting[np.argsort(front.cost[:, coasting].min(axis=0))[:_MOST_STATES]]
    waiting = front.cost[:, coasting] + _COAST / px_mm + away[:, before[coasting]]
    front.run = np.concatenate((here, before[coasting]))
    front.age = np.concatenate((np.zeros(here.size, np.int64), front.age[coasting] + 1))
    front.cost = np.concatenate((fresh, waiting), axis=1)
    front.steps.append((front.run, np.concatenate((back, np.tile(coasting, (front.rows, 1))), axis=1)))


def _end(front: _Front, inked: int, x: int, rest: float) -> None:
    if not inked:
        return
    state = front.cost[:, :inked].argmin(axis=1)
    total = front.cost[np.arange(front.rows), state] + rest
    better = total < front.least
    front.least[better] = total[better]
    front.ends[better] = np.column_stack((np.full(front.rows, x), state))[better]


def _traced(front: _Front, runs: Runs) -> Index:
    column = runs.column
    found = np.full((front.rows, len(front.steps)), -1)
    for row, (x, state) in enumerate(front.ends.tolist()):
        while x >= 0 and state >= 0:
            run, back = front.steps[x]
            if column[run[state]] == x:
                found[row, x] = run[state]
            state, x = int(back[row, state]), x - 1
    return found
