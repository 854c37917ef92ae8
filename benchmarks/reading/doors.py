"""Door identity: one recording by several doors is found, two recordings are never merged.

Every pair is compared as of one patient at one second, where the signal alone decides and least is asked of it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adapters import dicom, hl7, pdf, wfdb
from adapters.identity import Sameness, compare, fingerprint
from adapters.recording import Recording
from adapters.signal import arrange, resampled
from config.schema import Hl7Sender, Reading
from domain.ecg import RATE_HZ
from domain.seen import Seen, Source
from simulator.files import Envelope, GroupOptions, write_dicom, write_oru_na, write_pdf
from simulator.heart import ecg, varied
from simulator.patient import SyntheticPatient

Signal = NDArray[np.float32]
Door = Callable[[Signal], Signal]
_AT = datetime(2026, 1, 5, 8, 0, 7, tzinfo=UTC)
_PATIENT = SyntheticPatient.seeded(1)
_READING = Reading(hl7_senders=(Hl7Sender(waveform_rate_hz=RATE_HZ),))
_COLUMN = 2.5
_ROW_OF_SERIES = 1000


def tables(samples: Path) -> str:
    """Measure on all records and give the section's Markdown."""
    records = {**signals(samples / "ptbxl/records500"), **signals(samples / "ludb")}
    ptbxl = {name: signal for name, signal in records.items() if name.endswith("_hr")}
    rows = [(name, found(ptbxl, door)) for name, door in DOORS.items()]
    rows.append(("the 27 PTB-XL PDFs and their records", pages(samples / "ptbxl_pdf", ptbxl)))
    merged = [
        ("all pairs of different records (PTB-XL and LUDB)", merges(list(records.values()), list(records.values()))),
        ("first against second half of each record, a patient's next ECG 5 s later", halves(records.values())),
        (f"{_ROW_OF_SERIES} simulated ECGs of one patient in a row, each against its next 20", series(_ROW_OF_SERIES)),
    ]
    lines = ["| one recording, as sampled and | pairs | found | not sure | missed |", "|---|---:|---:|---:|---:|"]
    lines += [
        f"| {name} | {n.total()} | {n[Sameness.SAME] / n.total():.1%} | {n[Sameness.UNSURE]} | {n[Sameness.OTHER]} |"
        for name, n in rows
    ]
    lines += ["", "| different recordings | pairs | merged | not sure |", "|---|---:|---:|---:|"]
    lines += [f"| {name} | {n.total():,} | {n[Sameness.SAME]} | {n[Sameness.UNSURE]} |" for name, n in merged]
    lines += [
        "",
        f"{len(ptbxl)} PTB-XL and {len(records) - len(ptbxl)} LUDB records. Every pair but the halves is compared as "
        "of one patient at one second, so that the signal alone decides and least is asked of it; in service the "
        "patient must not differ and the times must be within five minutes. "
        "*Not sure* is kept apart like another recording.",
    ]
    return "\n".join(lines)


def signals(folder: Path, most: int | None = None) -> dict[str, Signal]:
    """Records by name, as the readers give them."""
    files = sorted(folder.rglob("*.hea"))[:most]
    return {file.stem: arrange(wfdb.read_record(file)) for file in files}


def kept(signal: Signal, source: Source = Source.VECTOR, at: datetime = _AT) -> Seen:
    """What is kept of it, as of one patient."""
    return Seen(
        patients=frozenset({"one"}),
        acquired_at=at,
        clock=at.replace(tzinfo=None),
        source=source,
        quarters=4,
        print=fingerprint(signal),
    )


def found(records: Mapping[str, Signal], door: Door) -> Counter[Sameness]:
    """Each record against itself through another door."""
    return Counter(compare(kept(signal, Source.NATIVE), kept(door(signal))) for signal in records.values())


def pages(folder: Path, records: Mapping[str, Signal]) -> Counter[Sameness]:
    """Each PDF against its record."""
    read = ((arrange(pdf.read(file.read_bytes(), "file", Reading())[0]), file.stem) for file in folder.glob("*.pdf"))
    return Counter(compare(kept(records[name], Source.NATIVE), kept(page)) for page, name in read if name in records)


def merges(first: list[Signal], second: list[Signal]) -> Counter[Sameness]:
    """Every record of one list against every later one of the other."""
    ours, theirs = list(map(kept, first)), list(map(kept, second))
    return Counter(compare(ours[i], theirs[j]) for i, j in combinations(range(len(ours)), 2))


def halves(records: Iterable[Signal]) -> Counter[Sameness]:
    """What a patient's next ECG looks like: the second half of a recording against the first, 5 s later."""
    later = _AT + timedelta(seconds=5)
    return Counter(
        compare(kept(signal[:, : signal.shape[1] // 2]), kept(signal[:, signal.shape[1] // 2 :], at=later))
        for signal in records
    )


def series(count: int, within: int = 20) -> Counter[Sameness]:
    """One simulated heart recorded again and again."""
    heart = varied(7)
    taken = [kept(ecg(heart, number).astype(np.float32)) for number in range(count)]
    return Counter(compare(taken[i], taken[j]) for i in range(count) for j in range(i + 1, min(count, i + 1 + within)))


def _columns(signal: Signal) -> Signal:
    """Four columns of 2.5 s, each at its own time, and no rhythm strip."""
    shown = np.full_like(signal, np.nan)
    width = round(_COLUMN * RATE_HZ)
    for row in range(len(signal)):
        column = slice(row // 3 * width, (row // 3 + 1) * width)
        shown[row, column] = signal[row, column]
    return shown


def _object(rate_hz: float, sensitivity_uv: float) -> Door:
    def through(signal: Signal) -> Signal:
        native = resampled(signal.astype(np.float64), RATE_HZ, rate_hz)
        options = GroupOptions(sensitivity_uv=sensitivity_uv)
        return arrange(
            dicom.read(write_dicom(native, rate_hz, _PATIENT, acquired_at=_AT, options=options), "", _READING)[0]
        )

    return through


def _message(signal: Signal) -> Signal:
    recording: Recording = hl7.read(
        write_oru_na(signal.astype(np.float64), RATE_HZ, _PATIENT, acquired_at=_AT, envelope=Envelope(control_id="1")),
        "hl7:A^B",
        _READING,
    )[0]
    return arrange(recording)


def _page(rate_hz: float, layout: str) -> Door:
    def through(signal: Signal) -> Signal:
        drawn = resampled(signal.astype(np.float64), RATE_HZ, rate_hz)
        return arrange(pdf.read(write_pdf(drawn, rate_hz, layout=layout), "", _READING)[0])

    return through


DOORS: dict[str, Door] = {
    "as a DICOM object at 500 Hz, 2.5 uV": _object(500, 2.5),
    "as a DICOM object at 250 Hz, 4.88 uV": _object(250, 4.88),
    "as an ORU message, 1 uV": _message,
    "cut to columns of 2.5 s": _columns,
    "on a page of 3x4 + 1, 500 points/s": _page(500, "3x4+1"),
    "on a page of 3x4 + 1, 125 points/s": _page(125, "3x4+1"),
    "on a page of 6x2, 71 points/s": _page(71, "6x2"),
}
