"""Faults planted in honest ECGs: each takes ``[12, n]`` in mV at 500 Hz and gives the ECG that has it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.beats import beats
from adapters.quality import Verdict
from adapters.quality.electrodes import EXCHANGES, INDEPENDENT
from domain.ecg import LEADS, RATE_HZ, ReadWarning
from domain.reason import Reason

Signal = NDArray[np.float32]
Noise = NDArray[np.float64]
Plant = Callable[[Signal, np.random.Generator], Signal]

_FROM_LIMBS = np.array([[-1.0, 1.0], [-0.5, -0.5], [1.0, -0.5], [-0.5, 1.0]], np.float32)
_CHEST = [LEADS.index(name) for name in INDEPENDENT[2:]]
_EIGHT = [0, 1, *_CHEST]
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
    """A fault of a kind and a size, and the answer that counts: a defect, any defect (None), or at least a warning."""

    kind: str
    size: str = ""
    plant: Plant
    answer: Reason | ReadWarning | None = None

    def found(self, verdict: Verdict) -> bool:
        """Whether a verdict has the answer; a defect is more than a warning."""
        if isinstance(self.answer, Reason):
            return self.answer in {one.reason for one in verdict.unfit}
        return bool(verdict.unfit) or self.answer in verdict.warnings


def with_limbs(signal: Signal, i: Signal, ii: Signal) -> Signal:
    """The ECG whose leads I and II these are."""
    made = signal.copy()
    made[:2] = i, ii
    made[2:6] = _FROM_LIMBS @ made[:2]
    return made


def _of_eight(signal: Signal, eight: NDArray[np.floating]) -> Signal:
    made = with_limbs(signal, eight[0].astype(np.float32), eight[1].astype(np.float32))
    made[_CHEST] = eight[2:]
    return made


def exchange(name: str) -> Plant:
    """Exchange electrodes or leads as adapters.quality.electrodes names it."""
    matrix = np.linalg.inv(EXCHANGES[name].undo)
    return lambda signal, _: _of_eight(signal, matrix @ signal[_EIGHT])


def left_arm_and_leg(signal: Signal, _: np.random.Generator) -> Signal:
    """The exchange that is not claimed: I and II for one another."""
    return with_limbs(signal, signal[1], signal[0])


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
    turned = signal[_EIGHT] - 2 * np.outer(np.linalg.pinv(_KORS)[:, 0], _KORS[0] @ signal[_EIGHT])
    turned[:2] = -signal[0], signal[1] - signal[0]
    return _of_eight(signal, turned)


def added(noise: Callable[[int, np.random.Generator], Noise]) -> Plant:
    """Noise ``[8, n]`` in mV in the eight independent leads."""
    return lambda signal, rng: _of_eight(signal, signal[_EIGHT] + noise(signal.shape[1], rng))


def noisy(rms_mv: float, band_hz: tuple[float, float]) -> Plant:
    """Noise of a band."""

    def noise(length: int, rng: np.random.Generator) -> Noise:
        spectrum = np.fft.rfft(rng.normal(size=(8, length)))
        hz = np.fft.rfftfreq(length, 1 / RATE_HZ)
        made = np.fft.irfft(spectrum * ((hz >= band_hz[0]) & (hz <= band_hz[1])), length)
        return np.asarray(rms_mv * made / made.std(axis=1, keepdims=True))

    return added(noise)


def sine(amplitude_mv: float, hz: float) -> Plant:
    """A sine, another phase in each lead: a line's hum, or wander."""
    phases = 2 * np.pi * hz / RATE_HZ
    return added(
        lambda length, rng: amplitude_mv * np.sin(phases * np.arange(length) + rng.uniform(0, 2 * np.pi, (8, 1)))
    )


def in_lead(lead: str, change: Callable[[Signal, np.random.Generator], NDArray[np.floating]]) -> Plant:
    """Change one lead's samples."""

    def plant(signal: Signal, rng: np.random.Generator) -> Signal:
        made = signal.copy()
        made[LEADS.index(lead)] = change(signal[LEADS.index(lead)], rng)
        return made

    return plant


def in_all(change: Callable[[Signal], NDArray[np.floating]]) -> Plant:
    """Change the ECG, nothing drawn."""
    return lambda signal, _: change(signal).astype(np.float32)


def labels(a: str, b: str) -> Plant:
    """Two leads under one another's names."""
    order = [LEADS.index({a: b, b: a}.get(name, name)) for name in LEADS]
    return in_all(lambda signal: signal[order])


def _spiked(signal: Signal) -> Signal:
    """Pacing spikes in four leads, 80 ms before each QRS's centre."""
    made = signal.copy()
    for centre in beats(signal, RATE_HZ):
        if centre >= 40:
            made[np.ix_([1, 2, 8, 9], [centre - 40, centre - 39])] += 0.3
    return made


def _railed(row: Signal, _: np.random.Generator) -> Signal:
    """Cut off at half its height, brought to 3 mV."""
    level = row - np.median(row)
    return np.clip(level * 6 / np.abs(level).max(), -3, 3)


