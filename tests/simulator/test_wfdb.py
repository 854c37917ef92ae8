"""Records against PhysioNet's own reader."""

from datetime import UTC, datetime

import numpy as np
import pytest
import wfdb

from domain.ecg import LEADS
from simulator.files import write_wfdb
from simulator.heart import ecg, varied

WHEN = datetime(2021, 2, 3, 4, 5, 6, tzinfo=UTC)


def test_wfdb_reads_back_samples_leads_and_time(tmp_path):
    signal = ecg(varied(3, seconds=4), 3)
    header = write_wfdb(tmp_path, "rec-1", signal, 500, taken_at=WHEN, comments=("<age>: 61",))
    record = wfdb.rdrecord(str(header.with_suffix("")))
    assert np.abs(record.p_signal.T - signal).max() <= 0.00051
    assert tuple(record.sig_name) == LEADS
    assert (record.fs, record.base_datetime) == (500, WHEN.replace(tzinfo=None))
    assert record.comments == ["<age>: 61"]


def test_it_is_the_record_wfdb_would_have_written(tmp_path):
    signal = ecg(varied(4, seconds=2), 4)
    write_wfdb(tmp_path, "ours", signal, 500, taken_at=WHEN)
    wfdb.wrsamp(
        "theirs", fs=500, units=["mV"] * 12, sig_name=list(LEADS), p_signal=signal.T.astype(float), fmt=["16"] * 12,
        adc_gain=[1000] * 12, baseline=[0] * 12, write_dir=str(tmp_path),
    )  # fmt: skip
    assert (tmp_path / "ours.dat").read_bytes() == (tmp_path / "theirs.dat").read_bytes()
    ours, theirs = (wfdb.rdheader(str(tmp_path / name)) for name in ("ours", "theirs"))
    assert (ours.checksum, ours.init_value) == (theirs.checksum, theirs.init_value)


def test_what_was_not_recorded_is_invalid_and_too_much_is_refused(tmp_path):
    signal = np.zeros((12, 100), np.float32)
    signal[3, :50] = np.nan
    header = write_wfdb(tmp_path, "gap", signal, 500, taken_at=WHEN)
    read = wfdb.rdrecord(str(header.with_suffix(""))).p_signal
    assert np.isnan(read[:50, 3]).all()
    assert not np.isnan(read[50:, 3]).any()
    with pytest.raises(ValueError, match="16 bits"):
        write_wfdb(tmp_path, "huge", np.full((12, 10), 40.0), 500, taken_at=WHEN)
