"""How often each planted fault is found, and honest ECGs called faulty: the quality section of docs/reading.md."""

import csv
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adapters.beats import find
from adapters.quality import Verdict, judge
from adapters.quality.electrodes import EXCHANGES
from adapters.recording import Recording
from benchmarks.reading.faults import FAULTS, Fault, Plant, left_arm_and_leg
from benchmarks.reading.leads import ludb, ptbxl
from domain.ecg import LEADS, RATE_HZ, ReadWarning

Signal = NDArray[np.float32]
Group = dict[int, Verdict]

NOTES = ("static_noise", "baseline_drift", "burst_noise", "electrodes_problems")


def judged(signal: Signal) -> Verdict:
    """The verdict on a signal recorded as it is."""
    leads = {name: row.astype(np.float64) for name, row in zip(LEADS, signal, strict=True) if not np.isnan(row).all()}
    return judge(signal, Recording(leads=leads, rate_hz=RATE_HZ, format="planted"))


def columns(signal: Signal) -> Signal:
    """The four columns of 2.5 s that a page of three rows shows."""
    made = np.full_like(signal, np.nan)
    for lead in range(len(signal)):
        shown = slice(1250 * (lead // 3), 1250 * (lead // 3 + 1))
        made[lead, shown] = signal[lead, shown]
    return made


def verdicts(plant: Plant, signals: Iterable[Signal]) -> list[Verdict]:
    """What is said of each signal with the fault planted."""
    rng = np.random.default_rng(0)
    return [judged(plant(signal, rng)) for signal in signals]


def share_found(fault: Fault, signals: Iterable[Signal]) -> float:
    """How often the fault, planted in each of these, is found."""
    return float(np.mean([fault.found(verdict) for verdict in verdicts(fault.plant, signals)]))


def tables(samples: Path) -> str:
    """Honest records refused or told of, faults planted and found, and what it costs."""
    records, lobachevsky, notes = ptbxl(samples), ludb(samples), noise_notes(samples)
    groups = {
        "PTB-XL, no note": {number: signal for number, signal in records.items() if not notes[number]},
        "PTB-XL, a note of noise": {number: signal for number, signal in records.items() if notes[number]},
        "LUDB": lobachevsky,
    }
    whole = {name: _each(group) for name, group in groups.items()}
    cut = {name: _each({n: columns(signal) for n, signal in group.items()}) for name, group in groups.items()}
    clean = whole["PTB-XL, no note"]
    planted = [records[n] for n, verdict in clean.items() if n % 2 and not verdict.unfit]
    return "\n".join(
        [
            "Honest records (the electrodes' matrix is of PTB-XL's even ones and LUDB's, at its counts as microvolts):",
            "",
            *_honest(whole),
            "",
            "The same cut into the four columns of a page, 2.5 s a lead:",
            "",
            *_honest(cut),
            "",
            f"Processor time an ECG of 10 s: {_cost_ms(list(records.values())):.0f} ms, the beats known.",
            "",
            f"Planted in the {len(planted)} of PTB-XL's odd records that have no note and are not refused as they are.",
            "Doubted: scored, with the warning `leads_doubtful`. Of sizes of a kind, the one found least often:",
            "",
            *_planted(planted),
            "",
            _unclaimed(planted),
        ]
    )


def noise_notes(samples: Path) -> dict[int, list[str]]:
    """What PTB-XL notes of each record's noise; empty for most."""
    with (samples / "ptbxl" / "ptbxl_database.csv").open(encoding="utf-8", newline="") as file:
        return {int(row["ecg_id"]): [note for note in NOTES if row[note].strip()] for row in csv.DictReader(file)}


def _each(group: dict[int, Signal]) -> Group:
    return {number: judged(signal) for number, signal in group.items()}


def _cost_ms(signals: list[Signal]) -> float:
    recordings = [
        Recording(leads=dict(zip(LEADS, s.astype(float), strict=True)), rate_hz=500, format="") for s in signals
    ]
    found = [find(signal, RATE_HZ) for signal in signals]
    start = time.process_time()
    for arguments in zip(signals, recordings, found, strict=True):
        judge(*arguments)
    return 1000 * (time.process_time() - start) / len(signals)


def _honest(groups: dict[str, Group]) -> list[str]:
    every = [verdict for group in groups.values() for verdict in group.values()]
    lines = ["| found | " + " | ".join(f"{name} ({len(group)})" for name, group in groups.items()) + " |"]
    lines += ["| --- |" + " --: |" * len(groups), _row("refused", groups, lambda one: bool(one.unfit))]
    for reason in sorted({one.reason for verdict in every for one in verdict.unfit}):
        lines.append(_row(f"- `{reason}`", groups, lambda one, r=reason: r in {defect.reason for defect in one.unfit}))
    for warning in sorted({one for verdict in every for one in verdict.warnings}):
        lines.append(_row(f"told: `{warning}`", groups, lambda one, w=warning: w in one.warnings))
    return lines


def _row(name: str, groups: dict[str, Group], holds: Callable[[Verdict], bool]) -> str:
    found = [[number for number, verdict in group.items() if holds(verdict)] for group in groups.values()]
    named = not name.startswith("told")
    cells = [f"{len(those)} ({', '.join(map(str, those))})" if named and those else str(len(those)) for those in found]
    return f"| {name} | {' | '.join(cells)} |"


def _planted(signals: list[Signal]) -> list[str]:
    kinds: dict[str, list[tuple[str, ...]]] = {}
    for fault in FAULTS:
        there = verdicts(fault.plant, signals)
        missed = [verdict for verdict in there if not fault.found(verdict)]
        in_columns = verdicts(_cut(fault.plant), signals) if fault.kind in EXCHANGES else []
        told = "told" if isinstance(fault.answer, ReadWarning) else "not scored"
        row = (fault.size, told, _share(len(there) - len(missed), signals), _share(len(_doubted(missed)), signals))
        shares = _share(sum(map(fault.found, in_columns)), signals) if in_columns else ""
        kinds.setdefault(fault.kind, []).append((*row, shares))
    lines = ["| fault | size | answer | found | doubted | found in columns |", "| --- | --- | --- | --: | --: | --: |"]
    for kind, rows in kinds.items():
        least = min(rows, key=lambda row: int(row[2].split()[0]))
        lines.append(f"| {kind} | {'; '.join(row[0] for row in rows)} | {' | '.join(least[1:])} |")
    return lines


def _cut(plant: Plant) -> Plant:
    return lambda signal, rng: columns(plant(signal, rng))


def _doubted(there: list[Verdict]) -> list[Verdict]:
    return [one for one in there if ReadWarning.LEADS_DOUBTFUL in one.warnings and not one.unfit]


def _share(count: int, signals: list[Signal]) -> str:
    return f"{100 * count / len(signals):.0f} %"


def _unclaimed(signals: list[Signal]) -> str:
    there = verdicts(left_arm_and_leg, signals)
    refused = sum(bool(verdict.unfit) for verdict in there)
    return (
        f"Left arm and left leg exchanged, which is not claimed: {_share(refused, signals)} refused, "
        f"{_share(len(_doubted(there)), signals)} doubted."
    )
