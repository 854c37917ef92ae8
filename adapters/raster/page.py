"""A picture of a page as the ink that was drawn on it: one stroke a lead, its names as words, its ruling as lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from adapters.pages.grid import PT_MM, Pulse
from adapters.pages.ink import Ink, Stroke, Word
from adapters.pages.labels import Label, find_labels
from adapters.raster.clearing import cleared
from adapters.raster.columns import Breaks, column_starts, common_start, pieces_of
from adapters.raster.crossings import entangled, settled
from adapters.raster.flanks import without_specks
from adapters.raster.follow import follow
from adapters.raster.joined import JoinedRow, beginning
from adapters.raster.joins import parted
from adapters.raster.lattice import find_lattice, turned
from adapters.raster.letters import lead_names
from adapters.raster.printed import printed_words
from adapters.raster.rows import row_levels
from adapters.raster.shape import Curve, curve_of, cut_pulse, pen_of, sharpened
from adapters.raster.strokes import Colour, Runs, darkness, mask_of, runs_of
from adapters.raster.unruled import Width, by_custom, unruled
from domain.errors import Rejected
from domain.reason import Reason

_TRACE_WIDE_MM, _TRACE_HIGH_MM = 2.5, 6.0  # less than both is a letter or a speck
_LEAST_PX = 600  # below it, a page of twelve leads has two pixels a mm
_SHORTEST_MM = 20.0  # of ink in a row
_MOST_ROWS = 16
_MOST_RUNS = 400_000
_GRID_LINES, _GRID_MM = 16, 5000.0
_LIFT_MM = 1.0
_APART_MM = 0.5  # between a pulse's side and the trace
_NEARLY_PX = 3.0
_BEGINS_PX = 1.5  # a trace begins where its column does, or its line, if that is so near
_ENTANGLED = "rows that reach into one another: whose waves they are is unclear"
_TRACE, _PULSE, _GRID = (("s", name) for name in ("trace", "pulse", "grid"))


@dataclass(frozen=True, slots=True, eq=False)
class Upright:
    """A page turned upright: BGR, and px a mm across and down, by its ruling or by a pulse of a printed gain."""

    picture: Colour
    px_mm: tuple[float, float]
    ruled: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    level: float
    followed: NDArray[np.int64]  # the run of ink it went through in each column
    path: NDArray[np.int64]  # those that no other row has the better claim to
    curve: Curve
    breaks: Breaks
    pulse: Pulse | None


def upright(picture: Colour, hint_px: float | None = None, stated_px: float | None = None) -> Upright:
    """Turn a page upright by its ruling, or its pulses.

    ``hint_px``, ``stated_px``: px a mm by a PDF page's size, a picture's header.

    Raises ``Rejected(PAGE_NOT_UNDERSTOOD)`` for a picture without a ruling and without pulses of a printed gain.
    """
    if max(picture.shape[:2]) < _LEAST_PX:
        raise Rejected(Reason.PAGE_NOT_UNDERSTOOD, f"a picture of less than {_LEAST_PX} pixels is too coarse to read")
    lattice = find_lattice(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32))
    if lattice is None:
        plain = unruled(picture)
        if plain is None:
            raise Rejected(Reason.PAGE_NOT_UNDERSTOOD, "the picture shows no ECG paper: no even ruling found")
        return Upright(plain.picture, (plain.px_mm, plain.px_mm), ruled=False)
    millimetre = lattice.millimetre(picture.shape[1], hint_px, stated_px)
    if millimetre is None:
        raise Rejected(Reason.PAGE_NOT_CALIBRATED, "the ruling is neither 1 mm nor 5 mm on a page of any likely size")
    return Upright(np.asarray(turned(picture, -lattice.angle, (255, 255, 255)), dtype=np.uint8), millimetre)


def drawn(page: Upright, pt_px: float | None = None) -> Ink:
    """Find what was drawn. ``pt_px``: pt a pixel where the page's true size is known, else its ruling is 1 mm.

    Raises ``Rejected``: ``PAGE_NOT_UNDERSTOOD`` where no traces are found, ``TOO_LARGE``.
    """
    px_mm = page.px_mm[0]
    dark = darkness(page.picture)
    if dark is None:
        raise Rejected(Reason.PAGE_NOT_UNDERSTOOD, "the picture is too faint: no ink found")
    mask = mask_of(dark)
    _, parts, boxes, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    large = (boxes[:, 2] > _TRACE_WIDE_MM * px_mm) | (boxes[:, 3] > _TRACE_HIGH_MM * px_mm)
    large[0] = False
    names = lead_names(dark, boxes[1:, :4], px_mm)
    words, traced = names.words, cleared(dark, names.ink)
    runs = without_specks(_runs(traced, mask_of(traced), parts, large), px_mm)
    labels = find_labels(words)
    rows = _rows(runs, dark.shape[0], px_mm)
    rows = _parted_from_pulses(rows, labels, px_mm)
    said = printed_words(dark, boxes[1:, :4], px_mm)
    width = _width(rows, labels, said) if not page.ruled else Width(px_mm, 1.0)
    starts = _starts(rows, labels, width.px_mm)
    cut = [_is_cut(row, starts) or len(_names_of(row, rows, labels)) > 1 for row in rows]
    _refuse_entangled(rows, [len(starts) > 1 and not columns for columns in cut])
    scale = PT_MM / px_mm if pt_px is None else pt_px
    strokes = (*_traces(runs, rows, cut, starts, px_mm), *_pulses(rows), *(_grid(px_mm) if page.ruled else ()))
    strokes = tuple(Stroke(stroke.points * (scale * width.stretch, scale), stroke.style) for stroke in strokes)
    return Ink(strokes, tuple(_word(word, scale) for word in (*words, *said)), 0, 1)


def _width(rows: Sequence[_Row], labels: Sequence[Label], said: Sequence[Word]) -> Width:
    """Measure a page without a ruling across; raises ``Rejected(PAGE_NOT_CALIBRATED)`` where pulse and rows differ."""
    pulses = [row.pulse.height for row in rows if row.pulse is not None]
    columns = max((len(_names_of(row, rows, labels)) for row in rows), default=1)
    found = None
    if pulses:
        wide = np.array([row.curve.x1 - row.curve.x0 + 1.0 for row in rows])
        full = wide[wide > wide.max() - _NEARLY_PX]  # a row that begins in a QRS may be followed from behind it only
        found = by_custom(float(full.mean()), max(columns, 1), float(np.median(pulses)), said)
    if found is None:
        raise Rejected(Reason.PAGE_NOT_CALIBRATED, "no ruling, and columns that pulse and print do not bear out")
    return found


def _runs(dark: NDArray[np.float32], mask: Colour, parts: NDArray[np.int32], large: NDArray[np.bool_]) -> Runs:
    runs = runs_of(dark, mask, parts)
    if runs.middle.size > _MOST_RUNS:
        raise Rejected(Reason.TOO_LARGE, f"a picture with more than {_MOST_RUNS} pieces of ink")
    return runs.of(large)


def _rows(runs: Runs, height: int, px_mm: float) -> list[_Row]:
    levels = row_levels(runs, height, px_mm) if runs.middle.size else np.empty(0)
    if not 1 <= levels.size <= _MOST_ROWS:
        raise Rejected(Reason.PAGE_NOT_UNDERSTOOD, "no rows of traces on the picture")
    rows = []
    paths = follow(runs, levels, px_mm)
    long = (paths >= 0).sum(axis=1) >= _SHORTEST_MM * px_mm
    if not long.any():
        return []
    pen = _pen(runs, paths[long], px_mm)
    pieces = [pieces_of(runs, path, pen) for path in paths[long]]
    wholes = settled([path for path, _ in pieces], runs)
    if not all((whole >= 0).any() for whole in wholes):
        raise Rejected(Reason.PAGE_NOT_UNDERSTOOD, _ENTANGLED)
    for level, whole, (followed, begins) in zip(levels[long].tolist(), wholes, pieces, strict=True):
        curve, pulse = cut_pulse(curve_of(runs, whole, pen), px_mm)
        rows.append(_Row(level, followed, whole, curve, begins.between(curve.x0 - 1.5, curve.x1), pulse))
    return rows


def _refuse_entangled(rows: Sequence[_Row], strips: Sequence[bool]) -> None:
    if entangled([row.followed for row in rows], [row.path for row in rows], strips):
        raise Rejected(Reason.PAGE_NOT_UNDERSTOOD, _ENTANGLED)


def _runs_into_pulse(row: _Row, px_mm: float) -> bool:
    """Tell whether nothing parts a row's trace from its pulse; the line between them would be taken for ECG."""
    if row.pulse is None:
        return False
    return min(abs(row.curve.x0 - row.pulse.x1), abs(row.pulse.x0 - row.curve.x1)) < _APART_MM * px_mm


