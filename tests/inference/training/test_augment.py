import numpy as np
import pytest

from domain.ecg import LEADS
from inference.training import page_look
from inference.training.augment import CHEST, LEADS_OF_ELECTRODES, varied
from inference.training.recipe import PictureAugmentation, SignalAugmentation
from simulator import heart

STRONG = SignalAugmentation(
    gain=0.3, group_gain=0.3, wander_mv=0.5, white_mv=0.1, mains_mv=0.1, emg_mv=0.1, shift_s=0.5, lead_drop=0.5
)
ONE, TWO, THREE, AVR, AVL, AVF = range(6)


@pytest.fixture(scope="module")
def signal():
    return heart.ecg(heart.varied(1), 1)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("seed", range(5))
def test_einthoven_and_goldberger_hold_as_they_did(signal, seed):
    out = varied(signal, STRONG, rng(seed))
    assert np.abs(out - signal).max() > 0.05
    for law in (
        out[ONE] + out[THREE] - out[TWO],
        out[AVR] + (out[ONE] + out[TWO]) / 2,
        out[AVL] - (out[ONE] - out[THREE]) / 2,
        out[AVF] - (out[TWO] + out[THREE]) / 2,
    ):
        assert np.abs(law).max() < 1e-5


def test_the_leads_of_electrodes_are_the_textbook_s():
    right, left, leg, v = 0.3, -0.2, 0.9, np.arange(6) * 0.1
    terminal = (right + left + leg) / 3
    expected = [left - right, leg - right, leg - left, right - (left + leg) / 2, left - (right + leg) / 2]
    expected += [leg - (right + left) / 2, *(v - terminal)]
    assert LEADS_OF_ELECTRODES @ np.array([right, left, leg, *v]) == pytest.approx(expected, abs=1e-6)


def test_gain_is_common_to_all_leads(signal):
    out = varied(signal, SignalAugmentation(gain=0.2), rng(3))
    ratio = out[np.abs(signal) > 0.1] / signal[np.abs(signal) > 0.1]
    assert np.ptp(ratio) < 1e-5
    assert 1 / 1.2 <= ratio[0] <= 1.2


def test_group_gain_moves_the_chest_leads_together_and_no_limb_lead(signal):
    out = varied(signal, SignalAugmentation(group_gain=0.2), rng(3))
    assert np.array_equal(out[:6], signal[:6])
    ratio = out[CHEST][np.abs(signal[CHEST]) > 0.1] / signal[CHEST][np.abs(signal[CHEST]) > 0.1]
    assert np.ptp(ratio) < 1e-5


def test_at_most_one_chest_lead_is_dropped_and_is_flat(signal):
    how = SignalAugmentation(lead_drop=0.9)
    flat = [tuple(np.flatnonzero((varied(signal, how, rng(seed)) == 0).all(axis=1))) for seed in range(40)]
    assert 25 <= sum(map(len, flat)) <= 40
    assert all(len(one) <= 1 and all(lead >= 6 for lead in one) for one in flat)


def test_what_was_not_recorded_stays_so(signal):
    partly = signal.copy()
    partly[3:6, :1250] = np.nan
    how = STRONG.model_copy(update={"shift_s": 0.0})
    assert np.array_equal(np.isnan(varied(partly, how, rng(2))), np.isnan(partly))


@pytest.mark.parametrize("gap", [slice(4550, None), slice(0, 450)], ids=["end", "start"])
def test_a_recording_just_long_enough_stays_so(signal, gap):
    short = signal.copy()
    short[:, gap] = np.nan
    known = {int(np.isfinite(varied(short, STRONG, rng(seed))[1]).sum()) for seed in range(20)}
    assert min(known) >= 4550


def test_no_augmentation_changes_nothing(signal):
    assert np.array_equal(varied(signal, SignalAugmentation(), rng(0)), signal)


def test_strengths_are_in_millivolt(signal):
    seconds = 40
    still = np.zeros((len(LEADS), 500 * seconds), np.float32)
    loud = [varied(still, SignalAugmentation(white_mv=0.1), rng(seed))[6:].std() for seed in range(20)]
    assert max(loud) < 0.1 * np.sqrt(1 + 1 / 3) * 1.02  # a chest electrode against the mean of three
    assert max(loud) > 0.07


def test_a_seed_gives_the_same_signal_and_another_another(signal):
    first, again, other = (varied(signal, STRONG, rng(seed)) for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


LOOK = PictureAugmentation(shift=0.02, scale=0.02, rotate_deg=0.5, stroke=0.5, blur=0.5, specks=10, gaps=5)


@pytest.fixture(scope="module")
def picture():
    x = np.arange(192)
    trace = np.zeros((1, 128, 192), np.uint8)
    trace[0, (64 + 20 * np.sin(x / 9)).astype(int), x] = 255
    return trace | np.roll(trace, 1, axis=1)


def test_a_picture_keeps_its_shape_and_most_of_its_trace(picture):
    for seed in range(10):
        out = page_look.varied(picture, LOOK, rng(seed))
        assert (out.shape, out.dtype) == (picture.shape, picture.dtype)
        assert 0.4 < out.sum() / picture.sum() < 2.5


def test_a_picture_moves_no_further_than_said(picture):
    how = PictureAugmentation(shift=0.05)
    rows = [np.average(np.arange(128), weights=page_look.varied(picture, how, rng(s))[0].sum(1)) for s in range(20)]
    before = np.average(np.arange(128), weights=picture[0].sum(1))
    assert 2 < np.abs(np.array(rows) - before).max() <= 0.05 * 128 + 0.5


def test_every_channel_of_a_picture_is_varied_alike(picture):
    three = np.repeat(picture, 3, axis=0)
    out = page_look.varied(three, LOOK, rng(4))
    assert np.array_equal(out[0], out[1])
    assert np.array_equal(out[0], out[2])
    assert np.array_equal(out[:1], page_look.varied(picture, LOOK, rng(4)))
