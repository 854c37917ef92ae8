"""The standard picture with what a model looked at beneath its traces, for a clinician to read.

Heat darkens the paper blue: apart from the red ruling for eyes that see no red, and in grey print still lighter than
the trace, which stays black. Steps of a tenth rather than a ramp: a reader can match a place with the legend.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from adapters import paper
from adapters.paper import HEIGHT_MM, PX_MM, WIDTH_MM, Shown, shown
from domain.ecg import LEADS, Ecg, Picture
from domain.explanation import SHOWN, Explanation, LeadHeat, PictureHeat

HEAD_MM, FOOT_MM = 37, 30
_BAND_MM = 14  # a lead's heat reaches this far up and down from its baseline
_TINTS = np.array(  # RGB, the palest first; of 17 levels; luminance 218 to 112 of 255, where the trace's is 0
    [[204, 221, 238], [170, 204, 238], [136, 187, 238], [119, 170, 221], [85, 136, 204], [68, 119, 187]], np.uint8
)
_STEPS = len(_TINTS)
_TABLES = np.full((3, 256), 255, np.uint8)  # step 0 leaves the paper as it is
_TABLES[:, 1 : _STEPS + 1] = _TINTS.T
_COARSE = (np.rint(np.arange(256) / 17) * 17).astype(np.uint8)
_ROUNDING = 1e-4
_LEFT_MM = 10
_INK = (0, 0, 0)
_SWATCH_MM = 12

Heat = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """The words around the picture, ASCII: what the fonts can write. ``warning`` is printed white on black."""

    title: str
    warning: str
    lines: tuple[str, ...]
    legend: tuple[str, ...]


def draw(ecg: Ecg, explanation: Explanation, caption: Caption) -> Picture:
    """Draw it, uint8 ``[1068, 1200, 3]``; the same values give the same pixels."""
    places = shown(ecg.signal, ecg.rate_hz)
    middle = _tinted(ecg.picture, heat_of(explanation, places))
    if isinstance(explanation, LeadHeat) and explanation.attention is not None:
        _write_weights(middle, places, explanation.attention)
    return coarse(np.vstack((_head(caption), middle, _foot(caption))))


def coarse(picture: Picture) -> Picture:
    """Sixteen levels a channel: no eye sees it in a line drawing, and a third of the PNG's bytes go."""
    return np.asarray(cv2.LUT(picture, _COARSE), np.uint8)


def heat_of(explanation: Explanation, places: tuple[Shown, ...]) -> Heat:
    """Heat of each pixel of the standard picture, ``[800, 1200]``."""
    height, width = HEIGHT_MM * PX_MM, WIDTH_MM * PX_MM
    if isinstance(explanation, PictureHeat):
        return explanation.pixels(height, width)
    heat: Heat = np.zeros((height, width), np.float32)
    for one in places:
        y, x = round(one.place.y_mm * PX_MM), np.rint(one.trace_mm[:, 0] * PX_MM).astype(int)
        kept = x < width
        row = _of_lead(explanation, one)
        column: Heat = np.zeros(width, np.float32)
        np.maximum.at(column, x[kept], row[kept])
        band = heat[y - _BAND_MM * PX_MM : y + _BAND_MM * PX_MM]
        np.maximum(band, column, out=band)
    return heat


def on_samples(explanation: Explanation, ecg: Ecg) -> Heat:
    """Heat of each sample of each lead, ``[12, n]``, NaN where the model did not look or the picture does not show it.

    A picture's heat is read where the sample's ink is; where a sample is drawn twice the hotter place counts.
    """
    count = ecg.signal.shape[1]
    if isinstance(explanation, LeadHeat):
        return explanation.samples(count)
    heat: Heat = np.full((len(LEADS), count), np.nan, np.float32)
    for one in shown(ecg.signal, ecg.rate_hz):
        x_px, y_px = (one.trace_mm * PX_MM).T
        there = heat[LEADS.index(one.place.lead), one.first : one.first + x_px.size]
        np.fmax(there, explanation.at(y_px, x_px), out=there)
    return heat


def _of_lead(explanation: LeadHeat, one: Shown) -> Heat:
    stop = one.first + one.trace_mm.shape[0]
    heat = explanation.samples(stop)[LEADS.index(one.place.lead), one.first : stop]
    return np.asarray(np.where(np.isfinite(one.trace_mm[:, 1]), np.nan_to_num(heat), 0), np.float32)


