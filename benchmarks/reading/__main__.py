"""Measure how well ECGs are read and write the tables of docs/reading.md between their marks.

    ECGD_SAMPLES=FOLDER python -m benchmarks.reading [PART ...] [--show]

A part is a module beside this one with ``tables(samples) -> str``: Markdown, and how it was measured. All parts by
default; ``--show`` prints instead of writing.
"""

import time
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from ecgd.models_page import fill

PAGE = Path("docs/reading.md")


class Part(StrEnum):
    """The sections of docs/reading.md, in its order."""

    VECTOR = "vector"
    RASTER = "raster"
    FORMATS = "formats"
    WAVES = "waves"
    QUALITY = "quality"
    DOORS = "doors"


def main(
    samples: Annotated[Path, typer.Option(envvar="ECGD_SAMPLES", exists=True, file_okay=False)],
    parts: Annotated[list[Part] | None, typer.Argument()] = None,
    show: Annotated[bool, typer.Option("--show", help="print, and leave the page as it is")] = False,
) -> None:
    """Measure PARTS (all by default) on the real ECGs in ``ECGD_SAMPLES``."""
    missing = [part for part in parts or Part if not _there(part)]
    for part in (part for part in parts or Part if part not in missing):
        start = time.perf_counter()
        text = _measured(part, samples)
        typer.echo(f"{part}: {time.perf_counter() - start:.0f} s", err=True)
        if show:
            typer.echo(text)
        else:  # part by part: a later one that fails loses nothing
            PAGE.write_text(fill(PAGE.read_text("utf-8"), {part: text}), "utf-8")
    if missing:
        typer.echo(f"not measured, for there is no benchmarks/reading/PART.py: {', '.join(missing)}", err=True)
        raise typer.Exit(1)


def _there(part: Part) -> bool:
    return find_spec(f"benchmarks.reading.{part}") is not None


def _measured(part: Part, samples: Path) -> str:
    return str(import_module(f"benchmarks.reading.{part}").tables(samples)).strip()


if __name__ == "__main__":
    typer.run(main)
