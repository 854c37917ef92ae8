"""A name looked for at its place, where a wave may cross it: a wave adds ink, but takes none away."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from adapters.raster.fonts import NAMES, ORIGIN, pictures
from domain.ecg import LEADS

Dark = NDArray[np.float32]

FINE = 2  # steps a pixel
_EDGE = 0.2
_INK = 0.6  # a stroke two pixels wide is nowhere darker, between pixels and after a coder
_HALF = 0.5
_ROOM = 12.0  # px of ``pictures`` around the names
_STRAY = 0.5  # what ink that a name leaves unexplained costs, against ink that it lacks
_LACKS = 0.12  # share of a name's ink that may be light: a stroke's edge
_LACKS_AT_ONE = 0.25  # and of it at one place, where it would be a stroke
_SPOT = 2.0  # fine px, half a stroke
_PLAIN = 0.5  # share of what tells two names apart that must speak for the one
_STROKES = LEADS.index("aVR")  # names before it are upright strokes, as waves are
_FREE = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Stencil:
    """``core``, ``wide`` ``[name, y, x]``, fine px: each name's ink, and wherever its blurred edge may be.

    ``x``, ``y``: of the pen's beginning on the base line. ``scale``: fine px a px of ``pictures``.
    """

    font: int
    core: Dark
    wide: Dark
    x: float
    y: float
    scale: float


@dataclass(frozen=True, slots=True)
class Found:
    """A name (of ``LEADS``) and where its pen began, px; ``lacks``: the share of its ink that is not there."""

    name: int
    x: float
    y: float
    lacks: float


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """A name laid where it fits best: its ``core`` and ``wide`` in the window, what it lacks, what it costs."""

    core: Dark
    wide: Dark
    at: tuple[int, int]
    lacks: float
    cost: float


def stencil(font: int, size: float) -> Stencil:
    """Cut every name of a font. ``size``: px a px of ``pictures``."""
    scale = size * FINE
    inked = np.argwhere(np.max([_of_one_size(picture) for picture in pictures()[font]], axis=0) > _HALF)
    (top, left), (bottom, right) = inked.min(axis=0) - _ROOM, inked.max(axis=0) + _ROOM
    shape = (round((right - left) * scale), round((bottom - top) * scale))
    place = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
    seen = [cv2.warpAffine(_softened(picture, scale), place, shape) for picture in pictures()[font]]
    core = np.stack([np.where(its > _HALF, its, 0) for its in seen]).astype(np.float32)
    wide = np.stack([cv2.dilate(its, np.ones((3, 3), np.uint8)) for its in seen])
    wide = np.clip(wide / _HALF, 0, 1).astype(np.float32)
    return Stencil(font, core, wide, (ORIGIN[0] - left) * scale, (ORIGIN[1] - top) * scale, scale)


def _of_one_size(picture: Dark) -> Dark:
    return np.asarray(picture[:100, :240])


def _softened(picture: Dark, scale: float) -> Dark:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.5 / scale) if scale < 1 else picture, dtype=np.float32)


def box(cut: Stencil, found: Found) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of a name's ink, px."""
    inked = np.argwhere(cut.core[found.name] > 0)
    (top, left), (bottom, right) = inked.min(axis=0), inked.max(axis=0) + 1
    x, y = found.x - cut.x / FINE, found.y - cut.y / FINE
    return x + left / FINE, y + top / FINE, x + right / FINE, y + bottom / FINE


