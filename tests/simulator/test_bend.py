from dataclasses import replace

import numpy as np
import pytest

from adapters.measure import beats
from domain.ecg import LEADS
from simulator.bend import bend
from simulator.effects import Effects, of_potassium
from simulator.heart import Heart, ecg

V3 = LEADS.index("V3")


@pytest.fixture(scope="module")
def recording():
    """Stands for a real one: what is asked of it is in the beats."""
    return ecg(Heart(rate_bpm=66, noise_mv=0.004, shape=5), 3)


def bent(recording, effects: Effects, seed: int = 0):
    return bend(recording, beats(recording, 500), effects, np.random.default_rng(seed))


def beat_of(signal):
    """V3's median beat from 250 ms before R to 560 ms after, its PR segment at 0."""
    windows = [signal[V3, r - 125 : r + 280] for r in beats(signal, 500) if r >= 125 and r + 280 < signal.shape[1]]
    median = np.median(windows, axis=0)
    return median - np.median(median[85:100])


def t_wave(signal) -> tuple[float, int]:
    """Height in mV and width at half of it in samples."""
    late = beat_of(signal)[175:]
    return float(late.max()), int((late > late.max() / 2).sum())


def test_nothing_to_bend_leaves_the_recording_as_it_is(recording):
    assert np.abs(bent(recording, Effects()) - recording).max() < 0.02


def test_einthoven_and_goldberger_hold_to_one_rounding(recording):
    signal = bent(recording, of_potassium(7.5))
    one, two, three, avr, avl, avf = signal[:6]
    assert np.abs(three - (two - one)).max() < 1e-6
    assert np.abs(avr + (one + two) / 2).max() < 1e-6
    assert np.abs(avl - (one - two / 2)).max() < 1e-6
    assert np.abs(avf - (two - one / 2)).max() < 1e-6


def test_the_t_wave_grows_and_narrows_with_potassium(recording):
    heights, widths = zip(*(t_wave(bent(recording, of_potassium(k))) for k in (4.5, 6, 7)), strict=True)
    assert heights[0] < 0.85 * heights[1] < 0.8 * heights[2]
    assert widths[0] > widths[1] > widths[2]


def test_low_potassium_flattens_t_raises_u_and_lowers_st(recording):
    low, normal = beat_of(bent(recording, of_potassium(2.0))), beat_of(recording)
    assert low[175:260].max() < 0.5 * normal[175:260].max()
    assert np.median((low - normal)[150:165]) == pytest.approx(-0.07, abs=0.03)  # of_potassium(2.0).st_mv: -0.069
    with_u = beat_of(bent(recording, replace(Effects(), u_mv=0.1))) - normal
    assert with_u.max() == pytest.approx(0.1, abs=0.02)
    assert np.argmax(with_u) > 175 + np.argmax(normal[175:])  # after T


def test_high_potassium_widens_qrs_and_takes_p_away(recording):
    def qrs_samples(signal) -> int:
        speed = np.abs(np.gradient(beat_of(signal)[60:190]))
        return int((speed > 0.1 * speed.max()).sum())

    wide = bent(recording, replace(Effects(), qrs_width=1.5))
    assert qrs_samples(wide) > 1.2 * qrs_samples(recording)
    without_p = beat_of(bent(recording, replace(Effects(), p_amplitude=0.0)))
    assert np.abs(without_p[30:75]).max() < 0.4 * np.abs(beat_of(recording)[30:75]).max()


def test_the_same_seed_bends_the_same_way(recording):
    assert np.array_equal(bent(recording, of_potassium(7), 4), bent(recording, of_potassium(7), 4))


def test_ectopic_beats_stay_as_they_were_recorded():
    signal = ecg(Heart(rate_bpm=60, ectopic=0.12, noise_mv=0, wander_mv=0, shape=2), 8)
    places = beats(signal, 500)
    changed = np.abs(bent(signal, of_potassium(8)) - signal)[V3]
    sizes = np.array([changed[r : r + 220].max() for r in places if 160 <= r < 4700])
    assert sizes.max() > 0.15
    assert (sizes < 0.02).any()


@pytest.mark.parametrize("places", [np.array([], np.intp), np.array([900], np.intp), np.array([900, 1500], np.intp)])
def test_without_three_beats_alike_it_says_so(recording, places):
    with pytest.raises(ValueError, match="no three"):
        bend(recording, places, of_potassium(7), np.random.default_rng(0))
