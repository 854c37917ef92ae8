"""The standard picture of an ECG (25 mm/s, 10 mm/mV, three rows of four leads and lead II beneath); a sender's page."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from domain.ecg import LEADS, Picture

PX_MM = 4
"""Pixels a millimetre of paper."""
WIDTH_MM, HEIGHT_MM = 300, 200
SPEED_MM_S, GAIN_MM_MV = 25, 10
COLUMN_S, STRIP_S = 2.5, 10.0
RHYTHM_LEAD = "II"

_LEFT_MM = 30  # where time 0 of every row stands, on a thick grid line
_ROWS_MM = (40, 85, 130, 175)  # baselines, on thick grid lines
_BAND_MM = 30.0  # a trace may reach 3 mV from its baseline, into the neighbouring row as on a cart's paper, no further
_SUB = 4  # fractional bits of OpenCV's coordinates: 1/16 pixel
_PAPER, _THIN, _THICK, _INK = (255, 250, 250), (250, 218, 218), (240, 170, 170), (0, 0, 0)  # RGB
_PAGE_DPI = 110
_PAGE_SIDE_PX = 2000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a lead is drawn: its row's baseline, where its first sample stands, and the time it should show."""

    lead: str
    x_mm: float
    y_mm: float
    start_s: float
    seconds: float


def _places() -> tuple[Place, ...]:
    step = COLUMN_S * SPEED_MM_S
    grid = [
        Place(LEADS[3 * column + row], _LEFT_MM + step * column, _ROWS_MM[row], COLUMN_S * column, COLUMN_S)
        for column in range(4)
        for row in range(3)
    ]
    return (*grid, Place(RHYTHM_LEAD, _LEFT_MM, _ROWS_MM[3], 0.0, STRIP_S))


_PLACES = _places()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shown:
    """A lead as drawn at one place: its samples from ``first`` on, at ``(x, y)`` mm, y NaN where not recorded."""

    place: Place
    first: int
    trace_mm: NDArray[np.float64]
    label: str


def draw(signal: NDArray[np.float32], rate_hz: float) -> Picture:
    """Draw ``signal`` (``[12, n]`` in mV, NaN where not recorded) as the standard picture, uint8 ``[800, 1200, 3]``.

    Each lead shows the 2.5 s of its own column; a lead recorded only at another time shows that time, and says so.
    A lead never recorded is named as such, not drawn flat. Identical input gives identical pixels.
    """
    if signal.ndim != 2 or signal.shape[0] != len(LEADS) or rate_hz <= 0:
        raise ValueError("signal is [12, n] at a positive rate")
    picture = _ruled_paper().copy()
    for place in _PLACES:
        _draw_lead(picture, place, signal[LEADS.index(place.lead)], rate_hz)
    return picture


def shown(signal: NDArray[np.float32], rate_hz: float) -> tuple[Shown, ...]:
    """What ``draw`` shows of ``signal``, and where: for reading the picture back by lead and sample.

    Lead II is there twice, in its column and as the strip beneath; a lead never recorded is not there.
    """
    found = (_shown(place, signal[LEADS.index(place.lead)], rate_hz) for place in _PLACES)
    return tuple(one for one in found if one is not None)


def png(picture: Picture) -> bytes:
    """Encode a picture as PNG; the same pixels give the same bytes."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    ok, encoded = cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 4])
    if not ok:
        raise ValueError("picture is not uint8 [height, width, 3]")
    return encoded.tobytes()


class Page(Protocol):
    """What ``page_picture`` asks of a PDF page (``pymupdf.Page``)."""

    rect: Any

    def get_pixmap(self, *, dpi: int, alpha: bool) -> Any:
        """Render the page, its own rotation applied."""


def page_picture(page: Page, *, quarter_turns: int = 0) -> Picture:
    """Render the sender's own page, turned clockwise by ``quarter_turns`` beyond its own rotation.

    At 110 dpi, or coarser so that no side exceeds 2,000 pixels: a page states its size, and may state any.
    """
    longest_pt = max(page.rect.width, page.rect.height, 1)
    dpi = max(1, min(_PAGE_DPI, int(_PAGE_SIDE_PX * 72 / longest_pt)))
    rendered = page.get_pixmap(dpi=dpi, alpha=False)
    pixels = np.frombuffer(rendered.samples, dtype=np.uint8).reshape(rendered.height, rendered.stride)
    rgb = pixels[:, : rendered.width * 3].reshape(rendered.height, rendered.width, 3)
    return np.ascontiguousarray(np.rot90(rgb, -quarter_turns))


@lru_cache(maxsize=1)
def _ruled_paper() -> Picture:
    """Everything that is the same in every picture; whoever draws on it copies it first."""
    paper = np.full((HEIGHT_MM * PX_MM, WIDTH_MM * PX_MM, 3), _PAPER, dtype=np.uint8)
    for every_mm, colour in ((1, _THIN), (5, _THICK)):
        paper[:: every_mm * PX_MM] = colour
        paper[:, :: every_mm * PX_MM] = colour
    for y_mm in _ROWS_MM:
        _line(paper, _pulse(y_mm))
    write(paper, f"{SPEED_MM_S} mm/s  {GAIN_MM_MV} mm/mV", _LEFT_MM, HEIGHT_MM - 3)
    paper.setflags(write=False)
    return paper


def _pulse(y_mm: float) -> NDArray[np.float64]:
    """The calibration pulse of a row: 1 mV for 200 ms, in mm."""
    return np.array([(13, y_mm), (16, y_mm), (16, y_mm - 10), (21, y_mm - 10), (21, y_mm), (24, y_mm)], dtype=float)


def _draw_lead(picture: Picture, place: Place, lead: NDArray[np.float32], rate_hz: float) -> None:
    found = _shown(place, lead, rate_hz)
    if found is None:
        write(picture, f"{place.lead}  not recorded", *label_mm(place))
        return
    per_pixel = max(1, int(rate_hz / (SPEED_MM_S * PX_MM)))
    for piece in _recorded_runs(found.trace_mm[:, 1]):
        _line(picture, _thinned(found.trace_mm[piece], per_pixel))
    _tick(picture, place)
    write(picture, found.label, *label_mm(place))


def label_mm(place: Place) -> tuple[float, float]:
    """Where a lead's name begins, in mm."""
    return place.x_mm + 1, place.y_mm - 15


