"""One section of ecgd.yaml as text: found, taken out and put back, with everything around it as it was.

By lines, not by the parser: it also works on a file that another mistake makes unreadable, and keeps every comment.
"""

import re
from typing import Any

SECTION = "thresholds"
_NEXT = re.compile(r"[^\s#]")  # a key, or the end of a document, in the first column


def block(text: str, section: str = SECTION) -> str | None:
    """The section's lines, without comments in the first column that follow it; ``None`` where there is none."""
    found = _span(text.splitlines(keepends=True), section)
    return None if found is None else "".join(text.splitlines(keepends=True)[slice(*found)])


def with_block(text: str, new: str | None, section: str = SECTION) -> str:
    """The text with another block in the section's place, or at its end; ``None``: without the section."""
    lines = text.splitlines(keepends=True)
    found = _span(lines, section)
    start, end = found or (len(lines), len(lines))
    before, after = "".join(lines[:start]), "".join(lines[end:])
    gap = "" if found or not before or before.endswith("\n") else "\n"
    middle = new or ""
    return before + gap + middle + ("\n" if middle and not middle.endswith("\n") and after else "") + after


def _span(lines: list[str], section: str) -> tuple[int, int] | None:
    first = re.compile(rf"(['\"]?){section}\1\s*:")
    start = next((number for number, line in enumerate(lines) if first.match(line)), None)
    if start is None:
        return None
    end = next((number for number in range(start + 1, len(lines)) if _NEXT.match(lines[number])), len(lines))
    while end > start + 1 and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
        end -= 1
    return start, end


def differences(old: Any, new: Any) -> tuple[str, ...]:
    """What changed between two dumps of a section, a line each; of a list, its members by ``name``."""
    before, after = dict(_flat(old)), dict(_flat(new))
    lines = []
    for place in dict.fromkeys((*before, *after)):
        was, now = before.get(place), after.get(place)
        if was != now:
            lines.append(f"{place}: {_said(was)} -> {_said(now)}")
    return tuple(lines)


def _flat(value: Any, place: str = "") -> list[tuple[str, Any]]:
    dot = f"{place}." if place else ""
    if isinstance(value, dict):
        return [pair for name, one in value.items() for pair in _flat(one, f"{dot}{name}")]
    if isinstance(value, list) and value and all(isinstance(one, dict) and "name" in one for one in value):
        named = [pair for one in value for pair in _flat(_nameless(one), f"{dot}{one['name']}")]
        return [(f"{dot}order", ", ".join(one["name"] for one in value)), *named]
    return [(place, value)] if value not in (None, []) else []


def _nameless(one: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if name != "name"}


def _said(value: Any) -> str:
    if value is None:
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
