import contextlib
import warnings
from datetime import UTC, date, datetime, timedelta, timezone
from io import BytesIO
from zoneinfo import ZoneInfo

import numpy as np
import pydicom
import pymupdf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from adapters import dicom, pdf
from adapters.recording import Recording
from config.schema import Reading
from domain.arrival import Format
from domain.ecg import Identifier, Measurements, Order, Patient, ReadWarning, Sex
from domain.errors import Rejected
from domain.reason import Reason
from tests.adapters.objects import READING, REAL, code, encoded, read, real


def with_values(**values):
    dataset = real()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def test_the_real_object_s_header_is_read():
    found = read(real())
    assert found.format is Format.DICOM
    assert found.instance == "1.3.6.1.4.1.20029.40.20130125105919.5407.1.1"
    assert found.patient == Patient(
        identifiers=(Identifier(value="642341"),), family="Anonymous", birth_date=date(1971, 1, 23), sex=Sex.FEMALE
    )
    assert found.order == Order(
        filler="03028041970546", encounter=Identifier(value="13002689", type="VN"), location="52"
    )
    assert (found.device.manufacturer, found.device.model) == ("Mortara Instrument, Inc.", "el250")
    assert found.statements == ("RITMO SINUSALE", "ECG NORMALE")


def test_the_real_object_s_measurements_are_the_cart_s():
    assert read(real()).reported == Measurements(
        heart_rate_bpm=pytest.approx(60_000 / 982),
        p_ms=114,  # not given as a number: its marks are 114 ms apart in every beat
        pr_ms=161,
        qrs_ms=75,
        qt_ms=368,
        qtc_ms=370,
        p_axis_deg=74,
        qrs_axis_deg=52,
        t_axis_deg=57,
    )


def annotation(value, unit, concept, scheme):
    item = Dataset()
    item.ConceptNameCodeSequence = code(concept, scheme)
    item.NumericValue = value
    if unit is not None:
        item.MeasurementUnitsCodeSequence = code(unit, "UCUM")
    return item


@pytest.mark.parametrize(
    ("item", "field", "expected", "odd"),
    [
        (annotation("88", "ms", "2:16156", "MDC"), "qrs_ms", 88, False),
        (annotation("0", "ms", "2:15872", "MDC"), "pr_ms", None, False),
        (annotation("-31", "ms", "2:16132", "MDC"), "qrs_axis_deg", -31, True),
        (annotation("92", None, "2:16156", "MDC"), "qrs_ms", None, True),
        (annotation("750", "ms", "2:16168", "MDC"), "heart_rate_bpm", 80, False),
        (annotation("71", "{H.B}/min", "8867-4", "LN"), "heart_rate_bpm", 71, False),
        (annotation("88", "ms", "2:16156", "99ACME"), "qrs_ms", None, False),
        (annotation("88", "ms", "2:7936", "MDC"), "qrs_ms", None, False),  # of one lead
    ],
)
def test_measurements_are_known_by_code_and_checked_by_unit(item, field, expected, odd):
    found = read(with_values(WaveformAnnotationSequence=Sequence([item])))
    assert getattr(found.reported, field) == expected
    assert (ReadWarning.MEASUREMENT_UNIT_ODD in found.warnings) == odd


