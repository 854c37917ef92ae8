"""The floors of docs/reading.md for vector pages."""

import numpy as np
import pytest

from adapters import pdf
from benchmarks.reading import vector
from config.schema import Reading
from domain.ecg import LEADS
from tests.adapters.objects import samples_folder


@pytest.mark.parametrize("config", vector.CONFIGS, ids=str)
def test_simulated_pages_come_back(config: vector.Config) -> None:
    (score,) = vector.simulated(config, [5])
    assert score.missing == 0
    assert score.mislabelled == 0
    assert min(score.snr_db) >= 35


def test_ptbxl_pages_come_back_against_their_records() -> None:
    scores = list(vector.ptbxl(samples_folder()))
    assert len(scores) == 27
    assert sum(score.missing + score.mislabelled for score in scores) == 0
    assert np.median(np.concatenate([score.snr_db for score in scores])) >= 24
    assert np.median(np.concatenate([score.r for score in scores])) >= 0.998


@pytest.mark.parametrize(
    ("name", "points", "power", "largest_mv"),
    [("cardiosoft_testmann", 590, 0.001, 0.02), ("schiller_1282423", 71, 0.015, 0.2)],
)
def test_carts_leads_keep_einthovens_law_as_far_as_their_points_allow(
    name: str, points: float, power: float, largest_mv: float
) -> None:
    (recording,) = pdf.read((samples_folder() / "pdf" / f"{name}.pdf").read_bytes(), "test", Reading())
    assert set(LEADS) <= set(recording.leads)
    assert recording.native_rate_hz == pytest.approx(points, rel=0.05)
    share, largest = vector.einthoven(recording)
    assert share < power
    assert largest < largest_mv
