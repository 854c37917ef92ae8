"""Whether a page's columns show the same seconds is told by its strip, though the rhythm be steady."""

import numpy as np
import pytest

from adapters.pages.timing import simultaneous

RATE = 500.0
STEADY = 2.5 / 3  # a column is three beats long: laid 2.5 s later, they stand together again


def strip(beats: np.ndarray) -> np.ndarray:
    time = np.arange(5000) / RATE
    return np.asarray(np.exp(-((time - beats[:, None]) ** 2) / (2 * 0.012**2)).sum(axis=0))


def cut(row: np.ndarray, starts: tuple[float, ...]) -> list[list[np.ndarray]]:
    return [[row[round(start * RATE) :][:1250]] for start in starts]


@pytest.mark.parametrize("same", [True, False])
def test_one_column_that_tells_is_enough(same: bool) -> None:
    beats = np.concatenate((0.3 + STEADY * np.arange(9), [7.6, 8.9, 9.3]))
    row = strip(beats)
    times = (0.0, 2.5, 5.0, 7.5)
    assert simultaneous(cut(row, (0.0,) * 4 if same else times), [row], times, RATE) is same


def test_a_wholly_steady_rhythm_tells_nothing() -> None:
    row = strip(0.3 + STEADY * np.arange(12))
    times = (0.0, 2.5, 5.0, 7.5)
    assert not simultaneous(cut(row, (0.0,) * 4), [row], times, RATE)
