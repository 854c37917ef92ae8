"""The floors of docs/reading.md for the simulator's pages as scans."""

import numpy as np
import pytest

from benchmarks.reading import raster
from domain.ecg import LEADS
from domain.errors import Rejected
from domain.reason import Reason

# waves of 20 mm/mV, 12.5 mm/s and twelve rows run into one another or are narrower than a pixel tells
FLOORS_DB = (18, 19, 20, 10, 20, 16, 14, 24, None, 12, 19, 20)
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


def test_a_first_name_lost_in_a_wave_moves_no_other_by_a_row() -> None:
    with pytest.raises(Rejected) as refusal:
        raster.simulated(raster.CONFIGS[FLOORS_DB.index(None)], HEART)
    assert refusal.value.reason is Reason.PAGE_NOT_UNDERSTOOD
