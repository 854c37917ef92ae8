"""The writers against readers that are not ours: pydicom's multiplex arrays, DICOM's own validator, python-hl7."""

import base64
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO
from itertools import pairwise

import hl7
import numpy as np
import pydicom
import pytest

from domain.arrival import Format, sniff
from domain.ecg import LEADS
from simulator.files import Envelope, GroupOptions, write_dicom, write_encapsulated_pdf, write_oru_na, write_oru_pdf
from simulator.heart import Heart, ecg, measurements, varied
from simulator.patient import SyntheticPatient
from tests import peers

PATIENT = SyntheticPatient.seeded(7)
WHEN = datetime(2024, 3, 1, 12, 0, 5, tzinfo=timezone(timedelta(hours=1)))
HEART = varied(7, seconds=2.5)
SIGNAL = ecg(HEART, 7)
PAGE = b"%PDF-1.4\n%%EOF\n"


def dicom(**options) -> bytes:
    return write_dicom(SIGNAL, 500, PATIENT, acquired_at=WHEN, options=GroupOptions(**options))


def oru(version="2.5.1", **more) -> hl7.Message:
    envelope = Envelope(control_id="M|1", version=version)
    payload = write_oru_na(SIGNAL, 500, PATIENT, acquired_at=WHEN, envelope=envelope, **more)
    return hl7.parse(payload, encoding="latin-1" if version == "2.3" else "utf-8")


@pytest.mark.parametrize("sensitivity_uv", [1.25, 2.5, 4.88])
@pytest.mark.parametrize("implicit_vr", [False, True])
def test_pydicom_reads_the_samples_back_in_microvolts(sensitivity_uv, implicit_vr):
    dataset = pydicom.dcmread(BytesIO(dicom(sensitivity_uv=sensitivity_uv, implicit_vr=implicit_vr)))
    read = dataset.waveform_array(0).T / 1000
    assert read.shape == SIGNAL.shape
    assert np.abs(read - SIGNAL).max() <= sensitivity_uv / 2000 + 1e-6


@pytest.mark.parametrize(("scheme", "first", "third"), [("SCPECG", "5.6.3-9-1", "5.6.3-9-61"), ("MDC", "2:1", "2:61")])
def test_leads_carry_the_codes_of_their_scheme(scheme, first, third):
    channels = pydicom.dcmread(BytesIO(dicom(scheme=scheme))).WaveformSequence[0].ChannelDefinitionSequence
    assert [channels[n].ChannelSourceSequence[0].CodeValue for n in (0, 2)] == [first, third]


def test_eight_leads_and_a_median_beat_can_be_stored():
    eight = tuple(lead for lead in LEADS if lead in {"I", "II"} or lead.startswith("V"))
    groups = pydicom.dcmread(BytesIO(dicom(leads=eight, median_beat=True))).WaveformSequence
    assert [(g.MultiplexGroupLabel, g.NumberOfWaveformChannels, g.NumberOfWaveformSamples) for g in groups] == [
        ("RHYTHM", 8, 1250),
        ("MEDIAN BEAT", 8, 600),
    ]


def test_the_same_ecg_is_the_same_object_and_another_is_another():
    assert dicom() == dicom()
    other = write_dicom(SIGNAL, 500, PATIENT, acquired_at=WHEN + timedelta(seconds=1))
    uids = [pydicom.dcmread(BytesIO(payload)).SOPInstanceUID for payload in (dicom(), other)]
    assert uids[0] != uids[1]
    assert all(uid.is_valid for uid in uids)


@pytest.mark.peer
@pytest.mark.parametrize(
    "payload",
    [
        write_dicom(SIGNAL, 500, PATIENT, acquired_at=WHEN, reported=measurements(HEART), statements=("SINUS RHYTHM",)),
        write_dicom(SIGNAL, 500, PATIENT, acquired_at=WHEN, options=GroupOptions(scheme="MDC", median_beat=True)),
        write_encapsulated_pdf(PAGE, PATIENT, acquired_at=WHEN),
    ],
    ids=["scpecg", "mdc", "pdf"],
)
def test_objects_satisfy_their_information_object_definition(tmp_path, payload):
    (tmp_path / "object.dcm").write_bytes(payload)
    told = subprocess.run([peers.require("dciodvfy"), tmp_path / "object.dcm"], capture_output=True, text=True)
    assert [line for line in told.stderr.splitlines() if line.startswith("Error")] == []


