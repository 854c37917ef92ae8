"""``ecgd thresholds``: what is in force, what was, back to it, and what others would have done."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from config.load import InvalidConfiguration, load
from config.thresholds import Thresholds
from ecgd.terminal import DEFAULT, INVALID, REFUSED, USAGE, WANTING, Config, end, moment, settings_of, store_of

app = typer.Typer(no_args_is_help=True, help="Thresholds: show, history, undo, and replay before they are changed.")
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


@app.command()
def show(config: Config = DEFAULT, as_json: Json = False) -> None:
    """Say which levels hold for whom, by the file, and whether the service has them."""
    from ecgd import thresholds_said as said
    from inference.decide import thresholds_sha256

    thresholds = settings_of(config).thresholds
    with store_of(config) as database:
        from store.configurations import history as kept

        last = next(iter(kept(database, 1)), None)
    if as_json:
        facts = {"sha256": thresholds_sha256(thresholds), "in_force": last.sha256 if last else None}
        print(json.dumps(facts | {"thresholds": thresholds.model_dump(mode="json")}, indent=2))
        return
    print(said.levels(thresholds, datetime.now(UTC)))
    print(said.standing(thresholds_sha256(thresholds), last))


@app.command()
def history(
    config: Config = DEFAULT,
    most: Annotated[int, typer.Option(min=1, help="How many, the latest first.")] = 20,
    as_json: Json = False,
) -> None:
    """List the thresholds that were in force, since when, and what changed."""
    from ecgd import thresholds_said as said
    from store.configurations import history as kept

    with store_of(config) as database:
        rows = kept(database, most)
    print(json.dumps([said.facts(one) for one in rows], indent=2) if as_json else said.history(rows))


@app.command()
def undo(
    config: Config = DEFAULT,
    to: Annotated[int | None, typer.Option(help="A number of `ecgd thresholds history`; else the ones before.")] = None,
) -> None:
    """Write the thresholds from before back into the file; the service takes them within seconds."""
    from config.blocks import differences
    from ecgd import undo as undoing
    from store.configurations import history as kept

    with store_of(config) as database:
        rows = kept(database, 10_000)
    back_to = undoing.target(rows, _written(config), to)
    if back_to is None:
        end(WANTING, "there is nothing to go back to; see `ecgd thresholds history`")
    gone = undoing.missing(config, back_to)
    if gone:
        end(WANTING, *(f"{name} held some of these thresholds and is no longer included" for name in gone))
    try:
        edits = undoing.edits(config, back_to)
        copies = [undoing.write(edit, datetime.now(UTC)) for edit in edits]
    except OSError as error:
        text = next((one for one in back_to.texts.values() if one), "(no block: the defaults)")
        end(WANTING, f"cannot write ({error.strerror or type(error).__name__}); put this into the file yourself:", text)
    for edit, copy in zip(edits, copies, strict=True):
        print(f"{edit.path}: thresholds {back_to.id} of {back_to.made_at:%Y-%m-%d %H:%M} UTC are back; before: {copy}")
    try:
        found = load(config).thresholds
    except InvalidConfiguration as error:
        end(INVALID, f"{config} is still wrong elsewhere, so the service does not take it:", *map(str, error.mistakes))
    left = differences(found.model_dump(mode="json"), back_to.content)
    if left:
        end(WANTING, "not all is as it was:", *left)
    if not edits:
        print(f"{config} has them already")


def _written(config: Path) -> str | None:
    from inference.decide import thresholds_sha256

    try:
        return thresholds_sha256(load(config).thresholds)
    except InvalidConfiguration:
        return None


@app.command()
def replay(
    new: Annotated[
        Path | None, typer.Option("--with", help="Another configuration; only its thresholds count.")
    ] = None,
    since: Annotated[str, typer.Option(help="How far back: 30d, 12h, or a date.")] = "30d",
    unit: Annotated[str | None, typer.Option(help="Only this unit; * stands for any letters.")] = None,
    outcomes: Annotated[
        Path | None,
        typer.Option(help="CSV: arrival, or identifier (and authority) and time; outcome (0, 1) or potassium."),
    ] = None,
    within: Annotated[
        float | None, typer.Option(min=0.01, max=720, help="h from ECG to outcome; 24, for potassium 1.")
    ] = None,
    budget: Annotated[str | None, typer.Option(help="Propose the unit's threshold for so many, e.g. 3/day.")] = None,
    risk: Annotated[str, typer.Option(help="Of the budget: arrest, potassium_high, potassium_low.")] = "arrest",
    png: Annotated[Path | None, typer.Option(help="Plot alerts by day here.")] = None,
    as_json: Json = False,
    config: Config = DEFAULT,
) -> None:
    """Hold the stored answers against other thresholds: alerts now and then, who is newly flagged and who missed."""
    from ecgd import replay as replaying
    from inference.effect import RISKS
    from inference.outcomes import Unusable, read

    settings, now = settings_of(config), datetime.now(UTC)
    if risk not in RISKS:
        end(USAGE, f"--risk: one of {', '.join(RISKS)}")
    if budget and not unit:
        end(USAGE, "--budget goes with --unit")
    if not new and not budget:
        end(USAGE, "name --with FILE, or --budget N/day and --unit")
    try:
        known = read(outcomes, settings.reading.timezone) if outcomes else None
    except (OSError, UnicodeDecodeError):
        end(USAGE, f"{outcomes}: cannot be read")
    except Unusable as error:
        end(REFUSED, *(f"{outcomes}: {mistake}" for mistake in error.mistakes))
    wanted = replaying.Wanted(
        now=settings.thresholds,
        then=_of(new) if new else settings.thresholds,
        since=moment(since, now),
        until=now,
        zone=settings.reading.timezone,
        unit=unit,
        outcomes=known,
        within_h=within,
        a_day=_a_day(budget) if budget else None,
        risk=risk,
    )
    with store_of(config) as database:
        found = replaying.report(database, wanted)
    print(json.dumps(found, indent=2) if as_json else replaying.in_words(found))
    if png:
        _plot(found, png)


def _plot(found: dict[str, Any], png: Path) -> None:
    from ecgd.replay import plot

    try:
        plot(found, png)
    except OSError as error:
        end(USAGE, f"{png}: cannot be written ({error.strerror})")


def _of(path: Path) -> Thresholds:
    return settings_of(path).thresholds


def _a_day(text: str) -> float:
    if match := re.fullmatch(r"(\d{1,6}(?:\.\d+)?)/(day|d|week|w)", text):
        return float(match[1]) / (1 if match[2].startswith("d") else 7)
    end(USAGE, "--budget: write 3/day or 10/week")
