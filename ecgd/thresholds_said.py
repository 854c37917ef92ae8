"""Thresholds and their history, as an admin reads them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from config.thresholds import Override, Thresholds, When
from inference.levels import applies
from store.configurations import Configuration


def levels(thresholds: Thresholds, now: datetime) -> str:
    """The base, what is kept, and each override in the order in which they are asked."""
    return "\n".join(
        [
            f"arrest       {_levels(thresholds.arrest.model_dump())}",
            f"potassium    {_levels(thresholds.potassium.model_dump())}  mmol/L",
            f"hysteresis   {_hysteresis(thresholds)}",
            *(line for number, one in enumerate(thresholds.overrides, start=1) for line in _override(number, one, now)),
        ]
    )


def _levels(named: dict[str, Any]) -> str:
    return "  ".join(f"{name} {value:g}" for name, value in named.items() if value is not None)


def _hysteresis(thresholds: Thresholds) -> str:
    kept = thresholds.hysteresis
    if not kept.on:
        return "none"
    return f"arrest {kept.arrest:g}, potassium {kept.potassium:g} mmol/L, kept for {kept.within_h:g} h"


def _override(number: int, one: Override, now: datetime) -> Iterator[str]:
    over = "" if applies(one, now) else f"  ENDED on {one.until}: no longer applies"
    yield f"{number}. {one.name}: {_when(one.when)}{over}"
    for output in ("arrest", "potassium"):
        if said := _levels(getattr(one, output).model_dump()):
            yield f"     {output} {said}"
    about = [f"until {one.until}" if one.until else "", f"owner: {one.owner}" if one.owner else "", one.reason or ""]
    if any(about):
        yield f"     {'; '.join(filter(None, about))}"


def _when(when: When) -> str:
    said = [f"{name} {' or '.join(values)}" for name in ("unit", "device", "door") if (values := getattr(when, name))]
    if when.age is not None:
        below = "" if when.age.below is None else f" to below {when.age.below:g}"
        said.append(f"age {when.age.at_least:g}{below}" if below else f"age {when.age.at_least:g} or more")
    if when.paced is not None:
        said.append("paced" if when.paced else "not paced")
    return ", ".join(said)


def standing(written: str, last: Configuration | None) -> str:
    """Whether the file is what the service decides by."""
    if last is None:
        return f"{written[:12]}: no service has run with this store yet"
    if last.sha256 == written:
        return f"{written[:12]}: in force since {_at(last.made_at)}"
    return f"{written[:12]} is in the file, {last.sha256[:12]} in force since {_at(last.made_at)}: not taken (yet)"


def history(rows: Sequence[Configuration]) -> str:
    """A paragraph each, the latest first."""
    said = [
        "\n".join([f"{one.id:>4}  {_at(one.made_at)}  {one.sha256[:12]}", *(f"      {line}" for line in one.changes)])
        for one in rows
    ]
    return "\n".join(said) or "none: no service has run with this store yet"


def facts(one: Configuration) -> dict[str, Any]:
    """The same for programs."""
    return {
        "number": one.id,
        "since": one.made_at.isoformat(),
        "sha256": one.sha256,
        "changes": list(one.changes),
        "thresholds": one.content,
    }


def _at(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
