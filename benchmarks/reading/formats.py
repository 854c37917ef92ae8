"""The same recording through DICOM, aECG and SCP-ECG; the real XML files beside ecgdatakit; damaged files."""

import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from ecgdatakit import FileParser

from adapters import dicom, scp, wfdb, xml
from adapters.recording import Recording
from adapters.signal import LAWS, LIMB, arrange
from config.schema import Reading
from domain.ecg import LEADS
from domain.errors import Rejected
from simulator.files import GroupOptions, write_aecg, write_dicom, write_scp
from simulator.patient import SyntheticPatient

READING = Reading()
WHEN = datetime(2024, 3, 1, 12, tzinfo=UTC)
RESOLUTIONS_UV = (1.0, 1.25, 2.5, 4.88, 5.0)
CASES = 500  # damaged files a format
SAME = """\
{count} PTB-XL records, each written by the simulator's writers at one of {steps} uV a unit and read back: the greatest
difference of any sample of any lead, in units of the file's resolution (rounding makes 0.5)."""
REAL = """\
The real XML files beside ecgdatakit 2: leads and samples, the greatest difference of a sample, and how far the limb
leads are at most from Einthoven's and Goldberger's definitions (derived leads are exact). Philips' last 200 samples
are its calibration pulse, which ecgdatakit keeps; it halves XLI's limb leads downwards, while halving towards zero
leaves no sample more than half a count (2.5 uV) off."""
DAMAGED = f"""\
{CASES} damaged copies of each file: one to eight bytes changed, a stretch cut out, doubled or zeroed, or the end
cut off (numpy's generator, seed 1). A refusal has a reason; anything else that happened would be in the last
column. CI does the same by hypothesis: 150 copies of each of eleven files, and 150 times a number changed in each of
four, well-formed."""
Read = Callable[[bytes, str, Reading], tuple[Recording, ...]]


def tables(samples: Path) -> str:
    """Three tables, as Markdown."""
    return "\n\n".join((same_recording(samples), real_files(samples), damaged(samples)))


def doors(signal, rate_hz, uv_per_unit) -> dict[str, tuple[Read, bytes]]:
    """One recording, ``[12, n]`` in mV, written in each format at one resolution."""
    at = {"patient": SyntheticPatient.seeded(1), "acquired_at": WHEN}
    implicit = GroupOptions(scheme="MDC", sensitivity_uv=uv_per_unit, implicit_vr=True)
    return {
        "DICOM (SCPECG codes)": (
            dicom.read,
            write_dicom(signal, rate_hz, **at, options=GroupOptions(sensitivity_uv=uv_per_unit)),
        ),
        "DICOM (MDC codes, Implicit VR)": (dicom.read, write_dicom(signal, rate_hz, **at, options=implicit)),
        "aECG": (xml.read, write_aecg(signal, rate_hz, **at, uv_per_unit=uv_per_unit)),
        "SCP-ECG (default Huffman table)": (scp.read, write_scp(signal, rate_hz, **at, uv_per_unit=uv_per_unit)),
        "SCP-ECG (plain)": (scp.read, write_scp(signal, rate_hz, **at, uv_per_unit=uv_per_unit, huffman=False)),
    }


def through(signal, rate_hz, uv_per_unit) -> Iterator[tuple[str, float, float, int]]:
    """(format, greatest difference from the recording in units, from the first format in units, bytes)."""
    first = None
    for name, (read, payload) in doors(signal, rate_hz, uv_per_unit).items():
        (found,) = read(payload, "", READING)
        made = np.array([found.leads[lead] for lead in LEADS])
        first = made if first is None else first
        off = (np.abs(made - signal).max(), np.abs(made - first).max())
        yield name, float(off[0]) * 1000 / uv_per_unit, float(off[1]) * 1000 / uv_per_unit, len(payload)


def records(samples: Path) -> Iterator[tuple[np.ndarray, float]]:
    """PTB-XL's records as ``[12, n]`` in mV, and their rate."""
    for header in sorted((samples / "ptbxl" / "records500").rglob("*.hea")):
        record = wfdb.read_record(header)
        yield np.array([record.leads[lead] for lead in LEADS]), record.rate_hz


