"""How often each fault is found, and honest ECGs called faulty: the quality section of docs/reading.md."""

import csv
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adapters.quality import Verdict, judge
from adapters.quality.electrodes import EXCHANGES, INDEPENDENT
from adapters.recording import Recording
from benchmarks.reading.leads import ludb, ptbxl
from domain.ecg import LEADS, RATE_HZ, ReadWarning
from domain.reason import Reason

Signal = NDArray[np.float32]
Plant = Callable[[Signal, np.random.Generator], Signal]

NOTES = ("static_noise", "baseline_drift", "burst_noise", "electrodes_problems")
_FROM_LIMBS = np.array([[-1.0, 1.0], [-0.5, -0.5], [1.0, -0.5], [-0.5, 1.0]], np.float32)
_CHEST = [LEADS.index(name) for name in INDEPENDENT[2:]]
# Kors 1990 takes the eight leads for X, Y, Z; its pseudo-inverse takes them back.
_KORS = np.array(
    [
        [0.38, -0.07, -0.13, 0.05, -0.01, 0.14, 0.06, 0.54],
        [-0.07, 0.93, 0.06, -0.02, -0.05, 0.06, -0.17, 0.13],
        [0.11, -0.23, -0.43, -0.06, -0.14, -0.20, -0.11, 0.31],
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A kind of fault: how it is planted, how large, and what should be found (``stops``: a defect, else a warning)."""

    kind: str
    size: str
    plant: Plant
    found: Callable[[Verdict], bool]
    stops: bool = True
    every: int = 1  # record


def _defect(reason: Reason) -> Callable[[Verdict], bool]:
    return lambda verdict: reason in {one.reason for one in verdict.unfit}


def _warning(*warnings: ReadWarning) -> Callable[[Verdict], bool]:
    return lambda verdict: bool(set(warnings) & set(verdict.warnings)) or bool(verdict.unfit)


def judged(signal: Signal, *, median_only: bool = False) -> Verdict:
    """The verdict on a signal recorded as it is."""
    leads = {name: row.astype(np.float64) for name, row in zip(LEADS, signal, strict=True) if not np.isnan(row).all()}
    return judge(signal, Recording(leads=leads, rate_hz=RATE_HZ, format="planted", median_only=median_only))


def with_limbs(signal: Signal, i: Signal, ii: Signal) -> Signal:
    """The ECG whose leads I and II these are."""
    made = signal.copy()
    made[:2] = i, ii
    made[2:6] = _FROM_LIMBS @ made[:2]
    return made


def exchange(name: str) -> Plant:
    """Exchange electrodes or leads as adapters.quality.electrodes names it."""
    matrix = np.linalg.inv(EXCHANGES[name].undo).astype(np.float32)

    def plant(signal: Signal, _: np.random.Generator) -> Signal:
        independent = matrix @ signal[[0, 1, *_CHEST]]
        made = with_limbs(signal, independent[0], independent[1])
        made[_CHEST] = independent[2:]
        return made

    return plant


def right_leg(arm: str) -> Plant:
    """An arm's electrode on the right leg: its potential is the left leg's but for 10 uV of noise; Wilson's moves."""

    def plant(signal: Signal, rng: np.random.Generator) -> Signal:
        legs = rng.normal(0, 0.01, signal.shape[1]).astype(np.float32)
        ii, iii = signal[1], signal[1] - signal[0]
        made = with_limbs(signal, -iii, legs) if arm == "right" else with_limbs(signal, ii + legs, ii)
        made[_CHEST] -= (ii if arm == "right" else iii) / 3
        return made

    return plant


def mirrored(signal: Signal, _: np.random.Generator) -> Signal:
    """A heart on the right, by Kors's vectors: left and right exchanged in the part of the leads that they explain."""
    independent = signal[[0, 1, *_CHEST]]
    back = np.linalg.pinv(_KORS)
    turned = (independent - 2 * np.outer(back[:, 0], _KORS[0] @ independent)).astype(np.float32)
    made = with_limbs(signal, -signal[0], signal[1] - signal[0])
    made[_CHEST] = turned[2:]
    return made


def noisy(rms_mv: float, band_hz: tuple[float, float]) -> Plant:
    """Noise of a band in all eight independent leads."""

    def plant(signal: Signal, rng: np.random.Generator) -> Signal:
        spectrum = np.fft.rfft(rng.normal(size=(8, signal.shape[1])))
        hz = np.fft.rfftfreq(signal.shape[1], 1 / RATE_HZ)
        made = np.fft.irfft(spectrum * ((hz >= band_hz[0]) & (hz <= band_hz[1])), signal.shape[1])
        return _added(signal, rms_mv * made / made.std(axis=1, keepdims=True))

    return plant


def wander(peak_to_peak_mv: float) -> Plant:
    """A sine of 0.25 Hz, another phase in each lead."""

    def plant(signal: Signal, rng: np.random.Generator) -> Signal:
        at = 2 * np.pi * (0.25 * np.arange(signal.shape[1]) / RATE_HZ + rng.uniform(size=(8, 1)))
        return _added(signal, peak_to_peak_mv / 2 * np.sin(at))

    return plant


def mains(amplitude_mv: float, hz: float) -> Plant:
    """A line's hum in each lead."""

    def plant(signal: Signal, rng: np.random.Generator) -> Signal:
        at = 2 * np.pi * (hz * np.arange(signal.shape[1]) / RATE_HZ + rng.uniform(size=(8, 1)))
        return _added(signal, amplitude_mv * np.sin(at))

    return plant


def _added(signal: Signal, noise: NDArray[np.float64]) -> Signal:
    made = with_limbs(signal, *(signal[:2] + noise[:2]).astype(np.float32))
    made[_CHEST] = (signal[_CHEST] + noise[2:]).astype(np.float32)
    return made


def scaled(factor: float, lead: str | None = None) -> Plant:
    """Another unit or gain in one lead, or in all."""

    def plant(signal: Signal, _: np.random.Generator) -> Signal:
        made = signal.copy()
        made[slice(None) if lead is None else LEADS.index(lead)] *= factor
        return made

    return plant


def in_lead(lead: str, change: Callable[[Signal, np.random.Generator], Signal]) -> Plant:
    """Change one lead's samples."""

    def plant(signal: Signal, rng: np.random.Generator) -> Signal:
        made = signal.copy()
        made[LEADS.index(lead)] = change(signal[LEADS.index(lead)], rng)
        return made

    return plant


def swapped(a: str, b: str) -> Plant:
    """Two leads under one another's names."""

    def plant(signal: Signal, _: np.random.Generator) -> Signal:
        made = signal.copy()
        made[[LEADS.index(a), LEADS.index(b)]] = signal[[LEADS.index(b), LEADS.index(a)]]
        return made

    return plant


def pulse(at_end: bool) -> Plant:
    """A calibration pulse of 1 mV and 0.2 s in place of the samples, in all leads."""

    def plant(signal: Signal, _: np.random.Generator) -> Signal:
        shape = np.concatenate([np.zeros(25), np.ones(100), np.zeros(25)]).astype(np.float32)
        return np.concatenate(
            [signal, np.tile(shape, (12, 1))] if at_end else [np.tile(shape, (12, 1)), signal], axis=1
        )

    return plant


def over_and_over(signal: Signal, _: np.random.Generator) -> Signal:
    """0.8 s out of the middle, again and again."""
    return np.tile(signal[:, 2000:2400], 12)


def spiked(signal: Signal, _: np.random.Generator) -> Signal:
    """Pacing spikes of 0.3 mV and 4 ms in four leads, 80 ms before each QRS's centre."""
    from adapters.measure import beats

    made = signal.copy()
    for centre in beats(signal, RATE_HZ):
        if centre >= 40:
            made[np.ix_([1, 2, 8, 9], [centre - 40, centre - 39])] += 0.3
    return made


def railed(signal: Signal, _: np.random.Generator) -> Signal:
    """V3 cut off at half its height, brought to 3 mV."""
    made = signal.copy()
    row = made[8] - np.median(made[8])
    made[8] = np.clip(row * 6 / np.abs(row).max(), -3, 3)
    return made


def for_itself(signal: Signal, _: np.random.Generator) -> Signal:
    """Each lead brought to 1 mV."""
    return signal / (signal.max(axis=1, keepdims=True) - signal.min(axis=1, keepdims=True))


def _exchanges() -> list[Fault]:
    faults = [Fault(kind=name, size="exchanged", plant=exchange(name), found=_any) for name in EXCHANGES]
    legs = [
        Fault(kind=f"{arm} arm on the right leg", size="10 uV", plant=right_leg(arm), found=_any)
        for arm in ("right", "left")
    ]
    return [*faults, *legs, Fault(kind="mirrored heart", size="by Kors's matrix", plant=mirrored, found=_any)]


def _amplitudes() -> list[Fault]:
    wrong = _defect(Reason.IMPLAUSIBLE_AMPLITUDE)
    faults = [
        Fault(kind="unit or gain, all leads", size=f"x {factor:g}", plant=scaled(factor), found=_any)
        for factor in (1000, 10, 0.1, 0.001)
    ]
    faults += [
        Fault(kind=f"unit or gain, {lead}", size=f"x {factor:g}", plant=scaled(factor, lead), found=_any)
        for lead in ("I", "aVF", "V1", "V5")
        for factor in (1000, 10, 0.1, 0.001)
    ]
    label = Fault(kind="labels II, V2 exchanged", size="", plant=swapped("II", "V2"), found=_any)
    einthoven = Fault(
        kind="labels III, aVF exchanged", size="", plant=swapped("III", "aVF"), found=_defect(Reason.EINTHOVEN)
    )
    huge = Fault(kind="offset", size="V2 12 mV off for 1 s", plant=in_lead("V2", _thrown), found=wrong)
    scale = Fault(kind="each lead to 1 mV", size="", plant=for_itself, found=_defect(Reason.SCALED_PER_LEAD))
    return [*faults, label, einthoven, huge, scale]


def _any(verdict: Verdict) -> bool:
    return bool(verdict.unfit)


def _thrown(row: Signal, _: np.random.Generator) -> Signal:
    made = row.copy()
    made[1000:1500] += 12
    return made


def _noises() -> list[Fault]:
    swamps = _defect(Reason.NOISE)
    off = in_lead("V4", lambda row, rng: rng.normal(0, 0.3, len(row)).astype(np.float32))
    return [
        Fault(
            kind="mains",
            size="0.05 mV, 50 Hz",
            plant=mains(0.05, 50),
            found=_warning(ReadWarning.MAINS_NOISE),
            stops=False,
        ),
        Fault(
            kind="mains",
            size="0.05 mV, 60 Hz",
            plant=mains(0.05, 60),
            found=_warning(ReadWarning.MAINS_NOISE),
            stops=False,
        ),
        Fault(kind="mains", size="1 mV, 50 Hz", plant=mains(1.0, 50), found=swamps),
        Fault(
            kind="wander", size="1.5 mV", plant=wander(1.5), found=_warning(ReadWarning.BASELINE_WANDER), stops=False
        ),
        Fault(kind="wander", size="8 mV", plant=wander(8.0), found=swamps),
        Fault(
            kind="muscle",
            size="0.05 mV",
            plant=noisy(0.05, (20, 150)),
            found=_warning(ReadWarning.MUSCLE_NOISE),
            stops=False,
        ),
        Fault(kind="muscle", size="1 mV", plant=noisy(1.0, (20, 150)), found=swamps),
        Fault(kind="electrode off, hum and noise in V4", size="0.3 mV", plant=off, found=swamps),
    ]


def _samples() -> list[Fault]:
    flat = in_lead("V3", lambda row, _: np.zeros_like(row))
    dies = in_lead("V3", lambda row, _: np.where(np.arange(len(row)) < 3500, row, row[3500]).astype(np.float32))
    gone = in_lead("V3", lambda row, _: np.full_like(row, np.nan))
    return [
        Fault(kind="lead missing", size="V3", plant=gone, found=_defect(Reason.LEAD_MISSING)),
        Fault(
            kind="lead copied",
            size="V4 is V3",
            plant=lambda s, _: s[[*range(9), 8, 10, 11]],
            found=_defect(Reason.LEAD_MISSING),
        ),
        Fault(kind="lead flat", size="V3", plant=flat, found=_defect(Reason.LEAD_FLAT)),
        Fault(kind="lead dies", size="V3, last 3 s", plant=dies, found=_defect(Reason.LEAD_FLAT)),
        Fault(kind="saturation", size="V3 at half its height", plant=railed, found=_defect(Reason.SATURATED)),
        Fault(kind="too short", size="2.2 s", plant=lambda s, _: s[:, :1100], found=_defect(Reason.TOO_SHORT)),
        Fault(
            kind="calibration pulse at the end", size="1 mV", plant=pulse(True), found=_defect(Reason.CALIBRATION_PULSE)
        ),
        Fault(
            kind="calibration pulse at the start",
            size="1 mV",
            plant=pulse(False),
            found=_defect(Reason.CALIBRATION_PULSE),
        ),
        Fault(kind="one beat repeated", size="0.8 s", plant=over_and_over, found=_defect(Reason.MEDIAN_ONLY)),
        Fault(kind="paced", size="0.3 mV, 4 ms", plant=spiked, found=_warning(ReadWarning.PACED), stops=False),
    ]


FAULTS = (*_samples(), *_amplitudes(), *_noises(), *_exchanges())


def share_found(fault: Fault, signals: list[Signal]) -> float:
    """How often the fault, planted in each of these, is found."""
    rng = np.random.default_rng(0)
    return float(np.mean([fault.found(judged(fault.plant(signal, rng))) for signal in signals]))


def tables(samples: Path) -> str:
    """Faults planted and found, honest records refused or told of, PTB-XL's notes, and what it costs."""
    records, lobachevsky = ptbxl(samples), ludb(samples)
    notes = _notes(samples)
    start = time.process_time()
    verdicts = {number: judged(signal) for number, signal in records.items()}
    each_ms = 1000 * (time.process_time() - start) / len(verdicts)
    others = {number: judged(signal) for number, signal in lobachevsky.items()}
    clean = {number: verdict for number, verdict in verdicts.items() if not notes[number]}
    noted = {number: verdict for number, verdict in verdicts.items() if notes[number]}
    groups = {"PTB-XL, no note": clean, "PTB-XL, a note of noise": noted, "LUDB": others}
    held_out = [
        signal for number, signal in records.items() if number in clean and number % 2 and not clean[number].unfit
    ]
    return "\n".join(
        [
            "Honest records (the electrodes' matrix is of PTB-XL's even records; LUDB at its counts as microvolts):\n",
            *_honest(groups),
            f"\nAll detectors, beats found once more among them: {each_ms:.0f} ms of processor time an ECG of 10 s.\n",
            f"Planted in PTB-XL's {len(held_out)} odd records without a note:\n",
            *_planted(held_out),
        ]
    )


def _notes(samples: Path) -> dict[int, list[str]]:
    with (samples / "ptbxl" / "ptbxl_database.csv").open(encoding="utf-8", newline="") as file:
        return {int(row["ecg_id"]): [note for note in NOTES if row[note].strip()] for row in csv.DictReader(file)}


def _honest(groups: dict[str, dict[int, Verdict]]) -> list[str]:
    reasons = sorted({one.reason for group in groups.values() for verdict in group.values() for one in verdict.unfit})
    warnings = sorted({one for group in groups.values() for verdict in group.values() for one in verdict.warnings})
    lines = ["| found | " + " | ".join(f"{name} ({len(group)})" for name, group in groups.items()) + " |"]
    lines.append("| --- |" + " --: |" * len(groups))
    lines.append(
        "| refused | " + " | ".join(_numbers(group, lambda one: bool(one.unfit)) for group in groups.values()) + " |"
    )
    rows = [(f"- `{one}`", [_numbers(group, _defect(one)) for group in groups.values()]) for one in reasons]
    rows += [(f"told: `{one}`", [_count(group, one) for group in groups.values()]) for one in warnings]
    return [*lines, *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows)]


def _numbers(group: dict[int, Verdict], holds: Callable[[Verdict], bool]) -> str:
    found = [number for number, verdict in group.items() if holds(verdict)]
    return f"{len(found)} (records {', '.join(map(str, found))})" if found else "0"


def _count(group: dict[int, Verdict], warning: ReadWarning) -> str:
    return str(sum(warning in verdict.warnings for verdict in group.values()))


def _planted(signals: list[Signal]) -> list[str]:
    lines = ["| fault | size | answer | found |", "| --- | --- | --- | --: |"]
    for fault in FAULTS:
        answer = "not scored" if fault.stops else "told"
        lines.append(f"| {fault.kind} | {fault.size} | {answer} | {100 * share_found(fault, signals):.0f} % |")
    return lines
