"""One page of ink into leads on one time axis."""

from dataclasses import dataclass, replace

import numpy as np

from adapters.pages import timing
from adapters.pages.grid import Pulse, find_grid, find_pulses
from adapters.pages.ink import Ink, Points
from adapters.pages.labels import find_labels, printed
from adapters.pages.layout import Layout, Part, arrange
from adapters.pages.places import borne_out, customary
from adapters.pages.sample import Samples, sampled, single_valued
from adapters.pages.scale import Scale, calibrate
from adapters.pages.text import lines_of
from adapters.pages.traces import find_traces, median_step
from domain.ecg import ReadWarning
from domain.errors import Rejected
from domain.reason import Reason

RATE_HZ = 500.0
_LONGEST_S = 120.0  # on one page; nothing is set aside in memory for a trace that runs to infinity
_SAME_LEAD = 0.1  # share of power by which a strip may differ from its own lead's column


@dataclass(frozen=True, slots=True, eq=False)
class PageLeads:
    """``leads``: mV at 500 Hz, NaN where not recorded; ``points_per_s``: how densely the page was drawn."""

    leads: dict[str, Samples]
    scale: Scale
    points_per_s: float


def read_leads(page: Ink) -> PageLeads | None:
    """Read the leads of a page, ``None`` where no trace is drawn. Raises ``Rejected`` for a page we doubt."""
    traces = find_traces(page.strokes)
    if not traces:
        return None
    stated = printed(lines_of(page.words))
    grid = find_grid(page.strokes, page.words)
    second_pt = grid * stated.speeds[0] if grid and len(stated.speeds) == 1 else None
    written = find_labels(page.words)
    layout = arrange(traces, written or customary(traces), second_pt)
    pulses = find_pulses([stroke.points for stroke in page.strokes] + [cut for trace in traces for cut in trace.cut])
    right = max(float(part.points[-1, 0]) for part in (*layout.parts, *layout.strips))
    columns = len(layout.starts)
    scale = calibrate(grid, pulses, stated, columns, (right - layout.starts[0]) / columns)
    if (right - layout.starts[0]) / scale.pt_per_s > _LONGEST_S:
        raise Rejected(Reason.TOO_LARGE, f"a page of more than {_LONGEST_S:.0f} s")
    step = float(np.median([median_step(part.points[:, 0]) for part in layout.parts]))
    leads = _leads(layout, scale, pulses)
    if written:
        return PageLeads(leads, scale, scale.pt_per_s / step)
    if not borne_out(leads):
        raise Rejected(Reason.PAGE_NOT_UNDERSTOOD, "no lead names beside the traces")
    doubted = replace(scale, warnings=(*scale.warnings, ReadWarning.LEADS_BY_PLACE))
    return PageLeads(leads, doubted, scale.pt_per_s / step)


def _leads(layout: Layout, scale: Scale, pulses: tuple[Pulse, ...]) -> dict[str, Samples]:
    pieces = {part.lead: _piece(part, layout, scale, pulses) for part in layout.parts}
    strips = [(strip.lead, _piece(strip, layout, scale, pulses)) for strip in layout.strips]
    times = timing.sequential([(start - layout.starts[0]) / scale.pt_per_s for start in layout.starts])
    columns = [[pieces[part.lead] for part in layout.parts if part.column == c] for c in range(len(times))]
    if timing.simultaneous(columns, [strip for _, strip in strips], times, RATE_HZ):
        times = (0.0,) * len(times)
    starts = {part.lead: times[part.column] for part in layout.parts}
    length = max(round(starts[lead] * RATE_HZ) + piece.size for lead, piece in pieces.items())
    length = max([length, *(strip.size for _, strip in strips)])
    leads = {lead: _placed(piece, starts[lead], length) for lead, piece in pieces.items()}
    for said, strip in strips:
        lead = said or timing.lead_of(strip, pieces, starts, RATE_HZ)
        # without its own column to compare with, a "strip" may be a row of leads whose names are missing
        if lead in pieces and timing.error(strip, pieces[lead], starts[lead], RATE_HZ) < _SAME_LEAD:
            leads[lead] = _placed(strip, 0.0, length)
    return leads


def _piece(part: Part, layout: Layout, scale: Scale, pulses: tuple[Pulse, ...]) -> Samples:
    """Sample one part from the beginning of its column, in mV above its row's zero line; NaN where nothing is drawn."""
    per_mv = scale.pt_per_mv(part.lead)
    zero = _zero(float(np.nanmedian(part.points[:, 1])), pulses, per_mv)
    origin = layout.starts[part.column]
    count = int(np.floor((part.points[-1, 0] - origin) / scale.pt_per_s * RATE_HZ + 1e-2)) + 1
    whole = np.full(max(count, 1), np.nan)
    for run in _drawn(part.points):
        time_s = (run[:, 0] - origin) / scale.pt_per_s
        value = (zero - run[:, 1]) / per_mv * (-1 if part.inverted else 1)
        here = sampled(time_s, value, RATE_HZ, whole.size)
        whole = np.where(np.isfinite(here), here, whole)
    return whole


def _drawn(points: Points) -> list[Points]:
    gaps = np.flatnonzero(np.isnan(points[:, 0]))
    runs = (single_valued(run[np.isfinite(run[:, 0])]) for run in np.split(points, gaps))
    return [run for run in runs if len(run) > 1]


def _zero(level: float, pulses: tuple[Pulse, ...], per_mv: float) -> float:
    """Return the foot of the row's calibration pulse, or the trace's own level: an ECG has no absolute zero."""
    near = [pulse.y for pulse in pulses if abs(pulse.y - level) < 0.4 * per_mv]
    return float(np.median(near)) if near else level


def _placed(samples: Samples, start_s: float, length: int) -> Samples:
    placed = np.full(length, np.nan)
    first = round(start_s * RATE_HZ)
    placed[first : first + samples.size] = samples[: length - first]
    return placed
