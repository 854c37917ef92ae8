import numpy as np
import pytest

from adapters.recording import Recording
from adapters.signal import arrange, derivable, einthoven, resampled
from domain.ecg import LEADS


def recording(leads, rate_hz=500.0):
    return Recording(leads=leads, rate_hz=rate_hz, format="test")


def noise(samples=5000, seed=0):
    return np.random.default_rng(seed).normal(0, 0.3, samples)


def test_500_hz_comes_through_bit_for_bit_in_the_order_of_the_leads():
    leads = {name: noise(seed=number) for number, name in enumerate(LEADS)}
    signal = arrange(recording(dict(reversed(leads.items()))))
    assert signal.dtype == np.float32
    for row, name in zip(signal, LEADS, strict=True):
        np.testing.assert_array_equal(row, leads[name].astype(np.float32))


@pytest.mark.parametrize("rate_hz", [100, 240, 250, 300, 600, 1000, 2000, 71.0, 976.5625])
def test_a_sine_keeps_its_height_and_its_place(rate_hz):
    samples = round(10 * rate_hz)
    sine = np.sin(2 * np.pi * 7 * np.arange(samples) / rate_hz)
    made = resampled(sine[None], rate_hz, 500)[0]
    expected = np.sin(2 * np.pi * 7 * np.arange(len(made)) / 500)
    assert len(made) == pytest.approx(5000, abs=8)
    np.testing.assert_allclose(made[100:-100], expected[100:-100], atol=0.01)


def test_what_500_hz_cannot_hold_is_filtered_out_and_not_folded():
    sine = np.sin(2 * np.pi * 400 * np.arange(10_000) / 1000)  # would alias to 100 Hz
    assert np.abs(resampled(sine[None], 1000, 500)[0][50:-50]).max() < 0.01


def test_a_constant_offset_rings_nowhere():
    made = resampled(np.full((1, 2500), 3.0), 250, 500)
    np.testing.assert_allclose(made, 3.0, atol=1e-9)


@pytest.mark.parametrize("rate_hz", [250, 500, 1000])
def test_a_gap_stays_a_gap_and_what_is_beside_it_stays_itself(rate_hz):
    sine = np.sin(2 * np.pi * 5 * np.arange(10 * rate_hz) / rate_hz)
    sine[2 * rate_hz : 5 * rate_hz] = np.nan
    made = resampled(sine[None], rate_hz, 500)[0]
    gap = np.flatnonzero(np.isnan(made))
    assert (gap[0], gap[-1]) == pytest.approx((1000, 2500), abs=2)
    assert len(gap) == gap[-1] - gap[0] + 1
    expected = np.sin(2 * np.pi * 5 * np.arange(5000) / 500)
    known = np.r_[50:980, 2530:4950]
    np.testing.assert_allclose(made[known], expected[known], atol=0.02)


def test_limb_leads_follow_from_i_and_ii():
    one, two = noise(seed=1), noise(seed=2)
    signal = arrange(recording({"I": one, "II": two}))
    expected = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    np.testing.assert_allclose(signal[:6], expected, atol=1e-6)
    assert np.isnan(signal[6:]).all()


def test_a_lead_that_was_recorded_is_not_derived_even_in_part():
    third = np.full(5000, np.nan)
    third[:1000] = 7
    made = recording({"I": noise(seed=1), "II": noise(seed=2), "III": third})
    assert derivable(made) == ("aVR", "aVL", "aVF")
    assert np.isnan(arrange(made)[2][1000:]).all()


def test_a_lead_without_a_sample_counts_as_absent():
    made = recording({"I": noise(seed=1), "II": noise(seed=2), "III": np.full(5000, np.nan)})
    assert derivable(made) == ("III", "aVR", "aVL", "aVF")


def test_nothing_is_derived_from_one_lead_and_nothing_stands_in_for_another():
    made = recording({"I": noise(), "V3R": noise(seed=1), "V7": noise(seed=2)})
    signal = arrange(made)
    assert derivable(made) == ()
    assert np.isnan(signal[1:]).all()


def test_an_honest_ecg_has_no_residual_whatever_its_offsets():
    signal = arrange(recording({"I": noise(seed=1), "II": noise(seed=2)}))
    signal[2] += 0.5  # AC coupling leaves each lead its own level
    assert einthoven(signal) == pytest.approx((0, 0), abs=1e-5)


def test_a_residual_is_measured_in_millivolts_and_as_a_share():
    signal = arrange(recording({"I": noise(seed=1), "II": noise(seed=2)}))
    residual_mv, share = einthoven(signal)
    signal[2] = -signal[2]
    worse_mv, worse_share = einthoven(signal)
    assert residual_mv < 1e-5 < 0.5 < worse_mv
    assert share < 1e-5 < 0.5 < worse_share


def test_columns_of_a_page_are_tested_where_they_share_their_moment():
    signal = arrange(recording({"I": noise(seed=1), "II": noise(seed=2)}))
    signal[0, 1250:] = signal[2, 1250:] = np.nan
    signal[3:6, :1250] = signal[3:6, 2500:] = np.nan
    assert einthoven(signal) == pytest.approx((0, 0), abs=1e-5)
    signal[[3, 5]] = signal[[5, 3]]
    assert einthoven(signal)[1] > 0.3


def test_leads_that_never_meet_cannot_be_tested():
    assert einthoven(np.full((12, 5000), np.nan, np.float32)) == (0, 0)
