"""When beats fall, and of which kind each is.

Sinus rhythm breathes (respiratory sinus arrhythmia) and jitters; in fibrillation the RR intervals are independent,
with a coefficient of variation near 0.24 (Tateno and Glass 2001, Med Biol Eng Comput 39:664, compare RR histograms of
fibrillation at all rates). A ventricular ectopic beat comes early and a compensatory pause follows: the sinus node runs
on undisturbed, so the beats around it stand two intervals apart.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.leads import Floats

CONDUCTED, ECTOPIC = 0, 1
_FIBRILLATION_CV = 0.24
_SHORTEST_RR_S = 0.30
_EARLY = (0.50, 0.72)  # coupling interval as a share of RR
_MEMORY = 0.3  # QT follows the mean rate, and the last interval by this share


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What decides when beats fall; ``breathing`` and ``variability`` are shares of RR, ``ectopic`` one of beats."""

    rate_bpm: float
    variability: float
    breathing: float
    fibrillation: bool
    ectopic: float


@dataclass(frozen=True, slots=True)
class Beats:
    """R peaks in s (some before the start and after the end), their kinds, the RR interval that rules each one's QT."""

    at_s: Floats
    kind: NDArray[np.int8]
    rr_s: Floats


def beats(pace: Pace, seconds: float, chance: np.random.Generator) -> Beats:
    """Draw the beats of a recording and of one interval on either side."""
    mean = 60 / pace.rate_bpm
    rows = list(_fallen(pace, mean, seconds, chance))
    at, kind, before = (np.array(column) for column in zip(*rows, strict=True))
    return Beats(at, kind.astype(np.int8), (1 - _MEMORY) * mean + _MEMORY * np.clip(before, 0.5 * mean, 1.5 * mean))


def only(beats: Beats, chosen: NDArray[np.bool_]) -> Beats:
    """Some of the beats."""
    return Beats(beats.at_s[chosen], beats.kind[chosen], beats.rr_s[chosen])


def _fallen(pace: Pace, mean: float, seconds: float, chance: np.random.Generator) -> Iterator[tuple[float, int, float]]:
    """Time, kind and interval before, of each beat."""
    at = -mean - mean * chance.uniform()
    breath_hz, turn = chance.uniform(0.18, 0.32), chance.uniform(0, 2 * np.pi)
    rr = mean
    while at < seconds + mean:
        yield at, CONDUCTED, rr
        rr = _interval(pace, mean, np.sin(2 * np.pi * breath_hz * at + turn), chance)
        if pace.ectopic and chance.uniform() < pace.ectopic:
            early = max(_SHORTEST_RR_S, float(chance.uniform(*_EARLY)) * mean)
            yield at + early, ECTOPIC, early
            at, rr = at + 2 * mean, 2 * mean - early
        else:
            at += rr


def _interval(pace: Pace, mean: float, breath: float, chance: np.random.Generator) -> float:
    if pace.fibrillation:
        shape = 1 / _FIBRILLATION_CV**2
        return max(_SHORTEST_RR_S, mean * float(chance.gamma(shape)) / shape)
    return mean * (1 + pace.breathing * breath + pace.variability * float(np.clip(chance.standard_normal(), -3, 3)))