@pytest.mark.parametrize(
    ("values", "expected", "assumed"),
    [
        (
            {"AcquisitionDateTime": "20130125105919"},
            datetime(2013, 1, 25, 10, 59, 19, tzinfo=ZoneInfo("Europe/Rome")),
            True,
        ),
        (
            {"AcquisitionDateTime": "20130125105919.25+0530"},
            datetime(2013, 1, 25, 10, 59, 19, 250_000, tzinfo=timezone(timedelta(hours=5, minutes=30))),
            False,
        ),
        (
            {"AcquisitionDateTime": "20130125105919", "TimezoneOffsetFromUTC": "-0300"},
            datetime(2013, 1, 25, 10, 59, 19, tzinfo=timezone(timedelta(hours=-3))),
            False,
        ),
        (
            {
                "AcquisitionDateTime": "",
                "ContentDate": "20130126",
                "ContentTime": "0102",
                "TimezoneOffsetFromUTC": "+0000",
            },
            datetime(2013, 1, 26, 1, 2, tzinfo=UTC),
            False,
        ),
        ({"AcquisitionDateTime": "20130125235960+0000"}, datetime(2013, 1, 25, 23, 59, 59, tzinfo=UTC), False),
        ({"AcquisitionDateTime": "19000101000000", "ContentDate": "", "ContentTime": ""}, None, False),
        ({"AcquisitionDateTime": "20130125", "ContentDate": "", "ContentTime": ""}, None, False),
    ],
)
def test_the_moment_of_acquisition_has_a_zone(values, expected, assumed):
    found = read(with_values(**values), Reading(timezone="Europe/Rome"))
    assert found.acquired_at == expected
    assert (ReadWarning.TIME_ZONE_ASSUMED in found.warnings) == assumed


def test_an_impossible_date_is_no_moment():
    payload = encoded(real()).replace(b"20130125105919", b"20131325105919").replace(b"20130125", b"20130199")
    (found,) = dicom.read(payload, "", READING)
    assert found.acquired_at is None


def test_every_identifier_comes_with_who_assigned_it():
    other = Dataset()
    other.PatientID, other.IssuerOfPatientID, other.TypeOfPatientID = "77", "REGION", "TEXT"
    qualifier = Dataset()
    qualifier.UniversalEntityID, qualifier.IdentifierTypeCode = "1.2.3", "MR"
    found = read(
        with_values(
            PatientID="642341\0",
            IssuerOfPatientIDQualifiersSequence=Sequence([qualifier]),
            OtherPatientIDsSequence=Sequence([other]),
            OtherPatientIDs=["88", "99"],
        )
    )
    assert found.patient.identifiers == (
        Identifier(value="642341", authority="1.2.3", type="MR"),
        Identifier(value="77", authority="REGION"),
        Identifier(value="88"),
        Identifier(value="99"),
    )


def test_the_visit_and_the_order_come_with_who_assigned_them():
    issuer, request = Dataset(), Dataset()
    issuer.LocalNamespaceEntityID = "ADT"
    request.PlacerOrderNumberImagingServiceRequest = "P-1"
    found = read(
        with_values(IssuerOfAdmissionIDSequence=Sequence([issuer]), ReferencedRequestSequence=Sequence([request]))
    )
    assert found.order.encounter == Identifier(value="13002689", authority="ADT", type="VN")
    assert found.order.placer == "P-1"


@pytest.mark.parametrize(
    ("charset", "name", "family", "given_name"),
    [
        ("ISO_IR 100", "Müller^Jörg", "Müller", "Jörg"),
        ("ISO_IR 192", "Иванов^Пётр", "Иванов", "Пётр"),
        ("ISO_IR 144", "Иванов^Пётр", "Иванов", "Пётр"),
        ("GB18030", "Wang^XiaoDong=王^小东", "Wang", "XiaoDong"),
        ("ISO_IR 192", "=王^小东", "王", "小东"),
    ],
)
def test_names_are_read_in_their_character_set(charset, name, family, given_name):
    found = read(with_values(SpecificCharacterSet=charset, PatientName=name))
    assert (found.patient.family, found.patient.given) == (family, given_name)


def test_an_object_without_a_patient_is_read_all_the_same():
    found = read(with_values(PatientID="", PatientName="", PatientBirthDate="", PatientSex=""))
    assert found.patient == Patient()


