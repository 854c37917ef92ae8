"""A WFDB record (PhysioNet) as a recording; for files read by hand, not at a door."""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import wfdb

from adapters import codes
from adapters.recording import Recording, Samples
from domain.ecg import LEADS, ReadWarning
from domain.errors import Rejected
from domain.reason import Reason

_SPELT = {name.casefold(): name for name in LEADS}
_DAMAGED = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, OSError)


def read_record(path: Path, timezone: str = "UTC") -> Recording:
    """Read the record whose header is ``path`` (``.hea``; its signal files lie beside it).

    Units and gains are the header's, invalid samples (format 16: -32768) NaN; leads may be spelt ``AVR``, ``avr``,
    ``aVR``. Header comments (age, sex) identify nobody and are left. Raises ``Rejected``.
    """
    if not path.is_file():
        raise Rejected(Reason.UNDECODABLE, "no WFDB header there")
    try:
        return _recording(path, timezone)
    except FileNotFoundError:
        raise Rejected(Reason.NO_WAVEFORM, "a signal file the header names is not there") from None
    except _DAMAGED as error:
        raise Rejected(Reason.UNDECODABLE, f"not a readable WFDB record ({type(error).__name__})") from None


def _recording(path: Path, timezone: str) -> Recording:
    record = wfdb.rdrecord(str(path.with_suffix("")))
    if record.p_signal is None or not record.sig_name:
        raise Rejected(Reason.NO_WAVEFORM, "no signals")
    if any(_uncalibrated(line) for line in _signal_lines(path)):
        raise Rejected(Reason.UNKNOWN_UNIT, "a signal without a gain (WFDB would assume 200 units a mV)")
    moment = _moment(record, timezone)
    return Recording(
        format="wfdb",
        leads=_leads(record),
        rate_hz=float(record.fs),
        instance=hashlib.sha256(np.ascontiguousarray(record.p_signal).tobytes()).hexdigest(),
        acquired_at=moment,
        warnings=(ReadWarning.TIME_ZONE_ASSUMED,) if moment else (),
    )


def _leads(record: Any) -> dict[str, Samples]:
    leads: dict[str, Samples] = {}
    for name, unit, column in zip(record.sig_name, record.units, record.p_signal.T, strict=True):
        spelt = _SPELT.get(name.strip().casefold(), name)
        scale = codes.millivolts(unit)
        if scale is None and spelt in LEADS:
            raise Rejected(Reason.UNKNOWN_UNIT, "a lead's unit is not uV, mV or V")
        if spelt in leads:
            raise Rejected(Reason.UNKNOWN_LEAD, "two signals have one lead's name")
        if scale is not None:
            leads[spelt] = np.ascontiguousarray(column, np.float64) * scale
    return leads


def _signal_lines(path: Path) -> list[list[str]]:
    lines = path.read_text("utf-8", "replace").splitlines()
    return [line.split() for line in lines if line.strip() and not line.startswith("#")][1:]


def _uncalibrated(fields: list[str]) -> bool:
    """header(5): a gain that is 0 or left out means that amplitudes are not calibrated."""
    return len(fields) < 3 or not float(fields[2].split("(")[0].split("/")[0])


def _moment(record: Any, timezone: str) -> datetime | None:
    if record.base_date is None or record.base_time is None:
        return None
    return datetime.combine(record.base_date, record.base_time, tzinfo=ZoneInfo(timezone))
