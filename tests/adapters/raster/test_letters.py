"""Names that stand free are read as what they are, or not at all."""

import cv2
import numpy as np
import pymupdf
import pytest

from adapters.raster.letters import lead_names
from adapters.raster.strokes import darkness, mask_of
from domain.ecg import LEADS
from tests.adapters.raster.scans import scanned

STRANGE = ("-aVR", "V7", "V8", "V9", "V3R", "V4R")


def written(font: str) -> bytes:
    with pymupdf.open() as document:
        page = document.new_page(width=600, height=300)
        writer = pymupdf.TextWriter(page.rect)
        for number, name in enumerate((*LEADS, *STRANGE)):
            writer.append((40 + 90 * (number % 6), 60 + 60 * (number // 6)), name, font=pymupdf.Font(font), fontsize=9)
        writer.write_text(page)
        page.draw_rect(pymupdf.Rect(300, 240, 420, 280), fill=(0, 0, 0))
        return bytes(document.tobytes())


@pytest.mark.parametrize("font", ["helv", "tiro", "cour"])
@pytest.mark.parametrize("dpi", [150, 200, 300])
def test_names_that_are_none_of_the_twelve_are_not_taken_for_one(font: str, dpi: int) -> None:
    dark = darkness(cv2.imdecode(np.frombuffer(scanned(written(font), dpi=dpi, degrees=0), np.uint8), 1))
    assert dark is not None
    _, _, boxes, _ = cv2.connectedComponentsWithStats(mask_of(dark), connectivity=8)
    found = [word for word in lead_names(dark, boxes[1:, :4], dpi / 25.4).words if word.text in LEADS]
    assert sorted(word.text for word in found) == sorted(LEADS)
    assert max(word.y1 for word in found) < 130 * dpi / 72
