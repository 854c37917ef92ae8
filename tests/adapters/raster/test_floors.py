"""The floors of docs/reading.md for the simulator's pages as scans."""

import numpy as np
import pytest

from benchmarks.reading import raster
from domain.ecg import LEADS
from domain.errors import Rejected

FLOORS_DB = (18, 17, 20, None, 20, 16, 14, 24, None, 16, 17, 20)  # None: QRS complexes reach into other rows
HEART = 1


@pytest.mark.parametrize(
    ("config", "floor_db"),
    [(config, floor) for config, floor in zip(raster.CONFIGS, FLOORS_DB, strict=True) if floor],
    ids=str,
)
def test_scans_of_simulated_pages_come_back(config: raster.Config, floor_db: float) -> None:
    page = raster.simulated(config, HEART)
    assert len(page.snr_db) == len(LEADS) // (2 if "/2" in config.layout else 1)
    assert page.mislabelled == 0
    assert np.median(list(page.snr_db.values())) >= floor_db


@pytest.mark.parametrize(
    "config", [config for config, floor in zip(raster.CONFIGS, FLOORS_DB, strict=True) if not floor], ids=str
)
def test_rows_that_reach_into_one_another_are_refused(config: raster.Config) -> None:
    with pytest.raises(Rejected, match="rows that reach into one another"):
        raster.simulated(config, HEART)


def test_a_narrow_page_is_read_where_its_rows_stay_apart() -> None:
    page = raster.simulated(raster.CONFIGS[8], 2)
    assert len(page.snr_db) == len(LEADS)
    assert np.median(list(page.snr_db.values())) >= 12  # 16 at most: a pixel holds five samples
