"""ECGs as PhysioNet stores them: a WFDB header and its samples, format 16 (signal(5), header(5))."""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.ecg import LEADS

_PER_MV = 1000  # units: 1 uV
_INVALID = -32768


def write_wfdb(
    folder: Path,
    name: str,
    signal: NDArray[np.floating[Any]],
    rate_hz: float,
    *,
    taken_at: datetime,
    comments: tuple[str, ...] = (),
) -> Path:
    """Write ``name.hea`` and ``name.dat``: ``signal`` ``[12, n]`` in mV, NaN where not recorded; return the header.

    1 uV a unit, so at most 32.767 mV; more raises ``ValueError``. wfdb.wrsamp writes the same and checks far more.
    """
    units = np.rint(np.asarray(signal, np.float64) * _PER_MV)
    known = np.isfinite(units)
    if np.abs(units[known]).max(initial=0) > -_INVALID - 1:
        raise ValueError("the signal does not fit into 16 bits at 1 uV")
    stored = np.where(known, units, _INVALID).astype("<i2")
    rows = [
        f"{name}.dat 16 {_PER_MV}(0)/mV 16 0 {row[0]} {_checksum(row)} 0 {lead}"
        for row, lead in zip(stored, LEADS, strict=True)
    ]
    when = f"{taken_at:%H:%M:%S} {taken_at:%d/%m/%Y}"
    head = f"{name} {len(LEADS)} {rate_hz:g} {stored.shape[1]} {when}"
    (folder / f"{name}.dat").write_bytes(np.ascontiguousarray(stored.T).tobytes())
    header = folder / f"{name}.hea"
    header.write_text("\n".join([head, *rows, *(f"# {line}" for line in comments), ""]), encoding="ascii")
    return header


def _checksum(row: NDArray[np.int16]) -> int:
    """The 16-bit sum of a signal's samples, unsigned as wfdb writes it."""
    return int(row.sum(dtype=np.int64)) % 65536
