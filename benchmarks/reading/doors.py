"""Door identity: one recording by several doors is found, two recordings are never merged.

Every pair is compared as of one patient. Of one recording, and of real recordings that are not one, every pair is also
of one second, where least is asked of the signal; of a simulated heart's each is taken 11 s after the last.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from adapters import dicom, hl7, image, pdf, wfdb, xml
from adapters.beats import beats
from adapters.fingerprint import fingerprint
from adapters.identity import Sameness, compare
from adapters.signal import arrange, resampled
from benchmarks.reading.raster import scanned
from config.schema import Hl7Sender, Reading
from domain.ecg import RATE_HZ
from domain.errors import Rejected
from domain.seen import Seen, Source
from simulator.files import Envelope, GroupOptions, write_aecg, write_dicom, write_oru_na, write_pdf
from simulator.heart import Heart, ecg, varied
from simulator.patient import SyntheticPatient

Signal = NDArray[np.float32]
Door = Callable[[Signal], Signal]
Found = Counter[Sameness]
_AT = datetime(2026, 1, 5, 8, 0, 7, tzinfo=UTC)
_PATIENT = SyntheticPatient.seeded(1)
_READING = Reading(hl7_senders=(Hl7Sender(waveform_rate_hz=RATE_HZ),))
_COLUMN = 2.5
_IN_A_ROW, _NEXT = 1000, 3
_EVERY = timedelta(seconds=11)
_DPI = 200
_ON_A_CART = (butter(1, 0.5, "high", fs=RATE_HZ, output="sos"), butter(2, 40, "low", fs=RATE_HZ, output="sos"))


def tables(samples: Path) -> str:
    """Measure on all records and give the section's Markdown."""
    records = {**signals(samples / "ptbxl/records500"), **signals(samples / "ludb")}
    ptbxl = {name: signal for name, signal in records.items() if name.endswith("_hr")}
    every = list({signal.tobytes(): signal for signal in records.values()}.values())  # two are in PTB-XL twice
    rows = [(name, found(ptbxl, door)) for name, door in DOORS.items()]
    rows.append(("the 27 PTB-XL PDFs and their records", pages(samples / "ptbxl_pdf", ptbxl)))
    rows.append((f"the 27 PDFs drawn at {_DPI} dpi, turned, JPEG (those that are read)", scans(samples, ptbxl)))
    merged = [
        ("all pairs of different records (PTB-XL and LUDB)", merges(every)),
        ("each record and its second half before its first", others(every, turned)),
        ("- the latter on a page of 2.5 s columns", others(every, lambda signal: columns(turned(signal)))),
        ("each record and its beats in another order", others(every, shuffled)),
        ("- the latter on a page of 2.5 s columns", others(every, lambda signal: columns(shuffled(signal)))),
    ]
    for name, heart in HEARTS.items():
        taken, shown = series(heart, _IN_A_ROW)
        merged.append((f"{_IN_A_ROW} ECGs in a row, {name}", in_a_row(taken, taken)))
        merged.append(("- the next ones on pages of 2.5 s columns, by the minute", in_a_row(taken, shown)))
    return "\n".join([*_found(rows), "", *_merged(merged), "", _how(len(ptbxl), len(records) - len(ptbxl))])


def _found(rows: Iterable[tuple[str, Found]]) -> list[str]:
    head = ["| one recording, as sampled and | pairs | found | not sure | missed |", "|---|---:|---:|---:|---:|"]
    return head + [
        f"| {name} | {n.total()} | {n[Sameness.SAME] / n.total():.1%} | {n[Sameness.UNSURE]} | {n[Sameness.OTHER]} |"
        for name, n in rows
    ]


def _merged(rows: Iterable[tuple[str, Found]]) -> list[str]:
    head = ["| different recordings | pairs | merged | not sure |", "|---|---:|---:|---:|"]
    return head + [f"| {name} | {n.total():,} | {n[Sameness.SAME]} | {n[Sameness.UNSURE]} |" for name, n in rows]


def _how(ptbxl: int, ludb: int) -> str:
    return (
        f"{ptbxl} PTB-XL and {ludb} LUDB records, every pair as of one patient and, but for the simulated ones, of\n"
        "one second, so that the signal alone decides and least is asked of it; in service the patient must not\n"
        "differ and the times must be within five minutes. Simulated ECGs are taken 11 s apart, each compared with\n"
        f"the next {_NEXT}. *Not sure* is kept apart like another recording: both are scored."
    )


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


def found(records: Mapping[str, Signal], door: Door) -> Found:
    """Each record against itself through another door."""
    return Counter(compare(kept(signal, Source.NATIVE), kept(door(signal))) for signal in records.values())


def pages(folder: Path, records: Mapping[str, Signal]) -> Found:
    """Each PDF against its record."""
    read = ((arrange(pdf.read(file.read_bytes(), "", _READING)[0]), file.stem) for file in folder.glob("*.pdf"))
    return Counter(compare(kept(records[name], Source.NATIVE), kept(page)) for page, name in read if name in records)


