"""EIANet's preprocessing: picture of an ECG -> trace white on black (Lu et al. 2025, section Preprocessing).

The steps stand in the paper's order; sizes and thresholds are not in the paper and were fitted by eye to the standard
picture (1200 x 800, 4 pixels a mm) and to pages of several vendors at about that size. A change of any of them is a new
``PREPROCESSING_VERSION``: a network scores only pictures made the way its training pictures were.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from domain.ecg import Picture

PREPROCESSING = "picture"
PREPROCESSING_VERSION = 2

Gray = NDArray[np.uint8]
"""``[height, width]``; once binary, 255 is trace and 0 is ground."""

BLUR = (5, 5)
INK = 220  # of 255 in the red channel: darker is trace. Red, pink and orange rulings are bright there
TRACE_WIDTH = 1 / 12  # of the picture's width: 25 of 300 mm; a 3x4 page's leads span 62, a calibration pulse 11
TRACE_HEIGHT = 1 / 8  # of its height: 25 of 200 mm: beats that the page's edge cuts apart; a calibration pulse is 10
FRAME = 0.9  # of width and height: a box around the page
RULE = 0.87  # of the picture's width: a straight line this long is a ruling; the standard picture's rows take 0.83
OPENING = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))  # a full square breaks thin oblique traces
HALF = 127


def prepare(picture: Picture, height: int, width: int) -> NDArray[np.float32]:
    """Run all steps and resize: RGB ``[h, w, 3]`` -> ``[1, height, width]``, 0 ground to 1 trace.

    Resizing comes after the paper's steps and averages areas, so that a thin trace fades and does not vanish.
    """
    trace = clean(picture)
    small = np.asarray(cv2.resize(trace, (width, height), interpolation=cv2.INTER_AREA), dtype=np.float32)
    return small[np.newaxis] / np.float32(255)


def unprocessed(picture: Picture, height: int, width: int) -> NDArray[np.float32]:
    """The paper's comparison (table 5): RGB ``[h, w, 3]`` -> gray ``[1, height, width]``, 0 white to 1 black.

    Inverted, so that ink is high as in ``prepare`` and the convolutions' zero padding is paper.
    """
    gray = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    small = np.asarray(cv2.resize(gray, (width, height), interpolation=cv2.INTER_AREA), dtype=np.float32)
    return np.float32(1) - small[np.newaxis] / np.float32(255)


def clean(picture: Picture) -> Gray:
    """The paper's steps: RGB ``[h, w, 3]`` -> binary ``[h, w]``."""
    return binary(equalised(smoothed(opened(traces(inked(picture))))))


def inked(picture: Picture) -> Gray:
    """Gaussian blur, then threshold: what is dark becomes trace, thin ruling fades into the paper."""
    red = cv2.GaussianBlur(np.ascontiguousarray(picture[:, :, 0]), BLUR, 0)
    return np.asarray(cv2.threshold(red, INK, 255, cv2.THRESH_BINARY_INV)[1], dtype=np.uint8)


def traces(ink: Gray) -> Gray:
    """Connected components: drop lead labels, text, calibration pulses and specks (too small), rules and frames.

    What touches a trace stays with it: a label that a tall R wave reaches.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(_without_rules(ink), connectivity=8)
    wide = stats[:, cv2.CC_STAT_WIDTH] / ink.shape[1]
    high = stats[:, cv2.CC_STAT_HEIGHT] / ink.shape[0]
    large = (wide >= TRACE_WIDTH) | ((high >= TRACE_HEIGHT) & (high < FRAME))  # higher: an upright rule
    keep = large & ~((wide >= FRAME) & (high >= FRAME))
    keep[0] = False  # the ground
    return np.asarray(np.where(keep, 255, 0).astype(np.uint8)[labels])


def _without_rules(ink: Gray) -> Gray:
    """Erase straight level lines across the page, and so part them from the words that stand on them."""
    long = RULE * ink.shape[1]
    kept = ink.copy()
    for y in np.flatnonzero(np.count_nonzero(ink, axis=1) >= long):
        edges = np.flatnonzero(np.diff(ink[y], prepend=0, append=0))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            if stop - start >= long:
                kept[y, start:stop] = 0
    return kept


def opened(trace: Gray) -> Gray:
    """Morphological opening 3x3: erosion, then dilation."""
    return np.asarray(cv2.morphologyEx(trace, cv2.MORPH_OPEN, OPENING), dtype=np.uint8)


def smoothed(trace: Gray) -> Gray:
    """Gaussian blur; the picture is gray from the first step on, so the paper's conversion to gray changes nothing."""
    return np.asarray(cv2.GaussianBlur(trace, BLUR, 0), dtype=np.uint8)


def equalised(trace: Gray) -> Gray:
    """Histogram equalisation that brightens and never darkens. The ground stays 0: OpenCV maps the darkest to 0.

    Alone it ranks the gray values, so that ``binary`` would keep the brighter half of the ink however much there is:
    on a noisy or tall ECG spikes break and every trace grows thin.
    """
    return np.maximum(trace, np.asarray(cv2.equalizeHist(trace), dtype=np.uint8))


def binary(trace: Gray) -> Gray:
    """Threshold at the middle."""
    return np.asarray(cv2.threshold(trace, HALF, 255, cv2.THRESH_BINARY)[1], dtype=np.uint8)
