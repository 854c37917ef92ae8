import pytest

from adapters import codes
from domain.ecg import LEADS

NUMBERS = [1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8]  # DICOM PS3.16 CID 3001, in the order of LEADS


@pytest.mark.parametrize(("number", "name"), list(zip(NUMBERS, LEADS, strict=True)))
@pytest.mark.parametrize(
    ("form", "scheme"),
    [
        ("5.6.3-9-{n}", "SCPECG"),
        ("5.6.3-9-{n}", "SCP-ECG"),
        ("5.6.3-9-{n}\0", "SCPECG\0"),
        ("2:{n}", "MDC"),
        ("2:{n}\0", "MDC "),
        ("2:{n}", "ISO/IEEE 11073"),
        ("MDC_ECG_LEAD_{upper}", "MDC"),
        ("MDC_ECG_LEAD_{name}", "MDC"),
        ("MDC_ECG_ELEC_POTL_{upper}", "MDC"),
    ],
)
def test_every_lead_is_known_by_each_of_its_codes(number, name, form, scheme):
    assert codes.lead(form.format(n=number, name=name, upper=name.upper()), scheme) == name


@pytest.mark.parametrize(
    ("code", "scheme"),
    [
        ("2:1", "99ACME"),  # a private scheme means what its owner says
        ("2:1", ""),
        ("5.6.3-9-1", "MDC"),
        ("5.6.3-9-0", "SCPECG"),  # unspecified lead
        ("2:31", "MDC"),  # Derived Lead I (EASI, Frank): an estimate
        ("2:111", "MDC"),
        ("2:147", "MDC"),
        ("I", "MDC"),
        ("", "SCPECG"),
        ("V3", "SCPECG"),
        ("5.6.3-9-1-1", "SCPECG"),
    ],
)
def test_no_lead_is_guessed(code, scheme):
    assert codes.lead(code, scheme) is None


@pytest.mark.parametrize(("code", "name"), [("2:11", "V3R"), ("2:9", "V7"), ("2:12", "V4R"), ("2:16", "X")])
def test_a_right_sided_or_back_lead_is_not_its_neighbour(code, name):
    assert codes.lead(code, "MDC") == name
    assert name not in LEADS


def test_context_free_mdc_codes_count_from_the_partition():
    assert codes.lead("131073", "MDC") == "I"  # 2 * 65536 + 1, MDC_ECG_LEAD_I
    assert codes.lead("131329", "MDC") == "I"  # MDC_ECG_ELEC_POTL_I
    assert codes.lead("131134", "MDC") == "aVR"


@pytest.mark.parametrize(
    ("unit", "factor"), [("uV", 1e-3), ("µV", 1e-3), ("μV", 1e-3), ("uV\0", 1e-3), ("mV", 1), ("V", 1e3)]
)
def test_units_become_millivolts(unit, factor):
    assert codes.millivolts(unit) == factor


@pytest.mark.parametrize("unit", ["", "MV", "UV", "mm[Hg]", "ms", "microvolt", "nV"])
def test_other_units_are_not_guessed(unit):
    assert codes.millivolts(unit) is None


@pytest.mark.parametrize(
    ("name", "value", "unit", "expected", "odd"),
    [
        ("qrs_ms", 92, "ms", 92, False),
        ("qrs_ms", 0.092, "s", 92, False),
        ("qrs_ms", 92, "", None, True),
        ("qrs_ms", 92, "deg", None, True),
        ("pr_ms", 0, "ms", None, False),  # atrial fibrillation
        ("qt_ms", 29999, "ms", None, False),  # SCP-ECG's "not computed"
        ("qrs_axis_deg", 52, "ms", 52, True),
        ("qrs_axis_deg", -30, "deg", -30, False),
        ("heart_rate_bpm", 61, "{H.B}/min", 61, False),
        ("heart_rate_bpm", 61, "Hz", None, True),
    ],
)
def test_a_measurement_counts_only_in_a_unit_that_is_one(name, value, unit, expected, odd):
    scaled, strange = codes.scaled(name, value, unit)
    assert (scaled, strange) == (pytest.approx(expected) if expected is not None else None, odd)


def test_rr_becomes_a_rate_unless_the_rate_is_given():
    assert codes.measurements({"rr_ms": 1000.0}).heart_rate_bpm == 60
    assert codes.measurements({"rr_ms": 1000.0, "heart_rate_bpm": 62.0}).heart_rate_bpm == 62


@pytest.mark.parametrize(("given", "axis"), [(-90, -90), (270, -90), (180, 180), (-180, 180), (0, 0)])
def test_axes_lie_between_minus_180_and_180(given, axis):
    assert codes.measurements({"qrs_axis_deg": float(given)}).qrs_axis_deg == axis
