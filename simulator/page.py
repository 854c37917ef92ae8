"""ECG reports as vector PDF pages, drawn as carts draw them: one path a lead, a row, a segment, chunks, curves.

Deterministic: the same arguments give the same bytes.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
import pymupdf
from numpy.typing import NDArray

from domain.ecg import LEADS, Measurements, Sex
from simulator.patient import SyntheticPatient

Leads = NDArray[np.floating[Any]]
Points = NDArray[np.float64]

_MM = 72 / 25.4
_TOP_MM, _BOTTOM_MM, _LEFT_MM, _RIGHT_MM = 40.0, 10.0, 25.0, 15.0
_ROWS_MM = 165.0  # height shared by the rows
_CHUNK = 127
_NOT_REPORTED = Measurements()
_ROWS = {"3x4": 3, "4x3": 4, "6x2": 6, "12x1": 12}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a page is drawn.

    ``rotate``: the page's /Rotate, its drawing turned the other way; ``sideways``: turned without saying so.
    ``scale``: everything printed at this share of its size. ``printed``: stated instead of the true speed and gain.
    ``joined_pulse``: drawn in one go with the row's first trace. ``simultaneous``: all columns show the first seconds.
    """

    trace: Literal["lead", "row", "segment", "chunk", "bezier"] = "lead"
    grid: Literal["lines", "rectangles", "text", "none"] = "lines"
    rotate: Literal[0, 90, 180, 270] = 0
    sideways: bool = False
    scale: float = 1.0
    pulse: bool = True
    joined_pulse: bool = False
    printed: str | None = None
    labels: Literal["above", "below", "none"] = "above"
    strip_labels: bool = True
    simultaneous: bool = False


@dataclass(frozen=True, slots=True)
class _Band:
    """A row: the leads it shows, from left to right, its height above the page's foot, and seconds a lead."""

    leads: tuple[str, ...]
    y_mm: float
    seconds: float


_PLAIN = Look()


