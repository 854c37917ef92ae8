"""Edges of P, QRS and T against LUDB's hand marks, beside neurokit2 and ECGdeli; intervals beside six carts'.

The peers come with ``pip install -e '.[measure]'``; without them their rows say so.
"""

import csv
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import wfdb
from numpy.typing import NDArray
from pydicom.data import get_testdata_file

from adapters.beats import beats
from adapters.formats import read_file
from adapters.measure import measure
from adapters.signal import arrange
from adapters.wfdb import read_record
from benchmarks.reading.delineators import Edges, Signal, delineators, ours
from benchmarks.reading.ludb import EDGES, FEWEST_LEADS, Marks, error_ms, hand_marks, marked
from config.schema import Reading
from domain.ecg import RATE_HZ

NAMES = {"p_onset": "P onset", "qrs_onset": "QRS onset", "qrs_end": "QRS end", "t_end": "T end"}
FIELDS = ("heart_rate_bpm", "p_ms", "pr_ms", "qrs_ms", "qt_ms", "qtc_ms", "p_axis_deg", "qrs_axis_deg", "t_axis_deg")
RECORDS = range(1, 101)
FITTED = 50  # records 1-50
PEERS = 2
WIDE_MS = 110
SLOW = ("branch block", "hemiblock", "intraventricular", "intravintricular")  # as its headers have it
_GIVES_UP = (ValueError, IndexError, KeyError, TypeError, RuntimeError, ArithmeticError)


def tables(samples: Path) -> str:
    """The section's tables as Markdown."""
    folder = samples / "ludb" / "data"
    signals = [arrange(read_record(folder / f"{n}.hea")) for n in RECORDS]
    hand = [hand_marks(folder / str(n)) for n in RECORDS]
    widths = _widths(folder, hand, [ours(signal) for signal in signals])
    return "\n\n".join((_edges(signals, hand), widths, _carts(samples), _rates(folder, signals), _open(samples)))


def _edges(signals: list[Signal], hand: list[Marks]) -> str:
    readers = delineators()
    rows, costs = [], []
    for name, read in readers.items():
        start = time.process_time()
        answers = [_answer(read, signal) for signal in signals]
        costs.append(f"{name} {(time.process_time() - start) * 1000 / len(signals):.0f} ms")
        for edge in EDGES:
            late = np.array([error_ms(found, beats, edge) for found, beats in zip(answers, hand, strict=True)])
            there = sum(marked(beats, edge) for beats in hand[FITTED:])
            held, fitted = late[FITTED:], late[:FITTED]
            answered = f"{np.isfinite(held[:, 0]).sum()} of {there}"
            figures = [_figure(part[:, mark]) for mark in (0, 1) for part in (held, fitted)]
            rows.append((edge, name, answered, *figures))
    rows.sort(key=lambda row: list(EDGES).index(row[0]))
    lines = [f"| {NAMES[edge]} | {' | '.join(cells)} |" for edge, *cells in rows]
    return "\n".join(
        (
            "Errors in ms, mean ± standard deviation over LUDB's records 51-100 and 1-50 (on which the shares of a",
            "flank's speed were chosen, with 51-100 in sight), and of how many of 51-100 that have the wave by hand",
            "there is an answer. Against the median of the leads' hand marks, and the outermost (earliest onset,",
            "latest end). A record's error is the median over its beats.",
            "",
            "| | | answered | median mark, 51-100 | 1-50 | outermost mark, 51-100 | 1-50 |",
            "|---|---|---|---|---|---|---|",
            *lines,
            "",
            f"Processor time a record: {', '.join(costs)}.",
            *([] if len(readers) > PEERS else ["A peer is not installed, and its rows are missing."]),
        )
    )


def _widths(folder: Path, hand: list[Marks], answers: list[Edges]) -> str:
    """How long a QRS lasts by each kind of mark, where the cardiologists call no conduction slow, and where they do."""
    rows, slow = [], []
    for number, marks, found in zip(RECORDS, hand, answers, strict=True):
        if not len(found["qrs_end"]):
            continue
        both = [beat for beat in marks if min(len(beat["qrs_onset"]), len(beat["qrs_end"])) >= FEWEST_LEADS]
        outermost = [beat["qrs_end"].max() - beat["qrs_onset"].min() for beat in both]
        middle = [np.median(beat["qrs_end"]) - np.median(beat["qrs_onset"]) for beat in both]
        width = np.median(found["qrs_end"] - found["qrs_onset"])
        rows.append([1000 / RATE_HZ * float(np.median(kind)) for kind in (outermost, middle, width)])
        said = (folder / f"{number}.hea").read_text("utf-8").lower()
        slow.append(any(word in said for word in SLOW))
    widths, block = np.array(rows), np.array(slow)
    names = ("outermost to outermost hand mark", "median to median hand mark", "here")
    lines = [
        f"| {name} | {np.median(ms[~block]):.0f} | {(ms[~block] > WIDE_MS).sum()} of {(~block).sum()} "
        f"| {np.median(ms[block]):.0f} | {(ms[block] > WIDE_MS).sum()} of {block.sum()} |"
        for name, ms in zip(names, widths.T, strict=True)
    ]
    return "\n".join(
        (
            f"A QRS of more than {WIDE_MS} ms is wide (AHA/ACCF/HRS 2009). LUDB's, by whether its cardiologists name a",
            "block:",
            "",
            "| QRS, from | no block: median, ms | wide | a block: median, ms | wide |",
            "|---|---|---|---|---|",
            *lines,
        )
    )


