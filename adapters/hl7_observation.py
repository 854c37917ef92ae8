"""OBX of an HL7 v2 message, split by hand, and what the sender's own analysis says in them (v2.5.1 7.4.2)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from adapters import codes
from adapters.hl7_header import component
from adapters.hl7_text import Separators, words
from domain.ecg import Measurements

NOT_RESULTS = frozenset("DXWNOI")
"""OBX-11 (table 0085): deleted, not obtainable, wrong (for another patient), not asked for, order detail, pending."""

WITHDRAWN = frozenset("DW")
"""Of these, what takes back a result that was sent."""

CARRIES = frozenset({"NA", "MA", "ED", "RP"})
"""OBX-2 of a waveform or a page."""

_MOST_STATEMENTS = 100
_LONGEST_STATEMENT = 1000
_LONGEST_VALUE = 64  # of a measurement

_BY_CODE = {  # LOINC, beyond those in adapters.codes
    "8626-4": "p_axis_deg", "8638-9": "t_axis_deg", "76634-5": "qtc_ms", "76635-2": "qtc_ms",
    # ISO/IEEE 11073-10101 and -10102 reference identifiers
    "MDC_ECG_HEART_RATE": "heart_rate_bpm",
    "MDC_ECG_TIME_PD_P_GL": "p_ms", "MDC_ECG_TIME_PD_P": "p_ms",
    "MDC_ECG_TIME_PD_PR_GL": "pr_ms", "MDC_ECG_TIME_PD_PR": "pr_ms",
    "MDC_ECG_TIME_PD_QRS_GL": "qrs_ms", "MDC_ECG_TIME_PD_QRS": "qrs_ms",
    "MDC_ECG_TIME_PD_QT_GL": "qt_ms", "MDC_ECG_TIME_PD_QT": "qt_ms",
    "MDC_ECG_TIME_PD_QTC": "qtc_ms", "MDC_ECG_TIME_PD_QTCB": "qtc_ms", "MDC_ECG_TIME_PD_QTCF": "qtcf_ms",
    "MDC_ECG_ANGLE_P_FRONT": "p_axis_deg", "MDC_ECG_ANGLE_QRS_FRONT": "qrs_axis_deg",
    "MDC_ECG_ANGLE_T_FRONT": "t_axis_deg",
}  # fmt: skip
_BY_NAME = {  # as ECG managers spell them beside codes of their own; letters only, lower case
    "ventricularrate": "heart_rate_bpm", "heartrate": "heart_rate_bpm", "ventrate": "heart_rate_bpm",
    "pduration": "p_ms",
    "printerval": "pr_ms",
    "qrsduration": "qrs_ms",
    "qtinterval": "qt_ms",
    "qtcinterval": "qtc_ms", "qtc": "qtc_ms", "qtccalculationbezet": "qtc_ms", "qtccalculationbazett": "qtc_ms",
    "qtcbazett": "qtc_ms",
    "paxis": "p_axis_deg", "raxis": "qrs_axis_deg", "qrsaxis": "qrs_axis_deg", "taxis": "t_axis_deg",
}  # fmt: skip
_UNITS = {
    "bpm": "bpm", "/min": "bpm", "{beats}/min": "bpm", "beats/min": "bpm", "1/min": "bpm",
    "264864": "bpm", "mdc_dim_beat_per_min": "bpm",
    "ms": "ms", "msec": "ms", "264338": "ms", "mdc_dim_milli_sec": "ms",
    "s": "s", "sec": "s", "264320": "s", "mdc_dim_sec": "s",
    "deg": "deg", "degree": "deg", "degrees": "deg", "°": "deg", "262880": "deg", "mdc_dim_angle_deg": "deg",
}  # fmt: skip
_NUMBER = re.compile(r"\s*([+-]?\d{1,6}(?:\.\d{1,6})?)\s*([a-zA-Z{/°][^\d]*)?\s*")
_STATEMENT_CODES = {"8601-7", "18844-1", "18843-3", "MDC_ECG_INTERPRETATION_STATEMENT"}  # EKG impression, narrative
_STATEMENT_NAME = re.compile(r"interpretation|diagnosis|diagnostic statement|impression|ecg statement", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """One OBX as sent."""

    fields: tuple[str, ...]
    separators: Separators

    def __getitem__(self, number: int) -> str:
        """OBX-number, raw."""
        return self.fields[number] if number < len(self.fields) else ""

    def part(self, number: int, place: int = 1, *, subcomponent: int = 1) -> str:
        """A component of a short field, unescaped."""
        return component(self[number][:4096], place, self.separators, subcomponent=subcomponent)

    @property
    def type(self) -> str:
        """OBX-2, in capitals."""
        return self.part(2).upper()

    @property
    def codes(self) -> tuple[tuple[str, str], ...]:
        """OBX-3's code and its alternative, each with its scheme; some senders write a colon before LOINC."""
        pairs = ((self.part(3, place).lstrip(":"), self.part(3, place + 2)) for place in (1, 4))
        return tuple(pair for pair in pairs if pair[0])

    @property
    def names(self) -> tuple[str, ...]:
        """OBX-3's texts."""
        return tuple(name for name in (self.part(3, 2), self.part(3, 5)) if name)