def write_pdf(
    signal: Leads,
    rate_hz: float,
    *,
    patient: SyntheticPatient | None = None,
    acquired_at: datetime | None = None,
    reported: Measurements = _NOT_REPORTED,
    statements: Iterable[str] = (),
    layout: str = "3x4+1",
    strips: Sequence[str] = ("II", "V1", "V5"),
    speed: float = 25.0,
    gain: float = 10.0,
    look: Look = _PLAIN,
) -> bytes:
    """Write a report: ``signal`` is ``[12, n]`` in mV, NaN where nothing is drawn; ``speed`` mm/s, ``gain`` mm/mV.

    ``layout``: ``3x4``, ``4x3``, ``6x2`` or ``12x1``, with ``+1`` to ``+3`` rhythm strips (the first of ``strips``);
    its rows in equal parts over ``/2`` or ``/3`` pages.
    """
    plan, _, pages = layout.partition("/")
    shown = _shown(plan, strips)
    share = -(-len(shown) // int(pages or 1))
    drawings = []
    for first in range(0, len(shown), share):
        bands = _bands(shown[first : first + share], signal.shape[1] / rate_hz)
        header = (patient, acquired_at, reported, statements)
        drawings.append(_page(bands, signal, rate_hz, header, speed, gain, look))
    return _document(drawings, look)


def _page(
    bands: Sequence[_Band],
    signal: Leads,
    rate_hz: float,
    header: tuple[SyntheticPatient | None, datetime | None, Measurements, Iterable[str]],
    speed: float,
    gain: float,
    look: Look,
) -> tuple[bytes, float, float]:
    """Draw one page; also its width and height in pt."""
    seconds = max(len(band.leads) * band.seconds for band in bands)
    width, height = _LEFT_MM + seconds * speed + _RIGHT_MM, _TOP_MM + _ROWS_MM + _BOTTOM_MM
    drawing = [_grid(width, height - _TOP_MM, look)]
    for band in bands:
        drawing.append(_band(band, signal, rate_hz, speed, gain, look))
        drawing.append(_band_labels(band, speed, look, is_strip=len(band.leads) == 1 and bands[0] is not band))
        if look.pulse and not look.joined_pulse:
            drawing.append(_stroke(_pulse(band.y_mm, speed, gain), "0.7 w 0 G"))
    drawing.extend(_header(*header, height))
    said = f"{speed:g} mm/s  {gain:g} mm/mV" if look.printed is None else look.printed
    drawing.append(_text(_LEFT_MM, 4, said, 9))
    return b"\n".join(drawing), width * _MM * look.scale, height * _MM * look.scale


def _shown(layout: str, strips: Sequence[str]) -> list[tuple[str, ...]]:
    grid, _, extra = layout.partition("+")
    rows = _ROWS[grid]
    columns = len(LEADS) // rows
    shown = [tuple(LEADS[rows * column + row] for column in range(columns)) for row in range(rows)]
    return shown + [(lead,) for lead in strips[: int(extra or 0)]]


def _bands(shown: Sequence[tuple[str, ...]], seconds: float) -> list[_Band]:
    spacing = _ROWS_MM / len(shown)
    top = _BOTTOM_MM + _ROWS_MM
    return [
        _Band(leads, top - spacing * (row + 0.6), seconds / len(leads) if len(leads) > 1 else seconds)
        for row, leads in enumerate(shown)
    ]


def _band(band: _Band, signal: Leads, rate_hz: float, speed: float, gain: float, look: Look) -> bytes:
    """Draw a row's leads, each beginning where the one before ends."""
    pieces: list[Points] = []
    count = round(band.seconds * rate_hz)
    for column, lead in enumerate(band.leads):
        first = 0 if look.simultaneous else column * count
        value = np.asarray(signal[LEADS.index(lead)][first : first + count], dtype=np.float64)
        x = _LEFT_MM + (column * count + np.arange(value.size)) * (speed / rate_hz)
        points = np.column_stack((x, band.y_mm + value * gain)) * _MM
        pieces.extend(run for run in _runs(points) if len(run) > 1)
    if look.joined_pulse and pieces:
        pieces[0] = np.concatenate((_pulse(band.y_mm, speed, gain)[:-1] * _MM, pieces[0]))
    if look.trace == "row" and pieces:
        pieces = [np.concatenate(pieces)]
    return b"0.6 w 0 G\n" + b"\n".join(_trace(piece, look) for piece in pieces)


def _runs(points: Points) -> list[Points]:
    drawn = np.isfinite(points[:, 1])
    edges = np.flatnonzero(np.diff(np.concatenate(([False], drawn, [False])).astype(np.int8)))
    return [points[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _trace(points: Points, look: Look) -> bytes:
    if look.trace == "segment":
        return b"\n".join(_path(points[i : i + 2]) for i in range(len(points) - 1))
    if look.trace == "chunk":
        return b"\n".join(_path(points[i : i + _CHUNK + 1]) for i in range(0, len(points) - 1, _CHUNK))
    return _curve(points) if look.trace == "bezier" else _path(points)


def _path(points: Points) -> bytes:
    first, *rest = points.tolist()
    return b"%.3f %.3f m\n" % tuple(first) + b"".join(b"%.3f %.3f l\n" % tuple(point) for point in rest) + b"S"


def _curve(points: Points) -> bytes:
    """Draw a smooth curve through the points: cubic Hermite pieces as Bezier curves."""
    slope = np.gradient(points, axis=0) / 3
    handles = np.hstack((points[:-1] + slope[:-1], points[1:] - slope[1:], points[1:]))
    body = b"".join(b"%.3f %.3f %.3f %.3f %.3f %.3f c\n" % tuple(row) for row in handles.tolist())
    return b"%.3f %.3f m\n" % tuple(points[0].tolist()) + body + b"S"


def _stroke(points_mm: Points, style: str) -> bytes:
    return style.encode() + b"\n" + _path(points_mm * _MM)


def _pulse(y_mm: float, speed: float, gain: float) -> Points:
    """Draw 1 mV for 0.2 s."""
    foot, top, start, end = y_mm, y_mm + gain, 8.0, 8.0 + 0.2 * speed
    corners = [(start - 2, foot), (start, foot), (start, top), (end, top), (end, foot), (end + 2, foot)]
    return np.array(corners, dtype=np.float64)


def _band_labels(band: _Band, speed: float, look: Look, *, is_strip: bool) -> bytes:
    if look.labels == "none" or (is_strip and not look.strip_labels):
        return b""
    above = 11.0 if look.labels == "above" else -5.0
    columns = enumerate(band.leads)
    return b"\n".join(_text(_LEFT_MM + 1 + i * band.seconds * speed, band.y_mm + above, lead, 9) for i, lead in columns)


def _grid(width: float, height: float, look: Look) -> bytes:
    if look.grid == "none":
        return b""
    if look.grid == "text":
        rows = range(int(height // 5) - 1)
        ones = "1" * int((width - 10) // 5)
        return b"0.85 g\n" + b"\n".join(_text(5, 5 + 5 * row, ones, 5 * _MM / 0.556) for row in rows) + b"\n0 g"
    return b"\n".join(_ruling(width, height, look.grid == "rectangles"))


def _ruling(width: float, height: float, boxes: bool) -> Iterator[bytes]:
    """Rule 1 mm and 5 mm lines; or 5 mm boxes, and between them 1 mm lines as thin filled boxes."""
    across, down = np.arange(5, width - 4.99), np.arange(5, height - 4.99)
    right, top = across[-1] * _MM, down[-1] * _MM
    yield b"1 0.75 0.75 RG 1 0.75 0.75 rg"
    for k, x in enumerate(across * _MM):
        if boxes:
            yield b"%.3f %.3f 0.1 %.3f re f" % (x - 0.05, 5 * _MM, top - 5 * _MM)
        else:
            yield b"%.2f w %.3f %.3f m %.3f %.3f l S" % (0.2 if k % 5 else 0.5, x, 5 * _MM, x, top)
    for k, y in enumerate(down * _MM):
        if boxes:
            yield b"%.3f %.3f %.3f 0.1 re f" % (5 * _MM, y - 0.05, right - 5 * _MM)
        else:
            yield b"%.2f w %.3f %.3f m %.3f %.3f l S" % (0.2 if k % 5 else 0.5, 5 * _MM, y, right, y)
    if boxes:
        for x in across[:-5:5] * _MM:
            for y in down[:-5:5] * _MM:
                yield b"0.5 w %.3f %.3f %.3f %.3f re S" % (x, y, 5 * _MM, 5 * _MM)
    yield b"0 g"


def _header(
    patient: SyntheticPatient | None,
    acquired_at: datetime | None,
    reported: Measurements,
    statements: Iterable[str],
    height: float,
) -> Iterator[bytes]:
    columns = (_identity(patient, acquired_at), _measured(reported), [f"Interpretation: {said}" for said in statements])
    for column, lines in enumerate(columns):
        for row, line in enumerate(lines):
            yield _text(10 + 75 * column, height - 10 - 4.5 * row, line, 9)


def _identity(patient: SyntheticPatient | None, acquired_at: datetime | None) -> list[str]:
    lines = []
    if patient is not None:
        sex = {Sex.MALE: "Male", Sex.FEMALE: "Female"}.get(patient.sex, "Unknown")
        lines += [f"Name: {patient.family}, {patient.given}", f"ID: {patient.id}"]
        lines += [f"Date of birth: {patient.birth_date.isoformat()}", f"Sex: {sex}"]
    if acquired_at is not None:
        lines.append(f"Date: {acquired_at:%Y-%m-%d %H:%M:%S}")
    return lines


def _measured(reported: Measurements) -> list[str]:
    stated = (
        ("Vent. rate: {:.0f} bpm", (reported.heart_rate_bpm,)),
        ("PR interval: {:.0f} ms", (reported.pr_ms,)),
        ("QRS duration: {:.0f} ms", (reported.qrs_ms,)),
        ("QT/QTc: {:.0f}/{:.0f} ms", (reported.qt_ms, reported.qtc_ms)),
        ("P-R-T axes: {:.0f} {:.0f} {:.0f}", (reported.p_axis_deg, reported.qrs_axis_deg, reported.t_axis_deg)),
    )
    return [words.format(*values) for words, values in stated if None not in values]


def _text(x_mm: float, y_mm: float, text: str, size: float) -> bytes:
    raw = text.encode("cp1252", "replace")
    for special in (b"\\", b"(", b")"):
        raw = raw.replace(special, b"\\" + special)
    return b"BT /F1 %.3f Tf %.3f %.3f Td (%s) Tj ET" % (size, x_mm * _MM, y_mm * _MM, raw)


def _document(drawings: Iterable[tuple[bytes, float, float]], look: Look) -> bytes:
    with pymupdf.open() as document:
        font = document.get_new_xref()
        document.update_object(font, "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>")
        for drawing, width, height in drawings:
            _sheet(document, font, drawing, width, height, look)
        return bytes(document.tobytes(deflate=True, no_new_id=True))


def _sheet(document: pymupdf.Document, font: int, drawing: bytes, width: float, height: float, look: Look) -> None:
    turn = 90 if look.sideways and not look.rotate else look.rotate
    matrices = {
        0: (1, 0, 0, 1, 0, 0),
        90: (0, 1, -1, 0, height, 0),
        180: (-1, 0, 0, -1, width, height),
        270: (0, -1, 1, 0, 0, width),
    }
    upright = b"%d %d %d %d %.3f %.3f cm" % matrices[turn]
    size = (height, width) if turn in (90, 270) else (width, height)
    content = b"q %s\n%.6f 0 0 %.6f 0 0 cm\n%s\nQ" % (upright, look.scale, look.scale, drawing)
    page = document.new_page(width=size[0], height=size[1])
    stream = document.get_new_xref()
    document.update_object(stream, "<<>>")
    document.update_stream(stream, content)
    document.xref_set_key(page.xref, "Resources", f"<</Font<</F1 {font} 0 R>>>>")
    document.xref_set_key(page.xref, "Contents", f"{stream} 0 R")
    document.xref_set_key(page.xref, "Rotate", str(0 if look.sideways else look.rotate))
