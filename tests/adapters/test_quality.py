from itertools import combinations

import numpy as np
import pytest

from adapters.quality import judge
from adapters.recording import Recording
from adapters.signal import arrange
from adapters.wfdb import read_record
from domain.ecg import LEADS
from domain.reason import Reason
from tests.adapters.objects import read, real, samples_folder


@pytest.fixture(scope="module")
def honest():
    return arrange(read(real()))


def verdict(signal, **more):
    """Reasons and where, for a signal recorded as it is."""
    leads = {name: row.astype(np.float64) for name, row in zip(LEADS, signal, strict=True)}
    return {one.reason: one.leads for one in judge(signal, Recording(leads=leads, rate_hz=500, format="t", **more))}


def changed(signal, change):
    made = signal.copy()
    change(made)
    return made


def test_an_honest_ecg_is_fit(honest):
    assert verdict(honest) == {}


def page_columns(signal):
    for row in range(12):
        column = row // 3
        signal[row, : 1250 * column] = signal[row, 1250 * (column + 1) :] = np.nan


def test_a_page_of_four_columns_is_fit(honest):
    assert verdict(changed(honest, page_columns)) == {}


def clip(signal):
    signal[7] = np.clip(signal[7] * 8, -2, 2)


def lift(row, column, value):
    def change(signal):
        signal[row, column] = value

    return change


def scale(row, factor):
    def change(signal):
        signal[row] *= factor

    return change


@pytest.mark.parametrize(
    ("change", "reason", "leads"),
    [
        (lift(4, slice(None), np.nan), Reason.LEAD_MISSING, ("aVL",)),
        (lambda s: s.__setitem__(9, s[8]), Reason.LEAD_MISSING, ("V3", "V4")),
        (lift(6, slice(None), 0), Reason.LEAD_FLAT, ("V1",)),
        (lift(6, slice(2000, None), 0.4), Reason.LEAD_FLAT, ("V1",)),
        (scale(10, 0.001), Reason.LEAD_FLAT, ("V5",)),
        (clip, Reason.SATURATED, ("V2",)),
        (lift(8, slice(1000, 1200), 5.0), Reason.SATURATED, ("V3",)),
        (lift(6, slice(1000, None), np.nan), Reason.TOO_SHORT, ("V1",)),
        (scale(10, 1000), Reason.IMPLAUSIBLE_AMPLITUDE, ("V5",)),
        (scale(slice(None), 1000), Reason.IMPLAUSIBLE_AMPLITUDE, LEADS),
        (scale(slice(None), 0.05), Reason.IMPLAUSIBLE_AMPLITUDE, ()),
        (lambda s: s.__setitem__([0, 1], s[[1, 0]]), Reason.EINTHOVEN, ("I", "II")),
        (lambda s: s.__setitem__([2, 5], s[[5, 2]]), Reason.EINTHOVEN, ("III", "aVF")),
        (scale(3, -1), Reason.EINTHOVEN, ("aVR",)),
        (scale(4, 3), Reason.EINTHOVEN, ("aVL",)),
    ],
)
def test_a_planted_fault_is_found_where_it_is(honest, change, reason, leads):
    found = verdict(changed(honest, change))
    assert reason in found
    assert found[reason] == leads


def test_zeros_are_not_an_ecg():
    assert verdict(np.zeros((12, 5000), np.float32))[Reason.LEAD_FLAT] == LEADS


def test_an_averaged_beat_is_named_as_such_and_not_as_short(honest):
    found = verdict(honest[:, :600], median_only=True)
    assert Reason.MEDIAN_ONLY in found
    assert Reason.TOO_SHORT not in found


def test_a_short_recording_is_named(honest):
    assert verdict(honest[:, :1100])[Reason.TOO_SHORT] == LEADS


def test_noise_on_the_limb_leads_is_no_wrong_label(honest):
    rng = np.random.default_rng(0)
    noisy = honest + rng.normal(0, 0.04, honest.shape).astype(np.float32)  # 99th percentile 0.13 mV in each lead
    assert Reason.EINTHOVEN not in verdict(noisy)


def test_saturation_is_seen_before_resampling(honest):
    leads = {name: np.repeat(row.astype(np.float64), 2) for name, row in zip(LEADS, honest, strict=True)}
    leads["V2"] = np.clip(leads["V2"] * 8, -2, 2)
    recording = Recording(leads=leads, rate_hz=1000, format="t")
    assert Reason.SATURATED in {one.reason for one in judge(arrange(recording), recording)}


@pytest.fixture(scope="module")
def ptbxl():
    headers = sorted((samples_folder() / "ptbxl" / "records500").glob("*.hea"))
    assert len(headers) == 250
    return [arrange(read_record(header)) for header in headers]


def test_of_250_real_ecgs_at_most_two_percent_are_refused(ptbxl):
    refused = [number for number, signal in enumerate(ptbxl) if verdict(signal)]
    assert len(refused) <= 5  # none when this was written


@pytest.mark.parametrize(("a", "b"), list(combinations(range(6), 2)))
def test_two_limb_leads_exchanged_are_found_in_real_ecgs(ptbxl, a, b):
    found = [
        Reason.EINTHOVEN in verdict(changed(signal, lambda s: s.__setitem__([a, b], s[[b, a]])))
        for signal in ptbxl[::10]
    ]
    assert sum(found) >= 0.98 * len(found)  # all when this was written


@pytest.mark.parametrize("factor", [-1, 0.001, 0.5, 2, 1000])
def test_one_limb_lead_in_another_unit_or_gain_is_found_in_real_ecgs(ptbxl, factor):
    found = [bool(verdict(changed(signal, scale(lead, factor)))) for signal in ptbxl[::10] for lead in range(6)]
    assert sum(found) >= 0.98 * len(found)  # all, and all but one in 150 at a factor of 0.5, when this was written
