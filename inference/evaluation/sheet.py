"""A CSV as people make them: read with its line numbers, every mistake said where it stands."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from domain.errors import Rejected
from domain.reason import Reason

_SHOWN = 50


class Unusable(Rejected):
    """A CSV that cannot be used; ``mistakes`` says where and what to do, without a value of a patient's."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        shown = tuple(mistakes[:_SHOWN])
        more = len(mistakes) - _SHOWN
        self.mistakes = (*shown, f"and {more} more like these") if more > 0 else shown
        super().__init__(Reason.BAD_VALUE, "; ".join(self.mistakes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line under the header: its number in the file, and its cells by column name (lower case), stripped."""

    number: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """``mistakes`` are (line, what is wrong); a wrong line is not among ``lines``."""

    names: tuple[str, ...]
    lines: tuple[Line, ...]
    mistakes: tuple[tuple[int, str], ...]
    decimal_comma: bool

    def numbers(self, name: str) -> tuple[list[float], list[tuple[int, str]]]:
        """A column as numbers (NaN where it is not one), and its mistakes."""
        found = [_number(line.cells[name], self.decimal_comma) for line in self.lines]
        wrong = [(line.number, f"{name}: {said}") for line, (_, said) in zip(self.lines, found, strict=True) if said]
        return [value for value, _ in found], wrong


def read(path: Path, required: Sequence[str]) -> Table:
    """Read a CSV that has the columns ``required``; raises ``Unusable`` when it is not one at all.

    Comma, semicolon (then also decimal comma) or tab, whichever shows the columns; UTF-8 with or without BOM; any
    line ends; empty lines are skipped.
    """
    text = _text(path)
    header = text.partition("\n")[0].rstrip("\r")
    splits = {mark: _names(header, mark) for mark in ",;\t"}
    fitting = [mark for mark, names in splits.items() if set(required) <= set(names)]
    if len(fitting) != 1:
        raise Unusable([f"line 1: no header with the columns {', '.join(required)}; write them as the first line"])
    names = splits[fitting[0]]
    if len(set(names)) < len(names):
        raise Unusable(["line 1: two columns have the same name; rename one"])
    lines, mistakes = _lines(text, fitting[0], names)
    return Table(names=names, lines=tuple(lines), mistakes=tuple(mistakes), decimal_comma=fitting[0] == ";")


def in_words(mistakes: Sequence[tuple[int, str]]) -> list[str]:
    """By line."""
    return [f"line {number}, {said}" for number, said in sorted(mistakes)]


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise Unusable([f"cannot be read ({error.strerror})"]) from None
    except UnicodeDecodeError:
        raise Unusable(["not UTF-8; save it as CSV UTF-8"]) from None


def _names(header: str, mark: str) -> tuple[str, ...]:
    cells = next(csv.reader([header], delimiter=mark), [])
    return tuple(name.strip().casefold() for name in cells)


def _lines(text: str, mark: str, names: Sequence[str]) -> tuple[list[Line], list[tuple[int, str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
    lines: list[Line] = []
    mistakes: list[tuple[int, str]] = []
    try:
        next(reader)
        for cells in reader:
            if len(cells) == len(names):
                stripped = dict(zip(names, map(str.strip, cells), strict=True))
                lines.append(Line(number=reader.line_num, cells=stripped))
            elif any(map(str.strip, cells)):
                said = f"{len(cells)} cell(s) under {len(names)} columns; fill the line, or quote its text"
                mistakes.append((reader.line_num, said))
    except csv.Error as error:
        mistakes.append((reader.line_num, f"not CSV ({error})"))
    return lines, mistakes


def _number(cell: str, decimal_comma: bool) -> tuple[float, str]:
    if not cell:
        return math.nan, "empty; write a number or take the line out"
    try:
        value = float(cell.replace(",", ".") if decimal_comma else cell)
    except ValueError:
        return math.nan, "not a number; write it with a decimal point"
    return value, "" if math.isfinite(value) else "not finite; take the line out, or score the ECG again"
