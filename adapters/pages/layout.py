"""Which trace is which lead: rows from the traces, columns from the labels and the breaks between traces."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from adapters.pages.ink import Points
from adapters.pages.labels import Label
from adapters.pages.timing import COLUMN_S
from adapters.pages.traces import Trace
from domain.errors import Rejected
from domain.reason import Reason

_ASTRAY = 0.45  # of the rows' distance: how far a trace's level may lie from where its name puts it
_IN_LINE = 0.2  # of a row: names of a page of one column stand so near its ends


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A piece of trace and the lead it shows; ``lead`` is empty for a rhythm strip without a label.

    ``points`` hold NaN between pieces that are apart.
    """

    lead: str
    inverted: bool
    points: Points
    column: int
    row: int


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """``starts``: x of each column's first sample. ``strips`` run over all columns."""

    starts: tuple[float, ...]
    parts: tuple[Part, ...]
    strips: tuple[Part, ...]
    levels: tuple[float, ...]  # of the rows, from the top


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    traces: tuple[Trace, ...]
    labels: tuple[Label, ...]
    level: float

    @property
    def x0(self) -> float:
        return min(trace.x0 for trace in self.traces)

    @property
    def x1(self) -> float:
        return max(trace.x1 for trace in self.traces)

    @property
    def step(self) -> float:
        return float(np.median([trace.step for trace in self.traces]))


def arrange(traces: Sequence[Trace], labels: Sequence[Label], second_pt: float | None = None) -> Layout:
    """Give every trace its lead. Raises ``Rejected(PAGE_NOT_UNDERSTOOD)`` where a label could belong to two.

    ``second_pt``: what a second would measure by grid and print, for traces that a calibration pulse was cut off.
    """
    rows = _labelled(_rows(traces), labels)
    columns = max((len(row.labels) for row in rows), default=0)
    if not columns:
        raise Rejected(Reason.PAGE_NOT_UNDERSTOOD, "no lead names beside the traces")
    if columns == 1:
        _refuse_scattered(rows)
    full = [row for row in rows if len(row.labels) == columns]
    starts = _starts(full, columns, second_pt)
    _refuse_unnamed(full, starts)
    parts: list[Part] = []
    strips: list[Part] = []
    for number, row in enumerate(rows):
        is_strip = columns > 1 and row not in full and _is_strip(row, full, starts)
        (strips if is_strip else parts).extend(_strip(row, number) if is_strip else _parts(row, number, starts))
    return _checked(Layout(starts, tuple(parts), tuple(strips), tuple(row.level for row in rows)))


def _refuse_scattered(rows: Sequence[_Row]) -> None:
    """Refuse a page with one name a row, any of them amid its row: what stands before it is another's, unnamed."""
    named = [row for row in rows if row.labels]
    at = [(row.labels[0].x0 - row.x0) / (row.x1 - row.x0) for row in named]
    if any(_IN_LINE < share < 1 - _IN_LINE for share in at):
        raise Rejected(Reason.PAGE_NOT_UNDERSTOOD, "lead names of several columns, not one row with all of its own")


