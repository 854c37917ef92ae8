"""Philips' ``restingecgdata`` (SierraECG and PhilipsECG 1.03 to 1.04): PageWriter, TraceMasterVue, IntelliSpace."""

from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from adapters import codes
from adapters.moment import moment, ymd
from adapters.recording import MOST_LEADS, Recording, Samples
from adapters.reports import reported, statements
from adapters.strips import digest
from adapters.xli import Counts, unpacked
from adapters.xml_tree import LARGEST, attribute, listed, number, octets, resolution, text
from config.schema import Reading
from domain.arrival import Format
from domain.ecg import LEADS, Device, Identifier, Measurements, Order, Patient, Sex
from domain.errors import Rejected
from domain.reason import Reason

_SEXES = {"MALE": Sex.MALE, "M": Sex.MALE, "FEMALE": Sex.FEMALE, "F": Sex.FEMALE}
_MOST_SAMPLES = 32_000_000  # of all leads together
_PULSE_S = 0.04  # leads that agree for so long hold the same calibration pulse, not the same heart
_SOURCES = (  # 1.04, then 1.03
    "interpretations/interpretation/globalmeasurements", "interpretations/interpretation/interpretationmeasurements",
    "internalmeasurements/crossleadmeasurements", "measurements/globalmeasurements",
)  # fmt: skip
_MEASURED = (
    ("heartrate", "heart_rate_bpm", "bpm"), ("meanventrate", "heart_rate_bpm", "bpm"), ("rrint", "rr_ms", "ms"),
    ("pdur", "p_ms", "ms"), ("print", "pr_ms", "ms"), ("meanprint", "pr_ms", "ms"), ("qrsdur", "qrs_ms", "ms"),
    ("meanqrsdur", "qrs_ms", "ms"), ("qtint", "qt_ms", "ms"), ("meanqtint", "qt_ms", "ms"), ("qtcb", "qtc_ms", "ms"),
    ("meanqtc", "qtc_ms", "ms"), ("qtcf", "qtcf_ms", "ms"), ("pfrontaxis", "p_axis_deg", "deg"),
    ("qrsfrontaxis", "qrs_axis_deg", "deg"), ("tfrontaxis", "t_axis_deg", "deg"),
)  # fmt: skip


def read(root: Element, settings: Reading) -> tuple[Recording, ...]:
    """Read the one ECG of the document. Raises ``Rejected``."""
    waves = root.find(".//parsedwaveforms")
    if waves is None:
        raise Rejected(Reason.NO_WAVEFORM, "no parsed waveforms")
    taken = root.find("dataacquisition")
    signal = root.find("dataacquisition/signalcharacteristics")
    rate_hz = number(attribute(waves, "samplespersecond") or text(signal, "samplingrate")) or 0.0
    at, doubts = moment(ymd(attribute(taken, "date")), attribute(taken, "time"), settings.timezone)
    detail = attribute(taken, "detaildescription", "machine").split(":")  # manufacturer : product : software
    leads = _without_pulse(_leads(waves, signal, rate_hz), rate_hz)
    return (
        Recording(
            format=Format.XML,
            leads=leads,
            rate_hz=rate_hz,
            instance=digest(leads),
            acquired_at=at,
            patient=_patient(root.find("patient/generalpatientdata")),
            order=Order(
                placer=text(root, "orderinfo", "ordernumber"),
                filler=text(root, "orderinfo", "uniqueorderid"),
                location=text(taken, "acquirer", "departmentname"),
            ),
            device=Device(
                manufacturer=detail[0].strip(),
                model=text(taken, "machine"),
                serial=attribute(taken, "machineid", "machine"),
                software=":".join(detail[2:]).strip(),
            ),
            reported=_measurements(root),
            statements=_statements(root.find("interpretations/interpretation")),
            warnings=doubts,
        ),
    )


def _leads(waves: Element, signal: Element | None, rate_hz: float) -> dict[str, Samples]:
    names = _names(waves, signal)
    duration_ms = number(attribute(waves, "durationperchannel"))
    length = (duration_ms or 0.0) * rate_hz / 1000
    if not 1 <= length * len(names) <= _MOST_SAMPLES:
        raise Rejected(Reason.BAD_VALUE, "no duration, no rate, or more samples than an ECG has")
    counts = _counts(waves, signal, names, round(length))
    zero = number(attribute(waves, "signaloffset") or text(signal, "signaloffset")) or 0.0
    if abs(zero) > LARGEST:
        raise Rejected(Reason.BAD_VALUE, "a signal offset that no ECG has")
    stated = attribute(waves, "resolution") or text(signal, "resolution") or text(signal, "signalresolution")
    mv_per_unit = resolution(number(stated), 1e-3)
    return {name: (row - zero) * mv_per_unit for name, row in zip(names, counts, strict=True)}


def _names(waves: Element, signal: Element | None) -> list[str]:
    """The leads by their labels; without them only the twelve of a standard set are in a known order."""
    labels = attribute(waves, "leadlabels").split()
    count = number(attribute(waves, "numberofleads") or text(signal, "numberchannelsallocated")) or len(labels)
    if not labels and text(signal, "acquisitiontype").upper() in {"STD-12", "10-WIRE"} and count >= len(LEADS):
        labels = list(LEADS)
    names = [codes.named(label) for label in labels[: round(count)]]
    if not names or len(set(names)) < len(names):
        raise Rejected(Reason.UNKNOWN_LEAD, "leads without names, or two with one")
    if len(names) > MOST_LEADS:
        raise Rejected(Reason.TOO_LARGE, f"more than {MOST_LEADS} leads")
    return names


