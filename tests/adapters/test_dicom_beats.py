from pydicom.dataset import Dataset

from adapters.dicom_beats import Beat, beats, intervals
from adapters.dicom_report import reported, statements
from domain.ecg import Measurements
from tests.adapters.objects import code, real


def mark(concept, places, *, scheme="SCPECG", group=1, channels=(1, 0), kind="POINT"):
    item = Dataset()
    item.ConceptNameCodeSequence = code(concept, scheme)
    item.TemporalRangeType = kind
    item.ReferencedSamplePositions = places
    item.ReferencedWaveformChannels = list(channels)
    item.AnnotationGroupNumber = group
    return item


def test_the_real_object_s_ten_beats_and_its_averaged_one_are_read():
    dataset = real()
    found = beats(dataset, dataset.WaveformAnnotationSequence)
    assert len(found) == 11
    assert found[1] == Beat(
        p_onset_ms=324, p_offset_ms=438, qrs_onset_ms=485, fiducial_ms=526, qrs_offset_ms=560, t_offset_ms=853
    )


def test_the_real_object_s_marks_say_what_its_numbers_say():
    """The cart's numbers and its marks are two ways of saying the same: PR 161, QRS 75, QT 368, RR 982."""
    dataset = real()
    found = {name: value for name, value, _ in intervals(beats(dataset, dataset.WaveformAnnotationSequence))}
    assert found == {"p_ms": 114, "pr_ms": 161, "qrs_ms": 75, "qt_ms": 368, "rr_ms": 982}


def test_marks_stand_in_for_numbers_that_are_not_given():
    dataset = real()
    dataset.WaveformAnnotationSequence = [
        item for item in dataset.WaveformAnnotationSequence if "NumericValue" not in item
    ]
    found, odd = reported(dataset)
    assert found == Measurements(heart_rate_bpm=60_000 / 982, p_ms=114, pr_ms=161, qrs_ms=75, qt_ms=368)
    assert not odd


def test_segments_by_mdc_codes_and_time_offsets_are_marks_too():
    wave = mark("10:1600", [101, 201], scheme="MDC", kind="SEGMENT")
    end = mark("10:1024", [301, 501], scheme="MDC", kind="SEGMENT")
    start = mark("5.10.3-1", 1)
    del start.ReferencedSamplePositions
    start.ReferencedTimeOffsets = "20.5"
    assert beats(real(), [wave, end, start]) == (
        Beat(p_onset_ms=20.5, qrs_onset_ms=100, qrs_offset_ms=200, t_offset_ms=500),
    )


def test_marks_of_one_lead_or_of_a_group_that_is_not_there_are_no_beat():
    assert beats(real(), [mark("5.10.3-1", 100, channels=(1, 2)), mark("5.10.3-3", 100, channels=(9, 0))]) == ()


def test_coded_statements_are_read_by_their_meaning_and_marks_are_none():
    dataset = real()
    rhythm, finding = Dataset(), Dataset()
    rhythm.ConceptNameCodeSequence = code("10:12000", "MDC", "Rhythm")
    rhythm.ConceptCodeSequence = code("10:12001", "MDC", "Sinus rhythm")
    finding.ConceptNameCodeSequence = code("10:12002", "MDC", "Left bundle branch block")
    dataset.WaveformAnnotationSequence.extend([rhythm, finding])
    assert statements(dataset) == ("RITMO SINUSALE", "ECG NORMALE", "Sinus rhythm", "Left bundle branch block")
