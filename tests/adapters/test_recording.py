from datetime import datetime

import numpy as np
import pytest

from adapters.recording import Recording
from domain.arrival import Format
from domain.ecg import ReadWarning
from domain.errors import Rejected
from domain.reason import Reason


def recording(leads=None, rate_hz=500.0, **more):
    return Recording(
        leads={"I": np.zeros(10)} if leads is None else leads, rate_hz=rate_hz, format=Format.DICOM, **more
    )


@pytest.mark.parametrize(
    ("leads", "rate_hz", "reason"),
    [
        ({}, 500, Reason.NO_WAVEFORM),
        ({"I": np.zeros(0)}, 500, Reason.NO_WAVEFORM),
        ({"I": np.array([0.0, np.inf])}, 500, Reason.BAD_VALUE),
        ({"I": np.zeros(10)}, 0, Reason.UNKNOWN_RATE),
        ({"I": np.zeros(10)}, float("nan"), Reason.UNKNOWN_RATE),
        ({"I": np.zeros(10)}, 1e6, Reason.UNKNOWN_RATE),
        ({"I": np.zeros(60_001)}, 100, Reason.TOO_LARGE),
        ({f"X{n}": np.zeros(1) for n in range(65)}, 500, Reason.TOO_LARGE),
    ],
)
def test_refuses_what_a_file_can_get_wrong(leads, rate_hz, reason):
    with pytest.raises(Rejected) as caught:
        recording(leads, rate_hz)
    assert caught.value.reason is reason


@pytest.mark.parametrize("name", ["", "AVR", "avr", "v1", " I"])
def test_a_lead_is_spelt_in_one_way_only(name):
    with pytest.raises(ValueError, match="spelt"):
        recording({name: np.zeros(10)})


def test_leads_share_one_time_axis_and_one_type():
    with pytest.raises(ValueError, match="one length"):
        recording({"I": np.zeros(10), "II": np.zeros(11)})
    with pytest.raises(TypeError, match="float64"):
        recording({"I": np.zeros(10, np.float32)})
    with pytest.raises(TypeError, match="float64"):
        recording({"I": np.zeros((2, 5))})


def test_extra_leads_and_gaps_are_allowed():
    made = recording({"V3": np.array([np.nan, 1.0]), "V3R": np.zeros(2)})
    assert made.samples == 2


def test_a_time_has_a_zone():
    with pytest.raises(ValueError, match="zone"):
        recording(acquired_at=datetime(2024, 1, 1))  # noqa: DTZ001


def test_a_doubt_is_kept_once():
    made = recording(warnings=(ReadWarning.CHARSET_ASSUMED,))
    made = made.warn(ReadWarning.CHARSET_ASSUMED, ReadWarning.PADDING_FOUND)
    assert made.warnings == (ReadWarning.CHARSET_ASSUMED, ReadWarning.PADDING_FOUND)
