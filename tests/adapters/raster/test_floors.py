"""The floors of docs/reading.md for the simulator's pages as scans."""

import numpy as np
import pytest

from benchmarks.reading import raster
from domain.ecg import LEADS
from domain.errors import Rejected

FLOORS_DB = {0: 19, 1: 18, 2: 20, 3: 14, 4: 20, 5: 16, 6: 18, 7: 24, 9: 16, 10: 16, 11: 17}
HEARTS = {11: 0}  # two of its names touch a wave, two stand under one; of the others the second


@pytest.mark.parametrize("number", FLOORS_DB, ids=lambda number: str(raster.CONFIGS[number]))
def test_scans_of_simulated_pages_come_back(number: int) -> None:
    config, floor_db = raster.CONFIGS[number], FLOORS_DB[number]
    page = raster.simulated(config, HEARTS.get(number, 1))
    assert len(page.snr_db) == len(LEADS) // (2 if "/2" in config.layout else 1)
    assert page.mislabelled == 0
    assert np.median(list(page.snr_db.values())) >= floor_db


@pytest.mark.parametrize(("number", "heart"), [(3, 0), (8, 1), (9, 0)], ids=str)
def test_rows_that_reach_into_one_another_are_refused(number: int, heart: int) -> None:
    with pytest.raises(Rejected, match="rows that reach into one another"):
        raster.simulated(raster.CONFIGS[number], heart)


def test_a_page_of_two_columns_that_lost_the_names_of_the_first_is_not_read_as_one() -> None:
    with pytest.raises(Rejected, match="lead names of several columns"):
        raster.simulated(raster.CONFIGS[11], 4)


def test_a_narrow_page_is_read_where_its_rows_stay_apart() -> None:
    page = raster.simulated(raster.CONFIGS[8], 2)
    assert len(page.snr_db) == len(LEADS)
    assert np.median(list(page.snr_db.values())) >= 11  # 16 at most: a pixel holds five samples
