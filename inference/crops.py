"""ECG12Net's input: crops of each lead's own recording, and the eight ECG morphology parameters."""

import numpy as np
from numpy.typing import NDArray

from domain.ecg import LEADS, Ecg
from domain.errors import Rejected
from domain.reason import Reason
from inference.ecg12net import CROP

PREPROCESSING = "crops"
PREPROCESSING_VERSION = 1

EMPS = ("heart_rate_bpm", "pr_ms", "qrs_ms", "qt_ms", "qtc_ms", "p_axis_deg", "qrs_axis_deg", "t_axis_deg")


class Unscorable(Rejected):
    """An ECG that holds too little for a model; ``leads`` names where."""

    def __init__(self, reason: Reason, leads: tuple[str, ...]) -> None:
        super().__init__(reason)
        self.leads = leads


def crops(signal: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Cut ``[12, n]`` in mV, NaN where not recorded, into ``[count, 12, 1024]``; ``Unscorable`` where too short.

    Crop ``j`` of a lead stands at ``j / (count - 1)`` of that lead's longest recorded run, so that the average over
    crops sees all of it. Leads recorded together are cropped together; on a 3x4 page, where each lead has its own
    2.5 s, each is cropped from its own. A single crop is taken from the middle. Every crop is centred on its median,
    which is ours, not the paper's: an electrocardiograph is AC-coupled, so a lead's level means nothing.
    """
    cut = np.empty((count, len(LEADS), CROP), np.float32)
    for (j, lead), at in np.ndenumerate(starts(signal, count)):
        cut[j, lead] = signal[lead, at : at + CROP]
    return cut - np.median(cut, axis=2, keepdims=True)


def starts(signal: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """The sample at which each crop of each lead starts, ``[count, 12]``; ``Unscorable`` where too short."""
    runs = np.array([longest_run(row) for row in signal])
    room = runs[:, 1] - runs[:, 0] - CROP
    if short := tuple(lead for lead, left in zip(LEADS, room, strict=True) if left < 0):
        raise Unscorable(Reason.TOO_SHORT, short)
    places = np.linspace(0, 1, count) if count > 1 else np.array([0.5])
    return np.asarray(runs[:, 0] + (room * places[:, np.newaxis]).astype(np.intp), np.intp)


def longest_run(row: NDArray[np.float32]) -> tuple[int, int]:
    """The longest stretch without NaN or infinity as ``(start, stop)`` in samples; ``(0, 0)`` where there is none."""
    edges = np.diff(np.concatenate(([0], np.isfinite(row).astype(np.int8), [0])))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    if starts.size == 0:
        return 0, 0
    best = int(np.argmax(stops - starts))
    return int(starts[best]), int(stops[best])


def emps(ecg: Ecg) -> NDArray[np.float32]:
    """The eight EMPs ``[8]`` in the paper's order, NaN where unknown; the cart's before ours, as the paper's were."""
    pairs = ((getattr(ecg.reported, name), getattr(ecg.measured, name)) for name in EMPS)
    known = (ours if reported is None else reported for reported, ours in pairs)
    return np.array([np.nan if value is None else value for value in known], np.float32)
