"""Lead names for a page that writes none: the customary order, borne out by the leads themselves, or nothing.

And whether the limb leads gainsay the names a page does write.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from adapters.pages.labels import Label
from adapters.pages.sample import Samples
from adapters.pages.traces import Trace
from domain.ecg import LEADS

_COLUMNS = {3: 4, 6: 2, 12: 1}
_LEAST_GAP_PT = 2.0  # in a line; a column's first trace follows the last one's end more closely
_MOST_GAP, _NEAR = 0.2, 0.35  # of the page's width, of the lines' distance
_GOLDBERGER = np.array([[-0.5, -0.5, 0.0], [0.5, 0.0, -0.5], [0.0, 0.5, 0.5]])  # aVR, aVL, aVF of I, II, III
_RESIDUAL = 0.02  # of the leads' power; another order leaves a third of it or more
_LIMB = {"I": (1, 0), "II": (0, 1), "III": (-1, 1), "aVR": (-0.5, -0.5), "aVL": (1, -0.5), "aVF": (-0.5, 1)}  # of I, II
_STRANGE = 0.015  # of the leads' power, outside what two leads can make; a scan read well leaves at most 0.004
_STRANGE_MV = 0.04  # root mean square; less may be the picture's own coarseness


def customary(traces: Sequence[Trace]) -> tuple[Label, ...]:
    """Name the traces of a 3x4, 6x2 or 12x1 page from the top, column by column; nothing where it is none of these.

    Every lead is a trace of its own there: in a row drawn as one line, nothing shows where a lead ends. A trace over
    all columns is a rhythm strip and stays without a name.
    """
    left, right = min(trace.x0 for trace in traces), max(trace.x1 for trace in traces)
    begun = _first_of_each(traces, right - left)
    columns = _columns(
        [trace for trace, end in begun if end - trace.x0 < 0.6 * (right - left)] or [t for t, _ in begun]
    )
    rows = len(columns[0])
    if {len(column) for column in columns} != {rows} or _COLUMNS.get(rows) != len(columns):
        return ()
    return tuple(
        Label(LEADS[rows * number + row], False, trace.x0, trace.x0, trace.level)
        for number, column in enumerate(columns)
        for row, trace in enumerate(sorted(column, key=lambda trace: trace.level))
    )


def _first_of_each(traces: Sequence[Trace], width: float) -> list[tuple[Trace, float]]:
    """Return where each line begins, and where it ends: what goes on at one height after a gap is the same line."""
    spacing = _spacing(traces)
    lines: list[tuple[Trace, float]] = []
    for trace in sorted(traces, key=lambda trace: trace.x0):
        for number, (first, end) in enumerate(lines):
            apart, off = trace.x0 - end, abs(trace.level - first.level)
            if _LEAST_GAP_PT < apart < _MOST_GAP * width and off < _NEAR * spacing:
                lines[number] = (first, trace.x1)
                break
        else:
            lines.append((trace, trace.x1))
    return lines


def _spacing(traces: Sequence[Trace]) -> float:
    """Return how far apart the nearest lines are that run above one another."""
    apart = [
        abs(one.level - other.level)
        for number, one in enumerate(traces)
        for other in traces[:number]
        if min(one.x1, other.x1) > max(one.x0, other.x0)
    ]
    return min(apart, default=0.0)


def _columns(traces: Sequence[Trace]) -> list[list[Trace]]:
    columns: list[list[Trace]] = []
    for trace in sorted(traces, key=lambda trace: trace.x0):
        if columns and trace.x0 - columns[-1][0].x0 < 0.3 * (columns[-1][0].x1 - columns[-1][0].x0):
            columns[-1].append(trace)
        else:
            columns.append([trace])
    return columns


def borne_out(leads: Mapping[str, Samples]) -> bool:
    """Tell whether II = I + III and aVR + aVL + aVF = 0 hold, and each of Goldberger's where the six share their time.

    In Cabrera's order the middle of the first three is the sum of its neighbours too, but the next three do not cancel.
    """
    limb = _together(leads, ("I", "II", "III"))
    augmented = _together(leads, ("aVR", "aVL", "aVF"))
    if limb is None or augmented is None:
        return False
    six = _together(leads, ("I", "II", "III", "aVR", "aVL", "aVF"))
    return (
        _small(limb[1] - limb[0] - limb[2], limb)
        and _small(augmented.sum(axis=0), augmented)
        and (six is None or _small(six[3:] - _GOLDBERGER @ six[:3], six))
    )


def gainsaid(leads: Mapping[str, Samples]) -> bool:
    """Tell whether three limb leads or more that share their time are not made of two, as Einthoven's and Goldberger's.

    Then one stands under another's name, or its trace was not followed.
    """
    sets = [tuple(lead for lead in _LIMB if lead in leads), ("I", "II", "III"), ("aVR", "aVL", "aVF")]
    return any(
        _strange(rows, names) for names in sets if len(names) > 2 and (rows := _together(leads, names)) is not None
    )


def _strange(rows: Samples, names: Sequence[str]) -> bool:
    two = np.array([_LIMB[name] for name in names])
    left = float(np.mean((rows - two @ np.linalg.lstsq(two, rows, rcond=None)[0]) ** 2))
    return left > _STRANGE * float(np.mean(rows**2)) and left > _STRANGE_MV**2


def _together(leads: Mapping[str, Samples], names: Sequence[str]) -> Samples | None:
    """Return the seconds all of them hold, each about its mean; ``None`` for less than a second, or for a flat one."""
    if not set(names) <= set(leads):
        return None
    rows = np.array([leads[name] for name in names])
    rows = rows[:, np.isfinite(rows).all(axis=0)]
    return rows - rows.mean(axis=1, keepdims=True) if rows.shape[1] >= 500 and np.ptp(rows, axis=1).all() else None


def _small(residual: Samples, leads: Samples) -> bool:
    return float(np.mean(residual**2)) < _RESIDUAL * float(np.mean(leads**2))
