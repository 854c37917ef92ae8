"""Edges of waves against LUDB's hand marks; the whole table is in docs/reading.md."""

from functools import cache

import numpy as np
import pytest
import wfdb

from adapters.beats import beats
from adapters.delineate import delineate
from adapters.median import median_beat
from adapters.signal import arrange
from adapters.wfdb import read_record
from domain.ecg import LEADS
from tests.adapters.objects import samples_folder

HELD_OUT = [n for n in range(51, 71) if n not in (51, 52)]  # fibrillation and flutter
MARKED = {"qrs_onset": ("N", 0), "qrs_end": ("N", 2), "t_end": ("t", 2), "p_onset": ("p", 0)}


@cache
def marks(number):
    """Every hand-marked wave: symbol -> rows of onset, peak, end, over all leads."""
    rows = {"p": [], "N": [], "t": []}
    for lead in LEADS:
        found = wfdb.rdann(str(samples_folder() / "ludb" / "data" / str(number)), lead.lower())
        for i in range(1, len(found.symbol) - 1):
            if found.symbol[i - 1] == "(" and found.symbol[i + 1] == ")" and found.symbol[i] in rows:
                rows[found.symbol[i]].append(found.sample[i - 1 : i + 2])
    return {symbol: np.array(value).reshape(-1, 3) for symbol, value in rows.items()}


@cache
def found(number):
    signal = arrange(read_record(samples_folder() / "ludb" / "data" / f"{number}.hea"))
    median = median_beat(signal.astype(np.float64), beats(signal, 500), 500)
    return median, delineate(median)


def error_ms(number, edge):
    """Ours less the median hand mark near it, of the median beat; NaN where either has none."""
    median, waves = found(number)
    symbol, column = MARKED[edge]
    ours = getattr(waves, edge)
    near = [mark - place for place in median.places for mark in marks(number)[symbol][:, column] if ours is not None]
    near = [at for at in near if abs(at - (ours - median.centre)) < 60]
    return 2 * (ours - median.centre - np.median(near)) if len(near) > 12 else np.nan


@pytest.mark.parametrize(
    ("edge", "mean_ms", "spread_ms"), [("qrs_onset", 5, 9), ("qrs_end", 5, 9), ("t_end", 8, 15), ("p_onset", 6, 10)]
)
def test_edges_lie_at_the_leads_median_hand_mark(edge, mean_ms, spread_ms):
    errors = np.array([error_ms(number, edge) for number in HELD_OUT])
    assert np.isfinite(errors).mean() >= 0.9
    assert abs(np.nanmean(errors)) <= mean_ms
    assert np.nanstd(errors) <= spread_ms


@pytest.mark.parametrize("number", [51, 83, 88, 96])
def test_fibrillation_has_no_p(number):
    assert found(number)[1].p_onset is None
    assert found(number)[1].p_end is None


def test_the_median_is_of_beats_alike():
    median, _ = found(38)  # ventricular extrasystoles among others
    assert len(median.places) >= 3
    assert median.beat.shape == (12, 575)
