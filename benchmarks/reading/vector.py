"""Vector pages: leads read back against the records they were drawn from, and simulated pages in many layouts."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adapters import pdf
from adapters.formats import complete
from adapters.recording import Recording
from config.schema import Reading
from domain.ecg import LEADS, Measurements
from inference.evaluation.tables import markdown
from simulator.heart import ecg, varied
from simulator.page import Look, write_pdf
from simulator.patient import SyntheticPatient

Samples = NDArray[np.float64]
Leads = Mapping[str, Samples]

RATE_HZ = 500
_FIRST = 4  # the PTB-XL pages begin with the fifth sample
_PTBXL_COLUMNS = 3  # leads a column


@dataclass(frozen=True, slots=True)
class Config:
    """One way to draw a page."""

    layout: str
    speed: float
    gain: float
    look: Look

    def __str__(self) -> str:
        plain = Look()
        names = [name for name in Look.__slots__ if getattr(self.look, name) != getattr(plain, name)]
        looks = ", ".join(f"{name} {getattr(self.look, name)}" for name in names)
        return f"{self.layout}, {self.speed:g} mm/s, {self.gain:g} mm/mV" + (f", {looks}" if looks else "")


CONFIGS = (
    Config("3x4", 25, 10, Look()),
    Config("3x4+1", 25, 10, Look(trace="row", grid="rectangles")),
    Config("3x4+2", 25, 5, Look(trace="chunk", strip_labels=False)),
    Config("3x4+3", 25, 20, Look(trace="segment", rotate=90)),
    Config("3x4+1", 50, 10, Look(simultaneous=True)),
    Config("4x3", 25, 10, Look(trace="bezier", grid="text")),
    Config("6x2", 25, 10, Look(rotate=180, joined_pulse=True)),
    Config("6x2+1", 50, 10, Look(trace="chunk", scale=0.77)),
    Config("12x1", 12.5, 10, Look()),
    Config("12x1", 25, 10, Look(labels="none")),
    Config("12x1/2", 50, 10, Look(rotate=270, grid="none")),
    Config("6x2/2", 25, 20, Look(printed="50 mm/s  10 mm/mV")),
)


@dataclass(frozen=True, slots=True)
class Score:
    """How one page came back: dB and correlation of each lead, how many were another's, and CPU seconds."""

    snr_db: tuple[float, ...]
    r: tuple[float, ...]
    mislabelled: int
    missing: int
    seconds: float


def tables(samples: Path) -> str:
    """Return the section's tables."""
    return "\n\n".join((_real(samples), _carts(samples), _simulated()))


def ptbxl(samples: Path) -> Iterator[Score]:
    """Read each PTB-XL page and score it against its record, each lead at its own time."""
    for page in sorted((samples / "ptbxl_pdf").glob("*.pdf")):
        raw = np.fromfile(samples / "ptbxl" / "records500" / f"{page.stem}.dat", dtype="<i2").reshape(-1, 12).T / 1000
        yield _scored(page.read_bytes(), dict(zip(LEADS, raw[:, _FIRST:], strict=True)))


def simulated(config: Config, seeds: Sequence[int]) -> Iterator[Score]:
    """Draw simulated hearts that way, read them back, and score them."""
    for seed in seeds:
        heart = np.asarray(ecg(varied(seed), seed), dtype=np.float64)
        yield _scored(drawn(heart, config, seed), dict(zip(LEADS, heart, strict=True)))


def drawn(signal: Samples, config: Config, seed: int) -> bytes:
    """Draw ``[12, n]`` mV at 500 Hz as a report of a synthetic patient."""
    return write_pdf(
        signal,
        RATE_HZ,
        patient=SyntheticPatient.seeded(seed),
        acquired_at=datetime(2024, 5, 1, 10, 20, 30),  # noqa: DTZ001 (a page prints no zone)
        layout=config.layout,
        speed=config.speed,
        gain=config.gain,
        look=config.look,
    )


def _scored(page: bytes, truth: Leads) -> Score:
    start = time.process_time()
    (recording,) = pdf.read(page, "benchmark", Reading())
    seconds = time.process_time() - start
    found = {lead: samples for lead, samples in recording.leads.items() if lead in LEADS}
    likest = [max(truth, key=lambda name: _close(samples, truth[name])[1]) for samples in found.values()]
    scores = [_close(samples, truth[lead]) for lead, samples in found.items()]
    return Score(
        tuple(snr for snr, _ in scores),
        tuple(r for _, r in scores),
        sum(lead != other for lead, other in zip(found, likest, strict=True)),
        len(set(LEADS) - set(found)),
        seconds,
    )


