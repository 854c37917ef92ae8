"""Models' answers as columns: what thresholds are tried on."""

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Places = NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Words:
    """A column of words: ``names[codes[row]]``."""

    codes: Places
    names: tuple[str, ...]

    def at(self, rows: NDArray[np.generic]) -> Self:
        """Only these rows."""
        return type(self)(codes=self.codes[rows], names=self.names)

    def which(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether each row's word is chosen, given that for each name."""
        found: NDArray[np.bool_] = chosen[self.codes] if len(self.names) else np.zeros(0, np.bool_)
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """One row a model's answer, ``[n]`` each, in the order in which they were written (``id``).

    ``decided_us``, ``recorded_us``: microseconds since 1970 in UTC. ``person``: ``""`` where not identified.
    ``age_years``: NaN where not known.
    """

    id: Ints
    arrival: Ints
    decided_us: Ints
    recorded_us: Ints
    person: Words
    unit: Words
    age_years: NDArray[np.float64]
    device: Words
    door: Words
    paced: NDArray[np.bool_]
    model: Words
    mode: Words
    value: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.id)

    def at(self, rows: NDArray[np.generic]) -> Self:
        """Only these rows."""
        columns: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(self)}
        kept: dict[str, Any] = {
            name: one.at(rows) if isinstance(one, Words) else one[rows] for name, one in columns.items()
        }
        return type(self)(**kept)
