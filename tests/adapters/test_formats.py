from datetime import UTC, datetime

import numpy as np
import pytest

from adapters import formats, paper
from adapters.recording import Recording
from domain.arrival import Arrival, Format
from domain.ecg import LEADS, Identifier, Measurements, Patient, ReadWarning
from domain.errors import Rejected
from domain.reason import Reason
from tests.adapters.objects import READING, REAL, channel, encoded, group, holding, read, real, samples_folder

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


def arrival(payload, format=Format.DICOM):
    return Arrival(key="k", format=format, payload=payload, source="dicom:TEST", received_at=NOON)


def test_every_format_that_may_hold_an_ecg_has_a_reader():
    assert set(formats.READERS) == set(Format) - {Format.ADT, Format.ORA}


def test_the_real_object_becomes_an_ecg_fit_to_score():
    (ecg,) = formats.read(arrival(REAL.read_bytes()), READING)
    assert ecg.signal.shape == (12, 5000)
    assert ecg.recorded_leads == LEADS
    assert ecg.unfit == ()
    assert ecg.origin.warnings == (ReadWarning.TIME_ZONE_ASSUMED,)
    assert (ecg.origin.native_rate_hz, ecg.origin.native_samples, ecg.origin.digitised) == (1000, 10_000, False)
    assert ecg.measured.heart_rate_bpm == pytest.approx(ecg.reported.heart_rate_bpm, abs=1)
    np.testing.assert_array_equal(ecg.picture, paper.draw(ecg.signal, 500))


def test_a_file_read_by_hand_is_told_by_its_first_bytes(tmp_path):
    path = tmp_path / "without-a-suffix"
    path.write_bytes(REAL.read_bytes())
    (ecg,) = formats.read_file(path, READING)
    assert ecg.origin.format is Format.DICOM


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_message_in_wide_characters_is_one_as_a_file_too(tmp_path, codec, mark):
    path = tmp_path / "message"
    path.write_bytes((mark + "MSH|^~\\&|A|B|||||ORU^R01|1|P|2.5.1\rPID|1||4711\r").encode(codec))
    assert formats.read_file(path, READING) == ()


@pytest.mark.parametrize("content", [b"", b"junk", b"\0" * 2000])
def test_an_unknown_format_is_refused(tmp_path, content):
    path = tmp_path / "file.dcm"
    path.write_bytes(content)
    with pytest.raises(Rejected) as caught:
        formats.read_file(path, READING)
    assert caught.value.reason is Reason.UNKNOWN_FORMAT


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(Rejected):
        formats.read_file(tmp_path / "absent", READING)


def test_a_wfdb_header_is_read_by_its_suffix():
    (ecg,) = formats.read_file(samples_folder() / "ptbxl" / "records500" / "00001_hr.hea", READING)
    assert ecg.origin.format == "wfdb"
    assert ecg.unfit == ()


def eight_leads():
    """The real object as carts store it that keep eight leads and let the reader derive four."""
    dataset = real()
    whole = dataset.WaveformSequence[0]
    kept = [0, 1, *range(6, 12)]
    raw = np.frombuffer(whole.WaveformData, "<i2").reshape(-1, 12)[:, kept]
    channels = [whole.ChannelDefinitionSequence[column] for column in kept]
    return holding(group(np.ascontiguousarray(raw), channels, rate_hz=1000))


def test_four_leads_are_derived_from_eight_as_the_cart_stored_them():
    (whole,) = formats.read(arrival(REAL.read_bytes()), READING)
    (derived,) = formats.read(arrival(encoded(eight_leads())), READING)
    assert ReadWarning.LEADS_DERIVED in derived.origin.warnings
    assert derived.unfit == ()
    np.testing.assert_allclose(derived.signal, whole.signal, atol=0.004)  # the cart rounds to 1.25 uV a lead


def test_a_right_sided_lead_is_dropped_and_leaves_a_lead_missing():
    dataset = real()
    source = dataset.WaveformSequence[0].ChannelDefinitionSequence[8].ChannelSourceSequence[0]
    source.CodeValue = "5.6.3-9-11"  # V3R
    (ecg,) = formats.read(arrival(encoded(dataset)), READING)
    assert ReadWarning.EXTRA_LEADS_DROPPED in ecg.origin.warnings
    assert [(one.reason, one.leads) for one in ecg.unfit] == [(Reason.LEAD_MISSING, ("V3",))]


def test_a_median_beat_alone_is_read_and_not_scored():
    dataset = real()
    del dataset.WaveformSequence[0]
    (ecg,) = formats.read(arrival(encoded(dataset)), READING)
    assert Reason.MEDIAN_ONLY in {one.reason for one in ecg.unfit}
    assert ecg.measured == Measurements()


def test_exchanged_limb_leads_are_read_and_not_scored():
    dataset = real()
    channels = dataset.WaveformSequence[0].ChannelDefinitionSequence
    channels[0], channels[1] = channels[1], channels[0]
    (ecg,) = formats.read(arrival(encoded(dataset)), READING)
    assert [(one.reason, one.leads) for one in ecg.unfit] == [(Reason.EINTHOVEN, ("I", "II"))]


def test_one_lead_alone_is_read_and_not_scored():
    wave = np.frombuffer(real().WaveformSequence[0].WaveformData, "<i2")[::12]
    made = holding(group(np.ascontiguousarray(wave[:, None]), [channel(sensitivity="1.25")], rate_hz=1000))
    (ecg,) = formats.read(arrival(encoded(made)), READING)
    assert [(one.reason, one.leads) for one in ecg.unfit] == [(Reason.LEAD_MISSING, LEADS[1:])]


def recording(**more):
    leads = read(real()).leads
    return Recording(leads=leads, rate_hz=1000, format=Format.DICOM, **more)


@pytest.mark.parametrize(
    ("more", "warning", "held"),
    [
        ({}, ReadWarning.UNIDENTIFIED, True),
        ({"patient": Patient(identifiers=(Identifier(value="1"),))}, ReadWarning.UNIDENTIFIED, False),
        ({}, ReadWarning.ACQUISITION_TIME_MISSING, True),
        ({"acquired_at": NOON}, ReadWarning.ACQUISITION_TIME_MISSING, False),
        ({"reported": Measurements(heart_rate_bpm=122)}, ReadWarning.RATE_DISAGREES, True),
        ({"reported": Measurements(heart_rate_bpm=58)}, ReadWarning.RATE_DISAGREES, False),
        ({"warnings": (ReadWarning.CHARSET_ASSUMED,)}, ReadWarning.CHARSET_ASSUMED, True),
        ({}, ReadWarning.LEADS_DERIVED, False),
        ({}, ReadWarning.EINTHOVEN_RESIDUAL, False),
    ],
)
def test_doubts_go_with_the_ecg(more, warning, held):
    assert (warning in formats.complete(recording(**more)).origin.warnings) == held


def test_a_moderate_residual_is_a_doubt_and_no_defect():
    leads = dict(read(real()).leads)
    leads["III"] = leads["III"] + 0.12 * np.sign(np.sin(np.arange(10_000) / 40))
    ecg = formats.complete(Recording(leads=leads, rate_hz=1000, format=Format.DICOM))
    assert ReadWarning.EINTHOVEN_RESIDUAL in ecg.origin.warnings
    assert Reason.EINTHOVEN not in {one.reason for one in ecg.unfit}
