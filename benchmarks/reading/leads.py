"""Fit the matrix by which adapters.quality.electrodes predicts each lead from the others, and print it.

python -m benchmarks.reading.leads FOLDER
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adapters.beats import find
from adapters.quality.beat import typical_beat
from adapters.quality.electrodes import INDEPENDENT
from adapters.signal import arrange
from adapters.wfdb import read_record
from domain.ecg import LEADS, RATE_HZ

Signal = NDArray[np.float32]

_RIDGE = 0.01  # of the mean power of the leads
_EXCHANGED = {"ptbxl": {180}, "ludb": {50}}  # as they came, by their waves


def ptbxl(samples: Path) -> dict[int, Signal]:
    """PTB-XL's records by number, ``[12, 5000]`` in mV."""
    headers = sorted((samples / "ptbxl" / "records500").glob("*.hea"))
    return {int(header.stem.split("_")[0]): arrange(read_record(header)) for header in headers}


def ludb(samples: Path) -> dict[int, Signal]:
    """LUDB's records by number, ``[12, 5000]``, its counts taken for microvolts."""
    headers = sorted((samples / "ludb" / "data").glob("*.hea"), key=lambda path: int(path.stem))
    return {int(header.stem): in_counts(header) for header in headers}


def in_counts(header: Path) -> Signal:
    """A record of LUDB in thousands of its counts.

    Its headers give each lead its own range as its gain. The counts obey Einthoven's law to the count, so they share
    one unit; that it is the microvolt is assumed here (the amplitudes are then those of PTB-XL) and nowhere else.
    """
    lines = header.read_text("utf-8").splitlines()[1 : 1 + len(LEADS)]
    gains = np.array([float(line.split()[2].split("(")[0]) for line in lines], np.float32)
    return arrange(read_record(header)) * gains[:, None] / 1000


def fitted(signals: list[Signal]) -> NDArray[np.float64]:
    """``[8, 8]``: row k predicts lead k from the other seven, by least squares over the typical beats.

    Of those whose beats are the heart's own; each ECG counts by its waves' shape, not by their size.
    """
    rows = [LEADS.index(name) for name in INDEPENDENT]
    found = [(signal, find(signal, RATE_HZ)) for signal in signals]
    typical = [typical_beat(signal, beats.places).typical[rows] for signal, beats in found if not beats.paced]
    mean = np.mean([leads @ leads.T / np.square(leads).sum() for leads in typical], axis=0)
    made = np.zeros_like(mean)
    for lead in range(len(rows)):
        others = [other for other in range(len(rows)) if other != lead]
        own = mean[np.ix_(others, others)]
        ridge = _RIDGE * np.trace(own) / len(others) * np.eye(len(others))
        made[lead, others] = np.linalg.solve(own + ridge, mean[others, lead])
    return made


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    even = {number: signal for number, signal in ptbxl(folder).items() if number % 2 == 0}
    sets = {"ptbxl": even, "ludb": ludb(folder)}
    made = fitted([s for name, those in sets.items() for n, s in those.items() if n not in _EXCHANGED[name]])
    print(np.array2string(made, precision=3, suppress_small=True, separator=", "))