_PULSE = np.repeat(np.array([0, 1, 0], np.float32), (25, 100, 25))[None].repeat(12, axis=0)  # 1 mV, 0.2 s
_STEP = 12 * ((np.arange(5000) >= 1000) & (np.arange(5000) < 1500))


def _samples() -> list[Fault]:
    gone = in_lead("V3", lambda row, _: np.full_like(row, np.nan))
    copied = in_all(lambda signal: signal[[*range(9), 8, 10, 11]])
    flat = in_lead("V3", lambda row, _: np.zeros_like(row))
    dies = in_lead("V3", lambda row, _: np.where(np.arange(len(row)) < 3500, row, row[3500]))
    thrown = in_lead("V2", lambda row, _: row + _STEP[: len(row)])
    for_itself = in_all(lambda signal: signal / np.ptp(signal, axis=1, keepdims=True))
    at_start, at_end = (in_all(lambda s, o=o: np.concatenate([_PULSE, s][::o], axis=1)) for o in (1, -1))
    return [
        Fault(kind="lead missing", size="V3", plant=gone, answer=Reason.LEAD_MISSING),
        Fault(kind="lead copied", size="V4 is V3", plant=copied, answer=Reason.LEAD_MISSING),
        Fault(kind="lead flat", size="V3", plant=flat, answer=Reason.LEAD_FLAT),
        Fault(kind="lead dies", size="V3, last 3 s", plant=dies, answer=Reason.LEAD_FLAT),
        Fault(kind="saturation", size="V3 at half its height", plant=in_lead("V3", _railed), answer=Reason.SATURATED),
        Fault(kind="offset", size="V2, 12 mV for 1 s", plant=thrown, answer=Reason.IMPLAUSIBLE_AMPLITUDE),
        Fault(kind="too short", size="2.2 s", plant=in_all(lambda s: s[:, :1100]), answer=Reason.TOO_SHORT),
        Fault(kind="calibration pulse", size="at the start", plant=at_start, answer=Reason.CALIBRATION_PULSE),
        Fault(kind="calibration pulse", size="at the end", plant=at_end, answer=Reason.CALIBRATION_PULSE),
        Fault(
            kind="one beat repeated",
            size="0.8 s",
            plant=in_all(lambda s: np.tile(s[:, 2000:2400], 12)),
            answer=Reason.MEDIAN_ONLY,
        ),
        Fault(kind="each lead for itself", size="to 1 mV", plant=for_itself, answer=Reason.SCALED_PER_LEAD),
        Fault(kind="paced", size="0.3 mV, 4 ms", plant=in_all(_spiked), answer=ReadWarning.PACED),
    ]


def _amplitudes() -> list[Fault]:
    made = []
    for factor in (1000, 10, 0.1, 0.001):
        made.append(Fault(kind="gain, all leads", size=f"x {factor:g}", plant=in_all(lambda s, f=factor: s * f)))
        for lead in ("I", "aVF", "V1", "V5"):
            plant = in_lead(lead, lambda row, _, f=factor: row * f)
            made.append(Fault(kind=f"gain, {lead}", size=f"x {factor:g}", plant=plant))
    return made


def _noises() -> list[Fault]:
    off = in_lead("V4", lambda row, rng: rng.normal(0, 0.3, len(row)))
    return [
        *(
            Fault(kind="mains", size=f"0.05 mV, {hz} Hz", plant=sine(0.05, hz), answer=ReadWarning.MAINS_NOISE)
            for hz in (50, 60)
        ),
        Fault(kind="mains, swamping", size="1 mV, 50 Hz", plant=sine(1.0, 50), answer=Reason.NOISE),
        Fault(kind="wander", size="1.5 mV", plant=sine(0.75, 0.25), answer=ReadWarning.BASELINE_WANDER),
        Fault(kind="wander, swamping", size="8 mV", plant=sine(4.0, 0.25), answer=Reason.NOISE),
        Fault(kind="muscle", size="0.05 mV", plant=noisy(0.05, (20, 150)), answer=ReadWarning.MUSCLE_NOISE),
        Fault(kind="muscle, swamping", size="1 mV", plant=noisy(1.0, (20, 150)), answer=Reason.NOISE),
        Fault(kind="electrode off", size="V4: 0.3 mV of noise", plant=off, answer=Reason.NOISE),
    ]


def _leads() -> list[Fault]:
    return [
        Fault(kind="labels II, V2 exchanged", plant=labels("II", "V2")),
        Fault(kind="labels III, aVF exchanged", plant=labels("III", "aVF"), answer=Reason.EINTHOVEN),
        *(Fault(kind=f"{arm} arm on the right leg", plant=right_leg(arm)) for arm in ("right", "left")),
        *(Fault(kind=name, plant=exchange(name)) for name in EXCHANGES),
        Fault(kind="mirrored heart", size="by Kors's matrix", plant=mirrored),
    ]


FAULTS = (*_samples(), *_amplitudes(), *_noises(), *_leads())
