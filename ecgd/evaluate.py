"""``ecgd evaluate``: what a model is worth on data whose truth is known."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domain.errors import Rejected
from ecgd.terminal import DEFAULT, REFUSED, USAGE, Config, end, settings_or_defaults, starting

if TYPE_CHECKING:  # numpy is loaded by who evaluates, not by every command
    from inference.evaluation.predictions import Predictions
    from inference.evaluation.report import Wanted


def evaluate(
    named: Annotated[
        list[str] | None,
        typer.Option("--predictions", metavar="[NAME=]FILE.csv", help="Columns truth and score; several make rows."),
    ] = None,
    bundle: Annotated[Path | None, typer.Option(exists=True, file_okay=False, help="Score a manifest with it.")] = None,
    manifest: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Files and their truth.")] = None,
    readers: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Clinicians' answers: case or file, reader, answer."),
    ] = None,
    threshold: Annotated[str, typer.Option(help="A score, youden, or sensitivity=0.9.")] = "youden",
    prevalence: Annotated[list[float] | None, typer.Option(help="PPV and NPV where this share is ill.")] = None,
    bootstrap: Annotated[int, typer.Option(min=0, help="Resamples of patients.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    out: Annotated[Path | None, typer.Option(file_okay=False, help="evaluation.json, evaluation.md and plots.")] = None,
    note: Annotated[str, typer.Option(help="Heads every table and plot, such as: simulated data.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    config: Config = DEFAULT,
) -> None:
    """Measure a model: discrimination, calibration and the papers' tables, with intervals by patient."""
    from inference.evaluation.report import Wanted

    if any(not 0 < share < 1 for share in prevalence or ()):
        end(USAGE, "--prevalence: a share between 0 and 1")
    if (bundle is None) != (manifest is None):
        end(USAGE, "--bundle and --manifest go together")
    if not named and bundle is None:
        end(USAGE, "name --predictions FILE.csv, or --bundle and --manifest")
    _make(out)
    models, left_out = _read(named or []), {}
    if bundle and manifest:
        name, scored, reasons, said = _score(bundle, manifest, out, config)
        models[name], left_out[name], note = scored, reasons, "; ".join(filter(None, (note, said)))
    if len({data.binary for data in models.values()}) > 1:
        end(USAGE, "arrest and potassium have no table in common; evaluate one after the other")
    wanted = Wanted(
        threshold=threshold,
        prevalences=tuple(prevalence or ()),
        resamples=bootstrap,
        seed=seed,
        note=note,
        readers=readers,
    )
    reports = {name: _reported(data, wanted) | _left_out(left_out.get(name)) for name, data in models.items()}
    _tell(models, reports, out, as_json)


def _read(named: list[str]) -> dict[str, "Predictions"]:
    from inference.evaluation import predictions, sheet

    found: dict[str, Predictions] = {}
    mistakes: list[str] = []
    for name, path in map(_named, named):
        if not path.is_file():
            end(USAGE, f"{path}: no such file")
        if name in found:
            end(USAGE, f"--predictions: two are called {name}; write NAME=FILE.csv")
        try:
            found[name] = predictions.read(path)
        except sheet.Unusable as error:
            mistakes += [f"{path}: {mistake}" for mistake in error.mistakes]
    if mistakes:
        end(REFUSED, *mistakes)
    return found


def _named(argument: str) -> tuple[str, Path]:
    name, equals, path = argument.partition("=")
    if not equals or Path(argument).is_file():
        return Path(argument).stem, Path(argument)
    return name, Path(path)


def _score(
    bundle: Path, manifest: Path, out: Path | None, config: Path
) -> tuple[str, "Predictions", dict[str, int], str]:
    """The model's name, its predictions (written to ``out``), what was left out, and what to say of its status."""
    from domain.finding import Status
    from ecgd import scoring
    from inference.evaluation import scored

    if out is None:
        end(USAGE, "--bundle writes predictions.csv, which holds patients' data: name a folder with --out")
    settings = settings_or_defaults(config)
    with starting():
        try:
            facts, found = scoring.scored(bundle, manifest, settings)
        except Rejected as error:
            end(REFUSED, f"{manifest}: {error.detail or error.reason}")
    said = "" if facts.status is Status.SITE_VALIDATED else f"{facts.name} {facts.version} is a stand-in"
    if not found.rows:
        most = "; ".join(f"{count} {reason}" for reason, count in found.reasons().items())
        end(REFUSED, f"{manifest}: no ECG was scored ({most or 'it has no lines'})")
    try:
        path = scored.write(found, out)
    except OSError as error:
        end(USAGE, f"{out}: cannot be written ({error.strerror})")
    (predictions,) = _read([f"{facts.name}={path}"]).values()
    return facts.name, predictions, found.reasons(), said


def _reported(data: "Predictions", wanted: "Wanted") -> dict[str, Any]:
    from inference.evaluation import report, sheet

    try:
        return report.report(data, wanted)
    except sheet.Unusable as error:
        end(REFUSED, *(f"{wanted.readers}: {mistake}" for mistake in error.mistakes))
    except ValueError as error:
        end(USAGE, f"--threshold: {error}")


def _left_out(reasons: dict[str, int] | None) -> dict[str, Any]:
    return {} if reasons is None else {"left_out": reasons}


def _make(out: Path | None) -> None:
    try:
        if out:
            out.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        end(USAGE, f"{out}: {error.strerror}")


def _tell(
    models: dict[str, "Predictions"], reports: dict[str, dict[str, Any]], out: Path | None, as_json: bool
) -> None:
    from inference.evaluation import document, plots

    found = next(iter(reports.values())) if len(reports) == 1 else {"models": reports}
    encoded = json.dumps(found, indent=2, allow_nan=False)
    pictures = {}
    if out:
        note = next(iter(reports.values())).get("note", "")
        try:
            pictures = plots.plots({name: (models[name], reports[name]) for name in models}, out, note)
            (out / "evaluation.json").write_text(encoded + "\n", "utf-8")
            (out / "evaluation.md").write_text(document.document(reports, pictures), "utf-8")
        except OSError as error:
            end(USAGE, f"{out}: cannot be written ({error.strerror})")
    if as_json:
        print(encoded)
    else:
        _show(document.document(reports))


def _show(text: str) -> None:
    """Drawn on a terminal, as it is elsewhere."""
    if not sys.stdout.isatty():
        print(text, end="")
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text))
