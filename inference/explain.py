"""Where a model looked.

A network that ends in an average over places and a linear head says it with the score: what each place adds to the
output is known without a backward pass (Zhou et al. 2016, CAM; with this ending Selvaraju et al.'s Grad-CAM is the
same up to a constant).

    ArrestNet           heat_p = ReLU(w . a_p)                          towards arrest

A cell of EIANet's last map is a second of the stand-in's trace, one of ECG12Net's sees nearly all of its crop: such
maps do not lie on the wave that made them hot. One backward pass (``inference.gradient``) tells it nearer to the input,
in ECG12Net down to the samples of a crop about its lead's median:

    EIANet              heat_p = ReLU(sum_k a_kp d(logit) / d(a_kp))    a: the first attention's output
    ECG12Net            moved_lt = x_lt d(potassium) / d(x_lt)          by its greatest, over 40 ms
                        heat_lt = ReLU(+-moved_lt)                      upwards where the estimate is 4.2 or above

4.2 mmol/L is the middle of normal. What EMPNet adds has no place in time; the direction is that of the whole estimate.
A cell of EIANet's map is a blur: the centre of its receptive field, where it is drawn, is exact for untrained weights
only.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from torch import nn

from domain.ecg import LEADS, RATE_HZ, Ecg
from domain.explanation import SHOWN, Direction, Explanation, LeadHeat, PictureHeat
from inference.crops import starts
from inference.ecg12net import CROP, ECG12Net
from inference.ecg12net_heat import Ecg12NetHeat
from inference.eianet import EIANet
from inference.eianet_heat import STRIDE, EiaNetHeat
from inference.manifest import Architecture, ArrestNetArchitecture, Ecg12NetArchitecture, EiaNetArchitecture

REFERENCE = 4.2
"""mmol/L: the middle of normal potassium."""
FAINTEST = 0.5
"""mmol/L: an estimate nearer to normal fades its heat by as much, or a normal ECG would look alarming."""
STEP = 8
"""Samples a cell of a ``LeadHeat``: 16 ms, finer than any map."""
SMOOTH_S = 0.04
"""Standard deviation in s: single samples of a gradient are noise."""

# Centres of receptive fields: every convolution here pads to its middle, so with stride 2 output i lies over input 2 i.
ARRESTNET_STRIDE = 32  # halved five times

Array = NDArray[np.float32]
Ranges = Mapping[str, Sequence[tuple[int, int]]]
"""Lead -> sample ranges ``(start, stop)``."""


class Explainer(Protocol):
    """Makes a model's explanation of one ECG."""

    def __call__(self, ecg: Ecg, outputs: tuple[Array, ...]) -> Explanation | None:
        """From what the network answered; ``None`` when that is not finite."""


def explained(network: nn.Module) -> nn.Module:
    """The network with whatever its explainer needs among its outputs, the first ones the same."""
    match network:
        case EIANet():
            return EiaNetHeat(network)
        case ECG12Net():
            return Ecg12NetHeat(network)
        case _:
            return network


def explainer_of(architecture: Architecture) -> Explainer:
    """The explainer of an ``explained`` network."""
    if isinstance(architecture, EiaNetArchitecture):
        return _OnPicture((architecture.input_height, architecture.input_width))
    if isinstance(architecture, ArrestNetArchitecture):
        return _OnRecording()
    return _OnLeads(architecture)


class _OnPicture:
    def __init__(self, shape: tuple[int, int]) -> None:
        self._shape = shape

    def __call__(self, ecg: Ecg, outputs: tuple[Array, ...]) -> Explanation | None:
        _, heat = outputs
        return picture_heat(heat[0], self._shape, ecg.picture.shape[:2]) if np.isfinite(heat).all() else None


class _OnRecording:
    def __call__(self, ecg: Ecg, outputs: tuple[Array, ...]) -> Explanation | None:
        _, heat = outputs
        return recording_heat(heat[0], ecg.signal.shape[1]) if np.isfinite(heat).all() else None


