"""NA and MA waveforms in OBX: one OBX a lead, or an array over a list of leads (HL7 v2.5.1 7.14; IHE PCD WCM).

Rate and resolution come from sibling OBX (``MDC_ATTR_SAMP_RATE``, ``MDC_ATTR_NU_MSMT_RES``), which belong to the lead
whose OBX-4 theirs begins with, else to the lead they follow, else to all; else from what is agreed with the sender.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adapters import codes
from adapters.hl7_observation import Row
from adapters.recording import Samples
from config.schema import Hl7Sender
from domain.ecg import LEADS
from domain.errors import Rejected
from domain.reason import Reason

_SPELT = {name.casefold(): name for name in LEADS}
_RATE, _RESOLUTION, _INVALID = "MDC_ATTR_SAMP_RATE", "MDC_ATTR_NU_MSMT_RES", "MDC_EVT_INOP"
_MDC_UNITS = {"266400": "MDC_DIM_VOLT", "266418": "MDC_DIM_MILLI_VOLT", "266419": "MDC_DIM_MICRO_VOLT"}
_DIMENSIONLESS = {"", "262656", "MDC_DIM_DIMLESS", "1"}
_PER_SECOND = {"", "264608", "MDC_DIM_PER_SEC", "264640", "MDC_DIM_HZ", "Hz", "HZ", "hz", "/s", "1/s"}
_MOST_SAMPLES = 20_000_000


@dataclass(frozen=True, slots=True)
class Waveform:
    """Leads in mV of one length, NaN where not recorded or marked invalid; whether any was marked."""

    leads: dict[str, Samples]
    rate_hz: float
    padding: bool


@dataclass(frozen=True, slots=True)
class _Signal:
    """One OBX with samples: where it stands among the group's rows, its leads, its numbers ``[lead, n]``."""

    place: int
    row: Row
    leads: tuple[str, ...]
    values: Samples


def waveform(rows: Sequence[Row], agreed: Hl7Sender | None) -> Waveform | None:
    """Read a group's ECG waveform; ``None`` when it has none. Raises ``Rejected`` when it has and cannot be read."""
    places = [place for place, row in enumerate(rows) if row.type in ("NA", "MA") and row[5]]
    signals = [signal for place in places if (signal := _signal(place, rows[place])) is not None]
    if not signals:
        if any(_perhaps_ecg(rows[place]) for place in places):
            raise Rejected(Reason.UNKNOWN_LEAD, "no numeric array has a lead's code")
        return None
    attributes = _Attributes(rows, places)
    found: dict[str, Samples] = {}
    padding = False
    for signal in signals:
        values, marked = _calibrated(signal, attributes, agreed)
        padding = padding or marked
        for lead, samples in zip(signal.leads, values, strict=True):
            if lead in found:
                raise Rejected(Reason.BAD_VALUE, "a lead occurs twice in one observation group")
            found[lead] = samples
    rates = {_rate(signal, attributes, agreed) for signal in signals}
    if len(rates) != 1:
        raise Rejected(Reason.UNKNOWN_RATE, "leads at different rates")
    return Waveform(_aligned(found), rates.pop(), padding)


def _aligned(leads: dict[str, Samples]) -> dict[str, Samples]:
    """Give all leads the longest one's length: what was not sent was not recorded. ``-aVR`` is turned over."""
    longest = max(len(samples) for samples in leads.values())
    padded = {
        lead: np.pad(samples, (0, longest - len(samples)), constant_values=np.nan) for lead, samples in leads.items()
    }
    if "-aVR" in padded and "aVR" not in padded:
        padded["aVR"] = -padded["-aVR"]
    padded.pop("-aVR", None)
    return padded


def _signal(place: int, row: Row) -> _Signal | None:
    lead = _lead(row)
    listed = _listed(row)
    if lead is None and not listed:
        return None
    table = [part.split(row.separators.component) for part in row[5].split(row.separators.repetition)]
    if lead is not None:
        return _Signal(place, row, (lead,), _numbers([[text for part in table for text in part]]))
    if len(table) == 1:  # one value a lead: a measurement
        return None
    return _Signal(place, row, listed, _oriented(row, table, len(listed)))


def _oriented(row: Row, table: list[list[str]], leads: int) -> Samples:
    """NA has a repetition a lead, MA a repetition a moment (HL7 v2.5.1 2.A.38, 2.A.46)."""
    if table[-1] == [""]:
        table = table[:-1]
    if row.type == "NA" and len(table) == leads:
        return _numbers(table)
    if {len(moment) for moment in table} == {leads}:
        return np.ascontiguousarray(_numbers(table).T)
    raise Rejected(Reason.BAD_VALUE, "the array does not fit its list of leads")


def _numbers(table: list[list[str]]) -> Samples:
    """Make ``[len(table), n]`` numbers; a missing one is NaN."""
    longest = max(map(len, table))
    if longest * len(table) > _MOST_SAMPLES:
        raise Rejected(Reason.TOO_LARGE, "too many samples")
    try:
        lines = [np.array([text or "nan" for text in line], np.float64) for line in table]
    except ValueError:
        raise Rejected(Reason.BAD_VALUE, "a sample is no number") from None
    return np.array([np.pad(line, (0, longest - len(line)), constant_values=np.nan) for line in lines])