def _parted_from_pulses(rows: list[_Row], labels: Sequence[Label], px_mm: float) -> list[_Row]:
    """Cut off what leads from pulses to traces in one line, or refuse the page: it would be taken for ECG."""
    if not any(_runs_into_pulse(row, px_mm) for row in rows):
        return rows
    joined = [
        JoinedRow(row.curve, row.breaks, row.pulse, _names_of(row, rows, labels))
        for row in rows
        if row.pulse is not None and row.pulse.x1 <= row.curve.x0
    ]
    left = beginning(joined, px_mm) if len(joined) == len(rows) else None
    if left is None:
        raise Rejected(Reason.PAGE_NOT_UNDERSTOOD, "a calibration pulse in one line with the trace: no beginning shows")
    first = round(left)
    cut = [(row.curve.between(first, row.curve.x1), row.breaks.between(left - 1.5, row.curve.x1)) for row in rows]
    return [replace(row, curve=curve, breaks=its) for row, (curve, its) in zip(rows, cut, strict=True)]


def _starts(rows: Sequence[_Row], labels: Sequence[Label], px_mm: float) -> tuple[float, ...]:
    """Find the columns by the names' count, and by the breaks where the names say nothing."""
    names = [len(_names_of(row, rows, labels)) for row in rows]
    if max(names, default=0) < 2:
        return (common_start([row.curve for row in rows], [row.breaks for row in rows]),) if rows else ()
    full = [row for row, count in zip(rows, names, strict=True) if count > 1]
    strips = [row.breaks for row, count in zip(rows, names, strict=True) if count < 2]
    return column_starts([row.curve for row in full], [row.breaks for row in full], max(names), px_mm, strips)


