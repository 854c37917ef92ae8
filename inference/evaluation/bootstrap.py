"""95 % intervals by resampling patients: a patient's ECGs are not independent of one another."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int32]
Statistic = Callable[[Counts], Mapping[str, Floats]]
"""From how often each patient was drawn, ``[b, patients]``, to each metric ``[b]``; NaN where it is undefined."""

RESAMPLES = 10_000  # as ECG12Net's paper
_CELLS = 200_000  # draws held at once: what a processor keeps near, far below 200 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """``value``, 95 % percentile ``interval`` (``None`` where undefined), and how many resamples were ``left_out``."""

    value: Mapping[str, float | None]
    interval: Mapping[str, tuple[float, float] | None]
    left_out: Mapping[str, int]

    def named(self, names: Iterable[str]) -> dict[str, Any]:
        """Figures as JSON has them: each beside its ``_ci`` ``[low, high]``; names that were not measured are left."""
        found: dict[str, Any] = {}
        for name in names:
            if name in self.value:
                interval = self.interval[name]
                found |= {name: self.value[name], f"{name}_ci": list(interval) if interval else None}
        return found


def together(*parts: Statistic) -> Statistic:
    """Several statistics as one."""
    return lambda counts: {name: value for part in parts for name, value in part(counts).items()}


def estimate(statistic: Statistic, patients: int, rows: int, resamples: int, seed: int) -> Estimates:
    """Every metric on the data as they are, with intervals from ``resamples`` drawings of patients."""
    whole = statistic(np.ones((1, patients), np.int32))
    parts = [statistic(counts) for counts in drawn(patients, rows, resamples, seed)]
    found = {name: np.concatenate([part[name] for part in parts]) if parts else np.empty(0) for name in whole}
    return Estimates(
        value={name: _finite(float(value[0])) for name, value in whole.items()},
        interval={
            name: _interval(found[name]) if _finite(float(whole[name][0])) is not None else None for name in whole
        },
        left_out={name: int((~np.isfinite(values)).sum()) for name, values in found.items()},
    )


def drawn(patients: int, rows: int, resamples: int, seed: int) -> Iterator[Counts]:
    """Batches ``[b, patients]`` of how often each patient was drawn: ``patients`` draws with replacement a resample."""
    rng = np.random.default_rng(seed)
    batch = max(1, _CELLS // max(patients, rows))
    for start in range(0, resamples, batch):
        size = min(batch, resamples - start)
        cells = rng.integers(0, patients, (size, patients)) + np.arange(size)[:, None] * patients
        yield np.bincount(cells.ravel(), minlength=size * patients).reshape(size, patients).astype(np.int32)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _interval(values: Floats) -> tuple[float, float] | None:
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return None
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)