def same_recording(samples: Path) -> str:
    found: dict[str, list[tuple[float, float, int]]] = {}
    for index, (signal, rate_hz) in enumerate(records(samples)):
        for name, *row in through(signal, rate_hz, RESOLUTIONS_UV[index % len(RESOLUTIONS_UV)]):
            found.setdefault(name, []).append(tuple(row))
    rows = [
        f"| {name} | {max(off for off, _, _ in each):.3f} | {max(apart for _, apart, _ in each):.1e} "
        f"| {np.median([size for _, _, size in each]) / 1000:.0f} |"
        for name, each in found.items()
    ]
    count = len(next(iter(found.values())))
    steps = ", ".join(f"{step:g}" for step in RESOLUTIONS_UV)
    return "\n".join(
        [
            SAME.format(count=count, steps=steps),
            "",
            "| Format | From the record | From the first row's reading | Median kB |",
            "|---|---|---|---|",
            *rows,
        ]
    )


def real_files(samples: Path) -> str:
    rows = []
    for path in sorted((samples / "xml").glob("*.xml")):
        start = time.process_time()
        (ours,) = xml.read(path.read_bytes(), "", READING)
        seconds = time.process_time() - start
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = {lead.label: np.asarray(lead.samples) for lead in FileParser().parse(path).leads}
        off = max(np.abs(row - theirs[lead][: ours.samples]).max() for lead, row in ours.leads.items()) * 1000
        longest = max(map(len, theirs.values()))
        rows.append(
            f"| {path.name[:24]}... | {len(ours.leads)} x {ours.samples} | {len(theirs)} x {longest} | {off:.1f} "
            f"| {_residual_uv(ours):.1f} | {_residual_uv(ours, theirs):.1f} | {seconds * 1000:.0f} |"
        )
    return "\n".join(
        [
            REAL,
            "",
            "| File | Here | ecgdatakit | Difference, uV | Residual here, uV | Residual ecgdatakit, uV | CPU ms here |",
            "|---|---|---|---|---|---|---|",
            *rows,
        ]
    )


def _residual_uv(recording: Recording, leads: dict[str, np.ndarray] | None = None) -> float:
    if leads is None or not set(LIMB) <= set(leads):
        limbs = arrange(recording)[: len(LIMB)].astype(float)
    else:
        limbs = np.array([leads[lead][: recording.samples] for lead in LIMB])
    return float(np.abs(LAWS[:4] @ limbs).max() * 1000)


def damaged(samples: Path) -> str:
    signal, rate_hz = next(records(samples))
    files = doors(signal[:, :1000], rate_hz, 2.5)
    for path in sorted((samples / "xml").glob("*.xml")):
        files[path.name[:24] + "..."] = (xml.read, path.read_bytes())
    rows = [_row(name, *file) for name, file in files.items()]
    return "\n".join(
        [
            DAMAGED,
            "",
            "| File | Read | Refused | Slowest, CPU ms | Anything else |",
            "|---|---|---|---|---|",
            *rows,
        ]
    )


def _row(name: str, read: Read, payload: bytes) -> str:
    chance, seen, slowest = np.random.default_rng(1), Counter[str](), 0.0
    for _ in range(CASES):
        start = time.process_time()
        try:
            read(_damaged(payload, chance), "", READING)
            seen["read"] += 1
        except Rejected:
            seen["refused"] += 1
        except Exception as error:  # noqa: BLE001 - what must not happen is counted
            seen[type(error).__name__] += 1
        slowest = max(slowest, time.process_time() - start)
    rest = ", ".join(f"{what} {count}" for what, count in seen.items() if what not in {"read", "refused"}) or "nothing"
    return f"| {name} | {seen['read']} | {seen['refused']} | {slowest * 1000:.0f} | {rest} |"


def _damaged(payload: bytes, chance: np.random.Generator) -> bytes:
    made = bytearray(payload)
    start, length = int(chance.integers(len(made))), int(chance.integers(1, 200))
    match chance.integers(5):
        case 0:
            for place in chance.integers(len(made), size=int(chance.integers(1, 9))):
                made[place] = int(chance.integers(256))
        case 1:
            del made[start : start + length]
        case 2:
            made[start:start] = made[start : start + length]
        case 3:
            made[start : start + length] = bytes(len(made[start : start + length]))
        case _:
            del made[start:]
    return bytes(made)