def _names_of(row: _Row, rows: Sequence[_Row], labels: Sequence[Label]) -> list[float]:
    """Return where names stand above a row, nearer to it than to the row above."""
    above = max((other.level for other in rows if other.level < row.level), default=-np.inf)
    return [label.x0 for label in labels if max(above, row.level - 1e4) < label.y <= row.level]


def _traces(
    runs: Runs, rows: Sequence[_Row], cut: Sequence[bool], starts: Sequence[float], px_mm: float
) -> Iterator[Stroke]:
    """Cut each row that holds columns where they begin; what is apart by more than a pen's lift is two strokes."""
    if not rows:
        return
    pen = _pen(runs, [row.path for row in rows], px_mm)
    for row, columns in zip(rows, cut, strict=True):
        path = np.where(np.isfinite(row.curve.y), row.path, -1)
        for piece in parted(runs, path, starts, px_mm) if columns else (path,):
            yield from _strokes(curve_of(runs, piece, pen).y, pen, row, starts, px_mm)


def _pen(runs: Runs, paths: Sequence[NDArray[np.int64]], px_mm: float) -> float:
    """Measure the pen at the tops of the pulses, if any: a noisy trace is level nowhere."""
    pen = pen_of(runs, paths)
    found = [(path, cut_pulse(curve_of(runs, path, pen), px_mm)[1]) for path in paths]
    tops = [path[int(pulse.x0) + 2 : int(pulse.x1) - 1] for path, pulse in found if pulse is not None]
    return pen_of(runs, tops) if tops else pen


def _strokes(y: NDArray[np.float64], pen: float, row: _Row, starts: Sequence[float], px_mm: float) -> Iterator[Stroke]:
    inside = np.flatnonzero(np.isfinite(y))
    apart = np.flatnonzero(np.diff(inside) > _LIFT_MM * px_mm) + 1
    begins = np.concatenate((starts, row.breaks.x))
    for run in np.split(inside, apart):
        if run.size > 3:
            near = begins[np.abs(begins - run[0]) < _BEGINS_PX]
            begin = float(near[0]) if near.size else float(run[0])
            x = np.arange(run[0], run[-1] + 1, dtype=np.float64)
            yield Stroke(_resampled(x, sharpened(np.interp(x, run, y[run]), pen), begin), _TRACE)


def _resampled(x: NDArray[np.float64], y: NDArray[np.float64], begin: float) -> NDArray[np.float64]:
    """Return points half a pixel apart from ``begin`` on, which lies between two columns."""
    at = np.arange(begin, x[-1] + 0.25, 0.5)
    return np.column_stack((at, PchipInterpolator(x, y)(np.clip(at, x[0], x[-1]))))


def _is_cut(row: _Row, starts: Sequence[float]) -> bool:
    return any(row.breaks.between(start - 4, start + 4).x.size for start in starts[1:])


def _pulses(rows: Sequence[_Row]) -> Iterator[Stroke]:
    for row in rows:
        if row.pulse is not None:
            left, right, foot, top = row.pulse.x0, row.pulse.x1, row.pulse.y, row.pulse.y - row.pulse.height
            corners = [(left - 2, foot), (left, foot), (left, top), (right, top), (right, foot), (right + 2, foot)]
            yield Stroke(np.array(corners, dtype=np.float64), _PULSE)


def _grid(px_mm: float) -> Iterator[Stroke]:
    """Draw 5 mm lines, as far apart down as across: only time is told by them, millivolts by the pulse.

    They are so long that pulses' sides, one above the other, do not count for lines.
    """
    for at in 5 * px_mm * np.arange(_GRID_LINES):
        yield Stroke(np.array([(at, 0.0), (at, _GRID_MM * px_mm)]), _GRID)
        yield Stroke(np.array([(0.0, at), (_GRID_MM * px_mm, at)]), _GRID)


def _word(word: Word, scale: float) -> Word:
    return Word(word.text, word.x0 * scale, word.y0 * scale, word.x1 * scale, word.y1 * scale)
