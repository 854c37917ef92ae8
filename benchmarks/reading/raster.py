"""Scans of the 27 PTB-XL pages, drawn, turned and coded here, against their records: each lead at its own time."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pymupdf
from numpy.typing import NDArray

from adapters import image
from adapters.recording import Recording
from benchmarks.reading.vector import CONFIGS, Config, drawn
from config.schema import Reading
from domain.ecg import LEADS
from domain.errors import Rejected
from simulator.heart import ecg, varied

_RESOLUTIONS = (300, 200, 150)
_QUALITY = 50
_HEARTS = 3
_FIRST = 4  # the pages begin with their records' fifth sample


@dataclass(frozen=True, slots=True)
class Page:
    """What came back of one page; ``mislabelled``: leads to which another of the record is liker."""

    snr_db: dict[str, float]
    mislabelled: int
    seconds: float


def tables(samples: Path) -> str:
    """Read every page at every resolution, each turned by its own angle within 3 degrees, and the simulator's."""
    rows = [_row(samples, dpi) for dpi in _RESOLUTIONS]
    drawn_ways = [_simulated(config) for config in CONFIGS]
    every = np.concatenate([snr for _, snr in drawn_ways])
    read = every[np.isfinite(every)]
    return (
        "PTB-XL's 27 vector pages drawn at a resolution, turned by -3 to 3 degrees, JPEG quality 50, against the\n"
        "records themselves (500 Hz, unfiltered). Liker another: leads to which another of the record is liker.\n\n"
        "| dpi | read | leads | median SNR, dB | worst tenth | liker another | s a page (CPU) |\n"
        "|---|---|---|---|---|---|---|\n" + "\n".join(rows) + "\n\n"
        f"The simulator's ways to draw (those of the vector pages), {_HEARTS} hearts each, its first page at 200 dpi,\n"
        "turned by 1.3 degrees, quality 50.\n\n"
        "| Page | read | median SNR, dB | lowest lead | liker another | refused |\n|---|---|---|---|---|---|\n"
        + "\n".join(row for row, _ in drawn_ways)
        + f"\n\nOf {every.size} leads drawn {read.size} are read, {np.median(read):.1f} dB in the median; "
        f"{np.median(every):.1f} dB where\neach lead of a page that is refused counts as lost."
    )


def simulated(config: Config, heart: int) -> Page:
    """Read one heart's page, drawn one way. Raises ``Rejected``."""
    signal = np.asarray(ecg(varied(heart), heart), dtype=np.float64)
    with pymupdf.open(stream=drawn(signal, config, heart), filetype="pdf") as document:
        scan = _scan(document[0], 200, 1.3)
    (recording,) = image.read(scan, "folder:measure", Reading())
    return _scored(recording, dict(zip(LEADS, signal, strict=True)), 0.0)


def _simulated(config: Config) -> tuple[str, NDArray[np.float64]]:
    """One way to draw, as a row of the table, and dB of each lead drawn, -inf on a page that was refused."""
    pages, refused = [], Counter[str]()
    for heart in range(_HEARTS):
        try:
            pages.append(simulated(config, heart))
        except Rejected as rejected:
            refused[rejected.detail.split(";")[0]] += 1
    why = "; ".join(f"{count}: {reason}" for reason, count in refused.items())
    snr = np.array([value for page in pages for value in page.snr_db.values()])
    leads = _HEARTS * len(LEADS) // (2 if config.layout.endswith("/2") else 1)
    every = np.append(snr, np.full(leads - snr.size, -np.inf))
    read = f"{len(pages)} of {_HEARTS}"
    if not pages:
        return f"| {config} | {read} | | | | {why} |", every
    wrong = sum(page.mislabelled for page in pages)
    return f"| {config} | {read} | {np.median(snr):.1f} | {snr.min():.1f} | {wrong} | {why} |", every


def _row(samples: Path, dpi: int) -> str:
    files = sorted((samples / "ptbxl_pdf").glob("*.pdf"))
    pages = list(_read_all(samples, files, dpi))
    snr = np.array([value for page in pages for value in page.snr_db.values()])
    wrong, seconds = sum(page.mislabelled for page in pages), np.mean([page.seconds for page in pages])
    read = f"{len(pages)} of {len(files)}"
    middle, low = np.median(snr), np.percentile(snr, 10)
    return f"| {dpi} | {read} | {snr.size} | {middle:.1f} | {low:.1f} | {wrong} | {seconds:.1f} |"


def _read_all(samples: Path, files: list[Path], dpi: int) -> Iterator[Page]:
    for file, degrees in zip(files, np.linspace(-3, 3, len(files)), strict=True):
        raw = np.fromfile(samples / "ptbxl" / "records500" / f"{file.stem}.dat", dtype="<i2").reshape(-1, 12).T / 1000
        truth = dict(zip(LEADS, raw[:, _FIRST:], strict=True))
        scan = scanned(file, dpi, float(degrees))
        began = time.process_time()
        try:
            (recording,) = image.read(scan, "folder:measure", Reading())
        except Rejected:
            continue
        seconds = time.process_time() - began
        yield _scored(recording, truth, seconds)


def _scored(recording: Recording, truth: dict[str, NDArray[np.float64]], seconds: float) -> Page:
    return Page(
        {lead: _snr_db(found, truth[lead]) for lead, found in recording.leads.items()},
        sum(_likest(found, truth) != lead for lead, found in recording.leads.items()),
        seconds,
    )


def scanned(file: Path, dpi: int, degrees: float) -> bytes:
    """Draw a PDF's first page, turned anticlockwise, as a JPEG."""
    with pymupdf.open(file) as document:
        return _scan(document[0], dpi, degrees)


def _scan(page: pymupdf.Page, dpi: int, degrees: float) -> bytes:
    shown = page.get_pixmap(dpi=dpi, alpha=False)
    pixels = np.frombuffer(shown.samples, np.uint8).reshape(shown.height, shown.width, 3)[:, :, ::-1]
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    tilt = abs(np.sin(np.deg2rad(degrees)))
    whole = (round(width + tilt * height), round(height + tilt * width))  # a scanner's bed holds the turned page
    turn[:, 2] += (whole[0] - width) / 2, (whole[1] - height) / 2
    turned = cv2.warpAffine(pixels, turn, whole, flags=cv2.INTER_CUBIC, borderValue=(255, 255, 255))
    return bytes(cv2.imencode(".jpg", turned, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes())


def _snr_db(found: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    both = np.isfinite(found[: truth.size])
    wanted, got = truth[: found.size][both], found[: truth.size][both]
    return float(10 * np.log10(np.var(wanted) / max(np.var(got - wanted), 1e-12)))


def _likest(found: NDArray[np.float64], truth: dict[str, NDArray[np.float64]]) -> str:
    both = np.isfinite(found[: len(truth["I"])])
    got = found[: both.size][both]
    alike = {lead: np.corrcoef(got, its[: both.size][both])[0, 1] for lead, its in truth.items()}
    return max(alike, key=lambda lead: alike[lead])
