"""The ruling of a scanned page: how far it is turned, and how many pixels a millimetre measures."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from adapters.raster.fifths import BAND, FEWEST_PX, bands, fifths

Grey = NDArray[np.float32]

MOST_SKEW = np.deg2rad(6.0)
_TILE = 512
_MOST_PX = 64.0  # between lines: 5 mm at 320 dpi
_STANDS_OUT = 3.0  # how far above its surroundings, in amplitude, a ruling's frequency is
_OVERTONE = 0.25  # of the strongest frequency: others of the same ruling
_PLAIN = 0.5  # one that needs no other beside it
_PAGE_MM = (120.0, 480.0)  # width of a page of 12 leads, and of all but the longest strip sheets
_LONGEST_MM = 800.0  # of any: taken only where the ruling or the file tells its lines apart
_STATED = 0.1  # by which a picture's own resolution may be off
_LOCAL = (51, 51)  # px; wider than the spacing of most 5 mm lines


@dataclass(frozen=True, slots=True)
class Lattice:
    """``angle``: radians, clockwise as seen, of the ruling from upright; ``period_px``: between its lines (x, y).

    ``fifths``: every fifth line is heavier, both ways.
    """

    angle: float
    period_px: tuple[float, float]
    fifths: bool = False

    def millimetre(
        self, width_px: int, hint_px: float | None = None, stated_px: float | None = None
    ) -> tuple[float, float] | None:
        """Return px a mm (x, y): where every fifth line is heavier they are 1 mm apart, else 1 or 5 mm.

        Told apart by ``hint_px``, px a mm by a PDF page's size (within 0.5 to 1.6), else by the page's likely width,
        else by ``stated_px``, px a mm by a picture's own header, which many programs make up.
        """
        x, y = self.period_px
        if self.fifths:
            return (x, y) if _PAGE_MM[0] <= width_px / x <= _LONGEST_MM else None
        sizes = ((x, y), (x / 5, y / 5))
        if hint_px is not None:
            return next((size for size in sizes if fits(size[0], hint_px)), None)
        likely = [size for size in sizes if _PAGE_MM[0] <= width_px / size[0] <= _PAGE_MM[1]]
        long = [size for size in sizes if _PAGE_MM[0] <= width_px / size[0] <= _LONGEST_MM]
        stated = [size for size in long if stated_px and abs(size[0] / stated_px - 1) < _STATED]
        return next(iter(likely or stated), None)


def fits(px_mm: float, hint_px: float) -> bool:
    """Tell whether a ruling's millimetre may be that of a PDF page's size: printed or scanned at 50 to 160 %."""
    return 0.5 <= px_mm / hint_px <= 1.6


def find_lattice(grey: Grey) -> Lattice | None:
    """Find the ruling of ``grey`` (light is high), ``None`` where none stands out in both directions."""
    ruling = _ruling(grey)
    coarse = _coarse(ruling)
    if coarse is None:
        return None
    period, angle = coarse
    upright = np.asarray(turned(ruling, -angle, 0.0), dtype=np.float32)
    x, tilt_x = _fine(upright, period)
    y, tilt_y = _fine(np.ascontiguousarray(upright.T), period)
    if abs(x / y - 1) > 0.04 or abs(tilt_x + tilt_y) > 0.02:
        return None
    period_px, heavy = fifths(upright, (x, y))
    return Lattice(angle + (tilt_y - tilt_x) / 2, period_px, heavy)


def turned(
    picture: NDArray[np.generic], angle: float, border: float | tuple[float, float, float]
) -> NDArray[np.generic]:
    """Turn a picture clockwise by ``angle`` about its middle, within its own frame."""
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -np.rad2deg(angle), 1.0)
    return np.asarray(cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_CUBIC, borderValue=border))


def _ruling(grey: Grey) -> Grey:
    """Leave what differs a little from its surroundings: the lines, without paper's shade and without the ink."""
    lines = np.clip(cv2.blur(grey, _LOCAL) - grey, -12.0, 40.0)
    return np.asarray(lines - cv2.blur(lines, _LOCAL))


