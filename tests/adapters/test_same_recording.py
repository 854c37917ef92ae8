"""The floors of docs/reading.md's section on formats, on a few of its records."""

from itertools import islice

import numpy as np
import pytest

from benchmarks.reading.formats import RESOLUTIONS_UV, records, through
from simulator.heart import ecg, varied
from tests.adapters.objects import samples_folder


@pytest.mark.parametrize("uv_per_unit", RESOLUTIONS_UV)
def test_one_recording_through_dicom_aecg_and_scp_is_the_same_to_half_a_unit(uv_per_unit):
    for name, off, apart, _ in through(ecg(varied(3, seconds=4), 3), 500, uv_per_unit):
        assert off <= 0.5 + 1e-9, name
        assert apart < 1e-9, name


def test_real_recordings_are_too():
    for index, (signal, rate_hz) in enumerate(islice(records(samples_folder()), 0, 250, 50)):
        assert not np.isnan(signal).any()
        for name, off, apart, _ in through(signal, rate_hz, RESOLUTIONS_UV[index]):
            assert off <= 0.5 + 1e-9, name
            assert apart < 1e-9, name


def test_other_rates_come_through():
    for rate_hz in (250, 1000):
        for name, off, _, _ in through(ecg(varied(4, seconds=2), 4)[:, :900], rate_hz, 2.5):
            assert off <= 0.5 + 1e-9, name
