"""Leads, measurements and units by their codes: SCP-ECG (EN 1064), ISO/IEEE 11073-10101 (MDC), LOINC, UCUM."""

import re

from domain.ecg import Measurements

# EN 1064 table 5 and ISO/IEEE 11073-10101 (DICOM CID 3001) number the leads alike.
_LEAD_NUMBERS = {
    1: "I", 2: "II", 61: "III", 62: "aVR", 63: "aVL", 64: "aVF",
    3: "V1", 4: "V2", 5: "V3", 6: "V4", 7: "V5", 8: "V6",
    9: "V7", 66: "V8", 67: "V9",
    10: "V2R", 11: "V3R", 12: "V4R", 13: "V5R", 14: "V6R", 15: "V7R", 68: "V8R", 69: "V9R",
    16: "X", 17: "Y", 18: "Z", 65: "-aVR",
}  # fmt: skip
_MDC_NAMES = {name.upper(): name for name in _LEAD_NUMBERS.values() if not name.startswith("-")} | {"AVRNEG": "-aVR"}
_MDC_SCHEMES = {"MDC", "ISO/IEEE 11073", "ISO/IEEE 11073-10101", "11073-10101", "11073_10101", "IEEE 11073"}
_SCP_SCHEMES = {"SCPECG", "SCP-ECG", "SCP"}
_MDC_PARTITION = 2 << 16  # partition 2 (SCADA) as the upper half of a context-free code
_ELECTRIC_POTENTIAL = 256  # MDC_ECG_ELEC_POTL_x = MDC_ECG_LEAD_x + 256


def lead(code: str, scheme: str) -> str | None:
    """Name the lead of a code, or ``None``; the code alone counts, never a printed meaning.

    ``-aVR`` (Cabrera) is a lead of its own here: the reader turns it over. The derived leads of MDC (EASI, Frank) are
    none: they are estimates of a lead, not the lead.
    """
    code, scheme = clean(code), clean(scheme).upper()
    if match := re.fullmatch(r"5\.6\.3-9-(\d{1,3})", code):
        return _LEAD_NUMBERS.get(int(match[1])) if scheme in _SCP_SCHEMES | {""} else None
    if match := re.fullmatch(r"MDC_ECG_(?:LEAD|ELEC_POTL)_(\w+)", code):
        return _MDC_NAMES.get(match[1].upper())
    return _LEAD_NUMBERS.get(_mdc_lead_number(code)) if scheme in _MDC_SCHEMES else None


def _mdc_lead_number(code: str) -> int:
    if match := re.fullmatch(r"2:\s*(\d{1,3})", code):
        number = int(match[1])
    elif re.fullmatch(r"13\d{4}", code):
        number = int(code) - _MDC_PARTITION
    else:
        return -1
    return number - _ELECTRIC_POTENTIAL if number > _ELECTRIC_POTENTIAL else number


_LABELS = {name.upper(): name for name in _LEAD_NUMBERS.values()}


def named(label: str) -> str:
    """Spell a lead's own name as ``LEADS`` does (``AVR``, ``avr``); what is no lead known here stays as it is."""
    label = clean(label)
    return _LABELS.get(label.upper(), label)


_MILLIVOLTS = {
    "uV": 1e-3, "µV": 1e-3, "μV": 1e-3, "MDC_DIM_MICRO_VOLT": 1e-3,
    "mV": 1.0, "MDC_DIM_MILLI_VOLT": 1.0,
    "V": 1e3, "MDC_DIM_VOLT": 1e3,
}  # fmt: skip


def millivolts(unit: str) -> float | None:
    """How many mV a unit is, or ``None``; case matters (UCUM: ``mV`` is not ``MV``)."""
    return _MILLIVOLTS.get(clean(unit))


