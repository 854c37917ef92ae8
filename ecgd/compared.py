"""A comparison of two models in words, for a terminal."""

from typing import Any

SHOWN = 20  # of the ECGs about which only one would alert; --json has them all


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
