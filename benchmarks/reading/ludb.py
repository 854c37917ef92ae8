"""LUDB's hand marks beat by beat, and how far an answer lies from them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import wfdb
from numpy.typing import NDArray

from domain.ecg import LEADS, RATE_HZ

Places = NDArray[np.float64]
Marks = list[dict[str, Places]]  # of a record, beat by beat

EDGES = {"p_onset": ("p", 0), "qrs_onset": ("N", 0), "qrs_end": ("N", 2), "t_end": ("t", 2)}
WHERE = {"p_onset": (-200, -5), "qrs_onset": (-75, 25), "qrs_end": (-25, 100), "t_end": (60, 350)}  # samples from R
FEWEST_LEADS, FEWEST_BEATS = 6, 2
_ONE_BEAT = 60  # samples: the leads' marks of one QRS lie within


def hand_marks(record: Path) -> Marks:
    """Beat by beat each edge's marks over the leads that have one, in samples; ``r``: the leads' QRS peaks."""
    rows = [_lead(record, lead.lower()) for lead in LEADS]
    peaks = np.sort(np.concatenate([row["r"] for row in rows]))
    beats = np.split(peaks, np.flatnonzero(np.diff(peaks) > _ONE_BEAT) + 1)
    centres = [float(np.median(beat)) for beat in beats if len(beat) >= FEWEST_LEADS]
    return [
        {"r": np.array([r])}
        | {edge: np.array([at for row in rows for at in _beat_s(row[edge], r, edge)]) for edge in EDGES}
        for r in centres
    ]


def _lead(record: Path, lead: str) -> dict[str, Places]:
    found = wfdb.rdann(str(record), lead)
    whole = [i for i in range(1, len(found.symbol) - 1) if (found.symbol[i - 1], found.symbol[i + 1]) == ("(", ")")]
    rows = {
        edge: np.array([found.sample[i - 1 + column] for i in whole if found.symbol[i] == symbol], float)
        for edge, (symbol, column) in EDGES.items()
    }
    return rows | {"r": np.array([found.sample[i] for i in whole if found.symbol[i] == "N"], float)}


def _beat_s(places: Places, r: float, edge: str) -> list[float]:
    """The place that belongs to the beat at ``r``: the last P before it, the first T after it."""
    inside = places[(places >= r + WHERE[edge][0]) & (places <= r + WHERE[edge][1])]
    return [float(inside[-1] if edge == "p_onset" else inside[0])] if len(inside) else []


def error_ms(found: Mapping[str, Places], beats: Marks, edge: str) -> tuple[float, float]:
    """How late a record's answers are, in ms: of the leads' median mark, of the outermost; NaN if none.

    The median over the beats that have both a mark in six leads and an answer, so that a record counts once.
    """
    rows = []
    for beat in beats:
        marks, answer = beat[edge], _beat_s(np.sort(found[edge]), float(beat["r"][0]), edge)
        if len(marks) >= FEWEST_LEADS and answer:
            outermost = marks.min() if edge.endswith("onset") else marks.max()
            rows.append((answer[0] - np.median(marks), answer[0] - outermost))
    if len(rows) < FEWEST_BEATS:
        return np.nan, np.nan
    middle, outer = np.median(np.array(rows), axis=0) * 1000 / RATE_HZ
    return float(middle), float(outer)


def marked(beats: Marks, edge: str) -> bool:
    """Whether a record's beats have the wave, by hand."""
    return sum(len(beat[edge]) >= FEWEST_LEADS for beat in beats) >= FEWEST_BEATS
