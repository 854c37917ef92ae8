"""``ecgd evaluate``: what a model is worth on data whose truth is known."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecgd.terminal import REFUSED, USAGE, end

if TYPE_CHECKING:  # numpy is loaded by who evaluates, not by every command
    from inference.evaluation.predictions import Predictions
    from inference.evaluation.report import Wanted


def evaluate(
    named: Annotated[
        list[str] | None,
        typer.Option("--predictions", metavar="[NAME=]FILE.csv", help="Columns truth and score; several make rows."),
    ] = None,
    threshold: Annotated[str, typer.Option(help="A score, youden, or sensitivity=0.9.")] = "youden",
    prevalence: Annotated[list[float] | None, typer.Option(help="PPV and NPV where this share is ill.")] = None,
    bootstrap: Annotated[int, typer.Option(min=0, help="Resamples of patients.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    note: Annotated[str, typer.Option(help="Heads every table and plot, such as: simulated data.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Measure a model: discrimination, calibration and the papers' tables, with intervals by patient."""
    from inference.evaluation.report import Wanted

    if any(not 0 < share < 1 for share in prevalence or ()):
        end(USAGE, "--prevalence: a share between 0 and 1")
    wanted = Wanted(threshold=threshold, prevalences=tuple(prevalence or ()), resamples=bootstrap, seed=seed, note=note)
    found = {name: _reported(data, wanted) for name, data in _read(named or []).items()}
    print(json.dumps(_one_or_several(found), indent=2, allow_nan=False))


def _read(named: list[str]) -> dict[str, "Predictions"]:
    from inference.evaluation import predictions

    if not named:
        end(USAGE, "name --predictions FILE.csv")
    found: dict[str, Predictions] = {}
    mistakes: list[str] = []
    for name, path in map(_named, named):
        if not path.is_file():
            end(USAGE, f"{path}: no such file")
        if name in found:
            end(USAGE, f"--predictions: two are called {name}; write NAME=FILE.csv")
        try:
            found[name] = predictions.read(path)
        except predictions.Unusable as error:
            mistakes += [f"{path}: {mistake}" for mistake in error.mistakes]
    if mistakes:
        end(REFUSED, *mistakes)
    return found


def _named(argument: str) -> tuple[str, Path]:
    name, equals, path = argument.partition("=")
    if not equals or Path(argument).is_file():
        return Path(argument).stem, Path(argument)
    return name, Path(path)


def _reported(data: "Predictions", wanted: "Wanted") -> dict[str, Any]:
    from inference.evaluation import report

    try:
        return report.report(data, wanted)
    except ValueError as error:
        end(USAGE, f"--threshold: {error}")


def _one_or_several(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return next(iter(found.values())) if len(found) == 1 else {"models": found}