def _refuse_unnamed(rows: Sequence[_Row], starts: Sequence[float]) -> None:
    """Refuse a page where several rows begin a new trace at a place without names: two leads would become one."""
    inner = [
        (trace.x0, number)
        for number, row in enumerate(rows)
        for trace in row.traces
        if min(abs(trace.x0 - start) for start in starts) > max(4 * row.step, 0.02 * (row.x1 - row.x0))
    ]
    for x, _ in inner:
        if len({number for other, number in inner if abs(other - x) < 2.0}) > max(1, len(rows) // 3):
            raise Rejected(Reason.PAGE_NOT_UNDERSTOOD, "traces without lead names")


def _checked(layout: Layout) -> Layout:
    leads = [part.lead for part in layout.parts]
    if len(set(leads)) < len(leads):
        raise Rejected(Reason.PAGE_NOT_UNDERSTOOD, "a lead's name stands at two traces")
    if not leads:
        raise Rejected(Reason.PAGE_NOT_UNDERSTOOD, "no lead names beside the traces")
    return layout


def _rows(traces: Sequence[Trace]) -> list[_Row]:
    rows = []
    for group in _ranked(traces) or _grouped(traces):
        ordered = tuple(sorted(group, key=lambda trace: trace.x0))
        rows.append(_Row(ordered, (), float(np.median([trace.level for trace in ordered]))))
    return sorted(rows, key=lambda row: row.level)


def _ranked(traces: Sequence[Trace]) -> list[list[Trace]]:
    """Where every column has as many traces, the topmost of each make the first row, however far they wandered."""
    right, left = max(trace.x1 for trace in traces), min(trace.x0 for trace in traces)
    short = sorted((t for t in traces if t.x1 - t.x0 < 0.6 * (right - left)), key=lambda trace: trace.x0)
    columns: list[list[Trace]] = []
    for trace in short:
        if columns and trace.x0 - columns[-1][0].x0 < 0.3 * (columns[-1][0].x1 - columns[-1][0].x0):
            columns[-1].append(trace)
        else:
            columns.append([trace])
    if len({len(column) for column in columns}) != 1:
        return []
    by_height = [sorted(column, key=lambda trace: trace.level) for column in columns]
    return [list(row) for row in zip(*by_height, strict=True)] + [[t] for t in traces if t not in short]


def _grouped(traces: Sequence[Trace]) -> list[list[Trace]]:
    """Group traces by height; traces one above the other tell how far apart rows are."""
    spacing = _spacing(traces)
    groups: list[list[Trace]] = []
    for trace in sorted(traces, key=lambda trace: trace.level):
        if groups and trace.level - float(np.mean([other.level for other in groups[-1]])) < 0.5 * spacing:
            groups[-1].append(trace)
        else:
            groups.append([trace])
    return groups


def _spacing(traces: Sequence[Trace]) -> float:
    """Return the least height between traces that lie above one another; without such, there is one row."""
    apart = [
        abs(one.level - other.level)
        for i, one in enumerate(traces)
        for other in traces[:i]
        if min(one.x1, other.x1) - max(one.x0, other.x0) > 0.3 * min(one.x1 - one.x0, other.x1 - other.x0)
    ]
    return max(min(apart), 5.0) if apart else float("inf")


def _labelled(rows: list[_Row], labels: Sequence[Label]) -> list[_Row]:
    """Hang each line of labels on its row: all labels of a page stand about equally far above (or below) their traces.

    Raises ``Rejected`` where a name is left over.
    """
    levels = np.array([row.level for row in rows])
    lines = _label_lines(labels, rows)
    spacing = _line_spacing(lines, levels)
    found: dict[tuple[int | None, ...], float] = {}
    for line in lines:
        for level in levels:
            offset = float(level) - line[0].y
            if abs(offset) < 0.95 * spacing:
                hung = _hang([label_line[0].y + offset for label_line in lines], levels, spacing)
                found[hung] = min(abs(offset), found.get(hung, np.inf))
    ranked = sorted(found.items(), key=lambda item: (item[0].count(None), item[1]))
    if not ranked:
        return rows
    best, offset = ranked[0]
    rivals = [other for hung, other in ranked[1:] if hung.count(None) == best.count(None)]
    # with one name a row, a first or last name that was not read would move all others by a row
    if rivals and (rivals[0] < 1.2 * offset or all(len(line) == 1 for line in lines)):
        raise Rejected(Reason.PAGE_NOT_UNDERSTOOD, "lead names midway between two rows")
    named = {label.lead for line, row in zip(lines, best, strict=True) if row is not None for label in line}
    if {label.lead for line in lines for label in line} - named:
        raise Rejected(Reason.PAGE_NOT_UNDERSTOOD, "lead names that belong to no row")
    return [
        _Row(row.traces, lines[best.index(number)] if number in best else (), row.level)
        for number, row in enumerate(rows)
    ]


def _label_lines(labels: Sequence[Label], rows: Sequence[_Row]) -> list[tuple[Label, ...]]:
    """Group labels that stand at one height, give or take, among or beside the traces.

    A name far above the first row counts, for a wandering trace may have left it; left out, it would shift all others.
    """
    lines: list[list[Label]] = []
    left, right = min(row.x0 for row in rows), max(row.x1 for row in rows)
    room = 2.5 * float(np.median(np.diff([row.level for row in rows]))) if len(rows) > 1 else 150.0
    top, bottom = rows[0].level - room, rows[-1].level + room
    near = _line_spacing([], np.array([row.level for row in rows]))
    for label in sorted(labels, key=lambda label: label.y):
        if not (left - 0.1 * (right - left) < label.x0 < right and top < label.y < bottom):
            continue
        if lines and label.y - lines[-1][0].y < max(4.0, 0.2 * near):
            lines[-1].append(label)
        else:
            lines.append([label])
    return [tuple(sorted(line, key=lambda label: label.x0)) for line in lines]


def _line_spacing(lines: Sequence[tuple[Label, ...]], levels: NDArray[np.float64]) -> float:
    """Return how far apart rows are: their names stand evenly, where traces wander towards one another."""
    heights = np.array([line[0].y for line in lines]) if len(lines) > 1 else levels
    return float(np.min(np.diff(heights))) if heights.size > 1 else 150.0


def _hang(heights: list[float], levels: NDArray[np.float64], spacing: float) -> tuple[int | None, ...]:
    hung: list[int | None] = []
    for height in heights:
        nearest = int(np.abs(levels - height).argmin())
        taken = abs(levels[nearest] - height) > _ASTRAY * spacing or nearest in hung
        hung.append(None if taken else nearest)
    return tuple(hung)


def _is_strip(row: _Row, full: Sequence[_Row], starts: Sequence[float]) -> bool:
    """Tell a strip over all columns, named at its beginning or not at all, from a row with names missing."""
    left, right = min(other.x0 for other in full), max(other.x1 for other in full)
    at_front = all(label.x0 < starts[1] - 0.2 * (starts[1] - left) for label in row.labels)
    return len(row.labels) <= 1 and at_front and not _breaks(row, starts) and row.x1 - row.x0 > 0.9 * (right - left)


def _breaks(row: _Row, starts: Sequence[float]) -> int:
    """Count the columns, after the first, at which a trace of the row begins."""
    return sum(abs(trace.x0 - start) < 4 * row.step for trace in row.traces for start in starts[1:])


def _strip(row: _Row, number: int) -> list[Part]:
    label = row.labels[0] if row.labels else None
    points = _end_to_end([trace.points for trace in row.traces], row.step)
    return [Part(label.lead if label else "", bool(label and label.inverted), points, 0, number)]


def _starts(rows: Sequence[_Row], columns: int, second_pt: float | None) -> tuple[float, ...]:
    """Find where columns begin: even parts of the rows, moved to where the traces break nearby."""
    left, step = min(row.x0 for row in rows), float(np.median([row.step for row in rows]))
    right = max(row.x1 for row in rows) + step
    width = (right - left) / columns
    usual = (second_pt or 0.0) * COLUMN_S.get(columns, 0.0)
    if usual and abs(width / usual - 1) < 0.06 and _follows_pulse(rows):
        left, width = right - columns * usual, usual  # level line between pulse and trace is no ECG
    breaks = np.array([start for row in rows for trace in row.traces for start in trace.starts])
    chunked = breaks.size > len(rows) * (columns + 1)
    reach = 4 * step if chunked else 0.08 * width
    starts = [left]
    for column in range(1, columns):
        nominal = left + column * width
        near = breaks[np.abs(breaks - nominal) < reach]
        starts.append(float(near[np.abs(near - nominal).argmin()]) if near.size else _jump(rows, nominal, step))
    return tuple(starts)


def _follows_pulse(rows: Sequence[_Row]) -> bool:
    return any(cut[0, 0] < trace.x0 for row in rows for trace in row.traces for cut in trace.cut)


def _jump(rows: Sequence[_Row], nominal: float, step: float) -> float:
    """Look within three points of ``nominal`` for where all rows jump at once, in traces that run through."""
    score: dict[int, float] = {}
    for row in rows:
        for trace in row.traces:
            x, y = trace.points[:, 0], trace.points[:, 1]
            for i in np.flatnonzero(np.abs(x[1:] - nominal) < 3.5 * step):
                key = round((x[i + 1] - nominal) / step)
                score[key] = score.get(key, 0.0) + abs(float(y[i + 1] - y[i]))
    if not score:
        return nominal
    best = max(score, key=lambda key: score[key])
    return nominal + (best if score[best] > 2 * score.get(0, 0.0) else 0) * step


def _parts(row: _Row, number: int, starts: Sequence[float]) -> list[Part]:
    pieces = [piece for trace in row.traces for piece in _cut(trace, starts)]
    centres = [(float(piece[0, 0]) + float(piece[-1, 0])) / 2 for piece in pieces]
    columns = [_column(centre, starts) for centre in centres]
    width = starts[1] - starts[0] if len(starts) > 1 else float("inf")
    named: dict[int, Label] = {}
    _refuse_astray(row, starts)
    for label in row.labels:
        column = _column(label.x0 + (0.2 * width if len(starts) > 1 else 0), starts)
        if column in named:
            raise Rejected(Reason.PAGE_NOT_UNDERSTOOD, "two lead names at one trace")
        named[column] = label
    parts = []
    for column in sorted(set(columns) & set(named)):
        points = _end_to_end([piece for piece, its in zip(pieces, columns, strict=True) if its == column], row.step)
        parts.append(Part(named[column].lead, named[column].inverted, points, column, number))
    return parts


def _refuse_astray(row: _Row, starts: Sequence[float]) -> None:
    """Refuse names that do not stand equally far into columns which no break in the traces bears out."""
    if len(starts) > 1 and len(row.labels) == len(starts) and not _breaks(row, starts):
        into = np.array([label.x0 for label in row.labels]) - np.array(starts)
        if np.ptp(into) > 0.12 * (starts[1] - starts[0]):
            raise Rejected(Reason.PAGE_NOT_UNDERSTOOD, "lead names that do not fit the columns")


def _end_to_end(pieces: Sequence[Points], step: float) -> Points:
    """Put pieces of one lead together, NaN between them where nothing was drawn."""
    joined = [pieces[0]]
    for before, after in pairwise(pieces):
        if after[0, 0] < before[-1, 0] - 1.0:
            raise Rejected(Reason.PAGE_NOT_UNDERSTOOD, "two traces in one place")
        if after[0, 0] - before[-1, 0] > 2.5 * step:
            joined.append(np.full((1, 2), np.nan))
        joined.append(after)
    return np.concatenate(joined)


def _column(x: float, starts: Sequence[float]) -> int:
    return max(int(np.searchsorted(np.asarray(starts), x, side="right")) - 1, 0)


def _cut(trace: Trace, starts: Sequence[float]) -> list[Points]:
    """Cut a trace where a column begins inside it; the later of two points above that place is the next lead's."""
    step = trace.step
    x = trace.points[:, 0]
    inner = [start for start in starts if trace.x0 + 2.5 * step < start < trace.x1 - 2.5 * step]
    at = [_first_of_next(x, start, step) for start in inner]
    return [piece for piece in np.split(trace.points, at) if len(piece) > 1]


def _first_of_next(x: NDArray[np.float64], start: float, step: float) -> int:
    first = int(np.searchsorted(x, start - step / 2))
    while first + 1 < x.size and x[first + 1] - x[first] < 0.01 * step:
        first += 1
    return first
