"""Pictures of writing brought to one size, so that they can be compared: the product of two is how alike they are."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from adapters.raster.fonts import Dark, extent

Vector = NDArray[np.float32]
Box = tuple[float, float, float, float]
"""Left, right, top and bottom, between pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Ink, 0 to 1, and the box it fills."""

    picture: Dark
    box: Box


def cut(picture: Dark) -> Piece:
    """Return a picture with the box of its ink."""
    return Piece(picture, (*extent(picture.max(axis=0)), *extent(picture.max(axis=1))))


def aspect(box: Box) -> float:
    """Return width by height."""
    return (box[1] - box[0]) / max(box[3] - box[2], 1e-3)


def fitted(piece: Piece, size: tuple[int, int]) -> Dark:
    """Return a piece, cut to its box, as ``size`` columns and rows."""
    left, right, top, bottom = piece.box
    across, down = (right - left) / size[0], (bottom - top) / size[1]
    soft = max(across, down)
    picture = cv2.GaussianBlur(piece.picture, (0, 0), soft / 2) if soft > 1.0 else piece.picture
    place = np.array([[across, 0, left + across / 2], [0, down, top + down / 2]])
    seen = cv2.warpAffine(picture, place, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray(seen, dtype=np.float32)


def level(picture: Dark) -> Vector:
    """Return a picture as a vector of zero mean and unit length."""
    flat = picture.ravel() - picture.mean()
    return np.asarray(flat / (np.linalg.norm(flat) + 1e-6), dtype=np.float32)
