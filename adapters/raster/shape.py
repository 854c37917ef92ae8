"""A row's runs of ink into the curve its pen drew, and the calibration pulse at its end."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.pages.grid import Pulse
from adapters.raster.strokes import Runs

Values = NDArray[np.float64]

_LEVEL = 25  # percentile of the traces' ink that is as high as the pen is thick
_TREMBLE = 12.0  # times a row's usual bend
_BLUR, _PEN_BLUR = 0.15, 0.04  # px^2, and a share of the pen's width squared
_TALL_MM = 2.0  # ink of one column in a pulse's upright side
_PULSE_MM = (4.0, 22.0)  # height: 5 to 20 mm/mV
_PULSE_WIDE_MM = (1.8, 11.0)  # 0.2 s at 12.5 to 50 mm/s
_LEVEL_MM = 0.3
_FOOT_MM = 5.0  # of level line before a pulse
_GAP_MM = 0.3  # between a pulse and the trace


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """``y`` a column, NaN without ink; ``top`` and ``bottom`` of the ink it was taken from."""

    y: Values
    top: Values
    bottom: Values

    @property
    def x0(self) -> int:
        """First column with ink."""
        return int(np.flatnonzero(np.isfinite(self.y))[0])

    @property
    def x1(self) -> int:
        """Last column with ink."""
        return int(np.flatnonzero(np.isfinite(self.y))[-1])

    def between(self, first: int, last: int) -> "Curve":
        """Keep the columns from ``first`` to ``last``."""
        column = np.arange(self.y.size)
        inside = (column >= first) & (column <= last)
        return Curve(*(np.where(inside, values, np.nan) for values in (self.y, self.top, self.bottom)))


def pen_of(runs: Runs, paths: Sequence[NDArray[np.int64]]) -> float:
    """Return how thick the traces are drawn, px: how high their ink is where they are level."""
    taken = np.concatenate([path[path >= 0] for path in paths])
    return float(np.percentile(runs.bottom[taken] - runs.top[taken], _LEVEL))


def curve_of(runs: Runs, path: NDArray[np.int64], pen: float) -> Curve:
    """Take back the curve that a round pen drew: its ink's edges less the pen, the upper one at crests."""
    taken = path >= 0
    y, top, bottom = (np.full(path.size, np.nan) for _ in range(3))
    for values, source in ((y, runs.middle), (top, runs.top), (bottom, runs.bottom)):
        values[taken] = source[path[taken]]
    radius = pen / 2
    under, over = _worn(top, radius), -_worn(-bottom, radius)
    bend = np.full(y.size, 0.0)
    bend[1:-1] = y[:-2] + y[2:] - 2 * y[1:-1]
    crest = 0.5 + 0.5 * np.clip(np.nan_to_num(bend) / _crested(bend, radius), -1.0, 1.0)
    thick = bottom - top > 2.4 * radius
    return Curve(np.where(thick, crest * under + (1 - crest) * over, y), top, bottom)


def _crested(bend: Values, radius: float) -> float:
    """Return how sharp a bend is surely a wave's crest, not a pen that trembles: there the ink's middle is the mean."""
    usual = np.abs(bend[np.isfinite(bend) & (bend != 0.0)])
    return max(radius, 0.5, _TREMBLE * float(np.median(usual)) if usual.size else 0.0)


def sharpened(y: Values, pen: float) -> Values:
    """Undo what pen and pixel take from a curve's bends: a mean over their width is y + y'' times half its spread.

    ``y``: px, a column each, no gaps. The pen's share and the rest (pixel, scanner, coder) are a fit of the 27 PTB-XL
    pages at 150, 200 and 300 dpi to what was drawn on them; simulated pages of other pens gain alike.
    """
    sharp = y.copy()
    sharp[1:-1] -= (_BLUR + _PEN_BLUR * pen**2) * np.diff(y, 2)
    return sharp


