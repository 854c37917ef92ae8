from datetime import UTC, datetime

import numpy as np
import pytest
import wfdb

from adapters.wfdb import read_record
from domain.ecg import LEADS, ReadWarning
from domain.errors import Rejected
from domain.reason import Reason
from tests.adapters.objects import samples_folder

RAMP = np.arange(-1500, 1500, dtype=np.int64)


def write(folder, names=("I", "II"), units=None, gains=None, samples=None, **more):
    count = len(names)
    wfdb.wrsamp(
        "r",
        fs=500,
        units=list(units or ["mV"] * count),
        sig_name=list(names),
        d_signal=np.tile(RAMP[:, None], (1, count)) if samples is None else samples,
        fmt=["16"] * count,
        adc_gain=list(gains or [1000.0] * count),
        baseline=[0] * count,
        write_dir=str(folder),
        **more,
    )
    return folder / "r.hea"


def rejected(path):
    with pytest.raises(Rejected) as caught:
        read_record(path)
    return caught.value.reason


@pytest.mark.parametrize("spell", [str, str.upper, str.lower])
def test_leads_are_known_however_wfdb_spells_them(tmp_path, spell):
    found = read_record(write(tmp_path, [spell(name) for name in LEADS]))
    assert tuple(found.leads) == LEADS
    assert (found.rate_hz, found.samples, found.format) == (500, 3000, "wfdb")


@pytest.mark.parametrize(
    ("unit", "gain", "mv_per_unit"),
    [("mV", 1000.0, 0.001), ("uV", 2.0, 0.0005), ("mV", 200.0, 0.005), ("V", 1e6, 0.001)],
)
def test_units_and_gains_are_the_header_s(tmp_path, unit, gain, mv_per_unit):
    found = read_record(write(tmp_path, units=[unit] * 2, gains=[gain] * 2))
    np.testing.assert_allclose(found.leads["II"], RAMP * mv_per_unit)


def test_invalid_samples_were_not_recorded(tmp_path):
    samples = np.tile(RAMP[:, None], (1, 2))
    samples[100:110, 0] = -32768
    found = read_record(write(tmp_path, samples=samples))
    assert np.flatnonzero(np.isnan(found.leads["I"])).tolist() == list(range(100, 110))


def test_the_base_time_is_the_moment_in_the_zone_given(tmp_path):
    path = write(tmp_path, base_datetime=datetime(2020, 2, 3, 4, 5, 6))  # noqa: DTZ001
    found = read_record(path)
    assert found.acquired_at == datetime(2020, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert found.warnings == (ReadWarning.TIME_ZONE_ASSUMED,)


def test_comments_identify_nobody(tmp_path):
    found = read_record(write(tmp_path, comments=["<age>: 51", "<sex>: F"]))
    assert found.patient.identifiers == ()
    assert found.acquired_at is None


def test_other_signals_are_dropped_and_other_units_of_leads_refused(tmp_path):
    assert set(read_record(write(tmp_path, ["I", "PLETH"], ["mV", "NU"])).leads) == {"I"}
    assert rejected(write(tmp_path, ["I", "II"], ["mV", "NU"])) is Reason.UNKNOWN_UNIT


@pytest.mark.parametrize("line", ["r.dat 16 0 16 0 0 0 0 I\n", "r.dat 16\n"])
def test_a_signal_without_a_gain_is_refused(tmp_path, line):
    path = write(tmp_path, ["I"])
    path.write_text("r 1 500 3000\n" + line)
    assert rejected(path) is Reason.UNKNOWN_UNIT


def test_two_signals_of_one_name_are_refused(tmp_path):
    path = write(tmp_path, ["aVR", "II"])
    path.write_text(path.read_text().replace(" II", " AVR"))
    assert rejected(path) is Reason.UNKNOWN_LEAD


def test_a_missing_signal_file_is_said_so(tmp_path):
    path = write(tmp_path)
    (tmp_path / "r.dat").unlink()
    assert rejected(path) is Reason.NO_WAVEFORM


@pytest.mark.parametrize("text", ["", "junk", "r 2 500 3000\n", "r 1 500 9999999\nr.dat 16 1000/mV 16 0 0 0 0 I\n"])
def test_a_header_that_is_none_is_refused(tmp_path, text):
    path = write(tmp_path)
    path.write_text(text)
    assert rejected(path) in {Reason.UNDECODABLE, Reason.NO_WAVEFORM}


@pytest.mark.parametrize(
    "lines",
    [
        "r.dat 16 1000/mV 16 0 0 0 0",  # no name
        "r.dat 16 1000/mV",
        "r.dat 16 .5.5/mV 16 0 0 0 0 I",
        "r.dat 16 (0)/mV 16 0 0 0 0 I",
        "r.dat 16 mV 16 0 0 0 0 I",
        "r.dat 16 1000/mV 16 0 0 0 0 I I\x85x y z",  # a line break to Python and none to the format
    ],
)
def test_a_header_with_a_damaged_signal_line_raises_nothing_but_rejected(tmp_path, lines):
    path = write(tmp_path, ["I"])
    path.write_text("r 1 500 3000\n" + lines + "\n")
    assert rejected(path) in {Reason.UNDECODABLE, Reason.UNKNOWN_UNIT}


def test_no_header_is_refused(tmp_path):
    assert rejected(tmp_path / "absent.hea") is Reason.UNDECODABLE


def test_a_real_record_is_read_in_millivolts():
    found = read_record(samples_folder() / "ptbxl" / "records500" / "00001_hr.hea")
    assert tuple(found.leads) == LEADS
    first = [round(1000 * samples[0]) for samples in found.leads.values()]
    assert first == [-115, -50, 65, 82, -90, 7, -65, -40, -5, -35, -35, -75]  # as the header states them
