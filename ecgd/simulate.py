"""`ecgd simulate`: the command; the work is in ``cohorts``, which brings the formats' libraries with it."""

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from domain.errors import Rejected
from ecgd.terminal import REFUSED, USAGE, end


class Format(StrEnum):
    """What the ECGs are written as."""

    WFDB = "wfdb"
    DICOM = "dicom"
    ORU = "oru"
    PDF = "pdf"


def simulate(
    cohort: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The cohort (YAML).")],
    out: Annotated[Path, typer.Option(help="Where records/ and manifest.csv go.")],
    form: Annotated[Format, typer.Option("--format", help="What the ECGs are written as.")] = Format.WFDB,
    ecgs: Annotated[int | None, typer.Option(min=1, help="How many ECGs, instead of the file's number.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the file's seed.")] = None,
    backgrounds: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="WFDB records to start from, where it says so.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes; what is written does not depend on it.")] = 1,
    truth: Annotated[bool, typer.Option(help="Write where the waves of each ECG lie beside it (.npz).")] = False,
) -> None:
    """Write a simulated cohort: ECGs in one format, and a manifest with what is true of each."""
    from ecgd import cohorts
    from simulator.plan import read_plan

    try:
        plan = cohorts.adjusted(read_plan(cohort), ecgs, seed)
    except Rejected as error:
        end(REFUSED, f"{cohort}: {error}")
    if plan.backgrounds.share and (backgrounds is None or not len(cohorts.Recordings(backgrounds))):
        end(USAGE, f"{cohort}: {plan.backgrounds.share:.0%} of its patients start from real recordings: --backgrounds")
    began = time.perf_counter()
    try:
        rows = cohorts.write_cohort(plan, out, form, backgrounds, workers, truth=truth)
    except Rejected as error:
        end(REFUSED, f"{backgrounds}: {error}")
    except OSError as error:
        end(REFUSED, f"{out}: cannot be written ({error.strerror})")
    for line in cohorts.summary(plan, rows, time.perf_counter() - began):
        print(line)
