"""Specks at the edge of steep ink are left out; faint ink that is a trace is not."""

import cv2
import numpy as np

from adapters.raster.flanks import without_specks
from adapters.raster.strokes import Runs, mask_of, runs_of

PX_MM = 8.0


def runs(dark: np.ndarray) -> Runs:
    mask = mask_of(dark)
    return runs_of(dark, mask, cv2.connectedComponents(mask, connectivity=8)[1])


def page() -> np.ndarray:
    """A faint level trace, and a dark flank of 5 mm with a faint speck to its right."""
    dark = np.zeros((100, 60), np.float32)
    dark[80:82, :] = 0.4
    dark[20:60, 30] = 1.0
    dark[40, 31] = 0.3
    return dark


def test_a_speck_beside_a_flank_is_left_out() -> None:
    kept = without_specks(runs(page()), PX_MM)
    assert [round(y) for y in kept.middle[kept.first[31] : kept.first[32]]] == [80]
    assert kept.middle.size == runs(page()).middle.size - 1


def test_a_speck_beside_nothing_tall_stays() -> None:
    dark = page()
    dark[20:36, 30] = dark[50:60, 30] = 0.0
    assert without_specks(runs(dark), PX_MM).middle.size == runs(dark).middle.size


def test_the_end_of_a_flank_stays() -> None:
    dark = page()
    dark[40, 31] = 0.0
    dark[58:62, 31] = 0.8
    assert without_specks(runs(dark), PX_MM).middle.size == runs(dark).middle.size
