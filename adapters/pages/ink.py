"""What is drawn and written on a PDF page, in upright page coordinates (pt, x to the right, y downwards)."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pymupdf
from numpy.typing import NDArray

from domain.errors import Rejected
from domain.reason import Reason

Points = NDArray[np.float64]
"""``[n, 2]``: x and y in pt."""

MOST_PATHS = 300_000
MOST_POINTS = 2_000_000
MOST_CONTENT_BYTES = 64 << 20
MOST_WORDS = 50_000
_CURVE_STEPS = 6  # points a Bezier curve is replaced by; a curve between two samples is nearly straight
_SAME_PT = 0.011  # coordinates are often written with two decimals


@dataclass(frozen=True, slots=True, eq=False)
class Stroke:
    """One unbroken line as drawn; paths that go on where the last one of the same style ended are one stroke."""

    points: Points
    style: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Word:
    """A word and its box."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def y(self) -> float:
        """Height of its middle."""
        return (self.y0 + self.y1) / 2


@dataclass(frozen=True, slots=True, eq=False)
class Ink:
    """A page: its strokes in drawing order, straight fills that may be grid lines, words, and how it was turned."""

    strokes: tuple[Stroke, ...]
    words: tuple[Word, ...]
    quarter_turns: int  # clockwise, beyond the page's own /Rotate, to make the writing horizontal
    images: int


def ink(page: pymupdf.Page) -> Ink:
    """Collect a page's lines and words. Raises ``Rejected(TOO_LARGE)`` beyond the bounds above."""
    if len(page.read_contents()) > MOST_CONTENT_BYTES:
        raise Rejected(Reason.TOO_LARGE, f"a page of more than {MOST_CONTENT_BYTES >> 20} MiB of drawing")
    text = page.get_textpage(flags=0)
    turn, matrix = _upright(page, page.get_text("dict", textpage=text)["blocks"])
    words = page.get_text("words", textpage=text)
    if len(words) > MOST_WORDS:
        raise Rejected(Reason.TOO_LARGE, f"more than {MOST_WORDS} words on a page")
    pen = _Pen(np.array([[matrix.a, matrix.b], [matrix.c, matrix.d]]), np.array([matrix.e, matrix.f]))
    page.get_cdrawings(callback=pen.path)
    return Ink(pen.finished(), tuple(_word(word, matrix) for word in words), turn, len(page.get_images()))


def _upright(page: pymupdf.Page, blocks: Iterable[dict[str, Any]]) -> tuple[int, pymupdf.Matrix]:
    """Find the turn under which most of the writing runs from left to right."""
    weights = [0, 0, 0, 0]
    rotate = page.rotation_matrix
    for block in blocks:
        for line in block.get("lines", ()):
            cosine, sine = line["dir"]
            x, y = cosine * rotate.a + sine * rotate.c, cosine * rotate.b + sine * rotate.d
            weights[round(math.atan2(y, x) / (math.pi / 2)) % 4] += sum(len(span["text"]) for span in line["spans"])
    clockwise = -weights.index(max(weights)) % 4
    rect = page.rect
    onto = (
        pymupdf.Matrix(1, 0, 0, 1, 0, 0),
        pymupdf.Matrix(0, 1, -1, 0, rect.height, 0),
        pymupdf.Matrix(-1, 0, 0, -1, rect.width, rect.height),
        pymupdf.Matrix(0, -1, 1, 0, 0, rect.width),
    )
    return clockwise, rotate * onto[clockwise]


def _word(word: tuple[Any, ...], matrix: pymupdf.Matrix) -> Word:
    box = pymupdf.Rect(word[:4]) * matrix
    return Word(str(word[4]), box.x0, box.y0, box.x1, box.y1)


@dataclass(slots=True)
class _Pen:
    """Joins what MuPDF reports path by path; must not raise, for MuPDF would print the exception."""

    turn: Points
    shift: Points
    paths: int = 0
    count: int = 0
    lines: list[tuple[list[tuple[float, float]], tuple[Any, ...]]] = field(default_factory=list)

    def path(self, path: dict[str, Any]) -> None:
        self.paths += 1
        if self.paths > MOST_PATHS or self.count > MOST_POINTS:
            return
        style = (path["type"], path.get("color"), path.get("fill"), round(path.get("width") or 0.0, 2))
        for line in _polylines(path["items"]):
            self.count += len(line)
            self._add(line, style)

    def _add(self, line: list[tuple[float, float]], style: tuple[Any, ...]) -> None:
        if self.lines:
            last, last_style = self.lines[-1]
            (x, y), (x0, y0) = last[-1], line[0]
            if abs(x - x0) < _SAME_PT and abs(y - y0) < _SAME_PT and style == last_style:
                last.extend(line[1:])
                return
        self.lines.append((line, style))

    def finished(self) -> tuple[Stroke, ...]:
        if self.paths > MOST_PATHS or self.count > MOST_POINTS:
            raise Rejected(Reason.TOO_LARGE, f"a page of more than {MOST_PATHS} paths or {MOST_POINTS} points")
        return tuple(
            Stroke(np.asarray(line, dtype=np.float64) @ self.turn + self.shift, style) for line, style in self.lines
        )


def _polylines(items: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[float, float]]]:
    """Yield the unbroken lines of one path; curves become short straight pieces, boxes their outline."""
    line: list[tuple[float, float]] = []
    for item in items:
        piece = _piece(item)
        if line and line[-1] == piece[0]:
            line.extend(piece[1:])
            continue
        if line:
            yield line
        line = piece
    if line:
        yield line


def _piece(item: tuple[Any, ...]) -> list[tuple[float, float]]:
    kind = item[0]
    if kind == "l":
        return [item[1], item[2]]
    if kind == "c":
        return _bezier(*item[1:5])
    if kind == "re":
        x0, y0, x1, y1 = item[1]
        return [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
    upper_left, upper_right, lower_left, lower_right = item[1]
    return [upper_left, upper_right, lower_right, lower_left, upper_left]


def _bezier(p0: Any, p1: Any, p2: Any, p3: Any) -> list[tuple[float, float]]:
    line = [p0]
    for step in range(1, _CURVE_STEPS):
        t = step / _CURVE_STEPS
        a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
        line.append((a * p0[0] + b * p1[0] + c * p2[0] + d * p3[0], a * p0[1] + b * p1[1] + c * p2[1] + d * p3[1]))
    line.append(p3)
    return line
