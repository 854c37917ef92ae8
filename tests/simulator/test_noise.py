"""Noise of each kind, measured where it should show."""

from dataclasses import replace

import numpy as np
import pytest

from domain.ecg import RATE_HZ
from simulator.leads import electrodes, from_electrodes, twelve
from simulator.noise import Cart, recorded

SILENT = np.zeros((8, 5000))
QUIET = Cart(white=0.0, wander=0.0, high_pass_hz=None, low_pass_hz=None)


def noise(seed=1, **more):
    return recorded(SILENT, replace(QUIET, **more), np.random.default_rng(seed))


def share(row, low, high):
    power = np.abs(np.fft.rfft(row - row.mean())) ** 2
    hertz = np.fft.rfftfreq(row.size, 1 / RATE_HZ)
    return power[(hertz >= low) & (hertz <= high)].sum() / power.sum()


def test_electrodes_are_the_leads_and_back():
    eight = np.random.default_rng(1).normal(size=(8, 50))
    np.testing.assert_allclose(from_electrodes(electrodes(eight)), eight, atol=1e-12)
    np.testing.assert_allclose(from_electrodes(electrodes(eight) + 3.0), eight, atol=1e-12)  # any reference


@pytest.mark.parametrize(
    "kind",
    [
        {"white": 0.02},
        {"wander": 0.3},
        {"mains": 0.1},
        {"muscle": 0.05},
        {"loose": 1.0},
        {"wander": 1.5, "limit": 1.0},
        {"white": 0.02, "high_pass_hz": 0.5, "low_pass_hz": 40.0, "step_mv": 0.005},
    ],
)
def test_einthoven_holds_with_noise_of_every_kind(kind):
    signal = twelve(noise(**kind))
    assert np.ptp(signal, axis=1).max() > 0.01
    assert np.abs(signal[2] - (signal[1] - signal[0])).max() < 1e-6


def test_white_noise_has_the_size_asked_for_at_each_electrode():
    assert noise(white=0.01)[0].std() == pytest.approx(0.01 * np.sqrt(2), rel=0.05)  # LA - RA


@pytest.mark.parametrize("hertz", [50, 60])
def test_mains_hum_where_mains_are(hertz):
    assert share(noise(mains=0.1, mains_hz=hertz)[5], hertz - 0.5, hertz + 0.5) > 0.9


def test_wander_is_slow_and_muscle_is_fast():
    assert share(noise(wander=0.2)[4], 0, 1.0) > 0.98
    assert share(noise(muscle=0.02)[4], 20, 250) > 0.8


def test_one_loose_electrode_shows_in_its_own_chest_lead_or_in_all():
    for seed in range(12):
        moved = np.ptp(noise(seed, loose=1.0), axis=1) > 1e-9
        assert moved.sum() == 1 or moved[2:].all()


def test_an_amplifier_clips_electrodes_not_leads():
    clipped = noise(wander=2.0, limit=0.5)
    assert np.abs(clipped[0]).max() <= 1.0 + 1e-9
    assert (np.abs(electrodes(clipped)[3:]).max()) <= 1.0 + 1e-9


def test_filters_take_what_lies_outside_their_band():
    time = np.arange(5000) / RATE_HZ
    rows = np.stack([np.sin(2 * np.pi * f * time) for f in (0.1, 5, 10, 15, 20, 60, 100, 120)])
    kept = recorded(rows, replace(QUIET, high_pass_hz=0.5, low_pass_hz=40.0), np.random.default_rng(1))
    size = kept[:, 1000:4000].std(axis=1) / rows[:, 1000:4000].std(axis=1)
    assert size[0] < 0.15
    assert (size[1:4] > 0.9).all()
    assert (size[5:] < 0.25).all()


def test_samples_lie_on_the_cart_s_steps():
    stored = noise(white=0.02, step_mv=0.005)
    np.testing.assert_allclose(stored / 0.005, np.rint(stored / 0.005), atol=1e-9)
