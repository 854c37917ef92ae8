"""Trying thresholds on what the store remembers: the whole report as one mapping, in words, and as a plot."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from config.blocks import differences
from config.thresholds import Thresholds, like
from domain.finding import Output
from domain.mode import Mode
from domain.scores import Scores
from inference import effect, proposal
from inference.decide import thresholds_sha256
from inference.outcomes import Outcomes, figures, truth
from inference.replay import MICROSECOND, Bools, only, replay
from store import scores as stored
from store.database import Database

MOST = 12  # arrivals named in a line of text; all of them in the JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be tried. ``unit``: a pattern; ``a_day``: the budget, of ``risk``."""

    now: Thresholds
    then: Thresholds
    since: datetime
    until: datetime
    zone: str
    unit: str | None = None
    outcomes: Outcomes | None = None
    within_h: float | None = None
    a_day: float | None = None
    risk: str = "arrest"


def report(database: Database, wanted: Wanted) -> dict[str, Any]:
    """Hold what is stored against both, one output after the other; no patient is named."""
    span = stored.span(database)
    since = max(wanted.since, span[0]) if span else wanted.since
    until = min(wanted.until, span[1] + MICROSECOND) if span else wanted.until  # a service that stood still had no days
    days = max((until - since) / timedelta(days=1), 1 / 24)
    found: dict[str, Any] = {
        "since": since.isoformat(),
        "until": until.isoformat(),
        "days": days,
        "unit": wanted.unit,
        "now": thresholds_sha256(wanted.now),
        "then": thresholds_sha256(wanted.then),
        "changes": differences(wanted.now.model_dump(mode="json"), wanted.then.model_dump(mode="json")),
        "risks": {},
    }
    for output in Output:
        found["risks"] |= _of_output(database, wanted, output, since, days)
    return found


def _of_output(
    database: Database, wanted: Wanted, output: Output, since: datetime, days: float
) -> dict[str, dict[str, Any]]:
    """Each of the output's risks. ECGs of the hours before may keep a level; they are read and not counted."""
    before = max(one.hysteresis.within_h if one.hysteresis.on else 0 for one in (wanted.now, wanted.then))
    rows = stored.read(database, output, since - timedelta(hours=before), wanted.until)
    counted = only(rows, since, wanted.until) & _alerts(rows) & _of_unit(rows, wanted.unit)
    now, then = (replay(rows, one, output) for one in (wanted.now, wanted.then))
    kept = rows.at(counted)
    known = truth(kept, wanted.outcomes, wanted.within_h) if wanted.outcomes else None
    found: dict[str, dict[str, Any]] = {}
    for risk in (name for name, (of, _) in effect.RISKS.items() if of is output):
        pair = {"now": effect.flagged(now, risk)[counted], "then": effect.flagged(then, risk)[counted]}
        days_of = effect.by_day(kept, pair["now"], pair["then"], wanted.zone)
        found[risk] = {"units": _units(days_of, days), "by_day": [asdict(one) for one in days_of]}
        if known is not None and wanted.outcomes and _speaks_of(wanted.outcomes.column, risk):
            found[risk]["outcomes"] = {name: figures(known, called, risk) for name, called in pair.items()}
        if wanted.a_day is not None and risk == wanted.risk and wanted.unit:
            found[risk]["proposal"] = _proposed(rows, counted, wanted, days)
    return found


def _alerts(rows: Scores) -> Bools:
    return rows.mode.which(np.array([name == Mode.ALERT for name in rows.mode.names], np.bool_))


def _of_unit(rows: Scores, unit: str | None) -> Bools:
    return rows.unit.which(np.array([unit is None or like(name, unit) for name in rows.unit.names], np.bool_))


def _speaks_of(column: str, risk: str) -> bool:
    return (column == "outcome") == (risk == "arrest")


def _units(days_of: tuple[effect.Day, ...], days: float) -> list[dict[str, Any]]:
    names = ("unit", "ecgs", "now", "then", "new", "missed")
    rows: list[dict[str, Any]] = [dict(zip(names, row, strict=True)) for row in effect.units(days_of)]
    return [row | {"now_a_day": row["now"] / days, "then_a_day": row["then"] / days} for row in rows]


def _proposed(rows: Scores, counted: Bools, wanted: Wanted, days: float) -> dict[str, Any] | None:
    assert wanted.a_day is not None
    assert wanted.unit is not None
    allowed = round(wanted.a_day * days)
    made = proposal.propose(rows, counted, wanted.then, risk=wanted.risk, unit=wanted.unit, allowed=allowed)
    if made is None:
        return None
    override = made.override.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    return {
        "level": made.level,
        "value": made.value,
        "alerts": made.alerts,
        "a_day": made.alerts / days,
        "new": made.new,
        "override": override,
    }