def scans(samples: Path, records: Mapping[str, Signal]) -> Found:
    """Each PDF as a scanned picture against its record, where it can be read at all."""
    files = sorted((samples / "ptbxl_pdf").glob("*.pdf"))
    answers: Found = Counter()
    for file, degrees in zip(files, np.linspace(-3, 3, len(files)), strict=True):
        try:
            (recording,) = image.read(scanned(file, _DPI, float(degrees)), "", _READING)
        except Rejected:
            continue
        scan = kept(arrange(recording), Source.RASTER)
        answers[compare(kept(records[file.stem], Source.NATIVE), scan)] += 1
    return answers


def merges(records: Iterable[Signal]) -> Found:
    """Every record against every other."""
    return Counter(compare(*pair) for pair in combinations(map(kept, records), 2))


def others(records: Iterable[Signal], another: Door) -> Found:
    """Each record against another ECG that is made of it."""
    return Counter(compare(kept(signal), kept(another(signal))) for signal in records)


def series(heart: Heart, count: int) -> tuple[list[Seen], list[Seen]]:
    """One simulated heart recorded again and again: the samples, and pages of columns that print no seconds."""
    taken, pages = [], []
    for number in range(count):
        at, signal = _AT + number * _EVERY, ecg(heart, number).astype(np.float32)
        taken.append(kept(signal, Source.NATIVE, at))
        pages.append(kept(columns(signal), at=at.replace(second=0)))
    return taken, pages


def in_a_row(first: list[Seen], second: list[Seen]) -> Found:
    """Each of the first list against the next ones of the second."""
    return Counter(
        compare(one, other) for place, one in enumerate(first) for other in second[place + 1 : place + 1 + _NEXT]
    )


def turned(signal: Signal) -> Signal:
    """Its second half, then its first."""
    return np.roll(signal, signal.shape[1] // 2, axis=1)


def shuffled(signal: Signal) -> Signal:
    """Its beats in another order, each with the pause behind it; without beats, turned."""
    at = beats(signal, RATE_HZ) - round(0.3 * RATE_HZ)
    cycles = [signal[:, start:end] for start, end in pairwise(at) if start >= 0]
    if len(cycles) < 3:
        return turned(signal)
    order = np.random.default_rng(len(cycles)).permutation(len(cycles))
    return np.concatenate([cycles[place] for place in order], axis=1)


def columns(signal: Signal) -> Signal:
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
        sent = write_dicom(native, rate_hz, _PATIENT, acquired_at=_AT, options=options)
        return arrange(dicom.read(sent, "", _READING)[0])

    return through


def _message(signal: Signal) -> Signal:
    envelope = Envelope(control_id="1")
    sent = write_oru_na(signal.astype(np.float64), RATE_HZ, _PATIENT, acquired_at=_AT, envelope=envelope)
    return arrange(hl7.read(sent, "hl7:A^B", _READING)[0])


def _aecg(signal: Signal) -> Signal:
    return arrange(xml.read(write_aecg(signal, RATE_HZ, _PATIENT, acquired_at=_AT, uv_per_unit=5.0), "", _READING)[0])


def _filtered(signal: Signal) -> Signal:
    """As a cart prints it: 0.5 to 40 Hz, its phase with it."""
    shown = signal.astype(np.float64)
    for band in _ON_A_CART:
        shown = sosfilt(band, shown, axis=1)
    return columns(shown.astype(np.float32))


def _page(rate_hz: float, layout: str) -> Door:
    def through(signal: Signal) -> Signal:
        drawn = resampled(signal.astype(np.float64), RATE_HZ, rate_hz)
        return arrange(pdf.read(write_pdf(drawn, rate_hz, layout=layout), "", _READING)[0])

    return through


DOORS: dict[str, Door] = {
    "as a DICOM object at 500 Hz, 2.5 uV": _object(500, 2.5),
    "as a DICOM object at 250 Hz, 4.88 uV": _object(250, 4.88),
    "as a DICOM object at 1000 Hz, 1.25 uV": _object(1000, 1.25),
    "as an ORU message, 1 uV": _message,
    "as aECG, 5 uV": _aecg,
    "cut to columns of 2.5 s": columns,
    "cut to columns of 2.5 s, filtered to 0.5 to 40 Hz": _filtered,
    "on a page of 3x4 + 1, 500 points/s": _page(500, "3x4+1"),
    "on a page of 3x4 + 1, 125 points/s": _page(125, "3x4+1"),
    "on a page of 6x2, 71 points/s": _page(71, "6x2"),
}

_STEADY = replace(varied(7), variability=0.001, breathing=0.0)
HEARTS: dict[str, Heart] = {
    "sinus rhythm": varied(7),
    "sinus rhythm, RR varies by 0.5 %": replace(varied(7), variability=0.005, breathing=0.005),
    "sinus rhythm, RR varies by 0.1 %": _STEADY,
    "paced, RR does not vary": replace(_STEADY, variability=0.0, pacing="ventricular"),
    "fibrillation": replace(varied(7), fibrillation=True),
}