def _worn(edge: Values, radius: float) -> Values:
    """Return the greatest of ``edge + pen`` beneath a pen about each column: the curve itself, but for its troughs."""
    x = np.arange(edge.size, dtype=np.float64)
    worn = np.full(edge.size, -np.inf)
    for share in (-1.0, -0.7, 0.0, 0.7, 1.0):
        moved = np.interp(x + share * radius, x, edge) + radius * np.sqrt(1 - share**2)
        worn = np.fmax(worn, moved)
    return np.where(np.isfinite(edge), worn, np.nan)


def cut_pulse(curve: Curve, px_mm: float) -> tuple[Curve, Pulse | None]:
    """Cut the calibration pulse off either end of a row."""
    rest, pulse = _leading(curve, px_mm)
    if pulse is not None:
        return rest, pulse
    mirrored = Curve(*(values[::-1] for values in (curve.y, curve.top, curve.bottom)))
    rest, pulse = _leading(mirrored, px_mm)
    if pulse is None:
        return curve, None
    last = curve.y.size - 1
    return Curve(rest.y[::-1], rest.top[::-1], rest.bottom[::-1]), Pulse(
        last - pulse.x1, last - pulse.x0, pulse.y, pulse.height
    )


def _leading(curve: Curve, px_mm: float) -> tuple[Curve, Pulse | None]:
    """Find level - up - level - down within the first columns: two upright sides of one height, level between them."""
    x0 = curve.x0
    reach = slice(x0, x0 + round((_FOOT_MM + _PULSE_WIDE_MM[1] + 4) * px_mm))
    tall = np.flatnonzero(np.nan_to_num(curve.bottom - curve.top)[reach] > _TALL_MM * px_mm) + x0
    sides = np.split(tall, np.flatnonzero(np.diff(tall) > 1) + 1) if tall.size else []
    if len(sides) < 2 or sides[0][0] - x0 > _FOOT_MM * px_mm:
        return curve, None
    up, down = sides[0], sides[1]
    flat = curve.y[up[-1] + 1 : down[0]]
    if flat.size < 3 or np.isnan(flat).any() or np.ptp(flat[1:-1]) > _LEVEL_MM * px_mm:
        return curve, None
    top = float(np.median(flat))
    sill = [float(np.nanmax(curve.bottom[side])) for side in (up, down)]
    lintel = [float(np.nanmin(curve.top[side])) for side in (up, down)]
    wide = float(down.mean() - up.mean())
    even = (
        abs(sill[0] - sill[1]) < 2 * _LEVEL_MM * px_mm
        and max(abs(edge - top) for edge in lintel) < 3 * _LEVEL_MM * px_mm
    )
    pen = float(np.median((curve.bottom - curve.top)[up[-1] + 1 : down[0]]))
    foot = _foot(curve, int(up[0]), int(down[-1]), sill, pen, px_mm)
    fits = (
        _PULSE_MM[0] <= (foot - top) / px_mm <= _PULSE_MM[1] and _PULSE_WIDE_MM[0] <= wide / px_mm <= _PULSE_WIDE_MM[1]
    )
    if not (even and fits):
        return curve, None
    return curve.between(_resumes(curve, int(down[-1]), px_mm), curve.x1), Pulse(
        float(up.mean()), float(down.mean()), foot, foot - top
    )


def _foot(curve: Curve, up: int, down: int, sill: list[float], pen: float, px_mm: float) -> float:
    """Return the level beside the pulse; where there is none, the lower end of its sides less half the pen."""
    near = round(0.7 * px_mm)
    beside = np.concatenate((curve.y[max(up - near, 0) : max(up - 1, 0)], curve.y[down + 2 : down + 2 + near]))
    low = float(np.mean(sill)) - pen / 2
    beside = beside[np.abs(beside - low) < _LEVEL_MM * px_mm]
    return float(np.median(beside)) if beside.size >= 2 else low


def _resumes(curve: Curve, down: int, px_mm: float) -> int:
    """Return where the trace begins: after the gap that follows the pulse, or at once when they are one line."""
    inked = np.isfinite(curve.y[down:])
    for lifted in np.flatnonzero(~inked[: round(_FOOT_MM * px_mm)]):
        back = np.flatnonzero(inked[lifted:])
        if back.size and back[0] >= max(_GAP_MM * px_mm, 1):
            return down + int(lifted) + int(back[0])
    return down + 1
