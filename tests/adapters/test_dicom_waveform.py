"""Quirks of real waveform objects, each by a variation of a real one."""

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from adapters import dicom
from domain.ecg import LEADS, ReadWarning
from domain.errors import Rejected
from domain.reason import Reason
from tests.adapters.objects import READING, SCP_LEADS, channel, encoded, group, holding, one, read, real

RAMP = np.arange(-500, 500, dtype=np.int16)


def rejected(dataset):
    with pytest.raises(Rejected) as caught:
        read(dataset)
    return caught.value.reason


def twelve(samples=2500, start=0, leads=LEADS, **more):
    made = np.array([np.arange(samples) % 199 + 10 * SCP_LEADS[lead] + start for lead in leads], np.int16).T
    return group(made, [channel(f"5.6.3-9-{SCP_LEADS[lead]}") for lead in leads], **more)


def test_the_real_object_reads_as_an_independent_decoder_reads_it():
    expected = real().waveform_array(0) / 1000  # pydicom's own, in uV, channels in the order of LEADS
    found = read(real())
    assert tuple(found.leads) == LEADS
    assert (found.rate_hz, found.samples) == (1000, 10_000)
    np.testing.assert_allclose(np.array(list(found.leads.values())).T, expected, atol=1e-12)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_every_transfer_syntax_gives_the_same_samples(syntax):
    dataset = real()
    if syntax == ExplicitVRBigEndian:
        for item in dataset.WaveformSequence:  # pydicom writes OW as it is
            item.WaveformData = np.frombuffer(item.WaveformData, "<i2").astype(">i2").tobytes()
            item.pop("WaveformPaddingValue", None)
        dataset.set_original_encoding(False, False)
    (found,) = dicom.read(encoded(dataset, syntax), "", READING)
    expected = read(real())
    for lead in LEADS:
        np.testing.assert_array_equal(found.leads[lead], expected.leads[lead])


@pytest.mark.parametrize(
    ("definition", "mv_of_100"),
    [
        ({"sensitivity": "1.25"}, 0.125),
        ({"sensitivity": "2.5"}, 0.25),
        ({"sensitivity": "4.88"}, 0.488),
        ({"sensitivity": "0.00122", "unit": "mV"}, 0.122),
        ({"sensitivity": "0.0000025", "unit": "V"}, 0.25),
        ({"sensitivity": "1", "correction": "4.88"}, 0.488),
        ({"sensitivity": "5", "baseline": "-300"}, 0.2),  # the baseline in uV, as the sensitivity
        ({"sensitivity": "0.005", "unit": "mV", "baseline": "0.1"}, 0.6),
        ({"sensitivity": "5", "unit": "uV\0"}, 0.5),
    ],
)
def test_samples_are_calibrated_by_the_file(definition, mv_of_100):
    samples = read(one(np.full(2500, 100, np.int16), **definition)).leads["I"]
    assert samples == pytest.approx(np.full(2500, mv_of_100))


@pytest.mark.parametrize("unit", ["mm[Hg]", "MV", "", "1"])
def test_an_unknown_unit_is_refused(unit):
    assert rejected(one(np.tile(RAMP, 3), unit=unit)) is Reason.UNKNOWN_UNIT


def test_samples_without_sensitivity_are_refused():
    dataset = one(np.tile(RAMP, 3))
    del dataset.WaveformSequence[0].ChannelDefinitionSequence[0].ChannelSensitivity
    assert rejected(dataset) is Reason.UNKNOWN_UNIT


@pytest.mark.parametrize("sensitivity", ["0", "-5"])
def test_a_sensitivity_that_is_not_positive_is_refused(sensitivity):
    assert rejected(one(np.tile(RAMP, 3), sensitivity=sensitivity)) is Reason.BAD_VALUE


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4"])
def test_every_sample_width_is_read(dtype):
    samples = np.arange(0, 2501, dtype=np.int64) % 100
    found = read(one(samples.astype(dtype)))
    np.testing.assert_allclose(found.leads["I"], samples / 1000)


def test_companded_samples_are_refused():
    dataset = one(np.zeros(2500, np.uint8))
    dataset.WaveformSequence[0].WaveformSampleInterpretation = "MB"
    assert rejected(dataset) is Reason.UNSUPPORTED_OBJECT


def test_twelve_bits_in_sixteen_get_their_sign_where_the_sender_left_it_out():
    wave = (800 * np.sin(np.arange(2500) / 40)).astype(np.int16)
    dataset = one(wave & 0x0FFF)
    dataset.WaveformSequence[0].ChannelDefinitionSequence[0].WaveformBitsStored = 12
    np.testing.assert_allclose(read(dataset).leads["I"], wave / 1000)


def test_bits_stored_that_are_stated_too_few_do_not_fold_the_trace():
    wave = (2000 + 1500 * np.sin(np.arange(2500) / 40)).astype(np.int16)
    dataset = one(wave)
    dataset.WaveformSequence[0].ChannelDefinitionSequence[0].WaveformBitsStored = 12
    np.testing.assert_allclose(read(dataset).leads["I"], wave / 1000)


