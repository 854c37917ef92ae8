"""A simulated cohort as files and a manifest, as anybody's data would come; in several processes where asked."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from datetime import timedelta
from functools import cached_property, lru_cache, partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from adapters.measure import beats
from config.schema import Reading
from domain.ecg import RATE_HZ
from domain.errors import Rejected
from domain.reason import Reason
from ecgd.simulate import Format
from simulator import dyskalemia
from simulator.cohort import Background, Case, case, roster
from simulator.files import Envelope, write_dicom, write_oru_na, write_pdf, write_wfdb
from simulator.page import Look
from simulator.patient import SyntheticPatient
from simulator.plan import Plan

_CHUNK = 50
_PAGES: tuple[tuple[str, Look], ...] = (  # layouts and looks that carts print
    ("3x4+1", Look()),
    ("3x4", Look(trace="row", joined_pulse=True)),
    ("3x4+3", Look(trace="chunk", grid="rectangles")),
    ("6x2", Look(trace="bezier", labels="below")),
    ("6x2+1", Look(grid="rectangles", scale=0.9)),
    ("12x1", Look(trace="chunk", pulse=False)),
)


_ENDING = {Format.WFDB: ".hea", Format.DICOM: ".dcm", Format.ORU: ".hl7", Format.PDF: ".pdf"}


class Recordings(Sequence[Background]):
    """The WFDB records of a folder, by name; each is read when it is asked for.

    Asking for one that a model would not be shown raises ``Rejected``: unreadable, incomplete, or unfit to score.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _headers(self) -> list[Path]:
        return sorted(self._folder.rglob("*.hea"), key=lambda path: path.stem)

    def __len__(self) -> int:
        return len(self._headers)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        found = _recording(self._headers[index])
        if isinstance(found, Rejected):
            raise Rejected(
                found.reason, found.detail
            )  # a new one: what is raised again keeps all frames it went through
        return found


@lru_cache(maxsize=256)
def _recording(header: Path) -> Background | Rejected:
    from adapters import formats

    try:
        (ecg,) = formats.read_file(header, Reading())
    except Rejected as rejected:
        return rejected
    signal = ecg.signal
    if ecg.unfit:
        return Rejected(ecg.unfit[0].reason, "not fit to score")
    if signal.shape[1] < 8 * RATE_HZ or np.isnan(signal).any():
        return Rejected(Reason.TOO_SHORT, "less than 8 s of 12 leads")
    return Background(name=header.stem, signal=signal)


def adjusted(plan: Plan, ecgs: int | None, seed: int | None) -> Plan:
    """The plan with another number of ECGs (and as many fewer patients) or another seed."""
    count = plan.ecgs if ecgs is None else ecgs
    patients = max(1, min(count, round(plan.patients * count / plan.ecgs)))
    changed = {"ecgs": count, "patients": patients, "seed": plan.seed if seed is None else seed}
    return plan.model_copy(update=changed)


Row = dict[str, str]


def write_cohort(
    plan: Plan, out: Path, form: Format, backgrounds: Path | None, workers: int, *, truth: bool
) -> list[Row]:
    """Write ``records/`` and ``manifest.csv`` into ``out``; the manifest's rows."""
    (out / "records").mkdir(parents=True, exist_ok=True)
    rows = list(_rows(partial(_written, plan, out, form, backgrounds, truth), plan.ecgs, workers))
    _write_manifest(out / "manifest.csv", rows)
    return rows


def _rows(work: "partial[list[Row]]", ecgs: int, workers: int) -> Iterator[Row]:
    starts = range(0, ecgs, _CHUNK)
    with ProcessPoolExecutor(workers, get_context("spawn")) if workers > 1 else nullcontext() as pool:
        for rows in map(work, starts) if pool is None else pool.map(work, starts):
            yield from rows