def _coarse(ruling: Grey) -> tuple[float, float] | None:
    """Find period (px) and angle from the mean spectrum of tiles: two peaks of one length, a right angle apart."""
    power = _spectrum(ruling)
    background = cv2.medianBlur(power.astype(np.float32), 5)
    wide = cv2.blur(background, (31, 31)) + 1e-9
    strength = np.sqrt(power / wide).astype(np.float32)
    angles = np.deg2rad(np.arange(-6.0, 6.01, 0.1))
    frequency = np.arange(_TILE / _MOST_PX, _TILE / FEWEST_PX, 0.1)
    f, a = np.meshgrid(frequency, angles)
    across = _at(strength, f * np.cos(a), f * np.sin(a))
    down = _at(strength, -f * np.sin(a), f * np.cos(a))
    both = np.minimum(across, down)
    best = np.unravel_index(int(both.argmax()), both.shape)
    if both[best] < _STANDS_OUT:
        return None
    return _TILE / _fundamental(both[best[0]], float(f[best])), float(a[best])


def _fundamental(strength: Grey, peak: float) -> float:
    """Step down from an overtone to the ruling's own frequency, where it or two of its overtones stand out."""
    least = max(_STANDS_OUT, _OVERTONE * float(strength.max()))
    for part, others in ((2, (0.5, 1.5, 2.5)), (3, (1 / 3, 2 / 3, 4 / 3)), (2, (0.5, 1.5, 2.5))):
        plain = _near(strength, peak / part) > _PLAIN * float(strength.max())
        if plain or sum(_near(strength, peak * other) > least for other in others) >= 2:
            peak /= part
    return peak


def _near(strength: Grey, frequency: float) -> float:
    at = round((frequency - _TILE / _MOST_PX) / 0.1)
    return float(strength[max(at - 3, 0) : at + 4].max(initial=0.0)) if at >= 0 else 0.0


def _spectrum(ruling: Grey) -> Grey:
    height, width = ruling.shape
    window = np.outer(np.hanning(_TILE), np.hanning(_TILE)).astype(np.float32)
    total = np.zeros((_TILE, _TILE), np.float32)
    for top in np.linspace(0, max(height - _TILE, 0), 4).astype(int):
        for left in np.linspace(0, max(width - _TILE, 0), 5).astype(int):
            tile = np.zeros((_TILE, _TILE), np.float32)
            piece = ruling[top : top + _TILE, left : left + _TILE]
            tile[: piece.shape[0], : piece.shape[1]] = piece
            found = cv2.dft(tile * window, flags=cv2.DFT_COMPLEX_OUTPUT)
            total += found[..., 0] ** 2 + found[..., 1] ** 2
    return np.fft.fftshift(total)


def _at(strength: Grey, fx: NDArray[np.float64], fy: NDArray[np.float64]) -> Grey:
    x, y = (fx + _TILE / 2).astype(np.float32), (fy + _TILE / 2).astype(np.float32)
    return np.asarray(cv2.remap(strength, x, y, cv2.INTER_LINEAR))


def _fine(ruling: Grey, period: float) -> tuple[float, float]:
    """Refine the period of upright lines over the whole width, and the angle (dx/dy) by which they lean.

    Each band of rows gives the lines' phase; the phases' drift from band to band is the lean.
    """
    profiles = bands(ruling)
    x = np.arange(profiles.shape[1])
    for reach, steps in ((0.02, 161), (0.0005, 41)):
        trial = (1 / period) * (1 + np.linspace(-reach, reach, steps))
        waves = np.exp(-2j * np.pi * np.outer(x, trial))
        amplitude = profiles @ waves
        best = int((np.abs(amplitude) ** 2).sum(axis=0).argmax())
        period = 1 / float(trial[best])
    band = amplitude[:, best]
    step = np.sum(band[1:] * np.conj(band[:-1]))  # each band weighs by how plainly it shows the lines
    return period, float(-np.angle(step) / (2 * np.pi) * period / BAND)