def _tinted(picture: Picture, heat: Heat) -> Picture:
    """Multiply: what is dark stays dark."""
    step = np.clip((heat - (SHOWN - _ROUNDING)) * (_STEPS / (1 - SHOWN)) + 1, 0, _STEPS).astype(np.uint8)
    tint = cv2.merge([cv2.LUT(step, channel) for channel in _TABLES])
    return np.asarray(cv2.multiply(picture, tint, scale=1 / 255), np.uint8)


def _write_weights(picture: Picture, places: tuple[Shown, ...], attention: Heat) -> None:
    """Each lead's weight beside its name: a bar, the longest for the weightiest lead, and per cent."""
    for one in places[:-1] if places[-1].place.seconds == paper.STRIP_S else places:
        weight = float(attention[LEADS.index(one.place.lead)])
        (wide, _), _ = cv2.getTextSize(one.label, cv2.FONT_HERSHEY_SIMPLEX, 0.6, 1)
        x_mm, y_mm = paper.label_mm(one.place)
        x_mm += wide / PX_MM + 2
        longest_mm = 12.0 if one.label == one.place.lead else 4.0  # beside a label that says more there is less room
        long_mm = max(0.5, longest_mm * weight / float(attention.max()))
        top, left = round((y_mm - 3.2) * PX_MM), round(x_mm * PX_MM)
        bar = picture[top : top + 3 * PX_MM, left : left + max(2, round(long_mm * PX_MM))]
        np.minimum(bar, _TINTS[-1], out=bar)  # beneath a trace that comes so high
        paper.write(picture, f"{100 * weight:.0f} %", x_mm + long_mm + 1, y_mm)


def _head(caption: Caption) -> Picture:
    strip = np.full((HEAD_MM * PX_MM, WIDTH_MM * PX_MM, 3), 255, np.uint8)
    _print(strip, caption.title, _LEFT_MM, 7, scale=0.75, thickness=2)
    if caption.warning:
        _box(strip, _LEFT_MM - 1, 9, WIDTH_MM - 2 * _LEFT_MM + 2, 7, _INK)
        _print(strip, caption.warning, _LEFT_MM + 1, 14.2, colour=(255, 255, 255))
    for number, line in enumerate(caption.lines):
        _print(strip, line, _LEFT_MM, 22 + 5.5 * number, scale=0.65 if number == 0 else 0.5)
    return strip


def _foot(caption: Caption) -> Picture:
    strip = np.full((FOOT_MM * PX_MM, WIDTH_MM * PX_MM, 3), 255, np.uint8)
    for step in range(_STEPS):
        x_mm = _LEFT_MM + step * _SWATCH_MM
        _box(strip, x_mm, 3, _SWATCH_MM, 5, tuple(int(part) for part in _TINTS[step]))
        _print(strip, f"{SHOWN + step * (1 - SHOWN) / _STEPS:.1f}", x_mm - 2, 12, scale=0.45)
    end_mm = _LEFT_MM + _STEPS * _SWATCH_MM
    _print(strip, "1.0", end_mm - 2, 12, scale=0.45)
    _print(strip, "blank below 0.4", _LEFT_MM - 2, 17, scale=0.45)
    for number, line in enumerate(caption.legend):
        _print(strip, line, end_mm + 9, 6 + 5 * number, scale=0.5)
    return strip


def _box(picture: Picture, x_mm: float, y_mm: float, wide_mm: float, high_mm: float, colour: tuple[int, ...]) -> None:
    corners = [(round(x * PX_MM), round(y * PX_MM)) for x, y in ((x_mm, y_mm), (x_mm + wide_mm, y_mm + high_mm))]
    cv2.rectangle(picture, corners[0], corners[1], colour, cv2.FILLED)


def _print(
    picture: Picture,
    text: str,
    x_mm: float,
    y_mm: float,
    *,
    scale: float = 0.55,
    thickness: int = 1,
    colour: tuple[int, int, int] = _INK,
) -> None:
    at = (round(x_mm * PX_MM), round(y_mm * PX_MM))
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thickness, cv2.LINE_AA)