def _answer(read: Callable[[Signal], Edges], signal: Signal) -> Edges:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the peers'
            return read(signal)
    except _GIVES_UP:  # counted: no answer
        return {edge: np.empty(0) for edge in EDGES}


def _figure(values: NDArray[np.float64]) -> str:
    known = values[np.isfinite(values)]
    return f"{known.mean():.1f} ± {known.std():.1f}" if len(known) else "none"


def _carts(samples: Path) -> str:
    """What carts printed beside what is measured: the vendors' own algorithms on the same signal."""
    mortara = get_testdata_file("waveform_ecg.dcm")
    files = {
        "Mortara, DICOM": mortara and Path(mortara),
        "Mortara, aECG": samples / "xml" / "fda_Example_aECG.xml",
        "GE MUSE, XML": samples / "xml" / "guangxi_teaching_sinus_rhythm.xml",
        "Philips Sierra, XML": samples / "xml" / "sierra_1_04_3191723_ZZDEMOPTONLY_1-04_orig.xml",
        "GE CardioSoft, page": samples / "pdf" / "cardiosoft_testmann.pdf",
        "Schiller AT-102, page": samples / "pdf" / "schiller_1282423.pdf",
    }
    read = [(name, ecg) for name, path in files.items() if path for ecg in read_file(path, Reading())]
    pairs = np.array([[[getattr(one, f) for one in (e.reported, e.measured)] for f in FIELDS] for _, e in read], float)
    rows = [[f"{_whole(theirs)} / {_whole(ours)}" for theirs, ours in pair] for pair in pairs]
    late = [f"{round(mean):+d}" for mean in np.nanmean(pairs[:, :, 1] - pairs[:, :, 0], axis=0)]
    lines = [f"| {name} | {' | '.join(row)} |" for (name, _), row in zip(read, rows, strict=True)]
    return "\n".join(
        (
            "The cart's own figure / ours, `-` where there is none, and how much more ours are in the mean:",
            "",
            "| | rate | P | PR | QRS | QT | QTc | P axis | QRS axis | T axis |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *lines,
            f"| mean difference | {' | '.join(late)} |",
        )
    )


def _whole(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.0f}"


def _rates(folder: Path, signals: list[Signal]) -> str:
    """The rate from the beats marked by hand, all kinds of beats."""
    near, missed, extra, marked = 0, 0, 0, 0
    for n, signal in zip(RECORDS, signals, strict=True):
        lead = wfdb.rdann(str(folder / str(n)), "ii")
        truth = np.array([at for at, symbol in zip(lead.sample, lead.symbol, strict=True) if symbol == "N"])
        places = beats(signal, RATE_HZ)
        inside = places[(places > truth[0] - 100) & (places < truth[-1] + 100)]
        apart = np.abs(truth[:, None] - inside[None]) if len(inside) else np.full((len(truth), 1), 1e9)
        marked += len(truth)
        missed += int((apart.min(axis=1) > 60).sum())
        extra += int((apart.min(axis=0) > 60).sum()) if len(inside) else 0
        rate = 60 * RATE_HZ * (len(truth) - 1) / (truth[-1] - truth[0])
        ours_bpm = 60 * RATE_HZ * (len(places) - 1) / (places[-1] - places[0]) if len(places) > 2 else np.nan
        near += bool(abs(ours_bpm - rate) <= 5)
    return (
        f"Beats of LUDB: of {marked} marked by hand {missed} missed, {extra} found that are none; "
        f"rate within 5/min in {near} of 100 records."
    )


def _open(samples: Path) -> str:
    """How often each value is left open, by what the statements of PTB-XL say."""
    with (samples / "ptbxl" / "ptbxl_database.csv").open() as table:
        said = {int(row["ecg_id"]): row["scp_codes"] for row in csv.DictReader(table)}
    kinds = {"atrial fibrillation": "AFIB", "atrial flutter": "AFLT", "paced": "PACE"}
    found: dict[str, list[list[bool]]] = {}
    for header in sorted((samples / "ptbxl" / "records500").glob("*.hea")):
        codes = said[int(header.stem[:5])]
        kind = next((name for name, code in kinds.items() if f"'{code}'" in codes), "all others")
        measured = measure(arrange(read_record(header)), RATE_HZ)
        found.setdefault(kind, []).append([getattr(measured, f) is not None for f in FIELDS])
    rows = [
        f"| {kind} ({len(values)}) | " + " | ".join(f"{count}" for count in np.sum(values, axis=0)) + " |"
        for kind, values in sorted(found.items())
    ]
    return "\n".join(
        (
            "PTB-XL, the first 250, by their statements: in how many each value is told.",
            "",
            "| | rate | P | PR | QRS | QT | QTc | P axis | QRS axis | T axis |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *rows,
        )
    )