def _written(plan: Plan, out: Path, form: Format, backgrounds: Path | None, truth: bool, first: int) -> list[Row]:
    """Draw and write one chunk; the manifest's rows."""
    real = Recordings(backgrounds) if backgrounds else ()
    owners = _owners(plan)
    rows = []
    for number in range(first, min(first + _CHUNK, plan.ecgs)):
        drawn = case(plan, owners, number, backgrounds=real, beats=beats)
        file = _write(drawn, out / "records", form)
        if truth:
            _write_waves(drawn, out / "records" / f"{drawn.name}.npz")
        rows.append(_row(plan, drawn, f"records/{file.name}"))
    return rows


@lru_cache(maxsize=2)
def _owners(plan: Plan):  # type: ignore[no-untyped-def]
    return roster(plan)


def _write(drawn: Case, folder: Path, form: Format) -> Path:
    if form is Format.WFDB:
        about = (f"<age>: {drawn.age}", f"<sex>: {drawn.sex}")
        return write_wfdb(folder, drawn.name, drawn.signal, RATE_HZ, taken_at=drawn.taken_at, comments=about)
    path = folder / f"{drawn.name}{_ENDING[form]}"
    path.write_bytes(_encoded(drawn, form))
    return path


def _encoded(drawn: Case, form: Format) -> bytes:
    who, when, reported = _patient(drawn), drawn.taken_at, drawn.reported
    if form is Format.DICOM:
        return write_dicom(drawn.signal, RATE_HZ, who, acquired_at=when, reported=reported)
    if form is Format.ORU:
        envelope = Envelope(control_id=drawn.name)
        return write_oru_na(drawn.signal, RATE_HZ, who, acquired_at=when, envelope=envelope, reported=reported)
    layout, look = _PAGES[drawn.number % len(_PAGES)]
    return write_pdf(drawn.signal, RATE_HZ, patient=who, acquired_at=when, reported=reported, layout=layout, look=look)


def _patient(drawn: Case) -> SyntheticPatient:
    name = SyntheticPatient.seeded(drawn.person)
    born = (drawn.taken_at - timedelta(days=365.25 * (drawn.age + 0.5))).date()
    return SyntheticPatient(id=drawn.patient, family=name.family, given=name.given, birth_date=born, sex=drawn.sex)


def _write_waves(drawn: Case, path: Path) -> None:
    """R peaks, and start and end of P, QRS, ST and T of every beat, in samples; -1: the beat has none, or unknown."""
    waves = drawn.waves
    np.savez(path, r=waves.r, p=waves.p, qrs=waves.qrs, st=waves.st, t=waves.t, kind=waves.kind)


def _row(plan: Plan, drawn: Case, file: str) -> Row:
    truth = {"label": f"{drawn.truth:.0f}"} if plan.kind == "arrest" else {"potassium": f"{drawn.truth:.1f}"}
    if drawn.blood_at is not None:
        truth["potassium_time"] = drawn.blood_at.isoformat()
    fixed = {"file": file, "patient": drawn.patient, "time": drawn.taken_at.isoformat(), **truth}
    return {**fixed, "age": str(drawn.age), "sex": str(drawn.sex), "device": drawn.device, **drawn.drawn}


def _write_manifest(path: Path, rows: list[Row]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns, restval="")
        table.writeheader()
        table.writerows(rows)


def summary(plan: Plan, rows: list[Row], seconds: float) -> Iterator[str]:
    """Say how many there are, of which classes, and how fast they came."""
    people = len({row["patient"] for row in rows})
    yield f"{plan.name}: {len(rows)} simulated ECGs of {people} patients, {len(rows) / seconds:.0f} ECGs/s"
    if plan.kind == "arrest":
        yield f"arrest: {sum(row['label'] == '1' for row in rows)}"
    else:
        found = Counter(dyskalemia.potassium_class(float(row["potassium"])) for row in rows)
        yield "potassium (mmol/L): " + ", ".join(f"{name}: {found[name]}" for name in dyskalemia.CLASSES)
    real = sum(row["source"] == "background" for row in rows)
    if real:
        yield f"from real recordings: {real}"
