"""``ecgd models``: which bundles there are, and how two of them compare on the same ECGs."""

import dataclasses
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from config.schema import Settings
from ecgd.terminal import DEFAULT, REFUSED, USAGE, WANTING, Config, end, moment, opened, settings_of

if TYPE_CHECKING:  # numpy is loaded by who compares, not by every command
    from ecgd.compare import Known
    from inference.outcomes import Outcomes

models = typer.Typer(no_args_is_help=True, help="The models' bundles, and how two of them compare.")


@models.command("list")
def listing(config: Config = DEFAULT, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """List the bundles that are configured and those of which answers are kept."""
    from ecgd.compare import known

    found = known(settings_of(config))
    if as_json:
        print(json.dumps([dataclasses.asdict(one) for one in found], indent=2, default=str))
        return
    for one in found:
        kept = f"{one.answers} answers, {one.first:%Y-%m-%d} to {one.last:%Y-%m-%d}" if one.first else "no answers yet"
        mode = one.mode.value if one.configured else "not configured"
        worth = one.status.value if one.status else "-"
        named = f"{one.model:24} {one.version or '-':10} {one.sha256[:12]}"
        print(f"{named}  {one.output.value:10} {worth:15} {mode:15} {kept}")


@models.command("compare")
def command(
    a: Annotated[str, typer.Argument(help="A model: its name, NAME@VERSION, or the begin of its bundle's sha256.")],
    b: Annotated[str, typer.Argument(help="The other, of the same output.")],
    since: Annotated[str, typer.Option(help="How far back: 30d, 12h, or a date.")] = "30d",
    outcomes: Annotated[
        Path | None,
        typer.Option(help="What became of whom: a CSV as for `ecgd thresholds replay`."),
    ] = None,
    resamples: Annotated[int, typer.Option(min=0, max=10_000, help="Drawings of patients for the intervals.")] = 200,
    config: Config = DEFAULT,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Compare two models on the ECGs both answered: agreement, calibration, and which alerts would differ.

    Alerts are counted by the thresholds in force at the time, whatever the models' modes: as if both had alerted.
    """
    from ecgd.compare import compared, known
    from ecgd.compared import in_words
    from inference.evaluation.agreement import paired
    from store.answers import of_bundle

    settings, now = settings_of(config), datetime.now(UTC)
    start = moment(since, now)
    bundles = known(settings)
    first, second = chosen(a, bundles), chosen(b, bundles)
    if first.sha256 == second.sha256 or first.output is not second.output:
        end(USAGE, f"{first.named} and {second.named}: name two models of one output")
    known_of = _outcomes(outcomes, settings) if outcomes else None
    with opened(settings) as database:
        sides = [of_bundle(database, one.sha256, start, now) for one in (first, second)]
    pairs = paired(*sides)
    if len(pairs.a) == 0:
        end(WANTING, f"no ECG since {start:%Y-%m-%d %H:%M} UTC was answered by both {first.named} and {second.named}")
    found = compared(pairs, first.output, known_of, resamples)
    found = {"a": first.named, "b": second.named, "since": start.isoformat(), "until": now.isoformat(), **found}
    print(json.dumps(found, indent=2, default=str) if as_json else in_words(found))


def chosen(wanted: str, known: Sequence["Known"]) -> "Known":
    """The one bundle that is meant; with none or several the command ends and names them."""
    exact = [one for one in known if wanted in (one.model, f"{one.model}@{one.version}")]
    found = exact or [one for one in known if len(wanted) >= 6 and one.sha256.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    listed = "; ".join(one.named for one in found or known) or "none"
    end(USAGE, f"{wanted}: {'several bundles are so called' if found else 'no such model'}: {listed}")


def _outcomes(path: Path, settings: Settings) -> "Outcomes":
    from inference import outcomes

    try:
        return outcomes.read(path, settings.reading.timezone)
    except outcomes.Unusable as error:
        end(REFUSED, *(f"{path}: {mistake}" for mistake in error.mistakes))
    except (OSError, UnicodeDecodeError):
        end(REFUSED, f"{path}: cannot be read as UTF-8")
