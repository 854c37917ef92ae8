"""Variation of prepared pictures (white trace on black): what pages, pens and scans differ in."""

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.training.recipe import PictureAugmentation

Prepared = NDArray[np.uint8]

_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def varied(picture: Prepared, how: PictureAugmentation, rng: np.random.Generator) -> Prepared:
    """Vary one picture ``[channels, height, width]``; every channel alike; a new array."""
    planes = np.ascontiguousarray(picture.transpose(1, 2, 0))  # [h, w, channels], as OpenCV wants it
    planes = moved(planes, how, rng)
    if rng.random() < how.stroke:
        planes = cv2.dilate(planes, _CROSS) if rng.random() < 0.5 else _thinner(planes, rng)
    if rng.random() < how.blur:
        planes = cv2.GaussianBlur(planes, (3, 3), 0)
    planes = _marked(planes, how, rng).reshape(picture.shape[1], picture.shape[2], -1)
    return np.ascontiguousarray(planes.transpose(2, 0, 1))


def moved(planes: Prepared, how: PictureAugmentation, rng: np.random.Generator) -> Prepared:
    """Shift, scale and rotate about the middle; black comes in from the sides."""
    if not (how.shift or how.scale or how.rotate_deg):
        return planes
    height, width = planes.shape[:2]
    angle = rng.uniform(-1, 1) * how.rotate_deg
    scale = float(np.exp(np.log1p(how.scale) * rng.uniform(-1, 1)))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
    matrix[:, 2] += rng.uniform(-1, 1, 2) * how.shift * (width, height)
    return np.asarray(cv2.warpAffine(planes, matrix, (width, height), flags=cv2.INTER_LINEAR), np.uint8)


def _thinner(planes: Prepared, rng: np.random.Generator) -> Prepared:
    """Half-way to an erosion: a whole one takes a trace of one or two pixels away."""
    share = rng.uniform(0.2, 0.6)
    return np.asarray(cv2.addWeighted(planes, 1 - share, cv2.erode(planes, _CROSS), share, 0), np.uint8)


def _marked(planes: Prepared, how: PictureAugmentation, rng: np.random.Generator) -> Prepared:
    """Specks that preprocessing left over, and gaps where a scan lost the trace."""
    height, width = planes.shape[:2]
    planes = np.array(planes)
    for count, value, side in ((how.specks, 255, 3), (how.gaps, 0, max(2, height // 64))):
        if not count:
            continue
        some = int(rng.integers(0, count + 1))
        for y, x, h, w in zip(*(rng.integers(0, m, some) for m in (height, width, side, side)), strict=True):
            planes[y : y + h + 1, x : x + w + 1] = value
    return planes
