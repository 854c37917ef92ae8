"""Which strokes are ECG traces, whole, however many paths they were drawn with."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from adapters.pages.ink import Points, Stroke

_LEAST_POINTS = 40
_LEAST_WIDTH_PT = 50.0
_LEAST_SHARE = 0.12  # of the widest trace: a column of a 3x4 page is 0.25 of its rhythm strip
_JUMP_PT = 60.0  # a step between chunks of one trace: an R wave's upstroke at most


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """A line running from left to right. ``starts``: x at which a new path began, the first included."""

    points: Points
    starts: tuple[float, ...]
    x0: float
    x1: float
    level: float  # its usual height on the page, near its baseline
    step: float  # usual distance between its points

    @classmethod
    def of(cls, points: Points, starts: tuple[float, ...] = ()) -> Self:
        """Measure a line once."""
        x0, x1 = float(points[0, 0]), float(points[-1, 0])
        level = float(np.median(points[:, 1]))
        return cls(points, starts or (x0,), x0, x1, level, median_step(points[:, 0]))


def median_step(x: NDArray[np.float64]) -> float:
    """Return the usual positive step of ``x``, or 0."""
    steps = np.diff(x)
    steps = steps[steps > 1e-3]
    return float(np.median(steps)) if steps.size else 0.0


def find_traces(strokes: Iterable[Stroke]) -> tuple[Trace, ...]:
    """Find the traces of a page, from left to right; grids, frames, logos and calibration pulses are left behind."""
    by_style: dict[tuple[object, ...], list[Trace]] = defaultdict(list)
    for stroke in strokes:
        piece = _rightwards(stroke)
        if piece is not None:
            by_style[stroke.style].append(piece)
    whole = (_bare(trace) for pieces in by_style.values() for trace in _joined(pieces))
    traces = _once([trace for trace in whole if len(trace.points) >= _LEAST_POINTS])
    widest = max((trace.x1 - trace.x0 for trace in traces), default=0.0)
    least = max(_LEAST_WIDTH_PT, _LEAST_SHARE * widest)
    return tuple(sorted((t for t in traces if t.x1 - t.x0 >= least), key=lambda trace: trace.x0))


def _rightwards(stroke: Stroke) -> Trace | None:
    """Return the stroke as a piece of trace when it runs in one horizontal direction; most of a page does not."""
    points = stroke.points
    if len(points) < 3 or "s" not in stroke.style[0]:
        return None
    if points[-1, 0] < points[0, 0]:
        points = points[::-1]
    steps = np.diff(points[:, 0])
    width = points[-1, 0] - points[0, 0]
    if width <= 0 or steps.min() < -0.02 * width - 0.02 or (steps < -0.02).mean() > 0.01:
        return None
    return Trace.of(points)


def _joined(pieces: list[Trace]) -> list[Trace]:
    """Join chunks: each goes on from the nearest trace that ends where it begins."""
    chains: list[list[Trace]] = []
    for piece in sorted(pieces, key=lambda trace: trace.x0):
        ends = [(abs(chain[-1].points[-1, 1] - piece.points[0, 1]), chain) for chain in chains if _meets(chain, piece)]
        distance, nearest = min(ends, key=lambda end: end[0], default=(_JUMP_PT, None))
        if nearest is not None and distance < _JUMP_PT:
            nearest.append(piece)
        else:
            chains.append([piece])
    return [_whole(chain) for chain in chains]


def _meets(chain: list[Trace], piece: Trace) -> bool:
    step = max(chain[-1].step, piece.step)
    return bool(-0.02 <= piece.x0 - chain[-1].x1 <= 1.8 * step + 0.02)


def _whole(chain: list[Trace]) -> Trace:
    if len(chain) == 1:
        return chain[0]
    starts = tuple(start for piece in chain for start in piece.starts)
    return Trace.of(np.concatenate([piece.points for piece in chain]), starts)


def _once(traces: Iterable[Trace]) -> list[Trace]:
    """Drop what is drawn twice in the same place (a halo, a shadow)."""
    kept: list[Trace] = []
    for trace in traces:
        if not any(_same(trace, other) for other in kept):
            kept.append(trace)
    return kept


def _same(one: Trace, other: Trace) -> bool:
    return one.points.shape == other.points.shape and bool(np.abs(one.points - other.points).max() < 0.5)


def _bare(trace: Trace) -> Trace:
    """Cut a calibration pulse off either end of a trace that was drawn together with it."""
    points = _after_pulse(trace.points)
    mirrored = _after_pulse(points[::-1])
    points = points[: len(mirrored)]
    if len(points) == len(trace.points):
        return trace
    x0 = float(points[0, 0])
    return Trace.of(points, (x0, *(start for start in trace.starts if x0 < start < points[-1, 0])))


def _after_pulse(points: Points) -> Points:
    """Return what follows a leading pulse: level, up at once, level at the top, down at once to where it came from."""
    raised = points[0, 1] - points[: max(len(points) // 4, 4), 1]
    high = np.flatnonzero(raised > 5.0)
    if not high.size:
        return points
    first = int(high[0])
    back = np.flatnonzero(raised[first:] < 5.0)
    if not back.size:
        return points
    last = first + int(back[0])
    height = float(np.median(raised[first:last]))
    off_top = np.abs(raised[first:last] - height) > 0.02 * height
    off_foot = np.abs(np.append(raised[:first], raised[last])) > 0.02 * height
    wide = abs(float(points[last - 1, 0] - points[first, 0])) > 0.15 * height
    if not wide or off_top.any() or off_foot.any():
        return points
    level = np.flatnonzero(np.abs(points[last:, 1] - points[0, 1]) > 0.005)
    return points[last + int(level[0]) if level.size else len(points) - 1 :]
