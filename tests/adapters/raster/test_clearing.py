"""A name's ink comes off the trace, and the wave that crosses it stays whole."""

import numpy as np
import pytest

from adapters.raster.clearing import cleared


def letter() -> np.ndarray:
    """A bar 3 px thick across the middle of a picture of 40 by 40 px."""
    ink = np.zeros((40, 40), bool)
    ink[18:21, 5:35] = True
    return ink


def page(*waves: tuple[slice, slice]) -> np.ndarray:
    dark = np.zeros((80, 80), np.float32)
    dark[20:60, 10:50][letter()] = 1.0
    for wave in waves:
        dark[wave] = 1.0
    return dark


def test_a_name_alone_is_wiped_off() -> None:
    assert not cleared(page(), [(10, 20, letter())]).any()


@pytest.mark.parametrize("flanks", [(30,), (26, 32)])
def test_flanks_that_cross_a_name_stay_and_nothing_between_them(flanks: tuple[int, ...]) -> None:
    waves = [(slice(0, 80), slice(x, x + 2)) for x in flanks]
    bare = np.zeros((80, 80), np.float32)
    for wave in waves:
        bare[wave] = 1.0
    assert np.array_equal(cleared(page(*waves), [(10, 20, letter())]), bare)


def test_the_page_itself_is_left_as_it_was_and_names_at_its_edge_are_no_harm() -> None:
    dark = page()
    before = dark.copy()
    cleared(dark, [(10, 20, letter()), (-30, -30, letter()), (70, 70, letter()), (200, 5, letter())])
    assert np.array_equal(dark, before)
