"""Points on a page into samples at a uniform rate."""

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline, PchipInterpolator

from adapters.pages.ink import Points

Samples = NDArray[np.float64]

_THINNED_HZ = 300.0  # IEC 60601-2-25 asks a cart for 150 Hz; fewer points a second were thinned for the page
_AVERAGED = 0.25 / 24


def sampled(time_s: Samples, value: Samples, rate_hz: float, count: int) -> Samples:
    """Interpolate ``value`` at ``k / rate_hz`` for ``k`` in ``range(count)``; NaN before the first and after the last.

    Evenly spaced points were samples: a cubic spline through them restores what lay between. Points of a drawing
    program that thinned or rounded them are joined without overshoot (PCHIP). Evenly spaced points too few for an ECG
    were averaged before they were thinned, and are sharpened a little.
    """
    wanted = np.full(count, np.nan)
    slack = 1e-3 / rate_hz
    first = max(int(np.ceil(time_s[0] * rate_hz - 1e-2)), 0)
    last = min(int(np.floor(time_s[-1] * rate_hz + 1e-2)), count - 1)
    at = np.clip(np.arange(first, last + 1) / rate_hz, time_s[0] - slack, time_s[-1] + slack)
    even = _evenly(time_s)
    curve = PchipInterpolator(time_s, value) if even is None else CubicSpline(even, _sharpened(even, value))
    wanted[first : last + 1] = curve(at)
    return wanted


def _sharpened(time_s: Samples, value: Samples) -> Samples:
    """Undo a quarter of what averaging over one step did to thinned points: a mean is v + v'' step^2 / 24.

    A quarter, since a page does not say how it was thinned: against 38 PTB-XL records read back from 125 points/s it
    gains 0.4 dB where 5 samples were averaged, 0.15 where 3, 0.02 behind a steep filter, and loses 0.07 where every
    fourth sample was taken as it was. A whole one loses 0.7 dB there.
    """
    if value.size < 3 or (value.size - 1) > _THINNED_HZ * (time_s[-1] - time_s[0]):
        return value
    sharp = value.copy()
    sharp[1:-1] -= _AVERAGED * np.diff(value, 2)
    return sharp


def _evenly(time_s: Samples) -> Samples | None:
    """Return the times as they were before the page rounded them, when they were evenly spaced."""
    index = np.arange(time_s.size, dtype=np.float64)
    slope, origin = np.polyfit(index, time_s, 1)
    fitted = origin + slope * index
    return np.asarray(fitted) if np.abs(fitted - time_s).max() < 0.2 * slope else None


def single_valued(points: Points) -> Points:
    """Make ``x`` strictly increasing: of points one above the other, keep the peak they draw, else their middle."""
    x, y = points[:, 0], points[:, 1]
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    first = np.flatnonzero(np.concatenate(([True], np.diff(x) > 1e-3)))
    if first.size == x.size:
        return np.column_stack((x, y))
    last = np.append(first[1:], x.size) - 1
    low, high = np.minimum.reduceat(y, first), np.maximum.reduceat(y, first)
    middle, ends_low, ends_high = (y[first] + y[last]) / 2, np.minimum(y[first], y[last]), np.maximum(y[first], y[last])
    kept = np.where(ends_low - low > 1e-6, low, np.where(high - ends_high > 1e-6, high, middle))
    return np.column_stack((x[first], kept))
