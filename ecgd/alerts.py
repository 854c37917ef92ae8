"""``ecgd alerts``: what is open, what became of one, acknowledge it, and try whether a route reaches anybody."""

import getpass
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from config.schema import Settings
from ecgd.terminal import DEFAULT, USAGE, WANTING, Config, end, opened, settings_of

if TYPE_CHECKING:  # numpy is loaded by who reads findings, not by every command
    from domain.alert import Alert

app = typer.Typer(no_args_is_help=True, help="Alerts: list, show, acknowledge, test.")
Json = Annotated[bool, typer.Option("--json")]
Number = Annotated[int, typer.Argument(help="The alert's number; `ecgd alerts list` and every message name it.")]


@app.command("list")
def list_(
    config: Config = DEFAULT,
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too, the last 200.")] = False,
    as_json: Json = False,
) -> None:
    """The open alerts, the newest first."""
    with _alerts(settings_of(config)) as (_, alerts):
        found = alerts.list(all_of_them=everything)
    if as_json:
        print(json.dumps([_facts(one) for one in found], indent=2, default=str))
    else:
        print("\n".join(map(in_a_line, found)) or "no open alert")


@app.command()
def show(alert: Number, config: Config = DEFAULT, as_json: Json = False) -> None:
    """All that happened to one alert."""
    with _alerts(settings_of(config)) as (_, alerts):
        found = alerts.show([alert])
    if not found:
        end(WANTING, f"no alert {alert}")
    print(json.dumps(_facts(found[0]), indent=2, default=str) if as_json else "\n".join(in_full(found[0])))


@app.command()
def ack(
    alert: Number,
    by: Annotated[str, typer.Option(help="Who has seen it; by default who is logged in.")] = "",
    config: Config = DEFAULT,
) -> None:
    """Acknowledge an alert: no repeat and no escalation follows."""
    with _alerts(settings_of(config)) as (_, alerts):
        first = alerts.acknowledge([alert], by or getpass.getuser())
    if alert not in first:
        end(WANTING, f"no alert {alert}")
    print(f"alert {alert}: acknowledged by {first[alert].actor} at {first[alert].at:%Y-%m-%d %H:%M:%S} UTC")


@app.command("test")
def try_routes(
    route: Annotated[str, typer.Option(help="Only this route; by default every one.")] = "",
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the channels' answers.")] = 30,
    config: Config = DEFAULT,
) -> None:
    """Send a word about no patient to every channel of a route, through the running service; exit 1 if one fails."""
    from delivery.alerting.notices import test as test_of
    from delivery.alerting.write import outgoing
    from ecgd.app import now
    from store.outbox import Outbox

    settings = settings_of(config)
    chosen = channels_of(settings, route)
    if not chosen:
        end(USAGE, f"no such route; there are: {', '.join(one.name for one in settings.alerts.all_routes) or 'none'}")
    with _alerts(settings) as (database, alerts):
        outbox = Outbox(database, settings.store)
        made = {channel: outgoing(test_of(name, channel, now()), settings) for channel, name in chosen.items()}
        for one in made.values():
            outbox.put(one)
        fates = _await(alerts, {one.key: channel for channel, one in made.items()}, wait)
    for channel, fate in fates.items():
        print(f"{channel}: {fate}")
    if any(fate != "sent" for fate in fates.values()):
        raise typer.Exit(WANTING)


def channels_of(settings: Settings, route: str) -> dict[str, str]:
    """The channels of a route, or of all and operations, each with the first route that names it."""
    chosen = [one for one in settings.alerts.all_routes if route in ("", one.name)]
    named = [(channel, one.name) for one in chosen for step in one.steps for channel in step.to]
    if chosen and not route:
        named += [(channel, "operations") for channel in settings.alerts.operations]
    return dict(reversed(named))


def _await(alerts: Any, keys: dict[str, str], wait_s: float) -> dict[str, str]:
    until = time.monotonic() + wait_s
    while True:
        states = alerts.states(list(keys))
        if all(state in ("sent", "buried") for state in states.values()) or time.monotonic() > until:
            return {channel: states.get(key, "gone") for key, channel in keys.items()}
        time.sleep(0.2)


def in_a_line(alert: "Alert") -> str:
    """Number, when, what, where and how it stands; no patient."""
    from domain.alert import Happened

    raised = alert.raised
    told = sum(one.what is Happened.DELIVERED for one in alert.events)
    state = alert.closed.value if alert.closed else "acknowledged" if alert.acknowledged else "open"
    worth = " (stand-in)" if raised.stand_in else ""
    return (
        f"{alert.id}  {alert.raised_at:%Y-%m-%d %H:%M:%S} UTC  {state}  {raised.risk.value} {raised.value:g}{worth}"
        f"  {raised.unit or '(no unit)'}  told {told}  finding {raised.finding}"
    )


def in_full(alert: "Alert") -> Iterator[str]:
    """The line, and a line an event."""
    yield in_a_line(alert)
    for one in alert.events:
        rest = "  ".join(part for part in (one.channel, one.why, f"by {one.actor}") if part)
        yield f"  {one.at:%Y-%m-%d %H:%M:%S} UTC  {one.what.value}  {rest}"


def _facts(alert: "Alert") -> dict[str, Any]:
    facts = asdict(alert)
    facts["raised"] = {name: value for name, value in facts["raised"].items() if name not in ("person", "said")}
    return facts


@contextmanager
def _alerts(settings: Settings) -> Iterator[tuple[Any, Any]]:
    from store.alerts import Alerts

    with opened(settings) as database:
        yield database, Alerts(database)