@pytest.mark.parametrize("declared", [b"\x00\x80", None])
def test_0x8000_is_padding_declared_or_not(declared):
    wave = np.tile(RAMP, 3)
    wave[700:720] = -32768
    dataset = one(wave)
    if declared:
        dataset.WaveformSequence[0].add_new("WaveformPaddingValue", "OW", declared)
    found = read(dataset)
    assert np.flatnonzero(np.isnan(found.leads["I"])).tolist() == list(range(700, 720))
    assert ReadWarning.PADDING_FOUND in found.warnings


def test_32767_is_padding_where_no_heart_reaches_it_and_a_clipped_peak_where_one_could():
    wave = np.tile(RAMP, 3)
    wave[700:720] = 32767
    assert np.isnan(read(one(wave, sensitivity="2.5")).leads["I"][700:720]).all()
    assert not np.isnan(read(one(wave, sensitivity="0.1")).leads["I"]).any()


def test_zeros_declared_as_padding_stay_where_they_are_samples():
    wave = np.tile(RAMP, 3)
    pair = np.stack([wave, wave + 7], axis=1)
    pair[2800:] = 0
    made = group(pair, [channel("5.6.3-9-1"), channel("5.6.3-9-2")])
    made.add_new("WaveformPaddingValue", "OW", b"\0\0")
    found = read(holding(made))
    assert np.flatnonzero(np.isnan(found.leads["I"])).tolist() == list(range(2800, 3000))
    assert found.leads["I"][500] == 0  # a zero crossing


def test_a_lead_filled_with_declared_zeros_was_not_recorded():
    pair = np.stack([np.tile(RAMP, 3), np.zeros(3000, np.int16)], axis=1)
    made = group(pair, [channel("5.6.3-9-1"), channel("5.6.3-9-2")])
    made.add_new("WaveformPaddingValue", "OW", b"\0\0")
    found = read(holding(made))
    assert np.isnan(found.leads["II"]).all()
    assert not np.isnan(found.leads["I"]).any()


@pytest.mark.parametrize("status", ["DISCONNECTED", "INVALID", "TEST DATA", "UNCALIBRATED"])
def test_a_channel_that_says_it_is_unusable_was_not_recorded(status):
    dataset = holding(twelve())
    dataset.WaveformSequence[0].ChannelDefinitionSequence[3].ChannelStatus = status
    found = read(dataset)
    assert np.isnan(found.leads["aVR"]).all()
    assert not np.isnan(found.leads["aVL"]).any()


def test_the_rhythm_is_taken_and_not_the_median_beat_wherever_it_stands():
    groups = twelve(600, label="MEDIAN BEAT", originality="DERIVED"), twelve(5000)
    found = read(holding(*groups))
    assert (found.samples, found.median_only) == (5000, False)


@pytest.mark.parametrize("length", [512, 600, 1200])
@pytest.mark.parametrize("originality", ["ORIGINAL", "DERIVED"])
def test_without_a_label_the_length_tells_the_beat_from_the_rhythm(length, originality):
    rate_hz = 1000 if length == 1200 else 500
    beat = twelve(length, label=None, originality=originality, rate_hz=rate_hz)
    found = read(holding(beat, twelve(10 * rate_hz, label=None, rate_hz=rate_hz)))
    assert (found.samples, found.median_only) == (10 * rate_hz, False)
    assert read(holding(beat)).median_only


def test_a_derived_rhythm_alone_is_still_a_rhythm():
    assert not read(holding(twelve(5000, label=None, originality="DERIVED"))).median_only


@pytest.mark.parametrize("label", ["AVG COMPLEX", "QRS complexes", "Avg", "REPRESENTATIVE", "Template"])
def test_an_average_of_ten_seconds_is_still_no_rhythm(label):
    assert read(holding(twelve(5000, label=label, originality="DERIVED"))).median_only


def test_a_derived_group_beside_an_original_adds_nothing_to_the_rhythm():
    found = read(holding(twelve(5000, label="PROCESSED", originality="DERIVED"), twelve(2500, leads=("I", "II"))))
    assert (set(found.leads), found.samples) == ({"I", "II"}, 2500)


def test_of_two_rhythms_the_original_is_taken():
    filtered, original = twelve(5000, start=50, originality="DERIVED"), twelve(5000)
    found = read(holding(filtered, original))
    np.testing.assert_allclose(found.leads["I"][0], 10 / 1000)


def test_groups_of_three_leads_take_their_own_times():
    columns = [LEADS[0:3], LEADS[3:6], LEADS[6:9], LEADS[9:12]]
    groups = []
    for number, leads in enumerate(columns):
        made = twelve(1250, leads=leads)
        made.MultiplexGroupTimeOffset = str(2500 * number)
        groups.append(made)
    strip = twelve(5000, leads=("II",))
    strip.MultiplexGroupTimeOffset = "0"
    found = read(holding(*groups, strip))
    assert found.samples == 5000
    for number, leads in enumerate(columns):
        for lead in leads:
            there = np.flatnonzero(~np.isnan(found.leads[lead]))
            expected = range(5000) if lead == "II" else range(1250 * number, 1250 * (number + 1))
            assert (there[0], there[-1] + 1) == (expected.start, expected.stop)