def _close(found: Samples, truth: Samples) -> tuple[float, float]:
    """Return the ratio of signal to difference in dB, means removed, and the correlation, where both are known."""
    size = min(found.size, truth.size)
    both = np.isfinite(found[:size]) & np.isfinite(truth[:size])
    one, other = found[:size][both], truth[:size][both]
    return float(10 * np.log10(np.var(other) / max(np.var(one - other), 1e-12))), float(np.corrcoef(one, other)[0, 1])


def _row(name: str, scores: Sequence[Score]) -> list[str]:
    snr = np.concatenate([score.snr_db for score in scores])
    return [
        name,
        str(len(scores)),
        f"{np.median(snr):.2f}",
        f"{snr.min():.1f}",
        f"{np.median(np.concatenate([score.r for score in scores])):.4f}",
        str(sum(score.mislabelled for score in scores)),
        str(sum(score.missing for score in scores)),
        f"{np.median([score.seconds for score in scores]):.3f}",
    ]


_HEAD = ["Pages", "n", "median SNR, dB", "lowest lead, dB", "median r", "mislabelled", "missing", "CPU s a page"]


def _real(samples: Path) -> str:
    scores = list(ptbxl(samples))
    said = (
        "The 27 PTB-XL PDFs against their records at 500 Hz, each lead at its own time on the page (nothing is "
        "shifted to fit). The pages hold 125 points/s, each the mean of 5 samples (a fit of the points to the "
        "records leaves -51 dB), so what lies between is gone: a cubic spline through the points reaches 23.8 dB, "
        "the reader's, sharpened by a quarter of what such a mean takes away, what stands here. The time is of "
        "the whole file: drawing, text, traces, and the upright picture of the page."
    )
    return f"{said}\n\n{markdown(_HEAD, [_row('PTB-XL', scores)])}"


def _carts(samples: Path) -> str:
    rows = [_cart(path) for path in sorted((samples / "pdf").glob("*.pdf"))]
    head = [
        "Report",
        "leads",
        "points/s",
        "mm/s",
        "mm/mV",
        "I + III - II, share of power",
        "largest, mV",
        "printed",
        "measured",
    ]
    said = (
        "Reports of two carts, of test patients. Einthoven's residual, where all three leads are drawn: between "
        "two points a peak is lost, so its largest value grows as the points grow fewer. Printed and measured: "
        "rate (bpm), PR, QRS, QT, QTc (ms)."
    )
    return f"{said}\n\n{markdown(head, rows)}"


def _cart(path: Path) -> list[str]:
    (recording,) = pdf.read(path.read_bytes(), "benchmark", Reading())
    read = complete(recording)
    share, largest = einthoven(recording)
    return [
        re.sub("_.*", "", path.stem),
        str(len(read.recorded_leads)),
        f"{read.origin.native_rate_hz:.0f}",
        f"{recording.speed_mm_s:g}",
        f"{recording.gain_mm_mv:g}",
        f"{share:.2%}",
        f"{largest:.3f}",
        _said(read.reported),
        _said(read.measured),
    ]


def _said(values: Measurements) -> str:
    five = (values.heart_rate_bpm, values.pr_ms, values.qrs_ms, values.qt_ms, values.qtc_ms)
    return ", ".join("-" if value is None else f"{value:.0f}" for value in five)


def einthoven(recording: Recording) -> tuple[float, float]:
    """Return the residual's power as a share of the three leads', and its largest value in mV."""
    rows = np.array([recording.leads[lead] for lead in ("I", "II", "III")])
    rows = rows[:, np.isfinite(rows).all(axis=0)]
    rows = rows - rows.mean(axis=1, keepdims=True)
    residual = rows[0] + rows[2] - rows[1]
    return float(np.mean(residual**2) / np.mean(rows**2)), float(np.abs(residual).max())


def _simulated() -> str:
    rows = [_row(str(config), list(simulated(config, range(3)))) for config in CONFIGS]
    said = (
        "Simulated hearts drawn at full rate in twelve ways and read back, three of each. What differs from a "
        "plain page stands in the first column; where a false speed and gain are printed, grid and pulse are "
        "believed."
    )
    return f"{said}\n\n{markdown(_HEAD, rows)}"
