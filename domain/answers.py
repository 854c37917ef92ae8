"""What one bundle said of many ECGs, as columns: to be compared with another's."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from domain.finding import Output
from domain.mode import Mode
from domain.scores import Ints, Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A bundle of which answers are kept: how many, in which mode the last was, and from when until when."""

    model: str
    sha256: str
    mode: Mode
    output: Output
    answers: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """One row an ECG, ``[n]`` each, by ``finding``. ``critical``: whether it would alert.

    ``decided_us``, ``recorded_us``: microseconds since 1970 in UTC.
    """

    finding: Ints
    arrival: Ints
    decided_us: Ints
    recorded_us: Ints
    person: Words
    unit: Words
    value: NDArray[np.float64]
    level: Words
    critical: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.finding)

    def at(self, rows: NDArray[np.generic]) -> Self:
        """Only these rows."""
        columns: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(self)}
        kept: dict[str, Any] = {n: one.at(rows) if isinstance(one, Words) else one[rows] for n, one in columns.items()}
        return type(self)(**kept)
