"""The command line. Exit codes: 0 done, 1 found wanting, 2 usage, 3 input refused, 4 configuration invalid."""

import getpass
import json
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from domain.errors import Rejected
from ecgd import alerts as alerting
from ecgd import attach as attaching
from ecgd import configuration as configuring
from ecgd import evaluate as evaluation
from ecgd import explain as explanation
from ecgd import models as modelling
from ecgd import simulate as simulation
from ecgd import thresholds as tuning
from ecgd import train as training
from ecgd.terminal import (
    DEFAULT,
    INVALID,
    REFUSED,
    USAGE,
    WANTING,
    Config,
    File,
    Files,
    end,
    opened,
    settings_of,
    settings_or_defaults,
    starting,
    store_of,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Receives 12-lead ECGs, scores them, tells the EHR. Not a medical device.",
)


def main() -> None:
    """Entry point."""
    app()


@app.command()
def listen(config: Config = DEFAULT) -> None:
    """Run the doors: DICOM, HL7, folder."""
    from ecgd import app as roles

    with starting():
        roles.listen(settings_of(config))


@app.command()
def work(config: Config = DEFAULT) -> None:
    """Run one worker with the resident models."""
    from ecgd import app as roles

    with starting():
        roles.work(settings_of(config), config)


@app.command()
def deliver(config: Config = DEFAULT) -> None:
    """Run the delivery of results and alerts."""
    from ecgd import app as roles

    with starting():
        roles.deliver(settings_of(config))


@app.command()
def serve(config: Config = DEFAULT) -> None:
    """Run all three roles on this machine."""
    from ecgd.health import set_up_logging
    from ecgd.supervise import serve as supervise

    settings = settings_of(config)
    set_up_logging(settings.logging, "serve")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    raise typer.Exit(supervise(config, stop))


@app.command()
def check(config: Config = DEFAULT) -> None:
    """Report every mistake of a configuration at once, unusable certificates, ports, folders and bundles too."""
    from config.load import placed
    from ecgd.check import mistakes
    from ecgd.check_destinations import silent

    settings = settings_of(config)
    found = placed(config, mistakes(settings))
    for line in silent(settings):
        print(f"note: {line}", file=sys.stderr)
    if found:
        end(INVALID, f"{config}: {len(found)} mistake(s)", *map(str, found))
    print(f"{config}: in order")


@app.command()
def read(
    file: File,
    npz: Annotated[Path | None, typer.Option(help="Write signal_mv [12, n], rate_hz and leads here.")] = None,
    png: Annotated[Path | None, typer.Option(help="Write the standard picture here.")] = None,
    part: Annotated[int, typer.Option(min=1, help="Which ECG of a file that holds several.")] = 1,
    config: Config = DEFAULT,
) -> None:
    """Read any supported file without a daemon and say what is in it, as JSON."""
    from ecgd import byhand

    settings = settings_or_defaults(config)
    ecg, parts = byhand.chosen(file, part, settings)
    if npz:
        byhand.write_npz(ecg, npz)
    if png:
        byhand.write_png(ecg, png)
    print(json.dumps({"file": str(file), "part": part, "parts": parts, **byhand.facts_of(ecg)}, indent=2))


@app.command()
def score(files: Files, config: Config = DEFAULT) -> None:
    """Score files without a daemon: one JSON object a line and ECG."""
    from ecgd import byhand

    settings = settings_or_defaults(config)
    with starting():
        answer = byhand.scorer(settings)
    refused = False
    for file in files:
        try:
            ecgs = byhand.ecgs(file, settings)
        except Rejected as error:
            refused = True
            print(f"{file}: {error}", file=sys.stderr)
            continue
        for number, ecg in enumerate(ecgs, start=1):
            place = {"file": str(file), "part": number, "parts": len(ecgs)}
            print(json.dumps({**place, **byhand.facts_of(ecg), **answer(ecg)}), flush=True)
    if refused:
        raise typer.Exit(REFUSED)


@app.command()
def status(
    config: Config = DEFAULT,
    arrival: Annotated[int | None, typer.Option(help="One arrival's whole way.")] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Say how much is waiting, settled, sent and buried, or what became of one arrival."""
    from ecgd import operate

    with store_of(config) as database:
        found: Any = operate.trail(database, arrival) if arrival else operate.overview(database, config)
    if found is None:
        end(WANTING, f"no arrival {arrival}")
    print(json.dumps(found, indent=2, default=str) if as_json else operate.in_words(found))


@app.command()
def requeue(
    config: Config = DEFAULT,
    arrival: Annotated[list[int] | None, typer.Option(help="Read and score these arrivals again.")] = None,
    message: Annotated[list[int] | None, typer.Option(help="Send these buried messages again.")] = None,
) -> None:
    """Put settled arrivals or buried messages back to work."""
    from ecgd import operate

    if not arrival and not message:
        end(USAGE, "name at least one --arrival or --message; `ecgd status` and `ecgd reconcile` list their numbers")
    settings = settings_of(config)
    with opened(settings) as database:
        unknown = operate.requeue(database, settings, arrival or [], message or [])
    if unknown:
        end(WANTING, *unknown)


@app.command()
def reconcile(config: Config = DEFAULT, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Prove by counting that nothing acknowledged is lost; exit 1 and the list if something is."""
    from ecgd import operate

    with opened(settings_of(config)) as database:
        found = operate.reconciliation(database)
    print(json.dumps(found, indent=2) if as_json else operate.in_words(found))
    if found["discrepancies"]:
        raise typer.Exit(WANTING)


@app.command()
def retract(
    arrival: Annotated[int, typer.Argument(help="The arrival's number; `ecgd status` and the result name it.")],
    reason: Annotated[str, typer.Option(help="Why, in a line for the clinicians who read the result.")],
    part: Annotated[int, typer.Option(min=0, help="Which ECG of an arrival that holds several; 0 is all.")] = 0,
    by: Annotated[str, typer.Option(help="Who says so; by default who is logged in.")] = "",
    config: Config = DEFAULT,
) -> None:
    """Take a result back: entered in error wherever it went, its alerts closed, and who was alerted is told."""
    from domain.seen import Retraction
    from ecgd import retract as retracting
    from ecgd.app import now

    settings = settings_of(config)
    said = Retraction(arrival_id=arrival, part=part, by=by or getpass.getuser(), why=reason.strip())
    if not said.why:
        end(WANTING, "say why with --reason")
    with opened(settings) as database:
        why_not = retracting.retract(database, settings, said, now)
    if why_not:
        end(WANTING, why_not)
    print(f"arrival {arrival}: retracted by {said.by}; every destination it was sent to is told")


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where the files it makes go.")] = Path("demo-out"),
) -> None:
    """Run the daemon on the embedded default, send it ECGs through all doors, show what came out."""
    from ecgd import demo as show

    raise typer.Exit(show.run(out))


app.add_typer(alerting.app, name="alerts")
app.add_typer(tuning.app, name="thresholds")
app.add_typer(configuring.config, name="config")
app.add_typer(modelling.models, name="models")
app.command("attach")(attaching.command)
app.command("evaluate")(evaluation.evaluate)
app.command("explain")(explanation.command)
app.command("train")(training.train)
app.command("simulate")(simulation.simulate)
