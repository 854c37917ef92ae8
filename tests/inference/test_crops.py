import numpy as np
import pytest

from domain.ecg import LEADS, Measurements
from domain.reason import Reason
from inference.crops import Unscorable, crops, emps, longest_run


def ramps(seconds: float = 10) -> np.ndarray:
    """Every sample says where it stands."""
    return np.tile(np.arange(int(seconds * 500), dtype=np.float32), (12, 1))


def test_crops_are_spread_over_the_whole_recording_and_taken_at_the_same_time_in_every_lead():
    signal = np.random.default_rng(0).normal(size=(12, 5000)).astype(np.float32)
    cut = crops(signal, 3)
    assert cut.shape == (3, 12, 1024)
    assert cut.dtype == np.float32
    for j, at in enumerate((0, 1988, 3976)):
        window = signal[:, at : at + 1024]
        np.testing.assert_array_equal(cut[j], window - np.median(window, axis=1, keepdims=True))


def test_a_single_crop_is_the_middle():
    signal = np.random.default_rng(0).normal(size=(12, 5000)).astype(np.float32)
    window = signal[:, 1988 : 1988 + 1024]
    np.testing.assert_array_equal(crops(signal, 1)[0], window - np.median(window, axis=1, keepdims=True))


def test_on_a_3x4_page_each_lead_is_cropped_from_its_own_time():
    whole = np.random.default_rng(1).normal(size=(12, 5000)).astype(np.float32)
    page = np.full_like(whole, np.nan)
    for lead in range(12):
        column = slice(1250 * (lead // 3), 1250 * (lead // 3) + 1250)
        page[lead, column] = whole[lead, column]
    cut = crops(page, 2)
    assert np.isfinite(cut).all()
    window = whole[9, 3750 + 226 : 5000]
    np.testing.assert_array_equal(cut[1, 9], window - np.median(window))


def test_the_level_of_a_lead_means_nothing():
    signal = np.random.default_rng(2).normal(size=(12, 2500)).astype(np.float32)
    raised = signal + np.float32(2)
    np.testing.assert_allclose(crops(signal, 2), crops(raised, 2), atol=1e-6)


def test_leads_with_less_than_a_crop_are_named():
    signal = ramps(2.5)
    signal[4, 300] = np.nan
    signal[11] = np.nan
    with pytest.raises(Unscorable) as caught:
        crops(signal, 2)
    assert (caught.value.reason, caught.value.leads) == (Reason.TOO_SHORT, ("aVL", "V6"))


@pytest.mark.parametrize("samples", [0, 1, 1023])
def test_a_recording_shorter_than_a_crop_is_too_short_in_every_lead(samples):
    with pytest.raises(Unscorable) as caught:
        crops(np.zeros((12, samples), np.float32), 5)
    assert caught.value.leads == LEADS


@pytest.mark.parametrize(
    ("row", "run"),
    [
        ([], (0, 0)),
        ([np.nan, np.nan], (0, 0)),
        ([1, 2, 3], (0, 3)),
        ([np.nan, 1, 2, np.nan, 1, np.nan], (1, 3)),
        ([1, np.inf, 2, 3], (2, 4)),
    ],
)
def test_the_longest_run_has_neither_nan_nor_infinity(row, run):
    assert longest_run(np.array(row, np.float32)) == run


def test_emps_come_in_the_paper_s_order_from_the_cart_and_else_from_us(make_ecg):
    ecg = make_ecg()
    object.__setattr__(ecg, "reported", Measurements(heart_rate_bpm=60, qrs_ms=90, t_axis_deg=-10))
    object.__setattr__(ecg, "measured", Measurements(heart_rate_bpm=61, qt_ms=400))
    np.testing.assert_array_equal(emps(ecg), np.array([60, np.nan, 90, 400, np.nan, np.nan, np.nan, -10], np.float32))