def test_an_encapsulated_page_comes_back_whole():
    dataset = pydicom.dcmread(BytesIO(write_encapsulated_pdf(PAGE + b"x", PATIENT, acquired_at=WHEN)))
    assert dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength] == PAGE + b"x"


@pytest.mark.parametrize("version", ["2.3", "2.5.1"])
def test_python_hl7_finds_the_fields_where_the_standard_puts_them(version):
    message = oru(version)
    assert message.extract_field("MSH", 1, 9, 1, 2) == "R01"
    assert message.unescape(message.extract_field("MSH", 1, 10)) == "M|1"
    assert message.extract_field("MSH", 1, 12) == version
    assert message.extract_field("PID", 1, 3, 1, 1) == PATIENT.id
    assert message.extract_field("PV1", 1, 19, 1, 1) == PATIENT.visit
    assert message.extract_field("OBR", 1, 7) == "20240301120005+0100"
    assert message.extract_field("OBR", 1, 25) == "F"
    assert {str(obx[11]) for obx in message.segments("OBX")} == {"F"}


def test_each_lead_has_its_samples_rate_and_resolution():
    rows = [obx for obx in oru().segments("OBX") if str(obx[2]) == "NA"]
    assert [str(row[3][0][1]) for row in rows] == [f"MDC_ECG_ELEC_POTL_{lead.upper()}" for lead in LEADS]
    samples = np.array([[float(value[0]) for value in row[5][0]] for row in rows]) * 0.0025
    assert np.abs(samples - SIGNAL).max() <= 0.00126
    followers = [b for a, b in pairwise(oru().segments("OBX")) if str(a[2]) == "NA"]
    assert {str(row[5]) for row in followers} == {"500"}


@pytest.mark.parametrize("spelling", ["^application^pdf^Base64^", "^^PDF^Base64^", "CUH^IM^PDF^Base64^", "^^^^"])
def test_the_page_travels_as_base64_after_any_spelling(spelling):
    payload = write_oru_pdf(
        PAGE, PATIENT, acquired_at=WHEN, envelope=Envelope(control_id="1"), spelling=spelling, statements=("a^b",)
    )
    obx = hl7.parse(payload, encoding="utf-8").segments("OBX")[-1]
    assert str(obx[2]) == "ED"
    assert base64.b64decode(str(obx[5]).removeprefix(spelling)) == PAGE


def test_every_format_is_told_by_its_first_bytes():
    message = write_oru_pdf(PAGE, PATIENT, acquired_at=WHEN, envelope=Envelope(control_id="1"))
    assert [sniff(payload) for payload in (dicom(), message)] == [Format.DICOM, Format.HL7]


def test_einthoven_and_goldberger_hold_in_every_ecg():
    for seed in range(20):
        one, two, three, right, left, foot = ecg(varied(seed), seed)[:6]
        assert np.abs(three - (two - one)).max() < 1e-6
        assert np.abs(right + left + foot).max() < 1e-6


def test_a_heart_is_the_same_for_a_seed_and_differs_between_seeds():
    assert np.array_equal(ecg(Heart(), 3), ecg(Heart(), 3))
    assert not np.array_equal(ecg(Heart(), 3), ecg(Heart(), 4))


@pytest.mark.parametrize("axis_deg", [-60, 0, 60, 120])
def test_the_frontal_axis_is_the_one_asked_for(axis_deg):
    one, foot = ecg(Heart(axis_deg=axis_deg, noise_mv=0, wander_mv=0, variability=0), 1)[[0, 5]]
    net = [lead.max() + lead.min() for lead in (one, foot)]
    assert np.degrees(np.arctan2(net[1] * 2 / np.sqrt(3), net[0])) == pytest.approx(axis_deg, abs=8)


@pytest.mark.parametrize("rate_bpm", [45, 72, 140])
def test_the_rate_is_the_one_asked_for(rate_bpm):
    lead = ecg(Heart(rate_bpm=rate_bpm, noise_mv=0, wander_mv=0), 1)[1]
    above = lead > 0.6 * lead.max()
    beats = np.flatnonzero(above[1:] & ~above[:-1])
    assert 60 * 500 / np.diff(beats).mean() == pytest.approx(rate_bpm, rel=0.03)


def test_patients_differ_and_none_is_a_person():
    people = [SyntheticPatient.seeded(seed) for seed in range(50)]
    assert len({person.id for person in people}) == 50
    assert all(person.birth_date < datetime.now(UTC).date() for person in people)