@pytest.mark.parametrize(
    ("uid", "reason"),
    [
        ("1.2.840.10008.5.1.4.1.1.2", Reason.UNSUPPORTED_OBJECT),  # CT image
        ("1.2.840.10008.5.1.4.1.1.9.2.1", Reason.UNSUPPORTED_OBJECT),  # hemodynamic waveform
    ],
)
def test_other_objects_are_refused(uid, reason):
    with pytest.raises(Rejected) as caught:
        read(with_values(SOPClassUID=uid))
    assert caught.value.reason is reason


def encapsulating(document: bytes, **values):
    dataset = with_values(SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1", **values)
    del dataset.WaveformSequence, dataset.WaveformAnnotationSequence
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocument = document + b"\0" * (len(document) % 2)
    dataset.EncapsulatedDocumentLength = len(document)
    return dataset


PRINTED = datetime(2013, 1, 25, 10, 57, tzinfo=UTC)


def page(_payload=b"", _source="", _settings=READING, value="00642341", at=PRINTED, **more):
    return (
        Recording(
            format=Format.PDF,
            leads={"I": np.zeros(1250)},
            rate_hz=500,
            digitised=True,
            instance="page",
            patient=Patient(identifiers=(Identifier(value=value),), family="Page"),
            acquired_at=at,
            warnings=(ReadWarning.TIME_ZONE_ASSUMED,),
            **more,
        ),
    )


def test_an_encapsulated_pdf_is_read_as_a_page_under_the_object_s_header(monkeypatch):
    seen = []
    monkeypatch.setattr(pdf, "read", lambda *given: seen.append(given) or page())
    document = b"%PDF-1.4 odd"[:11]
    found = read(encapsulating(document, TimezoneOffsetFromUTC="+0100"))
    assert seen == [(document, "dicom:TEST", READING)]
    assert found.digitised
    assert found.format is Format.DICOM
    assert found.instance == "1.3.6.1.4.1.20029.40.20130125105919.5407.1.1"
    assert [one.value for one in found.patient.identifiers] == ["642341"]
    assert found.acquired_at == datetime(2013, 1, 25, 9, 59, 19, tzinfo=UTC)
    assert found.warnings == ()


def test_what_the_header_leaves_out_the_page_may_say(monkeypatch):
    monkeypatch.setattr(pdf, "read", page)
    found = read(encapsulating(b"%PDF-1.4", PatientID="", AcquisitionDateTime=""))
    assert [one.value for one in found.patient.identifiers] == ["00642341"]
    assert found.acquired_at == PRINTED
    assert found.warnings == (ReadWarning.TIME_ZONE_ASSUMED,)


def test_a_page_of_another_patient_is_not_filed_under_the_header_s(monkeypatch):
    monkeypatch.setattr(pdf, "read", lambda *given: page(value="642342"))
    with pytest.raises(Rejected) as caught:
        read(encapsulating(b"%PDF-1.4"))
    assert (caught.value.reason, caught.value.detail) == (
        Reason.BAD_VALUE,
        "the page names another patient than its header",
    )


def test_several_pages_keep_the_times_they_print(monkeypatch):
    earlier = PRINTED - timedelta(days=300)
    monkeypatch.setattr(pdf, "read", lambda *given: (*page(), *page(at=earlier), *page(at=None)))
    payload = encoded(encapsulating(b"%PDF-1.4", TimezoneOffsetFromUTC="+0000"))
    found = dicom.read(payload, "dicom:TEST", READING)
    header = datetime(2013, 1, 25, 10, 59, 19, tzinfo=UTC)
    assert [one.acquired_at for one in found] == [PRINTED, earlier, header]
    assert [one.warnings for one in found] == [(ReadWarning.TIME_ZONE_ASSUMED,)] * 2 + [()]


def test_an_encapsulated_pdf_without_an_ecg_is_answered_by_the_page_s_reader():
    document = pymupdf.open()
    document.new_page()
    with pytest.raises(Rejected) as caught:
        dicom.read(encoded(encapsulating(document.tobytes())), "", READING)
    assert caught.value.reason in {Reason.NO_WAVEFORM, Reason.PAGE_NOT_UNDERSTOOD}


def test_an_encapsulated_document_that_is_no_pdf_is_refused():
    dataset = encapsulating(b"<html/>")
    dataset.MIMETypeOfEncapsulatedDocument = "text/html"
    with pytest.raises(Rejected) as caught:
        read(dataset)
    assert caught.value.reason is Reason.UNSUPPORTED_OBJECT


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_another_transfer_syntax_is_the_same_content(syntax):
    assert dicom.same_samples(REAL.read_bytes(), encoded(real(), syntax))


def change_sample(dataset):
    first = dataset.WaveformSequence[0]
    first.WaveformData = b"\x01" + first.WaveformData[1:]


@pytest.mark.parametrize(
    "change",
    [
        change_sample,
        lambda d: setattr(d, "PatientID", "1"),
        lambda d: setattr(d, "AccessionNumber", "1"),
        lambda d: setattr(d, "AcquisitionDateTime", "20130125105920"),
        lambda d: setattr(d.WaveformSequence[0], "SamplingFrequency", "500"),
        lambda d: setattr(d.WaveformSequence[0].ChannelDefinitionSequence[0], "ChannelSensitivity", "2.5"),
        lambda d: setattr(
            d.WaveformSequence[0].ChannelDefinitionSequence[0].ChannelSourceSequence[0], "CodeValue", "5.6.3-9-2"
        ),
    ],
)
def test_any_change_that_matters_is_another_content(change):
    dataset = real()
    change(dataset)
    assert not dicom.same_samples(REAL.read_bytes(), encoded(dataset))


def test_what_cannot_be_read_equals_nothing():
    assert not dicom.same_samples(b"junk", b"junk")


def test_same_documents_are_the_same_content():
    a, b = encoded(encapsulating(b"%PDF-1")), encoded(encapsulating(b"%PDF-1"), ImplicitVRLittleEndian)
    assert dicom.same_samples(a, b)
    assert not dicom.same_samples(a, encoded(encapsulating(b"%PDF-2")))


WHOLE = REAL.read_bytes()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, 12_000), st.integers(0, 255)), min_size=1, max_size=8), st.booleans())
def test_damaged_bytes_are_refused_and_nothing_else_happens(changes, at_the_end):
    damaged = bytearray(WHOLE)
    for place, value in changes:
        damaged[-place - 1 if at_the_end else place] = value
    with contextlib.suppress(Rejected):
        dicom.read(bytes(damaged), "", READING)


