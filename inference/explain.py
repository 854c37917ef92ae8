"""Where a model looked, from the outputs of the pass that made its score: class activation maps in closed form.

Every network ends in an average over places and a linear head, so what each place adds to the output is known without
a backward pass (Zhou et al. 2016, CAM; with this ending Selvaraju et al.'s Grad-CAM is the same up to a constant).

    EIANet, ArrestNet   heat_p = ReLU(w . a_p)                      towards arrest
    ECG12Net            local_lt = o_l + w_l . (a_lt - mean_t a_lt)   mmol/L, whose mean over time is the lead's own o_l
                        pull_lt = 12 alpha_l (local_lt - 4.2)         whose mean over leads and time is estimate - 4.2
                        heat_lt = ReLU(+-pull_lt)                     upwards where the estimate is 4.2 or above

With the linear head local_lt = w_l . a_lt + b_l exactly. The ordinal head's potassium is 1.5 + 0.1 sum_k s_k, s_k =
sigmoid(w_k . a + b_k); its derivative by the features is 0.1 sum_k s_k (1 - s_k) w_k, and that, at the lead's own
output, takes the place of w_l: first order, so where a lead says the bound itself its heat is flat. 4.2 mmol/L is the
middle of normal: an absolute activation would colour every place by the bias the training happened to choose. What
EMPNet adds has no place in time and is left out; the direction is that of the whole estimate.

A cell of a map is a blur: the centre of its receptive field, where it is drawn, is exact for untrained weights only.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from domain.ecg import LEADS, Ecg
from domain.explanation import SHOWN, Direction, Explanation, LeadHeat, PictureHeat
from inference.crops import starts
from inference.ecg12net import CROP
from inference.manifest import Architecture, ArrestNetArchitecture, EiaNetArchitecture

REFERENCE = 4.2
"""mmol/L: the middle of normal potassium."""
FAINTEST = 0.5
"""mmol/L: a pull weaker than this everywhere is not stretched to full heat, or a normal ECG would look alarming."""
STEP = 8
"""Samples a cell of a ``LeadHeat``: 16 ms, finer than any map."""

# Centres of receptive fields: every convolution here pads to its middle, so with stride 2 output i lies over input 2 i;
# an average of pairs lies between them, 2 i + 0.5. EIANet halves five times, ArrestNet likewise; ECG12Net averages five
# times after its stem: 2 (2^5 - 1) / 2 = 31. Its strided units lie at 64 i, but carry little of the gradient.
EIANET_STRIDE = 32
ARRESTNET_STRIDE = 32
ECG12NET_STRIDE, ECG12NET_FIRST = 64, 31

Array = NDArray[np.float32]
Ranges = Mapping[str, Sequence[tuple[int, int]]]
"""Lead -> sample ranges ``(start, stop)``."""


def explain(architecture: Architecture, ecg: Ecg, outputs: tuple[Array, ...]) -> Explanation | None:
    """Make a model's explanation of one ECG from its outputs; ``None`` when they are not finite."""
    if not all(np.isfinite(output).all() for output in outputs):
        return None
    if isinstance(architecture, EiaNetArchitecture):
        shape = architecture.input_height, architecture.input_width
        return picture_heat(outputs[1][0], shape, ecg.picture.shape[:2])
    samples = ecg.signal.shape[1]
    if isinstance(architecture, ArrestNetArchitecture):
        return recording_heat(outputs[1][0], samples)
    estimates, _, attention, local = outputs
    return lead_heat(starts(ecg.signal, architecture.crops), samples, float(estimates.mean()), attention, local)


def picture_heat(heat: Array, looked_at: tuple[int, ...], picture: tuple[int, ...]) -> PictureHeat:
    """Place EIANet's map ``[h, w]`` of a ``looked_at`` (height, width) input on a ``picture`` of another size."""
    scale = tuple(there / here for there, here in zip(picture, looked_at, strict=True))
    return PictureHeat(
        cells=_to_its_maximum(heat, 0.0),
        first_px=(scale[0] / 2 - 0.5, scale[1] / 2 - 0.5),  # the first pixel's centre, as resizing has it
        step_px=(EIANET_STRIDE * scale[0], EIANET_STRIDE * scale[1]),
    )


def recording_heat(heat: Array, samples: int) -> LeadHeat:
    """Place ArrestNet's map over time ``[t]`` on the recording: the same in every lead, for it tells none apart."""
    centres = np.arange(heat.size) * ARRESTNET_STRIDE
    row = np.interp(_middles(samples), centres, heat).astype(np.float32)
    cells = np.repeat(_to_its_maximum(row, 0.0)[np.newaxis], len(LEADS), axis=0)
    return LeadHeat(cells=cells, step=STEP, resolution=ARRESTNET_STRIDE, direction=Direction.ARREST)


def lead_heat(at: NDArray[np.intp], samples: int, estimate: float, attention: Array, local: Array) -> LeadHeat:
    """Place ECG12Net's maps on the recording, averaged where crops overlap.

    ``at`` ``[crops, 12]``: where each crop starts; ``attention`` ``[crops, 12]``; ``local`` ``[crops, 12, t]``, mmol/L.
    """
    direction, sign = (Direction.HIGH, 1) if estimate >= REFERENCE else (Direction.LOW, -1)
    pull = sign * len(LEADS) * attention[:, :, np.newaxis] * (local - REFERENCE)
    centres = ECG12NET_FIRST + np.arange(local.shape[2]) * ECG12NET_STRIDE
    middles = _middles(samples)
    total, seen = np.zeros((len(LEADS), middles.size)), np.zeros((len(LEADS), middles.size), int)
    for (crop, lead), start in np.ndenumerate(at):
        inside = (middles >= start) & (middles < start + CROP)
        total[lead, inside] += np.interp(middles[inside] - start, centres, pull[crop, lead])
        seen[lead] += inside
    heat = np.where(seen > 0, np.maximum(total, 0) / np.maximum(seen, 1), np.nan).astype(np.float32)
    return LeadHeat(
        cells=_to_its_maximum(heat, FAINTEST),
        step=STEP,
        resolution=ECG12NET_STRIDE,
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


def _to_its_maximum(heat: Array, least: float) -> Array:
    """By the hottest place, or by ``least`` where that is fainter."""
    highest = max(float(np.nanmax(heat, initial=0)), least)
    return np.asarray(heat / highest if highest else heat, np.float32)
