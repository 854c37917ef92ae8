"""Names that a wave crosses are read where they stand, and nothing else is read in their place."""

import cv2
import numpy as np
import pymupdf
import pytest

from adapters import image
from adapters.pages.ink import Word
from adapters.raster.fonts import pictures
from adapters.raster.letters import lead_names
from adapters.raster.page import upright
from adapters.raster.scan import decoded
from adapters.raster.stencil import read_at, stencil
from adapters.raster.strokes import darkness, mask_of
from config.schema import Reading
from domain.ecg import LEADS
from domain.errors import Rejected
from simulator.heart import ecg, varied
from simulator.page import write_pdf
from tests.adapters.objects import samples_folder
from tests.adapters.raster.scans import scanned

PAGE = write_pdf(ecg(varied(0), 0), 500, layout="3x4")  # R waves cross V4, V5 and V6
HIGH = write_pdf(ecg(varied(0), 0), 500, layout="3x4+3", gain=20)  # rows reach into one another


def words(scan: bytes) -> list[Word]:
    page = upright(decoded(scan).picture)
    dark = darkness(page.picture)
    _, _, boxes, _ = cv2.connectedComponentsWithStats(mask_of(dark), connectivity=8)
    return [word for word in lead_names(dark, boxes[1:, :4], page.px_mm[0]).words if word.text in LEADS]


def names(page: bytes, dpi: int = 200) -> list[str]:
    return sorted(word.text for word in words(scanned(page, dpi=dpi)))


def rewritten(page: bytes, now: dict[str, str]) -> bytes:
    with pymupdf.open(stream=page, filetype="pdf") as document:
        (content,) = document[0].get_contents()
        drawing = document.xref_stream(content)
        for was, new in now.items():
            assert drawing.count(b"(%s) Tj" % was.encode()) == 1
            drawing = drawing.replace(b"(%s) Tj" % was.encode(), b"(%s) TJ" % new.encode())
        document.update_stream(content, drawing.replace(b") TJ", b") Tj"))
        return bytes(document.tobytes())


@pytest.mark.parametrize("dpi", [150, 200, 300])
def test_names_under_r_waves_are_read(dpi: int) -> None:
    assert names(PAGE, dpi) == sorted(LEADS)


def test_names_under_waves_of_two_rows_and_of_strips_are_read() -> None:
    found = words(scanned(HIGH))
    assert sorted(word.text for word in found) == sorted([*LEADS, "II", "V1", "V5"])
    place = {word.text: (word.x0, word.y) for word in found}
    assert place["V4"] == pytest.approx((place["V6"][0], place["aVR"][1]), abs=2)  # px


def test_a_page_whose_rows_reach_into_one_another_is_refused_though_its_names_are_read() -> None:
    with pytest.raises(Rejected, match="reach into one another"):
        image.read(scanned(HIGH), "folder:test", Reading())


@pytest.mark.parametrize(
    "now",
    [
        {"V4": "V5", "V5": "V6", "V6": "V5"},
        {"V4": "V7", "V5": "V3", "V6": "V8"},
        {"V4": "V4R", "V5": "V5R", "V6": "V9"},
        {"V4": " ", "V5": "V1", "V6": "aVR"},
    ],
)
def test_another_name_at_a_crossed_place_or_none_is_not_read_as_the_customary_one(now: dict[str, str]) -> None:
    assert names(rewritten(PAGE, now)) == sorted(set(LEADS) - set(now))


@pytest.mark.parametrize(
    ("seed", "layout", "gain", "dpi", "now"),
    [
        (74, "3x4", 20, 300, {}),  # the first stroke of II is in a trace: I is left
        (45, "6x2", 10, 200, {"V5": "III"}),  # the last of III: II is left
        (42, "4x3", 10, 150, {"V3": "V6R"}),  # the R
    ],
)
def test_the_free_part_of_a_name_that_touches_a_trace_is_no_name(
    seed: int, layout: str, gain: float, dpi: int, now: dict[str, str]
) -> None:
    page = write_pdf(ecg(varied(seed), seed), 500, layout=layout, gain=gain)
    written = [now.get(lead, lead) for lead in LEADS]
    found = names(rewritten(page, now), dpi)
    assert all(found.count(name) <= written.count(name) for name in found)
    assert "II" in found


def test_a_name_under_a_blot_stays_unread() -> None:
    scan = cv2.imdecode(np.frombuffer(scanned(PAGE, degrees=0.0), np.uint8), cv2.IMREAD_COLOR)
    mm = 200 / 25.4
    cv2.circle(scan, (round(214.5 * mm), round(61 * mm)), round(3 * mm), (0, 0, 0), -1)
    found = sorted(word.text for word in words(bytes(cv2.imencode(".png", scan)[1].tobytes())))
    assert set(LEADS) - set(found) == {"V4"}


@pytest.mark.parametrize(("name", "crossed"), [("00162_hr", ("V2", "V3")), ("00180_hr", ("V2",))])
def test_leads_of_ptbxl_pages_whose_names_s_waves_cross_are_read(name: str, crossed: tuple[str, ...]) -> None:
    folder = samples_folder()
    raw = np.fromfile(folder / "ptbxl" / "records500" / f"{name}.dat", dtype="<i2").reshape(-1, 12).T / 1000
    (recording,) = image.read(scanned((folder / "ptbxl_pdf" / f"{name}.pdf").read_bytes()), "folder:test", Reading())
    assert set(recording.leads) == set(LEADS)
    for lead in crossed:
        seen = np.flatnonzero(np.isfinite(recording.leads[lead][:4990]))
        alike = [float(np.corrcoef(recording.leads[lead][seen], its[4:][seen])[0, 1]) for its in raw]
        assert max(alike) == alike[LEADS.index(lead)] > 0.99


def inked(*lines: tuple[int, int]) -> np.ndarray:
    """Paper with a line 2 px wide from the first to the second height at each of the given columns."""
    paper = np.zeros((120, 120), np.float32)
    for number, (top, bottom) in enumerate(lines):
        paper[top:bottom, 60 + 6 * number : 62 + 6 * number] = 1
    return paper


HELVETICA = 0


@pytest.mark.parametrize(
    "lines", [((10, 110),), ((20, 80),), ((10, 110), (10, 110)), ((10, 110), (12, 110), (10, 100))]
)
def test_upright_waves_are_not_read_as_i_ii_or_iii(lines: tuple[tuple[int, int], ...]) -> None:
    cut = stencil(HELVETICA, 0.5)
    for y in range(50, 100, 5):
        assert read_at(inked(*lines), cut, (58, y), 5.0) is None


@pytest.mark.parametrize("count", [1, 2, 3])
def test_strokes_that_end_like_letters_are_i_ii_and_iii(count: int) -> None:
    picture = pictures()[HELVETICA][count - 1]
    small = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    found = read_at(small, stencil(HELVETICA, 0.5), (10, 35), 3.0)
    assert found is not None
    assert found.name == count - 1