def test_a_value_of_the_wrong_length_is_refused_without_its_bytes():
    assert WHOLE[132:140] == b"\x02\0\0\0UL\x04\0"
    with pytest.raises(Rejected) as caught:
        dicom.read(WHOLE[:138] + b"\xff\0" + WHOLE[140:], "", READING)
    assert caught.value.reason is Reason.UNDECODABLE
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__  # what pydicom raised quotes the file


@pytest.mark.parametrize("length", [0, 1, 131, 132, 140, 500, 5000, 20_000, 100_000, len(WHOLE) - 1])
def test_cut_bytes_are_refused(length):
    try:
        dicom.read(WHOLE[:length], "", READING)
    except Rejected as error:
        assert error.reason in {Reason.UNDECODABLE, Reason.NO_WAVEFORM, Reason.UNSUPPORTED_OBJECT}  # noqa: PT017


def test_warnings_do_not_carry_values_to_stderr(capfd):
    dataset = pydicom.dcmread(BytesIO(WHOLE))
    payload = encoded(dataset).replace(b"19710123", b"SECRET!!").replace(b"ISO_IR 100", b"ISO_IR 9x9")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            dicom.read(payload, "", READING)
        except Rejected as error:
            assert "SECRET" not in str(error)  # noqa: PT017
    captured = capfd.readouterr()
    assert captured.err + captured.out == ""