def _lead(row: Row) -> str | None:
    """By code, else by reference identifier; by a name only where the sender gives no code that means something."""
    coded = {lead for code, scheme in row.codes if (lead := codes.lead(code, scheme or "MDC"))}
    coded |= {lead for name in row.names if (lead := codes.lead(name, "MDC"))}
    if len(coded) > 1:
        raise Rejected(Reason.UNKNOWN_LEAD, "a lead's code and its name disagree")
    if coded:
        return coded.pop()
    if any(scheme.upper() in ("MDC", "SCPECG") for _, scheme in row.codes):
        return None
    spelt = {_spelling(text) for text in (*row.names, *(code for code, _ in row.codes))} - {None}
    return spelt.pop() if len(spelt) == 1 else None


def _spelling(text: str) -> str | None:
    """The agreed spelling of a lead without a code: its name, with or without ``lead`` before it."""
    return _SPELT.get(re.sub(r"^(?:ecg[ _]?)?lead[ _]?", "", text.strip().casefold()))


def _listed(row: Row) -> tuple[str, ...]:
    """The leads named in OBX-4's components, all of them or none."""
    leads = [_SPELT.get(text.strip().casefold()) for text in row[4].split(row.separators.component)]
    known = tuple(lead for lead in leads if lead is not None)
    return known if len(known) == len(leads) > 1 and len(set(known)) == len(known) else ()


def _perhaps_ecg(row: Row) -> bool:
    """Not when it has a code of MDC that is another signal's, as monitors send beside an ECG."""
    other = any(scheme.upper() == "MDC" for _, scheme in row.codes)
    return not other or any(text.startswith("MDC_ECG_") for text in (*row.names, *(code for code, _ in row.codes)))


class _Attributes:
    """The group's sibling OBX, found by what they say and of which signal."""

    def __init__(self, rows: Sequence[Row], signals: Sequence[int]) -> None:
        self._signals = {place: rows[place].part(4) for place in signals}
        self._rows: dict[str, list[tuple[int, Row]]] = {_RATE: [], _RESOLUTION: [], _INVALID: []}
        for place, row in enumerate(rows):
            for name in {*row.names, *(code for code, _ in row.codes)} & self._rows.keys():
                self._rows[name].append((place, row))

    def of(self, signal: _Signal, name: str) -> Row | None:
        """The attribute that is this signal's."""
        found = self._rows[name]
        below = [row for _, row in found if signal.row.part(4) and row.part(4).startswith(signal.row.part(4) + ".")]
        if below:
            return below[0]
        last = min((place for place in self._signals if place > signal.place), default=1 << 30)
        after = [row for place, row in found if signal.place < place < last and not self._owned(row)]
        if after:
            return after[0]
        shared = {(row.part(5), row.part(6, 1), row.part(6, 2)): row for _, row in found if not self._owned(row)}
        return next(iter(shared.values())) if len(shared) == 1 else None

    def _owned(self, row: Row) -> bool:
        """Whether OBX-4 says of which signal it is."""
        return any(row.part(4).startswith(place + ".") for place in self._signals.values() if place)


def _rate(signal: _Signal, attributes: _Attributes, agreed: Hl7Sender | None) -> float:
    row = attributes.of(signal, _RATE)
    if row is None:
        if agreed is None or agreed.waveform_rate_hz is None:
            raise Rejected(Reason.UNKNOWN_RATE, "neither sent nor agreed")
        return agreed.waveform_rate_hz
    if not {row.part(6, 1), row.part(6, 2)} <= _PER_SECOND:
        raise Rejected(Reason.UNKNOWN_RATE, "not a rate's unit")
    return _number(row, Reason.UNKNOWN_RATE)


def _calibrated(signal: _Signal, attributes: _Attributes, agreed: Hl7Sender | None) -> tuple[Samples, bool]:
    """Samples in mV, and whether any was marked invalid (``MDC_EVT_INOP``: the value that stands for none)."""
    row = attributes.of(signal, _INVALID)
    invalid = _plain(row) if row else None
    marked = np.zeros(signal.values.shape, bool)
    if invalid is not None and abs(invalid) > 1:  # 0 and 1 are seen as flags
        marked = signal.values == invalid
    return np.where(marked, np.nan, signal.values * _millivolts(signal, attributes, agreed)), bool(marked.any())


def _millivolts(signal: _Signal, attributes: _Attributes, agreed: Hl7Sender | None) -> float:
    """mV a unit of the samples: resolution with its unit, else the samples' own unit, else as agreed."""
    row = attributes.of(signal, _RESOLUTION)
    unit = (_unit(row) if row else None) or _unit(signal.row)
    if unit is not None:
        return unit * (_number(row, Reason.UNKNOWN_UNIT) if row else 1.0)
    if agreed is None or agreed.waveform_uv_per_unit is None:
        raise Rejected(Reason.UNKNOWN_UNIT, "neither sent nor agreed")
    return agreed.waveform_uv_per_unit / 1000


def _unit(row: Row) -> float | None:
    """mV a unit of OBX-6, ``None`` when there is none; anything but a voltage is refused."""
    texts = [text for text in (row.part(6, 1), row.part(6, 2)) if text not in _DIMENSIONLESS]
    known = {mv for text in texts if (mv := codes.millivolts(_MDC_UNITS.get(text, text))) is not None}
    if len(known) > 1 or (texts and not known):
        raise Rejected(Reason.UNKNOWN_UNIT, "not a unit of voltage")
    return known.pop() if known else None


def _number(row: Row, reason: Reason) -> float:
    value = _plain(row)
    if value is None or not 0 < value < np.inf:
        raise Rejected(reason, "not a positive number")
    return value


def _plain(row: Row) -> float | None:
    try:
        return float(row.part(5))
    except ValueError:
        return None
