"""Which strokes are ECG traces, whole, however many paths they were drawn with."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from adapters.pages.ink import Points, Stroke
from domain.errors import Rejected
from domain.reason import Reason

_LEAST_POINTS = 40
_LEAST_WIDTH_PT = 50.0
_LEAST_SHARE = 0.12  # of the widest trace: a column of a 3x4 page is 0.25 of its rhythm strip
_LONG = 0.2  # of the traces' width: a lead's column of a 3x4 page is 0.25 of it
_JUMP_PT = 120.0  # a step between chunks of one trace: an R wave's upstroke, or to the next lead in a row
_NEVER = 1e9
_MOST_PAIRS = 2_000_000  # chunks held against one another; 12 leads in 40 chunks each are 230,000
_MOST_TRACES = 400  # 12 leads and 3 strips, drawn twice, are 30


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """A line running from left to right. ``starts``: x at which a new path began, the first included."""

    points: Points
    starts: tuple[float, ...]
    x0: float
    x1: float
    level: float  # its usual height on the page, near its baseline
    step: float  # usual distance between its points
    cut: tuple[Points, ...] = ()  # calibration pulses that were drawn with it

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
    """Find the traces of a page, from left to right; grids, frames, logos and calibration pulses are left behind.

    Raises ``Rejected(TOO_LARGE)`` for more curves than a page of ECGs has.
    """
    by_style: dict[tuple[object, ...], list[Trace]] = defaultdict(list)
    for stroke in strokes:
        piece = _rightwards(stroke)
        if piece is not None:
            by_style[stroke.style].append(piece)
    whole = (_bare(trace) for pieces in by_style.values() for trace in _joined(pieces))
    drawn = [trace for trace in whole if len(trace.points) >= _LEAST_POINTS]
    if len(drawn) > _MOST_TRACES:
        raise Rejected(Reason.TOO_LARGE, f"a page of more than {_MOST_TRACES} curves")
    traces = _once(drawn)
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
    """Join chunks: those that begin at one place go on from the traces that end there, in the same order of height."""
    if not pieces:
        return []
    long_pt = _LONG * (max(piece.x1 for piece in pieces) - min(piece.x0 for piece in pieces))
    chains: list[list[Trace]] = []
    pairs = 0
    for together in _side_by_side(pieces):
        pairs += len(chains) * len(together)
        if pairs > _MOST_PAIRS:
            raise Rejected(Reason.TOO_LARGE, "a page of too many pieces of curves")
        open_chains = [chain for chain in chains if any(_meets(chain[-1], piece, long_pt) for piece in together)]
        followed = _matched(open_chains, together, long_pt)
        for number, piece in enumerate(together):
            if number in followed:
                open_chains[followed[number]].append(piece)
            else:
                chains.append([piece])
    return [_whole(chain) for chain in chains]


def _side_by_side(pieces: list[Trace]) -> list[list[Trace]]:
    groups: list[list[Trace]] = []
    for piece in sorted(pieces, key=lambda trace: trace.x0):
        if groups and piece.x0 - groups[-1][0].x0 < 0.05:
            groups[-1].append(piece)
        else:
            groups.append([piece])
    return groups


def _matched(chains: list[list[Trace]], pieces: list[Trace], long_pt: float) -> dict[int, int]:
    """Return which chain each piece goes on from; with squared distances the pairing that crosses least is cheapest."""
    if not chains:
        return {}
    ends = np.array([chain[-1].points[-1, 1] for chain in chains])
    begins = np.array([piece.points[0, 1] for piece in pieces])
    jump = np.abs(begins[:, None] - ends[None, :])
    meets = np.array([[_meets(chain[-1], piece, long_pt) for chain in chains] for piece in pieces])
    allowed = meets & (jump < _JUMP_PT)
    found = linear_sum_assignment(np.where(allowed, jump**2, _NEVER))
    return {int(piece): int(chain) for piece, chain in zip(*found, strict=True) if allowed[piece, chain]}


def _meets(before: Trace, piece: Trace, long_pt: float) -> bool:
    """Tell whether a piece begins where another ends; two long ones are neighbouring leads, not one."""
    if min(before.x1 - before.x0, piece.x1 - piece.x0) >= long_pt:
        return False
    return -0.02 <= piece.x0 - before.x1 <= 1.8 * max(before.step, piece.step) + 0.02


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
    head, tail = trace.points[: len(trace.points) - len(points) + 1], points[len(mirrored) - 1 :]
    points = points[: len(mirrored)]
    if len(points) == len(trace.points):
        return trace
    x0 = float(points[0, 0])
    starts = (x0, *(start for start in trace.starts if x0 < start < points[-1, 0]))
    return replace(Trace.of(points, starts), cut=tuple(end for end in (head, tail) if len(end) > 3))


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
    steps = np.abs(np.diff(points[last : last + 4, 0]))
    far = np.flatnonzero(steps > 5 * median_step(np.sort(points[last:, 0])))  # the pen moves on to the trace
    return points[last + (int(far[-1]) + 1 if far.size else 0) :]