def test_a_rhythm_strip_only_fills_what_the_other_leads_left_open():
    found = read(holding(twelve(5000, start=50, leads=("II",)), twelve(1250, leads=("I", "II", "III"))))
    assert found.leads["II"][:1250] == pytest.approx(twelve_values(1250))
    assert found.leads["II"][1250:] == pytest.approx(twelve_values(5000)[1250:] + 0.05)


def twelve_values(samples):
    return (np.arange(samples) % 199 + 20) / 1000


def test_groups_at_two_rates_meet_at_the_higher():
    slow = twelve(2500, rate_hz=250, leads=("V1",))
    found = read(holding(twelve(5000, leads=("I", "II")), slow))
    assert found.rate_hz == 500
    assert {len(samples) for samples in found.leads.values()} == {5000}


@pytest.mark.parametrize(("keyword", "value"), [("ChannelSampleSkew", "10"), ("ChannelTimeSkew", "0.02")])
def test_a_skewed_channel_is_put_back_in_time(keyword, value):
    made = twelve(2500, leads=("I", "II"))
    second = made.ChannelDefinitionSequence[1]
    del second.ChannelSampleSkew
    setattr(second, keyword, value)
    found = read(holding(made))
    assert found.samples == 2510
    assert np.isnan(found.leads["II"][:10]).all()
    assert found.leads["II"][10] == pytest.approx(0.02)


def test_a_lead_is_known_by_its_code_and_never_by_its_meaning():
    dataset = holding(twelve())
    source = dataset.WaveformSequence[0].ChannelDefinitionSequence[0].ChannelSourceSequence[0]
    source.CodeMeaning = "Lead V6"
    assert read(dataset).leads["I"][0] == pytest.approx(0.01)
    source.CodeValue, source.CodingSchemeDesignator, source.CodeMeaning = "ONE", "99ACME", "Lead I"
    assert "I" not in read(dataset).leads


def test_an_object_without_a_known_lead_is_refused():
    assert rejected(one(np.tile(RAMP, 3), lead_code="X1", scheme="99ACME")) is Reason.UNKNOWN_LEAD


def test_one_lead_on_two_channels_is_refused():
    made = twelve(2500, leads=("I", "II"))
    made.ChannelDefinitionSequence[1].ChannelSourceSequence[0].CodeValue = "5.6.3-9-1"
    assert rejected(holding(made)) is Reason.UNKNOWN_LEAD


def test_right_sided_leads_do_not_stand_in_for_left_ones():
    made = twelve(2500, leads=("I", "II", "V3", "V5"))
    made.ChannelDefinitionSequence[2].ChannelSourceSequence[0].CodeValue = "5.6.3-9-11"
    made.ChannelDefinitionSequence[3].ChannelSourceSequence[0].CodeValue = "5.6.3-9-9"
    assert set(read(holding(made)).leads) == {"I", "II", "V3R", "V7"}


def test_cabrera_s_minus_avr_is_turned_over():
    made = twelve(2500, leads=("I", "aVR"))
    made.ChannelDefinitionSequence[1].ChannelSourceSequence[0].CodeValue = "5.6.3-9-65"
    assert read(holding(made)).leads["aVR"][0] == pytest.approx(-0.62)


@pytest.mark.parametrize("rate_hz", [100, 240, 250, 500, 600, 1000])
def test_the_rate_is_the_file_s(rate_hz):
    assert read(holding(twelve(10 * rate_hz, rate_hz=rate_hz))).rate_hz == rate_hz


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda g: setattr(g, "SamplingFrequency", "0"), Reason.UNKNOWN_RATE),
        (lambda g: setattr(g, "NumberOfWaveformSamples", 2501), Reason.UNDECODABLE),
        (lambda g: setattr(g, "NumberOfWaveformSamples", 2400), Reason.UNDECODABLE),
        (lambda g: setattr(g, "NumberOfWaveformChannels", 6), Reason.UNDECODABLE),
        (lambda g: setattr(g, "WaveformBitsAllocated", 8), Reason.UNSUPPORTED_OBJECT),
        (lambda g: setattr(g, "MultiplexGroupTimeOffset", "9e12"), Reason.TOO_LARGE),
        (lambda g: g.ChannelDefinitionSequence.pop(), Reason.BAD_VALUE),
        (lambda g: delattr(g, "WaveformData"), Reason.UNDECODABLE),
    ],
)
def test_a_group_that_contradicts_itself_is_refused(change, reason):
    made = twelve()
    change(made)
    if "MultiplexGroupTimeOffset" in made:
        with pytest.raises(Rejected) as caught:
            read(holding(made, twelve()))
        assert caught.value.reason is reason
    else:
        assert rejected(holding(made)) is reason


def test_no_waveform_is_said_so():
    dataset = real()
    del dataset.WaveformSequence
    assert rejected(dataset) is Reason.NO_WAVEFORM
    assert isinstance(dataset, pydicom.Dataset)
