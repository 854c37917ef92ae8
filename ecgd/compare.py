"""``ecgd models``: which bundles there are, and how two of them compare on the same ECGs."""

import dataclasses
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from config.schema import Settings
from domain.answers import Kept
from domain.errors import Permanent, Problem
from domain.finding import Mode, Output
from ecgd.terminal import DEFAULT, INVALID, REFUSED, USAGE, WANTING, Config, end, moment, settings_of

if TYPE_CHECKING:
    from inference.evaluation.agreement import Pairs
    from inference.outcomes import Outcomes

models = typer.Typer(no_args_is_help=True, help="The models' bundles, and how two of them compare.")
SHOWN = 20  # of the ECGs about which only one would alert; --json has them all
_FIGURES = {
    Output.ARREST: ("auroc", "auprc", "brier", "observed_by_expected", "calibration_slope", "calibration_in_the_large"),
    Output.POTASSIUM: ("mae", "bias", "rmse", "pearson", "kappa_five", "auroc_hyperkalemia", "auroc_hypokalemia"),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A bundle that is configured, or was: then ``mode`` is that of its last answer, and ``configured`` is false."""

    model: str
    version: str
    sha256: str
    output: Output
    mode: Mode
    configured: bool
    answers: int = 0
    first: datetime | None = None
    last: datetime | None = None

    @property
    def named(self) -> str:
        """For people; two bundles of one name differ by their hash."""
        return f"{self.model} {self.version or '-'} ({self.sha256[:12]})"


@models.command("list")
def listing(config: Config = DEFAULT, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """List the bundles that are configured and those of which answers are kept."""
    found = _known(settings_of(config))
    if as_json:
        print(json.dumps([dataclasses.asdict(one) for one in found], indent=2, default=str))
        return
    for one in found:
        kept = f"{one.answers} answers, {one.first:%Y-%m-%d} to {one.last:%Y-%m-%d}" if one.first else "no answers yet"
        mode = one.mode.value if one.configured else "not configured"
        print(f"{one.model:24} {one.version or '-':10} {one.sha256[:12]}  {one.output.value:10} {mode:15} {kept}")


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
    from ecgd import operate
    from inference.evaluation.agreement import paired
    from store.answers import of_bundle

    settings, now = settings_of(config), datetime.now(UTC)
    start = moment(since, now)
    known = _known(settings)
    first, second = chosen(a, known), chosen(b, known)
    if first.sha256 == second.sha256 or first.output is not second.output:
        end(USAGE, f"{first.named} and {second.named}: name two models of one output")
    known_of = _outcomes(outcomes, settings) if outcomes else None
    with operate.opened(settings) as database:
        sides = [of_bundle(database, one.sha256, start, now) for one in (first, second)]
    pairs = paired(*sides)
    if len(pairs.a) == 0:
        end(WANTING, f"no ECG since {start:%Y-%m-%d %H:%M} UTC was answered by both {first.named} and {second.named}")
    found = compared(pairs, first.output, known_of, resamples)
    found = {"a": first.named, "b": second.named, "since": start.isoformat(), "until": now.isoformat(), **found}
    print(json.dumps(found, indent=2, default=str) if as_json else in_words(found))


def chosen(wanted: str, known: Sequence[Known]) -> Known:
    """The one bundle that is meant; with none or several the command ends and names them."""
    exact = [one for one in known if wanted in (one.model, f"{one.model}@{one.version}")]
    found = exact or [one for one in known if len(wanted) >= 6 and one.sha256.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    listed = "; ".join(one.named for one in found or known) or "none"
    end(USAGE, f"{wanted}: {'several bundles are so called' if found else 'no such model'}: {listed}")


def compared(pairs: "Pairs", output: Output, outcomes: "Outcomes | None", resamples: int) -> dict[str, Any]:
    """Everything that is printed, as JSON types."""
    from inference.evaluation import agreement

    levels, names = agreement.table(pairs, output), agreement.LEVELS[output]
    rows = agreement.differing(pairs)
    return {
        "output": output.value,
        "both": len(pairs.a),
        "only_a": pairs.only_a,
        "only_b": pairs.only_b,
        "agreement": agreement.estimates(pairs, output, resamples, seed=0).named(
            ("correlation", "mean_difference", "limit_low", "limit_high", "same_level", "kappa")
        ),
        "levels": {
            "names": names,
            "a_by_b": np.bincount(levels, minlength=len(names) ** 2).reshape(len(names), -1).tolist(),
        },
        "alerts": {
            "per_unit": [dataclasses.asdict(one) for one in agreement.per_unit(pairs)],
            "per_day": [dataclasses.asdict(one) for one in agreement.per_day(pairs)],
            "differing": [_differing(pairs, int(row)) for row in rows],
        },
        "outcomes": _against(pairs, output, outcomes, resamples) if outcomes else None,
    }


def _differing(pairs: "Pairs", row: int) -> dict[str, Any]:
    said = {
        name: {"value": round(float(side.value[row]), 6), "level": side.level.names[side.level.codes[row]]}
        for name, side in (("a", pairs.a), ("b", pairs.b))
    }
    decided = datetime.fromtimestamp(int(pairs.a.decided_us[row]) / 1_000_000, UTC)
    unit = pairs.a.unit.names[pairs.a.unit.codes[row]]
    return {
        "arrival": int(pairs.a.arrival[row]),
        "decided_at": decided.isoformat(timespec="seconds"),
        "unit": unit,
        **said,
    }


def _against(pairs: "Pairs", output: Output, outcomes: "Outcomes", resamples: int) -> dict[str, Any]:
    """How well each model is on the ECGs whose outcome is known; ``why`` where they do not suffice."""
    from inference.evaluation import binary, potassium, predictions, thresholds
    from inference.evaluation.sheet import Unusable
    from inference.outcomes import truth

    if (outcomes.column == "outcome") is not (output is Output.ARREST):
        return {"known": 0, "why": f"a column {outcomes.column} says nothing of {output.value}"}
    true = truth(pairs.a, outcomes)
    rows = np.flatnonzero(~np.isnan(true))
    patient = [str(one) for one in pairs.patient[rows]]
    found: dict[str, Any] = {"known": len(rows)}
    for name, side in (("a", pairs.a), ("b", pairs.b)):
        try:
            case = predictions.of(true[rows], side.value[rows], patient)
        except Unusable as error:
            return found | {"why": "; ".join(error.mistakes)}
        if output is Output.ARREST:
            # of the figures at a threshold none is shown: the alerts above say what thresholds do
            figures = binary.everything(case, thresholds.given(0.5), (), resamples, 0)
        else:
            figures = potassium.estimates(case, {}, resamples, 0)
        found[name] = figures.named(_FIGURES[output])
    return found


def _outcomes(path: Path, settings: Settings) -> "Outcomes":
    from inference import outcomes

    try:
        return outcomes.read(path, settings.reading.timezone)
    except outcomes.Unusable as error:
        end(REFUSED, *(f"{path}: {mistake}" for mistake in error.mistakes))
    except (OSError, UnicodeDecodeError):
        end(REFUSED, f"{path}: cannot be read as UTF-8")


def _known(settings: Settings) -> list[Known]:
    """Configured bundles in their order, then those that only the store knows."""
    from ecgd import operate
    from inference import bundle
    from inference.models import model_of
    from store.answers import kept

    try:
        with operate.opened(settings) as database:
            stored = {(one.sha256, one.output): one for one in kept(database)}
        wanted = [(each.path, each.mode) for each in settings.models.bundles]
        loaded = [(bundle.load(path), mode) for path, mode in wanted or [(one, Mode.ALERT) for one in bundle.STAND_INS]]
    except Permanent as error:
        end(INVALID, f"a bundle cannot be used: {error.detail or error.reason}")
    except Problem as error:
        end(INVALID, f"the store cannot be used: {error.detail or error.reason}")
    found = []
    for one, mode in loaded:
        output = model_of(one.facts.architecture).output
        side = Known(
            model=one.facts.name,
            version=one.facts.version,
            sha256=one.sha256,
            output=output,
            mode=mode,
            configured=True,
        )
        found.append(_with(side, stored.pop((one.sha256, output), None)))
    gone = [
        Known(model=one.model, version="", sha256=one.sha256, output=one.output, mode=one.mode, configured=False)
        for one in stored.values()
    ]
    return found + [_with(side, one) for side, one in zip(gone, stored.values(), strict=True)]


def _with(side: Known, stored: Kept | None) -> Known:
    if stored is None:
        return side
    return dataclasses.replace(side, answers=stored.answers, first=stored.first, last=stored.last)


def in_words(found: dict[str, Any]) -> str:
    """For a terminal."""
    lines = [
        f"A  {found['a']}",
        f"B  {found['b']}",
        f"{found['output']}, since {found['since'][:16]} UTC: {found['both']} ECGs answered by both, "
        f"{found['only_a']} by A only, {found['only_b']} by B only",
        "",
        "Agreement (95 % interval, patients drawn again)",
        *(f"  {name:18} {_figure(found['agreement'], key)}" for name, key in _AGREEMENT.items()),
        "",
        "Levels: A down, B across",
        *_levels(found["levels"]),
        "",
        "Alerts, each at the thresholds in force when the ECG was decided",
        f"  {'unit':20} {'ECGs':>7} {'A a day':>8} {'B a day':>8} {'both':>6} {'A only':>7} {'B only':>7}",
        *(_unit(one) for one in found["alerts"]["per_unit"]),
        *_listed(found["alerts"]["differing"]),
        *_known_outcomes(found["outcomes"]),
    ]
    return "\n".join(lines)


_AGREEMENT = {
    "correlation": "correlation",
    "mean of B - A": "mean_difference",
    "95 % of B - A from": "limit_low",
    "to": "limit_high",
    "same level": "same_level",
    "weighted kappa": "kappa",
}


def _figure(figures: dict[str, Any], key: str) -> str:
    value, interval = figures.get(key), figures.get(f"{key}_ci")
    if value is None:
        return "not to be had from these"
    return f"{value:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else "")


def _levels(found: dict[str, Any]) -> list[str]:
    names = found["names"]
    heading = " " * 14 + "".join(f"{name:>12}" for name in names)
    return [heading] + [
        f"  {name:12}" + "".join(f"{count:>12}" for count in row)
        for name, row in zip(names, found["a_by_b"], strict=True)
    ]


def _unit(one: dict[str, Any]) -> str:
    a, b = one["a"] / one["days"], one["b"] / one["days"]
    name = {"*": "all", "": "(no unit given)"}.get(one["unit"], one["unit"])[:20]
    both = one["a"] - one["only_a"]
    return f"  {name:20} {one['ecgs']:>7} {a:>8.1f} {b:>8.1f} {both:>6} {one['only_a']:>7} {one['only_b']:>7}"


def _listed(differing: list[dict[str, Any]]) -> list[str]:
    lines = [
        f"  arrival {one['arrival']}, {one['decided_at'][:16]} UTC, {one['unit'] or 'no unit'}: "
        f"A {one['a']['value']:g} {one['a']['level']}, B {one['b']['value']:g} {one['b']['level']}"
        for one in differing[:SHOWN]
    ]
    more = [f"  and {len(differing) - SHOWN} more; --json has all of them"] if len(differing) > SHOWN else []
    return ["", "Alerts of one only", *lines, *more] if lines else ["", "Both would alert about the same ECGs."]


def _known_outcomes(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return []
    heading = ["", f"With known outcomes: {found['known']} ECGs"]
    if "why" in found:
        return [*heading, f"  cannot be judged: {found['why']}"]
    return heading + [
        f"  {key:26} A {_figure(found['a'], key)}   B {_figure(found['b'], key)}"
        for key in found["a"]
        if not key.endswith("_ci")
    ]