def _shown(place: Place, lead: NDArray[np.float32], rate_hz: float) -> Shown | None:
    first = _window_start(lead, place, rate_hz)
    if first is None:
        return None
    elsewhere = "" if first == round(place.start_s * rate_hz) else f"  from {first / rate_hz:.1f} s"
    window = np.asarray(lead[first : first + round(place.seconds * rate_hz)], dtype=np.float64)
    # An electrocardiograph is AC-coupled: the level of the baseline means nothing, so the trace is centred in its row.
    height_mm = np.clip((window - np.nanmedian(window)) * GAIN_MM_MV, -_BAND_MM, _BAND_MM)
    x_mm = place.x_mm + np.arange(window.size) * (SPEED_MM_S / rate_hz)
    trace_mm = np.column_stack((x_mm, place.y_mm - height_mm))
    return Shown(place=place, first=first, trace_mm=trace_mm, label=place.lead + elsewhere)


def _window_start(lead: NDArray[np.float32], place: Place, rate_hz: float) -> int | None:
    """Choose the first sample to show: the place's own time, unless another window holds more of the lead."""
    recorded = np.isfinite(lead)
    if not recorded.any():
        return None
    length = round(place.seconds * rate_hz)
    seen = np.flatnonzero(recorded)
    starts = (round(place.start_s * rate_hz), int(seen[0]), max(0, int(seen[-1]) + 1 - length))
    return max(starts, key=lambda start: int(recorded[start : start + length].sum()))  # the first of equals: its own


def _recorded_runs(window: NDArray[np.float64]) -> list[slice]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], np.isfinite(window), [False])).astype(np.int8)))
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _thinned(trace: NDArray[np.float64], per_pixel: int) -> NDArray[np.float64]:
    """Keep the lowest and the highest of every ``per_pixel`` points, which look the same and draw faster."""
    bins = trace.shape[0] // per_pixel
    if per_pixel < 3 or bins < 2:
        return trace
    height = trace[: bins * per_pixel, 1].reshape(bins, per_pixel)
    kept = np.sort(np.stack((height.argmin(axis=1), height.argmax(axis=1)), axis=1), axis=1)
    index = (kept + np.arange(bins)[:, None] * per_pixel).ravel()
    return np.asarray(trace[np.unique(np.concatenate(([0], index, [trace.shape[0] - 1])))])


def _line(picture: Picture, points_mm: NDArray[np.float64]) -> None:
    points = np.rint(points_mm * (PX_MM << _SUB)).astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(picture, [points], False, _INK, thickness=2, lineType=cv2.LINE_AA, shift=_SUB)


def _tick(picture: Picture, place: Place) -> None:
    """Mark where a column begins, so that neighbouring leads are not read as one."""
    if place.x_mm > _LEFT_MM:
        x, y = round(place.x_mm * PX_MM), round(place.y_mm * PX_MM)
        cv2.line(picture, (x, y - 3 * PX_MM), (x, y + 3 * PX_MM), _INK, 1)


def write(picture: Picture, text: str, x_mm: float, y_mm: float) -> None:
    """Print a line in ink; ``x_mm``, ``y_mm`` is where its foot begins."""
    at = (round(x_mm * PX_MM), round(y_mm * PX_MM))
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.6, cast(Any, _INK), 1, cv2.LINE_AA)
