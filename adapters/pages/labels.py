"""What is written on a page about its traces: lead names where they stand, and the printed speed and gain."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from adapters.pages.grid import GRID_FONT
from adapters.pages.ink import Word

_LEAD = re.compile(r"(-?)(?:D?(III|II|I)|(aV[RLF])|(V\d{1,2}[RL]?))", re.IGNORECASE)
_SPELLED = {"avr": "aVR", "avl": "aVL", "avf": "aVF"}
_SPEED = re.compile(r"(\d+(?:[.,]\d+)?)\s*mm\s*/\s*s(?:ec)?\b", re.IGNORECASE)
_GAIN = re.compile(r"(\d+(?:[.,]\d+)?)(?:\s*/\s*(\d+(?:[.,]\d+)?))?\s*mm\s*/\s*mV", re.IGNORECASE)
_ALONE = 0.6  # of its height: how far other writing on the line stays from a label


@dataclass(frozen=True, slots=True)
class Label:
    """A lead's name on the page. ``inverted``: it stands as ``-aVR`` (Cabrera sequence)."""

    lead: str
    inverted: bool
    x0: float
    x1: float
    y: float


@dataclass(frozen=True, slots=True)
class Printed:
    """The speeds (mm/s) and gains (mm/mV) a page states, each once, in the order found; gains: limb, chest."""

    speeds: tuple[float, ...]
    gains: tuple[tuple[float, float], ...]


def find_labels(words: Sequence[Word]) -> tuple[Label, ...]:
    """Find lead names that stand alone; one inside a sentence ("ST elevation in V2 V3") labels nothing."""
    found = []
    words = [word for word in words if not GRID_FONT.fullmatch(word.text)]
    for word in words:
        match = _LEAD.fullmatch(word.text.strip().rstrip(":").replace("\u2011", "-").replace("\u2212", "-"))
        if match and not any(_beside(word, other) for other in words):
            found.append(Label(_name(match), bool(match[1]), word.x0, word.x1, word.y))
    return tuple(found)


def _name(match: re.Match[str]) -> str:
    limb, augmented, chest = match[2], match[3], match[4]
    if augmented:
        return _SPELLED[augmented.lower()]
    return str(limb or chest).upper()


def _beside(word: Word, other: Word) -> bool:
    if other is word or abs(other.y - word.y) > 0.5 * (word.y1 - word.y0):
        return False
    room = _ALONE * (word.y1 - word.y0)
    return bool(other.x0 < word.x1 + room and other.x1 > word.x0 - room)


def printed(lines: Iterable[str]) -> Printed:
    """Read the stated speeds and gains; ``10/5 mm/mV`` and ``Limb: 10 mm/mV Chest: 5 mm/mV`` differ by group."""
    speeds: dict[float, None] = {}
    gains: dict[tuple[float, float], None] = {}
    for line in lines:
        speeds.update((_number(match[1]), None) for match in _SPEED.finditer(line))
        stated = [(_number(match[1]), _number(match[2] or match[1])) for match in _GAIN.finditer(line)]
        if len(stated) == 2 and re.search(r"chest|precord|brust", line, re.IGNORECASE):
            stated = [(stated[0][0], stated[1][0])]
        gains.update((pair, None) for pair in stated)
    positive = tuple(pair for pair in gains if min(pair) > 0)
    return Printed(tuple(speed for speed in speeds if speed > 0), positive)


def _number(text: str) -> float:
    return float(text.replace(",", "."))
