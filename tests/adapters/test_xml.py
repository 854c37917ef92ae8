"""ECGs in XML against the files themselves, ecgdatakit's reading of them, and what an attacker would send."""

import re
import warnings
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from ecgdatakit import FileParser

from adapters import xml
from adapters.signal import LAWS, LIMB, arrange
from config.schema import Reading
from domain.arrival import Format, sniff
from domain.ecg import LEADS, Device, Identifier, Measurements, Patient, ReadWarning, Sex
from domain.errors import Rejected
from domain.reason import Reason
from tests.adapters.objects import samples_folder

READING = Reading(timezone="Europe/Berlin")
AECG, MUSE, SIERRA = (
    "fda_Example_aECG.xml",
    "guangxi_teaching_sinus_rhythm.xml",
    "sierra_1_04_3191723_ZZDEMOPTONLY_1-04_orig.xml",
)


def sample(name) -> bytes:
    return (samples_folder() / "xml" / name).read_bytes()


def read(payload, settings=READING):
    (recording,) = xml.read(payload, "folder:TEST", settings)
    return recording


def reason(payload):
    with pytest.raises(Rejected) as caught:
        xml.read(payload, "folder:TEST", READING)
    return caught.value.reason


def peer(path: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {lead.label: np.asarray(lead.samples) for lead in FileParser().parse(path).leads}


@pytest.mark.parametrize("name", [AECG, MUSE, SIERRA])
def test_content_tells_the_format_and_no_name_does(name):
    assert sniff(sample(name)) is Format.XML


def test_an_aecg_s_leads_are_known_by_their_codes_whatever_their_order():
    found = read(sample(AECG))
    assert tuple(found.leads)[2:4] == ("V1", "V2")  # stored I, II, V1 .. V6, III ..
    assert set(found.leads) == set(LEADS)
    assert (found.rate_hz, found.samples, found.median_only) == (500, 5000, False)
    np.testing.assert_allclose(found.leads["I"][:8], np.array([-2, -2, -2, -2, -3, -4, -3, -5]) * 0.0025)
    np.testing.assert_allclose(found.leads["III"][:6], np.array([-5, -5, -5, -5, -4, -3]) * 0.0025)


def test_an_aecg_s_header_and_measurements_are_read():
    found = read(sample(AECG))
    assert found.patient == Patient(
        identifiers=(Identifier(value="SBJ-123", authority="2.16.840.1.113883.3.400"),),
        family="Clark",
        birth_date=date(1953, 5, 8),
        sex=Sex.MALE,
    )
    assert found.acquired_at == datetime(2002, 11, 22, 8, 10, tzinfo=UTC)
    assert found.warnings == (ReadWarning.TIME_ZONE_ASSUMED,)
    assert found.device == Device(manufacturer="Mortara Instrument, Inc.", model="ELI250", serial="0", software="5.3")
    assert found.instance == "dd7b629e-9be1-4686-a1bf-7896e16e2d46"
    assert found.statements == ("Sinus Rhythm",)
    assert found.reported == Measurements(
        p_ms=102, pr_ms=148, qrs_ms=120, qt_ms=420, qtc_ms=443, p_axis_deg=44, qrs_axis_deg=-61, t_axis_deg=86
    )


def test_of_muse_s_two_waveforms_the_rhythm_is_read_and_the_missing_leads_are_left_out():
    found = read(sample(MUSE))
    assert tuple(found.leads) == ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
    assert (found.rate_hz, found.samples, found.median_only) == (500, 5000, False)
    np.testing.assert_allclose(found.leads["I"][:3], np.array([48, 51, 52]) * 0.00488)


def test_muse_s_header_measurements_and_statements_are_read():
    found = read(sample(MUSE))
    assert found.patient == Patient(
        identifiers=(Identifier(value="00000000"),), family="Anonymous", birth_date=date(1900, 1, 1), sex=Sex.MALE
    )
    assert found.acquired_at == datetime(2024, 1, 1, 9, 35, 17, tzinfo=UTC)
    assert (found.order.placer, found.order.location) == ("00000000", "Department")
    assert found.device == Device(model="MAC P", software="v1.0")
    assert found.statements == ("窦性心律", "ST段抬高（提示心室早期复极）")
    assert found.reported == Measurements(
        heart_rate_bpm=97, p_ms=72, pr_ms=122, qrs_ms=74, qt_ms=328, qtc_ms=417, qtcf_ms=384, p_axis_deg=31,
        qrs_axis_deg=63, t_axis_deg=49,
    )  # fmt: skip


def test_a_sierra_file_s_calibration_pulse_is_taken_off():
    found = read(sample(SIERRA))
    assert (found.rate_hz, found.samples) == (500, 5300)
    rows = np.array([found.leads[lead] for lead in LEADS])
    assert not (rows[:, -25:] == rows[0, -25:]).all()
    assert peer(samples_folder() / "xml" / SIERRA)["V1"][5400] == 1.0  # it is there in the file


def test_a_sierra_file_s_limb_leads_hold_goldberger_s_definitions_to_half_a_count():
    counts = np.array([read(sample(SIERRA)).leads[lead] for lead in LIMB]) / 0.005
    off = [np.abs(law[None] @ counts).max() for law in LAWS[:4]]
    assert off[0] < 1e-9
    assert max(off[1:]) < 0.5 + 1e-9


def test_ecgdatakit_s_limb_leads_are_more_than_a_count_off_them():
    """Why XLI is decoded here: it halves by rounding down, as its peers do."""
    theirs = peer(samples_folder() / "xml" / SIERRA)
    counts = np.array([theirs[lead][:5300] for lead in LIMB]) / 0.005
    assert np.abs(LAWS[3] @ counts).max() == pytest.approx(1.5)


def test_a_sierra_file_s_header_measurements_and_statements_are_read():
    found = read(sample(SIERRA))
    assert found.patient == Patient(
        identifiers=(Identifier(value="9999"),),
        family="ZZDEMOPTONLY",
        given="ADULT",
        birth_date=date(1950, 1, 1),
        sex=Sex.MALE,
    )
    assert found.acquired_at == datetime(2010, 1, 19, 14, 19, 22, tzinfo=UTC)
    assert found.device == Device(
        manufacturer="Philips Medical Products", model="PageWriter Touch", serial="EKG1715", software="A.01.01.01"
    )
    assert found.statements[0] == "SINUS RHYTHM, normal P axis, V-rate 60-99"
    assert found.statements[-1] == "ABNORMAL ECG"
    assert found.reported == Measurements(
        heart_rate_bpm=84, p_ms=148, pr_ms=144, qrs_ms=84, qt_ms=352, qtc_ms=417, qtcf_ms=394, p_axis_deg=81,
        qrs_axis_deg=78, t_axis_deg=67,
    )  # fmt: skip


@pytest.mark.parametrize(("name", "off_mv"), [(AECG, 1e-9), (MUSE, 1e-9), (SIERRA, 0.005 + 1e-9)])
def test_samples_are_those_another_reader_finds(name, off_mv):
    theirs = peer(samples_folder() / "xml" / name)
    for lead, samples in read(sample(name)).leads.items():
        assert np.abs(samples - theirs[lead][: len(samples)]).max() <= off_mv, lead


@pytest.mark.parametrize("name", [AECG, MUSE, SIERRA])
def test_the_real_files_limb_leads_obey_einthoven(name):
    limbs = arrange(read(sample(name)))[: len(LIMB)].astype(float)
    assert np.abs(LAWS[:4] @ limbs).max() < 0.0101  # four counts of 2.5 uV, two of 5 uV


@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le"])
def test_a_file_saved_again_in_another_encoding_is_read_as_before(codec):
    text = sample(SIERRA).decode("utf-16")
    mark = "" if codec == "utf-8" else "\ufeff"  # what it declares, UTF-16, is then wrong for UTF-8
    again = read((mark + text).encode(codec))
    assert again.patient.family == "ZZDEMOPTONLY"
    assert ReadWarning.CHARSET_ASSUMED not in again.warnings


def test_text_in_gb18030_is_read():
    payload = sample(MUSE).decode().replace("UTF-8", "GB2312").encode("gb18030")
    assert read(payload).statements[0] == "窦性心律"


def test_characters_that_are_not_what_is_declared_are_told_and_no_identifier_with_them_is_believed():
    payload = sample(MUSE).replace(b"<PatientID>0000", b"<PatientID>00\xe400")
    found = read(payload)
    assert ReadWarning.CHARSET_ASSUMED in found.warnings
    assert found.patient.identifiers == ()


LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><RestingECG>&b;</RestingECG>"""
OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><RestingECG>&x;</RestingECG>"""


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (LAUGHS, Reason.BAD_VALUE),
        (OUTSIDE, Reason.BAD_VALUE),
        (b"<?xml version='1.0'?>" + b"<a>" * 1000 + b"</a>" * 1000, Reason.TOO_LARGE),
        (b"<?xml version='1.0'?><a>" + b"<b/>" * 100_001 + b"</a>", Reason.TOO_LARGE),
        (b"<?xml version='1.0'?><html/>", Reason.UNSUPPORTED_OBJECT),
        (b"<?xml version='1.0' encoding='klingon'?><RestingECG/>", Reason.UNKNOWN_CHARSET),
        (b"<?xml version='1.0' encoding='base64'?><RestingECG/>", Reason.UNKNOWN_CHARSET),
        (b"<?xml version='1.0'?>", Reason.UNDECODABLE),
        (b"<RestingECG/>", Reason.NO_WAVEFORM),
        (b"<restingecgdata/>", Reason.NO_WAVEFORM),
        (b"<CardiologyXML/>", Reason.NO_WAVEFORM),
        (b"<AnnotatedECG xmlns='urn:hl7-org:v3'/>", Reason.NO_WAVEFORM),
    ],
)
def test_what_is_hostile_or_no_ecg_is_refused_with_a_reason(payload, expected):
    assert reason(payload) is expected


