"""Words into lines of writing."""

from collections.abc import Sequence
from itertools import pairwise

from adapters.pages.grid import GRID_FONT
from adapters.pages.ink import Word

_FIELD_GAP = 0.9  # of a line's height: beyond it, another field begins


def lines_of(words: Sequence[Word]) -> tuple[str, ...]:
    """Return the page's lines from the top, words apart by a blank, fields that stand apart by a tab."""
    rows: list[list[Word]] = []
    for word in sorted((word for word in words if not GRID_FONT.fullmatch(word.text)), key=lambda word: word.y):
        if rows and word.y - rows[-1][0].y < 0.35 * (word.y1 - word.y0):
            rows[-1].append(word)
        else:
            rows.append([word])
    return tuple(_line(sorted(row, key=lambda word: word.x0)) for row in rows)


def _line(row: list[Word]) -> str:
    text = row[0].text
    for before, word in pairwise(row):
        apart = word.x0 - before.x1 > _FIELD_GAP * (word.y1 - word.y0)
        text += ("\t" if apart else " ") + word.text
    return text.replace("\u2011", "-").replace("\u00a0", " ")
