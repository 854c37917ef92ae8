"""The ruling of a page gives its turn and its scale, however it is scanned."""

import numpy as np
import pytest

from adapters.raster.fifths import fifths
from adapters.raster.lattice import Lattice, find_lattice

FINE, HEAVY = (1, 25.0), (5, 50.0)  # mm apart, and how dark


def ruled(px_mm: float, degrees: float, lines: tuple[tuple[int, float], ...] = (FINE, HEAVY)) -> np.ndarray:
    """Paper 1,400 by 1,000 px with lines 1 mm and 5 mm apart, drawn from the formula of a line."""
    y, x = np.mgrid[0:1000, 0:1400].astype(np.float32)
    angle = np.deg2rad(degrees)
    paper = np.full(x.shape, 250.0, np.float32)
    across, down = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    for along in (across, down):
        for every, depth in lines:
            off = np.abs((along + every * px_mm / 2) % (every * px_mm) - every * px_mm / 2)
            paper -= depth * np.clip(1.2 - off, 0.0, 1.0)
    return np.asarray(paper + np.random.default_rng(1).normal(0, 3, x.shape).astype(np.float32))


@pytest.mark.parametrize(("px_mm", "degrees"), [(7.874, 0.0), (5.906, -3.0), (7.3, 2.6)])
def test_turn_and_scale_are_found(px_mm: float, degrees: float) -> None:
    lattice = find_lattice(ruled(px_mm, degrees))
    assert lattice is not None
    assert np.rad2deg(lattice.angle) == pytest.approx(degrees, abs=0.03)
    assert lattice.millimetre(1400) == pytest.approx((px_mm, px_mm), rel=1e-3)


def test_lines_of_5_mm_alone_are_not_taken_for_1_mm() -> None:
    lattice = find_lattice(ruled(7.0, 1.0, (HEAVY,)))
    assert lattice is not None
    assert not lattice.fifths
    assert lattice.millimetre(1400) == pytest.approx((7.0, 7.0), rel=1e-3)


@pytest.mark.parametrize(("px_mm", "degrees"), [(5.9, 0.0), (5.9, -1.7), (4.5, 0.8)])
def test_heavier_fifths_tell_1_mm_on_a_page_of_any_length(px_mm: float, degrees: float) -> None:
    lattice = find_lattice(ruled(px_mm, degrees))
    assert lattice is not None
    assert lattice.fifths
    page = round(542 * px_mm)
    assert lattice.millimetre(page) == pytest.approx((px_mm, px_mm), rel=1e-3)
    assert lattice.millimetre(page, hint_px=2.83 / 5) == pytest.approx(
        (px_mm, px_mm), rel=1e-3
    )  # a PDF of another size
    assert lattice.millimetre(2 * page) is None
    assert lattice.millimetre(page // 5) is None


@pytest.mark.parametrize("lines", [(FINE,), (HEAVY,)])
def test_even_lines_on_a_long_page_may_be_either(lines: tuple[tuple[int, float], ...]) -> None:
    lattice = find_lattice(ruled(5.9, 0.8, lines))
    assert lattice is not None
    assert not lattice.fifths
    assert lattice.millimetre(3200) is None
    assert lattice.millimetre(3200, stated_px=5.9) == pytest.approx((5.9, 5.9), rel=2e-3)
    assert lattice.millimetre(3200, stated_px=4.5) is None


def test_a_stated_resolution_says_nothing_against_a_likely_width() -> None:
    assert Lattice(0.0, (7.874, 7.874)).millimetre(2300, stated_px=7.874 / 5) == (7.874, 7.874)


@pytest.mark.parametrize("part", [0.5, 1 / 3, 1.0, 5.0])
def test_a_ruling_is_found_again_from_its_overtones_and_its_fifths(part: float) -> None:
    lines = 250 - ruled(9.0, 0.0)
    period, heavier = fifths(lines, (9.0 * part, 9.0 * part))
    assert heavier
    assert period == pytest.approx((9.0, 9.0))


@pytest.mark.parametrize("part", [0.5, 1.0])
def test_even_lines_have_no_fifths(part: float) -> None:
    assert fifths(250 - ruled(9.0, 0.0, (FINE,)), (9.0 * part, 9.0 * part)) == ((9.0 * part, 9.0 * part), False)


def test_paper_without_a_ruling_has_none() -> None:
    assert find_lattice(np.random.default_rng(2).normal(240, 6, (1000, 1400)).astype(np.float32)) is None
