"""ECGs drawn by a formula: bumps where P, QRS and T would be."""

from collections.abc import Callable

import numpy as np
import pytest

import inference
from adapters.paper import draw
from domain.ecg import Defect, Ecg, Origin

assert inference  # before torch: it tells OpenMP not to spin, which tests on shared cores feel most


def beats(*, rate_bpm: float = 70, seconds: float = 10, tall: float = 1.0) -> np.ndarray:
    t = np.arange(int(seconds * 500)) / 500
    phase = t % (60 / rate_bpm)
    bumps = ((0.12, 0.025, 0.12), (0.26, 0.010, -0.1), (0.30, 0.014, 1.0), (0.34, 0.012, -0.2), (0.55, 0.05, 0.3))
    wave = sum(height * np.exp(-(((phase - at) / size) ** 2)) for at, size, height in bumps)
    return (np.linspace(-0.8, 1.5, 12)[:, None] * wave * tall).astype(np.float32)


@pytest.fixture
def make_ecg() -> Callable[..., Ecg]:
    def make(signal: np.ndarray | None = None, *, unfit: tuple[Defect, ...] = (), **how: float) -> Ecg:
        signal = beats(**how) if signal is None else signal
        origin = Origin(format="wfdb", digitised=False, native_rate_hz=500, native_samples=signal.shape[1])
        return Ecg(signal=signal, picture=draw(signal, 500), origin=origin, unfit=unfit)

    return make