class _OnLeads:
    def __init__(self, architecture: Ecg12NetArchitecture) -> None:
        self._crops = architecture.crops

    def __call__(self, ecg: Ecg, outputs: tuple[Array, ...]) -> Explanation | None:
        estimates, _, attention, moved = outputs
        if not all(np.isfinite(values).all() for values in (estimates, attention, moved)):
            return None
        at = starts(ecg.signal, self._crops)
        return lead_heat(at, ecg.signal.shape[1], float(estimates.mean()), attention, moved)


def picture_heat(heat: Array, looked_at: tuple[int, ...], picture: tuple[int, ...]) -> PictureHeat:
    """Place EIANet's map ``[h, w]`` of a ``looked_at`` (height, width) input on a ``picture`` of another size."""
    scale = tuple(there / here for there, here in zip(picture, looked_at, strict=True))
    return PictureHeat(
        cells=_to_its_maximum(heat),
        first_px=(scale[0] / 2 - 0.5, scale[1] / 2 - 0.5),  # the first pixel's centre, as resizing has it
        step_px=(STRIDE * scale[0], STRIDE * scale[1]),
    )


def recording_heat(heat: Array, samples: int) -> LeadHeat:
    """Place ArrestNet's map over time ``[t]`` on the recording: the same in every lead, for it tells none apart."""
    centres = np.arange(heat.size) * ARRESTNET_STRIDE
    row = np.interp(_middles(samples), centres, heat).astype(np.float32)
    cells = np.repeat(_to_its_maximum(row)[np.newaxis], len(LEADS), axis=0)
    return LeadHeat(cells=cells, step=STEP, resolution=ARRESTNET_STRIDE, direction=Direction.ARREST)


def lead_heat(at: NDArray[np.intp], samples: int, estimate: float, attention: Array, moved: Array) -> LeadHeat:
    """Place on the recording what ECG12Net's samples moved, averaged where crops overlap.

    ``at`` ``[crops, 12]``: where each crop starts; ``attention`` ``[crops, 12]``; ``moved`` ``[crops, 12, 1024]``,
    in a unit of its own.
    """
    direction, sign = (Direction.HIGH, 1) if estimate >= REFERENCE else (Direction.LOW, -1)
    smooth = gaussian_filter1d(sign * moved, SMOOTH_S * RATE_HZ, axis=2, mode="constant")
    total, seen = np.zeros((len(LEADS), samples)), np.zeros((len(LEADS), samples), int)
    for (crop, lead), start in np.ndenumerate(at):
        total[lead, start : start + CROP] += smooth[crop, lead]
        seen[lead, start : start + CROP] += 1
    heat = np.where(seen > 0, np.maximum(total, 0) / np.maximum(seen, 1), np.nan).astype(np.float32)
    strength = min(1.0, abs(estimate - REFERENCE) / FAINTEST)
    return LeadHeat(
        cells=_to_its_maximum(heat[:, np.minimum(_middles(samples).astype(int), samples - 1)]) * np.float32(strength),
        step=STEP,
        resolution=round(2 * SMOOTH_S * RATE_HZ),
        direction=direction,
        attention=attention.mean(axis=0, dtype=np.float32),
    )


def share_inside(heat: Array, segments: Ranges, *, above: float = SHOWN) -> float:
    """How much of the heat ``[12, n]`` at ``above`` or more lies in ``segments``: 0 to 1, NaN where there is none.

    ``heat`` is that of each sample, NaN where unknown (``LeadHeat.samples``, or a picture's read out along its traces).
    The share of samples inside, which is what a map that knows nothing scores, is that of a heat of ones.
    """
    counted = np.nan_to_num(heat.astype(np.float64))
    counted[counted < above] = 0
    inside = np.zeros(heat.shape, bool)
    for lead, ranges in segments.items():
        for start, stop in ranges:
            inside[LEADS.index(lead), max(0, start) : stop] = True
    whole = float(counted.sum())
    return float((counted * inside).sum()) / whole if whole else float("nan")


def _middles(samples: int) -> NDArray[np.float64]:
    return np.arange(-(-samples // STEP), dtype=np.float64) * STEP + (STEP - 1) / 2


def _to_its_maximum(heat: Array) -> Array:
    highest = float(np.nanmax(heat, initial=0))
    return np.asarray(heat / highest if highest else heat, np.float32)
