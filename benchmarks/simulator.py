"""Simulated ECGs a second, drawn and written, beside real time and beside wfdb's own writer, in one run.

    python -m benchmarks.simulator [--ecgs 300]

Peers: the 10 s that a cart takes to record what is drawn; ``wfdb.wrsamp`` writing the same records. One process,
in its own processor time, so that neighbours do not count; the rates are the machine's, the ratios count.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import wfdb

from domain.ecg import LEADS, RATE_HZ
from simulator.cohort import Case, case, roster
from simulator.files import Envelope, write_dicom, write_oru_na, write_pdf, write_wfdb
from simulator.heart import Heart, ecg
from simulator.patient import SyntheticPatient
from simulator.plan import read_plan

COHORTS = Path(__file__).parents[1] / "config" / "cohorts"
WHEN = datetime(2024, 5, 1, tzinfo=UTC)
WHO = SyntheticPatient.seeded(1)


def rate(work: Callable[[int], object], count: int, rounds: int = 3) -> float:
    """A second of processor time, in the best of ``rounds``."""
    work(0)
    best = 0.0
    for _ in range(rounds):
        began = time.process_time()
        for number in range(count):
            work(number)
        best = max(best, count / (time.process_time() - began))
    return best


def theirs(folder: Path, drawn: list[Case], number: int) -> None:
    wfdb.wrsamp(
        f"theirs{number}",
        fs=RATE_HZ,
        units=["mV"] * 12,
        sig_name=list(LEADS),
        p_signal=drawn[number].signal.T.astype(np.float64),
        fmt=["16"] * 12,
        write_dir=str(folder),
    )


def writers(folder: Path, drawn: list[Case]) -> Iterable[tuple[str, Callable[[int], object]]]:
    def put(name: str, made: Callable[[int], bytes]) -> tuple[str, Callable[[int], object]]:
        return name, lambda number: (folder / f"{number}.{name}").write_bytes(made(number))

    yield "wfdb.wrsamp", partial(theirs, folder, drawn)
    yield "wfdb", lambda n: write_wfdb(folder, f"ours{n}", drawn[n].signal, RATE_HZ, taken_at=WHEN)
    yield put("dicom", lambda n: write_dicom(drawn[n].signal, RATE_HZ, WHO, acquired_at=WHEN))
    envelope = Envelope(control_id="1")
    yield put("oru", lambda n: write_oru_na(drawn[n].signal, RATE_HZ, WHO, acquired_at=WHEN, envelope=envelope))
    yield put("pdf", lambda n: write_pdf(drawn[n].signal, RATE_HZ, patient=WHO, acquired_at=WHEN))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ecgs", type=int, default=300)
    count = parser.parse_args().ecgs
    plan = read_plan(COHORTS / "potassium-train.yaml")
    owners = roster(plan)
    print("drawn, one process          ECGs/s   times real time")
    for name, work in (
        ("heart and plain noise", lambda n: ecg(Heart(shape=n + 1), n)),
        ("a case of a cohort", lambda n: case(plan, owners, n)),
    ):
        found = rate(work, count)
        print(f"  {name:24} {found:8.0f} {found * 10:14.0f}")
    drawn = [case(plan, owners, number) for number in range(min(count, 50))]
    peer = 0.0
    print("written                     ECGs/s   times wfdb.wrsamp")
    with tempfile.TemporaryDirectory() as folder:
        for name, work in writers(Path(folder), drawn):
            found = rate(work, len(drawn))
            peer = peer or found
            print(f"  {name:24} {found:8.0f} {found / peer:14.2f}")


if __name__ == "__main__":
    main()