def in_words(found: Mapping[str, Any]) -> str:
    """For a terminal."""
    until, since = found["until"][:10], found["since"][:10]
    lines = [f"{since} to {until}: {found['days']:.1f} days" + (f", unit {found['unit']}" if found["unit"] else "")]
    lines += [f"now  {found['now'][:12]}", f"then {found['then'][:12]}"]
    lines += [f"  {change}" for change in found["changes"]] or ["  the same thresholds"]
    for risk, one in found["risks"].items():
        lines += ["", f"{risk}: alerts", *_table(one)]
        lines += _told(one["outcomes"]) if "outcomes" in one else []
        lines += _proposal(one["proposal"], found["unit"]) if "proposal" in one else []
    return "\n".join(lines)


def _table(one: Mapping[str, Any]) -> list[str]:
    heading = f"  {'unit':<14}{'ECGs':>9}{'now':>8}{'a day':>8}{'then':>8}{'a day':>8}{'new':>7}{'missed':>8}"
    rows = [
        f"  {row['unit'] or '(none)':<14}{row['ecgs']:>9,}{row['now']:>8,}{row['now_a_day']:>8.2f}"
        f"{row['then']:>8,}{row['then_a_day']:>8.2f}{row['new']:>7,}{row['missed']:>8,}"
        for row in one["units"]
    ]
    differing = [day for day in one["by_day"] if day["new"] or day["missed"] or day["now"] or day["then"]]
    days = [f"  {'day':<12}{'unit':<14}{'now':>5}{'then':>6}  arrivals newly flagged / missed"] if differing else []
    days += [
        f"  {day['day']:<12}{day['unit'] or '(none)':<14}{day['now']:>5}{day['then']:>6}"
        f"  {_named(day['new'])} / {_named(day['missed'])}"
        for day in differing
    ]
    return [heading, *rows, *days] if rows else ["  no answers of that time"]


def _named(arrivals: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, arrivals[:MOST]))
    return (shown + (f" and {len(arrivals) - MOST} more" if len(arrivals) > MOST else "")) or "-"


def _told(both: Mapping[str, Any]) -> list[str]:
    lines = [f"  known outcomes: {both['now']['known']:,} ECGs, {both['now']['ill']:,} ill"]
    names = {"sensitivity": "sensitivity", "ppv": "PPV", "number_needed_to_alert": "alerts to one ill"}
    for name, words in names.items():
        lines.append(f"  {words:<18} now {_interval(both['now'][name]):<24} then {_interval(both['then'][name])}")
    return lines


def _interval(found: tuple[float, float, float | None] | None) -> str:
    if found is None:
        return "not known"
    value, low, high = found
    return f"{value:.3g} ({low:.3g} to {'any' if high is None else format(high, '.3g')})"


def _proposal(made: Mapping[str, Any] | None, unit: str) -> list[str]:
    if made is None:
        return [f"  no threshold of {unit} alone keeps to the budget: another override gives its levels"]
    import yaml

    written = yaml.safe_dump([made["override"]], sort_keys=False, default_flow_style=None).rstrip()
    where = "add under thresholds.overrides" if made["new"] else "write into the override that is there"
    head = f"  budget: {made['level']} at {made['value']:g} gives {made['alerts']} alerts, {made['a_day']:.2f} a day"
    return [head, f"  {where}:", *(f"    {line}" for line in written.splitlines())]


def plot(found: Mapping[str, Any], path: Path) -> None:
    """Alerts a day of each risk, now and then."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    risks = found["risks"]
    figure, axes = pyplot.subplots(len(risks), 1, figsize=(9, 2.6 * len(risks)), squeeze=False, layout="constrained")
    for axis, (risk, one) in zip(axes[:, 0], risks.items(), strict=True):
        days = sorted({day["day"] for day in one["by_day"]})
        for name, shade, width in (("now", "0.65", 0.85), ("then", "tab:red", 0.4)):
            counts = [sum(day[name] for day in one["by_day"] if day["day"] == which) for which in days]
            axis.bar(range(len(days)), counts, width=width, color=shade, label=name)
        axis.set_title(f"{risk}: alerts a day", loc="left", fontsize=10)
        shown = range(0, len(days), max(1, len(days) // 10))
        axis.set_xticks(list(shown), [days[number] for number in shown], fontsize=8)
        axis.yaxis.get_major_locator().set_params(integer=True)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0, 0].legend(frameon=False)
    figure.savefig(path, dpi=120, format="png")
    pyplot.close(figure)
