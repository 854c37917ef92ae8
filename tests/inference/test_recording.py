import numpy as np
import pytest

from domain.ecg import LEADS
from domain.reason import Reason
from inference.crops import Unscorable
from inference.recording import whole


def noise(samples: int) -> np.ndarray:
    return np.random.default_rng(0).normal(1, 1, (12, samples)).astype(np.float32)


def test_ten_seconds_are_taken_as_they_are_but_for_each_lead_s_level():
    signal = noise(5000)
    np.testing.assert_array_equal(whole(signal), signal - np.median(signal, axis=1, keepdims=True))


def test_of_a_longer_recording_it_is_the_first_ten_seconds():
    signal = noise(7000)
    np.testing.assert_array_equal(whole(signal), whole(signal[:, :5000]))


def test_what_is_missing_of_ten_seconds_is_level():
    signal = noise(4800)
    signal[3, 100:200] = np.nan
    given = whole(signal)
    assert (given.shape, given.dtype) == ((12, 5000), np.float32)
    assert np.isfinite(given).all()
    assert not given[:, 4800:].any()
    assert not given[3, 100:200].any()
    assert np.median(given[3, :4800][np.isfinite(signal[3])]) == pytest.approx(0, abs=1e-6)


def test_leads_known_for_less_than_nine_seconds_are_named():
    signal = noise(5000)
    signal[4, 4499:] = np.nan
    signal[5, 4500:] = np.nan
    signal[11, ::2] = np.inf
    with pytest.raises(Unscorable) as caught:
        whole(signal)
    assert (caught.value.reason, caught.value.leads) == (Reason.TOO_SHORT, ("aVL", "V6"))


@pytest.mark.parametrize("samples", [0, 4499])
def test_a_recording_of_less_than_nine_seconds_is_too_short_in_every_lead(samples):
    with pytest.raises(Unscorable) as caught:
        whole(noise(samples))
    assert caught.value.leads == LEADS
