"""``ecgd train``: from a recipe and a manifest of ECGs to a bundle that the daemon loads."""

import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from config.load import InvalidConfiguration
from domain.errors import Problem
from ecgd.terminal import DEFAULT, INVALID, REFUSED, USAGE, Config, File, end, settings_or_defaults

if TYPE_CHECKING:  # torch is loaded by who trains, not by every command
    from config.schema import Reading
    from inference.training.recipe import Recipe
    from inference.training.run import Result

SHOWN = ("auroc", "auprc", "brier", "mae", "mae_constant", "kappa_five", "auroc_hypokalemia", "auroc_hyperkalemia")


def train(
    recipe: File,
    out: Annotated[Path, typer.Option(help="Bundle, predictions.csv, history.csv and the checkpoint go here.")],
    manifest: Annotated[Path | None, typer.Option(help="In place of the recipe's data.manifest.")] = None,
    test_manifest: Annotated[Path | None, typer.Option(help="In place of the recipe's data.test_manifest.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Prepared ECGs; recipes may share it. Default: OUT/cache.")] = None,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that read ECGs and prepare batches.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the network; default: the cores.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over; else it goes on where it was killed.")] = False,
    config: Config = DEFAULT,
) -> None:
    """Train a model by a recipe; a killed run goes on by itself. Patients' data stay in OUT and the cache."""
    found = _recipe(recipe)
    places = {"manifest": manifest or found.data.manifest, "test_manifest": test_manifest or found.data.test_manifest}
    if places["manifest"] is None:
        end(USAGE, "name a manifest: --manifest, or data.manifest in the recipe")
    _require_test(found, places["test_manifest"])
    for name, path in places.items():
        if path is not None and not path.is_file():
            end(USAGE, f"{name} {path}: no such file")
    if workers is not None:
        how = found.training.model_copy(update={"workers": workers})
        found = found.model_copy(update={"training": how})
    try:
        result = _run(found, places, out, cache or out / "cache", workers, threads, fresh, config)
    except Problem as error:
        end(REFUSED, f"{recipe.name}: {error.detail or error.reason}")
    except OSError as error:
        end(USAGE, f"{out}: {error.strerror}")
    _summarise(result, out)


def _recipe(path: Path) -> "Recipe":
    """With its paths made relative to where it lies."""
    from inference.training import recipe

    try:
        return recipe.load(path)
    except InvalidConfiguration as error:
        end(INVALID, f"{path}: {len(error.mistakes)} mistake(s)", *map(str, error.mistakes))


def _require_test(recipe: "Recipe", test_manifest: Path | None) -> None:
    """A split that holds nothing back needs a cohort to test on, and the other way round."""
    holds_back = recipe.split.test > 0 if recipe.split.by == "patient" else recipe.split.validation_before is not None
    if test_manifest is None and not holds_back:
        end(USAGE, "nothing to test on: let the split hold a test part back, or name a test manifest")
    if test_manifest is not None and holds_back:
        end(USAGE, "two things to test on: let the split hold no test part back where there is a test manifest")


def _run(
    recipe: "Recipe",
    manifests: Mapping[str, Path | None],
    out: Path,
    cache: Path,
    workers: int | None,
    threads: int | None,
    fresh: bool,
    config: Path,
) -> "Result":
    import os

    from rich.console import Console

    from adapters import formats, paper
    from inference.training import checkpoint, run
    from inference.training.cohort import Reader
    from inference.training.progress import Reporter

    if fresh:
        checkpoint.remove(out)
    cores = len(os.sched_getaffinity(0))
    places: dict[str, Any] = {**manifests, "out": out, "cache": cache}
    reading = settings_or_defaults(config).reading
    reader = Reader(read=partial(formats.read_file, settings=reading), draw=paper.draw, edition=_edition(reading))
    return run.train(
        recipe,
        run.Places(**places, threads=threads or cores, processes=cores if workers is None else max(1, workers)),
        reader,
        Reporter(Console()),
    )


def _edition(reading: "Reading") -> str:
    """Tell readers apart by their settings and by the adapters' own source: no version number follows as closely."""
    import adapters

    digest = hashlib.sha256(reading.model_dump_json().encode())
    for folder in adapters.__path__:
        for source in sorted(Path(folder).rglob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()[:24]


def _summarise(result: "Result", out: Path) -> None:
    print(f"bundle {result.bundle.path}, sha256 {result.bundle.sha256}")
    print(f"weights of epoch {result.trained.best} of {len(result.trained.history)}, {result.trained.device}")
    for name in SHOWN:
        if result.figures.get(name) is not None:
            low, high = result.figures[f"{name}_ci"] or (float("nan"), float("nan"))
            print(f"{name} {result.figures[name]:.3f} ({low:.3f} to {high:.3f}) on the test part")
    print(f"more: ecgd evaluate --predictions {out / 'predictions.csv'}")