def inked(cut: Stencil, found: Found) -> tuple[int, int, NDArray[np.bool_]]:
    """Return left, top, and ``[y, x]`` in px: where a name's ink and its edges are."""
    x, y = round(found.x * FINE - cut.x), round(found.y * FINE - cut.y)
    fine = np.pad(cut.wide[found.name] > _EDGE, ((y % FINE, FINE), (x % FINE, FINE)))
    height, width = (side // FINE for side in fine.shape)
    whole = fine[: height * FINE, : width * FINE].reshape(height, FINE, width, FINE)
    return x // FINE, y // FINE, np.asarray(whole.any(axis=(1, 3)))


def read_at(dark: Dark, cut: Stencil, place: tuple[float, float], reach: float) -> Found | None:
    """Read the name written within ``reach`` px of a place, ``None`` where no one name of the twelve is borne out.

    All its ink must be there, and of each other name either ink must be missing or ink too much that no wave explains.
    """
    window, corner = _window(dark, cut, place, reach)
    fits = [_fit(window, core, wide) for core, wide in zip(cut.core, cut.wide, strict=True)]
    name = min(range(len(NAMES)), key=lambda its: fits[its].cost)
    best = fits[name]
    share = best.lacks / float(best.core.sum())
    if name >= len(LEADS) or share > _LACKS or not _whole(window, best):
        return None
    others = [fit for number, fit in enumerate(fits) if number != name]
    if min(_told(window, best, other) for other in others) < _PLAIN or not _ends(window, best, name):
        return None
    y, x = best.at
    return Found(name, corner[0] + (x + cut.x) / FINE, corner[1] + (y + cut.y) / FINE, share)


def _window(dark: Dark, cut: Stencil, place: tuple[float, float], reach: float) -> tuple[Dark, tuple[int, int]]:
    """Return the ink about a place, finely, 0 to 1, and its upper left corner on the page; paper beyond the page."""
    edge = int(np.ceil(reach))
    height, width = (side // FINE + 1 + 2 * edge for side in cut.core.shape[1:])
    left, top = round(place[0] - cut.x / FINE) - edge, round(place[1] - cut.y / FINE) - edge
    seen = np.zeros((height, width), np.float32)
    inside = dark[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    down, across = max(-top, 0), max(-left, 0)
    seen[down : down + inside.shape[0], across : across + inside.shape[1]] = inside
    fine = cv2.resize(seen, None, fx=FINE, fy=FINE, interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(fine / _INK, 0, 1), dtype=np.float32), (left, top)


def _fit(window: Dark, core: Dark, wide: Dark) -> _Fit:
    lacks = float(core.sum()) - cv2.matchTemplate(window, core, cv2.TM_CCORR)
    cost = lacks - _STRAY * cv2.matchTemplate(window, wide, cv2.TM_CCORR)
    y, x = np.unravel_index(int(cost.argmin()), cost.shape)
    laid = [np.zeros_like(window) for _ in range(2)]
    for paper, ink in zip(laid, (core, wide), strict=True):
        paper[y : y + core.shape[0], x : x + core.shape[1]] = ink
    return _Fit(laid[0], laid[1], (int(y), int(x)), float(lacks[y, x]), float(cost[y, x]))


def _whole(window: Dark, fit: _Fit) -> bool:
    return bool(cv2.GaussianBlur(fit.core * (1 - window), (0, 0), _SPOT).max() < _LACKS_AT_ONE)


def _told(window: Dark, fit: _Fit, other: _Fit) -> float:
    """Return the share of what tells two names apart that speaks for the first.

    For it speaks ink that the other lacks; and its own ink beyond the other's, away from ink that is of neither.
    """
    neither = (window * (1 - np.maximum(fit.wide, other.wide)) > _HALF).astype(np.uint8)
    own = fit.core * (1 - other.wide)
    away = 1 - cv2.dilate(neither, np.ones((5, 5), np.uint8))
    apart = float(own.sum() + (other.core * (1 - fit.wide)).sum())
    return (other.lacks - fit.lacks + float((own * window * away).sum())) / max(apart, 1.0)


def _ends(window: Dark, fit: _Fit, name: int) -> bool:
    """Tell whether a name of upright strokes ends as letters do: an I above and below, II and III at one end."""
    if name >= _STROKES:
        return True
    free = [share < _FREE for share in _beyond(window, fit)]
    return all(free) if name == 0 else any(free)


def _beyond(window: Dark, fit: _Fit) -> Iterator[float]:
    """Yield how dark it is just above and just below a name's ink."""
    inked = np.flatnonzero(fit.core.max(axis=1))
    far = max(round(0.15 * inked.size), 2)
    for step in (-far, far):
        cap = np.roll(fit.core, step, axis=0) * (1 - fit.wide)
        yield float((cap * window).sum() / max(float(cap.sum()), 1.0))