@pytest.mark.parametrize("name", [AECG, MUSE, SIERRA])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_file_cut_short_is_refused_as_undecodable(name, share):
    payload = sample(name)
    assert reason(payload[: int(len(payload) * share)]) is Reason.UNDECODABLE


def changed(name, pattern, new):
    text = sample(name).decode("utf-16" if name == SIERRA else "utf-8")
    made, found = re.subn(pattern, new, text, count=0 if name == MUSE else 1)
    assert found
    return made.encode("utf-16" if name == SIERRA else "utf-8")


@pytest.mark.parametrize(
    ("name", "pattern", "new", "expected"),
    [
        (AECG, 'scale value="2.5" unit="uV"', 'scale value="2.5" unit="mmHg"', Reason.UNKNOWN_UNIT),
        (AECG, '<scale value="2.5" unit="uV"/>', "", Reason.UNKNOWN_UNIT),
        (AECG, 'increment value="0.002" unit="s"', 'increment value="0.002"', Reason.UNKNOWN_RATE),
        (AECG, 'code="MDC_ECG_LEAD_II"', 'code="MDC_ECG_LEAD_I"', Reason.UNKNOWN_LEAD),
        (AECG, "<digits> -2 -2", "<digits> -2 x", Reason.BAD_VALUE),
        (AECG, "<digits> -2 -2", "<digits> -2 1e400", Reason.BAD_VALUE),
        (MUSE, "MICROVOLTS", "BARS", Reason.UNKNOWN_UNIT),
        (MUSE, "<LeadAmplitudeUnitsPerBit>.*", "", Reason.UNKNOWN_UNIT),
        (MUSE, "<SampleBase>500", "<SampleBase>0", Reason.UNKNOWN_RATE),
        (MUSE, "<LeadID>V1", "<LeadID>II", Reason.UNKNOWN_LEAD),
        (MUSE, "<LeadSampleCountTotal>5000", "<LeadSampleCountTotal>5001", Reason.UNDECODABLE),
        (MUSE, "<LeadDataCRC32>3097469524", "<LeadDataCRC32>3097469525", Reason.UNDECODABLE),
        (SIERRA, 'resolution="5"', 'resolution="0"', Reason.UNKNOWN_UNIT),
        (SIERRA, 'leadlabels="I II III aVR', 'leadlabels="I II II aVR', Reason.UNKNOWN_LEAD),
        (SIERRA, 'compression="XLI"', 'compression="ZIP"', Reason.UNSUPPORTED_OBJECT),
        (SIERRA, 'samplespersecond="500"', 'samplespersecond="5000"', Reason.UNDECODABLE),
    ],
)  # fmt: skip
def test_a_unit_a_rate_or_a_lead_that_is_not_said_is_never_guessed(name, pattern, new, expected):
    assert reason(changed(name, pattern, new)) is expected
