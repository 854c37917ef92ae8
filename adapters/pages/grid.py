"""How large a millimetre and a millivolt are on a page: the grid and the calibration pulses, as drawn."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.pages.ink import Points, Stroke, Word

PT_MM = 72 / 25.4
_SMALL_PT = (0.5 * PT_MM, 1.6 * PT_MM)  # a 1 mm grid on a page printed at 50 to 160 %
_LARGE_PT = (2.6 * PT_MM, 8.0 * PT_MM)  # likewise its 5 mm lines
_FEWEST_LINES = 12
_MOST_LINES = 3000  # apart from one another, in one direction; an A3 page has 420 mm
_DOT_PT = 1.2
GRID_FONT = re.compile(r"(.)\1{19,}")  # a grid set in type: line after line of one glyph, each a 5 mm box
_PULSE_PT = (6.0, 120.0)


@dataclass(frozen=True, slots=True)
class Pulse:
    """A calibration pulse: 1 mV high. ``y`` is its foot, the row's zero line."""

    x0: float
    x1: float
    y: float
    height: float


def find_grid(strokes: Iterable[Stroke], words: Iterable[Word]) -> float | None:
    """Return the pt that one millimetre of the page's own grid measures, or ``None`` without a grid we understand.

    Both directions must agree within 3 %: a page stretched one way only is not calibrated by its grid.
    """
    across, down = _ruled(strokes)
    found = [_millimetre(across), _millimetre(down)]
    if None in found:
        return _typeset(words)
    x, y = (float(size) for size in found if size is not None)
    return (x + y) / 2 if abs(x / y - 1) < 0.03 else None


def _ruled(strokes: Iterable[Stroke]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Collect ``[n, 2]`` (position, length) of upright and of level lines; a dot counts both ways."""
    across: list[tuple[float, float]] = []
    down: list[tuple[float, float]] = []
    for stroke in strokes:
        if len(stroke.points) > 6 and not _is_ruling(stroke.points):
            continue
        starts, ends = stroke.points[:-1], stroke.points[1:]
        for (x0, y0), (x1, y1) in zip(starts.tolist(), ends.tolist(), strict=True):
            dx, dy = abs(x1 - x0), abs(y1 - y0)
            if dx < 0.05 or max(dx, dy) < _DOT_PT:
                across.append(((x0 + x1) / 2, dy + _DOT_PT))
            if dy < 0.05 or max(dx, dy) < _DOT_PT:
                down.append(((y0 + y1) / 2, dx + _DOT_PT))
    return np.array(across).reshape(-1, 2), np.array(down).reshape(-1, 2)


def _is_ruling(points: Points) -> bool:
    """Tell a grid drawn in one go (every segment level or upright, and long) from a trace."""
    steps = np.abs(np.diff(points, axis=0))
    return bool((steps.min(axis=1) < 0.05).all() and np.median(steps.max(axis=1)) > _DOT_PT)


def _millimetre(lines: NDArray[np.float64]) -> float | None:
    positions = _distinct(lines)
    if not _FEWEST_LINES <= positions.size <= _MOST_LINES:
        return None
    gaps = np.diff(positions)
    gap = _usual(gaps)
    spacing = _fitted(positions, gap)
    if spacing is None:
        return None
    if _SMALL_PT[0] <= spacing <= _SMALL_PT[1]:
        return spacing
    return spacing / 5 if _LARGE_PT[0] <= spacing <= _LARGE_PT[1] else None


def _distinct(lines: NDArray[np.float64]) -> NDArray[np.float64]:
    """Merge lines at one position, and keep the positions where together they are long enough for a grid line."""
    if not lines.size:
        return np.empty(0)
    ordered = lines[np.argsort(lines[:, 0])]
    group = np.concatenate(([0], np.cumsum(np.diff(ordered[:, 0]) > 0.3)))
    length = np.bincount(group, weights=ordered[:, 1])
    position = np.bincount(group, weights=ordered[:, 0]) / np.bincount(group)
    return np.asarray(position[length >= 0.3 * np.median(length[length >= np.median(length)])])


def _usual(gaps: NDArray[np.float64]) -> float:
    """Return the gap that most others are near to."""
    near = np.abs(gaps[:, None] - gaps[None, :]) < 0.06 * gaps[:, None]
    most = near.sum(axis=1).argmax()
    return float(np.median(gaps[near[most]]))


def _fitted(positions: NDArray[np.float64], gap: float) -> float | None:
    """Fit ``position = origin + k spacing`` over the longest evenly spaced run of lines."""
    gaps = np.diff(positions)
    counts = np.rint(gaps / gap)
    even = (np.abs(gaps - counts * gap) < 0.12 * gap) & (counts >= 1) & (counts <= 5)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], even, [False])).astype(np.int8)))
    if not edges.size:
        return None
    first, last = max(zip(edges[::2], edges[1::2], strict=True), key=lambda run: run[1] - run[0])
    if last - first + 1 < _FEWEST_LINES:
        return None
    k = np.concatenate(([0.0], np.cumsum(counts[first:last])))
    return float(np.polyfit(k, positions[first : last + 1], 1)[0])


def _typeset(words: Iterable[Word]) -> float | None:
    """Measure a grid that is written rather than drawn: the advance of its glyph is 5 mm."""
    rows = [word for word in words if GRID_FONT.fullmatch(word.text)]
    if len(rows) < 5:
        return None
    most = max(len(word.text) for word in rows)
    full = [word for word in rows if len(word.text) == most]
    advance = float(np.median([(word.x1 - word.x0) / most for word in full]))
    leading = float(np.median(np.diff(sorted(word.y for word in full)))) if len(full) > 2 else advance
    agree = abs(advance / leading - 1) < 0.03 and _LARGE_PT[0] <= advance <= _LARGE_PT[1]
    return advance / 5 if agree else None


def find_pulses(lines: Iterable[Points]) -> tuple[Pulse, ...]:
    """Find lines that are a calibration pulse: level, up, level, down."""
    found = [_pulse(points) for points in lines if 4 <= len(points) <= 400]
    return tuple(pulse for pulse in found if pulse is not None)


def _pulse(points: Points) -> Pulse | None:
    width, height = np.ptp(points, axis=0)
    if not _PULSE_PT[0] <= height <= _PULSE_PT[1] or not 0.1 * height <= width <= 4 * height:
        return None
    if points[0, 0] > points[-1, 0]:
        points = points[::-1]
    top, foot = points[:, 1].min(), points[:, 1].max()
    on_top, on_foot = points[:, 1] < top + 0.02 * height, points[:, 1] > foot - 0.02 * height
    high = np.flatnonzero(on_top)
    corners = not (np.ptp(high) + 1 != high.size or high.size < 2)
    rises_and_falls = on_foot[0] and on_foot[-1]
    if not (corners and rises_and_falls and (on_top | on_foot).all() and not on_foot[high[0] : high[-1] + 1].any()):
        return None
    return Pulse(float(points[high[0], 0]), float(points[high[-1], 0]), float(foot), float(foot - top))