def row(segment: str, separators: Separators) -> Row:
    """Split an OBX; its value may have megabytes."""
    return Row(tuple(segment.split(separators.field)), separators)


def counts(obx: Row) -> bool:
    """Whether OBX-11 leaves it a result of this patient's."""
    return obx.part(11).upper() not in NOT_RESULTS


def reported(rows: Sequence[Row]) -> tuple[Measurements, bool]:
    """Return the global measurements by code, else by name, and whether a unit was odd; the first of each counts."""
    found: dict[str, float] = {}
    odd = False
    for obx in rows:
        name = _measurement(obx)
        if name is None or name in found or (read := _value(obx)) is None:
            continue
        number, unit = read
        spelt = _UNITS.get(unit.casefold(), unit)
        value, strange = codes.scaled(name, number, spelt or name.rsplit("_", 1)[1])
        odd = odd or strange
        if value is not None:
            found[name] = value
    return codes.measurements(found), odd


def _measurement(obx: Row) -> str | None:
    if obx.type not in ("NM", "ST", "SN", "TX", "") or len(obx[4].split(obx.separators.component)) > 1:
        return None  # a list of leads in OBX-4: one value a lead
    for code, scheme in obx.codes:
        context_free = f"2:{int(code) - (2 << 16)}" if re.fullmatch(r"1[3-9]\d{4}", code) else code
        found = _BY_CODE.get(code.upper()) or codes.measurement(context_free, scheme or "LN")
        if found:
            return found
    spelt = ("".join(c for c in name.casefold() if c.isalpha()) for name in obx.names)
    known = (_BY_CODE.get(name.upper()) or _BY_NAME.get(key) for name, key in zip(obx.names, spelt, strict=False))
    return next((name for name in known if name), None)


def _value(obx: Row) -> tuple[float, str] | None:
    """A number and its unit, from OBX-6 or written after the number; SN only when it is a plain number."""
    place = 2 if obx.type == "SN" and not obx.part(5, 1).strip("=") else 1
    match = _NUMBER.fullmatch(obx.part(5, place)[:_LONGEST_VALUE])
    if match is None:
        return None
    units = (unit for unit in (obx.part(6, 1), obx.part(6, 2), match[2] or "") if unit)
    return float(match[1]), next(units, "").strip()


def statements(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the sender's statements, a line each, once; ``~`` and ``\\.br\\`` break lines."""
    lines: dict[str, None] = {}
    for obx in rows:
        if not _states(obx):
            continue
        for part in obx[5][: _MOST_STATEMENTS * _LONGEST_STATEMENT].split(obx.separators.repetition):
            text = words(_statement(obx, part))
            lines.update(dict.fromkeys(line.strip()[:_LONGEST_STATEMENT] for line in text.split("\n") if line.strip()))
    return tuple(lines)[:_MOST_STATEMENTS]


def _states(obx: Row) -> bool:
    """FT and TX are statements unless they hold a document or a measurement; ST, CE and CWE when named so."""
    if "JVBERi0" in obx[5][:256] or _measurement(obx) is not None:
        return False
    named = any(code in _STATEMENT_CODES for code, _ in obx.codes) or any(map(_STATEMENT_NAME.search, obx.names))
    return obx.type in ("FT", "TX") or (named and obx.type in ("ST", "CE", "CWE", "CNE", ""))


def _statement(obx: Row, part: str) -> str:
    """A coded element's text is its second component."""
    coded = obx.type in ("CE", "CWE", "CNE")
    return (
        component(part, 2, obx.separators) or component(part, 1, obx.separators)
        if coded
        else obx.separators.unescaped(part)
    )