def _counts(waves: Element, signal: Element | None, names: list[str], samples: int) -> list[Samples]:
    compression = (attribute(waves, "compression") or attribute(waves, "compressmethod")).upper()
    if attribute(waves, "compressflag").upper() == "FALSE" or compression in {"", "NONE", "UNCOMPRESSED"}:
        return _plain(waves, signal, len(names), samples)
    if compression != "XLI" or attribute(waves, "dataencoding") != "Base64":
        raise Rejected(Reason.UNSUPPORTED_OBJECT, "a compression other than XLI")
    rows = unpacked(octets("".join(waves.itertext())), len(names), samples)
    if len(rows) < len(names):
        raise Rejected(Reason.UNDECODABLE, "fewer leads than declared")
    rows = [row[:samples] for row in rows]
    if tuple(names[:6]) == LEADS[:6]:
        rows = [*_limbs(rows[:6]), *rows[6:]]
    return [row.astype(np.float64) for row in rows]


def _limbs(stored: list[Counts]) -> list[Counts]:
    """XLI keeps of III and the augmented leads what I and II do not foretell; halves are cut towards zero.

    Rounding down instead leaves aVL and aVF up to 1.5 counts off Goldberger's definitions where the sum is negative
    and odd; towards zero none is more than 0.5 off.
    """
    i, ii = stored[:2]
    iii = ii - i - stored[2]
    avr, avl, avf = (np.trunc(whole / 2).astype(np.int64) for whole in (i + ii, i - iii, ii + iii))
    return [i, ii, iii, -stored[3] - avr, avl - stored[4], avf - stored[5]]


def _plain(waves: Element, signal: Element | None, leads: int, samples: int) -> list[Samples]:
    """Uncompressed, lead after lead."""
    encoding, content = attribute(waves, "dataencoding"), "".join(waves.itertext())
    signed = (attribute(waves, "signalsigned") or text(signal, "signalsigned")).upper() != "FALSE"
    if encoding == "Base64":
        data = octets(content)
        values = np.frombuffer(data[: len(data) // 2 * 2], "<i2" if signed else "<u2").astype(np.float64)
    elif encoding == "Plain":
        values = listed(content)
    else:
        raise Rejected(Reason.UNSUPPORTED_OBJECT, "a data encoding other than Base64 or Plain")
    if len(values) < leads * samples:
        raise Rejected(Reason.UNDECODABLE, "fewer samples than declared")
    return list(values[: leads * samples].reshape(leads, samples))


def _without_pulse(leads: dict[str, Samples], rate_hz: float) -> dict[str, Samples]:
    """Take off the calibration pulse that some carts append or prepend: there all leads are the same, and not flat.

    No heart gives that: with I equal to II, lead III is zero.
    """
    rows = np.array(list(leads.values()))
    if len(rows) < len(LEADS):
        return leads
    same = (rows == rows[0]).all(axis=0)
    start, stop = _leading(same), rows.shape[1] - _leading(same[::-1])
    start = start if _is_pulse(rows[0, :start], rate_hz) else 0
    stop = stop if _is_pulse(rows[0, stop:], rate_hz) else rows.shape[1]
    return {name: row[start:stop] for name, row in leads.items()} if start < stop else leads


def _leading(flags: NDArray[np.bool_]) -> int:
    return len(flags) if flags.all() else int(np.argmin(flags))


def _is_pulse(stretch: Samples, rate_hz: float) -> bool:
    return len(stretch) >= _PULSE_S * rate_hz and bool(np.ptp(stretch) > 0)


def _patient(node: Element | None) -> Patient:
    record = text(node, "MRN")
    others = [text(node, tag) for tag in ("patientid", "uniquepatientid")]
    found = [Identifier(value=value) for value in others if _said(value) and value != record]
    named = [Identifier(value=record, type="MR")] if _said(record) else []
    return Patient(
        identifiers=tuple(dict.fromkeys([*named, *found])),
        family=text(node, "name", "lastname") or text(node, "lastname"),
        given=text(node, "name", "firstname") or text(node, "firstname"),
        birth_date=ymd(text(node, "age", "dateofbirth") or text(node, "dateofbirth")),
        sex=_SEXES.get(text(node, "sex").upper(), Sex.UNKNOWN),
    )


def _said(value: str) -> bool:
    return bool(value.strip("- "))  # Philips writes --- for nothing


def _measurements(root: Element) -> Measurements:
    nodes = [root.find(path) for path in _SOURCES]
    return reported((name, number(text(node, tag)), unit) for node in nodes for tag, name, unit in _MEASURED)[0]


def _statements(node: Element | None) -> tuple[str, ...]:
    if node is None:
        return ()
    both = ((text(one, "leftstatement"), text(one, "rightstatement")) for one in node.findall("statement"))
    lines = [", ".join(part for part in pair if part) for pair in both]
    return statements([*lines, text(node, "severity").strip("- ")])