_MEASUREMENTS = {
    ("SCP", "5.10.2.1-3"): "rr_ms", ("MDC", "2:16168"): "rr_ms", ("MDC", "2:16000"): "rr_ms",
    ("MDC", "2:16770"): "heart_rate_bpm", ("LN", "8867-4"): "heart_rate_bpm",
    ("MDC", "2:16184"): "p_ms",
    ("SCP", "5.13.5-7"): "pr_ms", ("MDC", "2:15872"): "pr_ms", ("LN", "8625-6"): "pr_ms",
    ("SCP", "5.13.5-9"): "qrs_ms", ("MDC", "2:16156"): "qrs_ms", ("LN", "8633-0"): "qrs_ms",
    ("SCP", "5.13.5-11"): "qt_ms", ("MDC", "2:16160"): "qt_ms", ("LN", "8634-8"): "qt_ms",
    ("SCP", "5.10.2.5-5"): "qtc_ms", ("MDC", "2:15876"): "qtc_ms", ("MDC", "2:15880"): "qtc_ms",
    ("MDC", "2:15892"): "qtcf_ms", ("LN", "8636-3"): "qtc_ms",
    ("SCP", "5.10.3-11"): "p_axis_deg", ("MDC", "2:16128"): "p_axis_deg",
    ("SCP", "5.10.3-13"): "qrs_axis_deg", ("MDC", "2:16132"): "qrs_axis_deg", ("LN", "8632-2"): "qrs_axis_deg",
    ("SCP", "5.10.3-15"): "t_axis_deg", ("MDC", "2:16136"): "t_axis_deg",
}  # fmt: skip
_REFERENCES = {  # ISO/IEEE 11073-10101 reference identifiers, as aECG writes them; some add _GL: over all leads
    "MDC_ECG_HEART_RATE": "heart_rate_bpm", "MDC_ECG_TIME_PD_RR": "rr_ms", "MDC_ECG_TIME_PD_P": "p_ms",
    "MDC_ECG_TIME_PD_PR": "pr_ms", "MDC_ECG_TIME_PD_QRS": "qrs_ms", "MDC_ECG_TIME_PD_QT": "qt_ms",
    "MDC_ECG_TIME_PD_QTC": "qtc_ms", "MDC_ECG_TIME_PD_QTCB": "qtc_ms", "MDC_ECG_TIME_PD_QTCF": "qtcf_ms",
    "MDC_ECG_ANGLE_P_FRONT": "p_axis_deg", "MDC_ECG_ANGLE_QRS_FRONT": "qrs_axis_deg",
    "MDC_ECG_ANGLE_T_FRONT": "t_axis_deg",
}  # fmt: skip
_SCALE = {
    "ms": {"ms": 1.0, "s": 1e3, "us": 1e-3},
    "bpm": dict.fromkeys(("/min", "{beats}/min", "{H.B}/min", "{H.B.}/min", "bpm", "1/min", "{beat}/min"), 1.0),
    "deg": {"deg": 1.0},
}
_PLAUSIBLE = {
    "rr_ms": (150, 6000), "heart_rate_bpm": (10, 400), "p_ms": (20, 300), "pr_ms": (50, 700), "qrs_ms": (30, 400),
    "qt_ms": (100, 1000), "qtc_ms": (100, 1000), "qtcf_ms": (100, 1000), "p_axis_deg": (-360, 360),
    "qrs_axis_deg": (-360, 360), "t_axis_deg": (-360, 360),
}  # fmt: skip


def measurement(code: str, scheme: str) -> str | None:
    """Name the ``Measurements`` field of a global measurement's code, ``rr_ms`` for RR, or ``None``."""
    scheme = clean(scheme).upper()
    code = clean(code)
    if code.upper().startswith("MDC_ECG_"):
        return _REFERENCES.get(code.upper().removesuffix("_GL"))
    family = "SCP" if scheme in _SCP_SCHEMES else "MDC" if scheme in _MDC_SCHEMES else scheme
    return _MEASUREMENTS.get((family, code))


def scaled(name: str, value: float, unit: str) -> tuple[float | None, bool]:
    """Bring a value to the field's unit and range; also whether the unit was odd.

    An axis is taken in any unit, since carts are seen to print "ms" beside it and nothing else can be meant; a time or
    a rate in a unit that is not one is dropped. Carts write 0, 29999 or 32767 for "not measured": out of range, None.
    """
    kind = name.rsplit("_", 1)[1]
    factor = _SCALE[kind].get(clean(unit))
    if factor is None and kind != "deg":
        return None, True
    low, high = _PLAUSIBLE[name]
    value = value * (factor or 1.0)
    return (value if low <= value <= high else None), factor is None


def measurements(found: dict[str, float]) -> Measurements:
    """Make ``Measurements``; the rate from RR where only that is given, axes in (-180, 180]."""
    values = dict(found)
    rr_ms = values.pop("rr_ms", None)
    if rr_ms is not None:
        values.setdefault("heart_rate_bpm", 60_000 / rr_ms)
    for name in ("p_axis_deg", "qrs_axis_deg", "t_axis_deg"):
        if name in values:
            values[name] = 180 - (180 - values[name]) % 360
    return Measurements(**values)


def clean(text: str) -> str:
    """Strip the blanks and NULs that senders pad values with."""
    return text.replace("\0", " ").strip()
