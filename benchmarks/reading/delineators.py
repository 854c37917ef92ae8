"""Delineators side by side: each takes ``[12, n]`` in mV at 500 Hz and gives every edge's places, in samples."""

import warnings
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from adapters.beats import find
from adapters.delineate import delineate
from adapters.median import median_beat
from benchmarks.reading.ludb import EDGES
from domain.ecg import RATE_HZ

Signal = NDArray[np.float32]
Edges = dict[str, NDArray[np.float64]]


def ours(signal: Signal) -> Edges:
    """Each edge of the median beat, laid on every beat it was made of; empty where it is left open."""
    found = find(signal, RATE_HZ)
    median = None if found.paced else median_beat(signal.astype(np.float64), found.places, RATE_HZ)
    waves = None if median is None else delineate(median)
    if median is None or waves is None:
        return {edge: np.empty(0) for edge in EDGES}
    at = {edge: getattr(waves, edge) for edge in EDGES}
    return {edge: np.array([] if to is None else median.places + to - median.centre, float) for edge, to in at.items()}


def neurokit(signal: Signal) -> Edges:
    """neurokit2's discrete wavelet delineator on each lead by itself, R peaks by its own finder on lead II."""
    import neurokit2

    cleaned = [neurokit2.ecg_clean(row.astype(np.float64), sampling_rate=RATE_HZ) for row in signal]
    _, found = neurokit2.ecg_peaks(cleaned[1], sampling_rate=RATE_HZ)
    keys = {
        "p_onset": "ECG_P_Onsets",
        "qrs_onset": "ECG_R_Onsets",
        "qrs_end": "ECG_R_Offsets",
        "t_end": "ECG_T_Offsets",
    }
    leads = []
    for row in cleaned:
        try:
            _, waves = neurokit2.ecg_delineate(row, found["ECG_R_Peaks"], sampling_rate=RATE_HZ, method="dwt")
        except (ValueError, IndexError, KeyError, ZeroDivisionError):  # it gives up on a lead
            continue
        leads.append(waves)
    return {edge: _consensus([np.asarray(lead[key], float) for lead in leads]) for edge, key in keys.items()}


def ecgdeli(signal: Signal) -> Edges:
    """ECGdeli's own consensus over the leads, after its own filters."""
    import ecgdeli

    found = ecgdeli.annotate(ecgdeli.filter_ecg(signal.T.astype(np.float64), RATE_HZ), RATE_HZ).consensus
    table, wave = np.asarray(found.positions, float), ecgdeli.Wave
    columns = {"p_onset": wave.P_ON, "qrs_onset": wave.QRS_ON, "qrs_end": wave.QRS_OFF, "t_end": wave.T_OFF}
    return {edge: table[:, column][table[:, column] >= 0] for edge, column in columns.items()}


def _consensus(leads: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Beat by beat the median over leads, which serves a single-lead delineator best."""
    if not leads:
        return np.empty(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a beat that no lead has
        middle: NDArray[np.float64] = np.nanmedian(np.array(leads), axis=0)  # a row a lead, a column a beat
    return middle[np.isfinite(middle)]


def delineators() -> dict[str, Callable[[Signal], Edges]]:
    """Ours, and the peers that are installed, by name."""
    peers = {"neurokit2": ("neurokit2 dwt", neurokit), "ecgdeli": ("ECGdeli", ecgdeli)}
    return {"ecgd": ours} | {name: read for module, (name, read) in peers.items() if find_spec(module)}
