"""Where a model's heat falls on simulated ECGs, whose waves are known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters import formats, overlay
from adapters.recording import Recording
from domain.ecg import LEADS, RATE_HZ, Ecg
from domain.explanation import Explanation
from domain.finding import Output, Score
from inference.explain import share_inside
from inference.scorer import Scorer
from simulator.heart import Heart
from simulator.leads import twelve
from simulator.trace import Waves, traced

Segment = Callable[[Waves], NDArray[np.integer]]
"""Waves -> start and end in samples of each beat's segment, ``[beats, 2]``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Medians over simulated ECGs: share of shown heat inside the segments, and of samples, which chance would give."""

    heat: float
    chance: float


def shares(
    scorer: Scorer, output: Output, hearts: Sequence[Heart], segment: Segment, leads: Sequence[str] = LEADS
) -> Shares:
    """Score each heart's noiseless ECG and see where its heat falls in the segments of ``leads``, or of all."""
    found = []
    for seed, heart in enumerate(hearts):
        eight, waves = traced(heart, np.random.default_rng(seed))
        ecg = of_signal(twelve(eight))
        heat = overlay.on_samples(_explained(scorer, ecg, output), ecg)
        ranges = dict.fromkeys(leads, _whole(segment(waves), waves))
        found.append((share_inside(heat, ranges), share_inside(np.where(np.isnan(heat), heat, 1.0), ranges)))
    heat_share, chance = np.nanmedian(np.array(found), axis=0)
    return Shares(heat=float(heat_share), chance=float(chance))


def _whole(segments: NDArray[np.integer], waves: Waves) -> list[tuple[int, int]]:
    return [(int(start), int(stop)) for start, stop in segments[waves.kind == 0] if start >= 0]


def of_signal(signal: NDArray[np.float32]) -> Ecg:
    """An Ecg of ``[12, n]`` in mV at 500 Hz, through the same measuring, judging and drawing as any."""
    leads = {lead: row.astype(np.float64) for lead, row in zip(LEADS, signal, strict=True)}
    return formats.complete(Recording(leads=leads, rate_hz=float(RATE_HZ), format="simulated"))


def _explained(scorer: Scorer, ecg: Ecg, output: Output) -> Explanation:
    (answer,) = (answer for answer in scorer.score(ecg) if answer.output is output)
    if not isinstance(answer, Score) or answer.explanation is None:
        raise ValueError(f"no explanation of {output}")
    return answer.explanation
