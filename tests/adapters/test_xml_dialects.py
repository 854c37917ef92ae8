"""What the real XML files do not show: columns one after another, averaged beats alone, gaps, other versions."""

import base64
import re
from datetime import UTC, date, datetime

import numpy as np
import pytest

from adapters import xml
from adapters.formats import complete, read_file
from config.schema import Reading
from domain.ecg import LEADS, Device, Identifier, Measurements, Order, Patient, ReadWarning, Sex
from domain.errors import Rejected
from domain.reason import Reason
from simulator.aecg import write_aecg
from simulator.heart import ecg, varied
from simulator.patient import SyntheticPatient
from simulator.scp import write_scp
from tests.adapters import xml_objects as made

READING = Reading()
PATIENT = SyntheticPatient.seeded(7)
WHEN = datetime(2024, 3, 1, 12, 0, 5, tzinfo=UTC)
SIGNAL = ecg(varied(7, seconds=2.5), 7)
SAID = Measurements(
    heart_rate_bpm=70, p_ms=100, pr_ms=160, qrs_ms=90, qt_ms=400, qtc_ms=420, p_axis_deg=40, qrs_axis_deg=-30,
    t_axis_deg=20,
)  # fmt: skip


def read(payload):
    (recording,) = xml.read(payload, "folder:TEST", READING)
    return recording


def reason(payload):
    with pytest.raises(Rejected) as caught:
        xml.read(payload, "folder:TEST", READING)
    return caught.value.reason


def aecg(**more) -> str:
    return write_aecg(SIGNAL, 500, PATIENT, acquired_at=WHEN, **more).decode()


def sequence_set(text) -> str:
    return re.search(r"<component><sequenceSet>.*</sequenceSet></component>", text)[0]


def test_an_aecg_says_who_when_and_what_the_cart_said():
    found = read(aecg(reported=SAID, statements=["Sinusrhythmus, größer"]).encode())
    assert found.patient == Patient(
        identifiers=(Identifier(value=PATIENT.id, authority="SIM"),),
        family=PATIENT.family,
        given=PATIENT.given,
        birth_date=PATIENT.birth_date,
        sex=PATIENT.sex,
    )
    assert (found.acquired_at, found.warnings) == (WHEN, ())
    assert found.device == Device(manufacturer="ecgd simulator", model="heart", serial="0", software="1")
    assert (found.reported, found.statements) == (SAID, ("Sinusrhythmus, größer",))


@pytest.mark.parametrize("time", ["TIME_ABSOLUTE", "TIME_RELATIVE"])
def test_columns_recorded_one_after_another_keep_their_times(time):
    """Four sequence sets of three leads and 2.5 s each are not one set of 2.5 s."""
    whole, columns = aecg(), ""
    for column in range(4):
        one = sequence_set(aecg(leads=LEADS[3 * column : 3 * column + 3]))
        if time == "TIME_ABSOLUTE":
            one = one.replace("20240301120005.000", f"2024030112{(5 + 2.5 * column):06.3f}".replace("12", "1200", 1))
        else:
            one = re.sub(r'TIME_ABSOLUTE"', 'TIME_RELATIVE"', one)
            one = re.sub(r'<head value="[^"]*" ?/>', f'<head value="{2500 * column}" unit="ms"/>', one)
        columns += one
    found = read(whole.replace(sequence_set(whole), columns).encode())
    assert found.samples == 5000
    for index, lead in enumerate(LEADS):
        start = 1250 * (index // 3)
        known = ~np.isnan(found.leads[lead])
        assert (known.sum(), known[start : start + 1250].all()) == (1250, True)
        assert np.abs(found.leads[lead][start : start + 1250] - SIGNAL[index]).max() <= 0.00125 + 1e-9


def test_sets_without_a_common_time_are_refused():
    whole = aecg()
    twice = sequence_set(whole) + re.sub(r'<head value="[^"]*" ?/>', "", sequence_set(whole))
    assert reason(whole.replace(sequence_set(whole), twice).encode()) is Reason.BAD_VALUE


def test_each_rhythm_series_is_an_ecg():
    whole = aecg()
    series = re.search(r"<component><series>.*</series></component>", whole)[0]
    found = xml.read(whole.replace(series, series * 2).encode(), "", READING)
    assert [recording.samples for recording in found] == [1250, 1250]


def test_an_averaged_beat_alone_is_a_median():
    found = read(aecg().replace('code="RHYTHM"', 'code="REPRESENTATIVE_BEAT"').encode())
    assert found.median_only
    assert Reason.MEDIAN_ONLY in {defect.reason for defect in complete(found).unfit}


def test_origin_and_units_of_an_aecg_are_applied():
    text = aecg().replace('<origin value="0" unit="uV"', '<origin value="-1" unit="mV"')
    assert np.abs(read(text.encode()).leads["II"] - (SIGNAL[1] - 1)).max() <= 0.00125 + 1e-9


def test_a_measurement_of_one_lead_is_not_reported_as_the_ecg_s():
    boundary = '<boundary><code code="MDC_ECG_LEAD_V1"/></boundary>'
    place = f"<support><supportingROI><component>{boundary}</component></supportingROI></support>"
    text = aecg(reported=Measurements(qrs_ms=90)).replace("</annotation>", place + "</annotation>")
    assert read(text.encode()).reported == Measurements()


def test_an_identifier_that_says_nothing_is_none():
    assert read(aecg().replace(PATIENT.id, "?").encode()).patient.identifiers == ()


def test_muse_s_median_alone_is_a_median():
    found = read(made.muse_of(kind="Median", rate=500))
    assert found.median_only


def test_what_muse_marks_as_padding_or_as_an_electrode_off_was_not_recorded():
    rows = made.counts(8)
    rows[2, 100:130] = -32768
    leads = [made.muse_lead(name, row) for name, row in zip(made.LEADS8, rows, strict=True)]
    leads[3] = made.muse_lead("V2", rows[3], LeadOff="TRUE")
    found = read(made.muse(*leads))
    assert np.flatnonzero(np.isnan(found.leads["V1"])).tolist() == list(range(100, 130))
    assert np.isnan(found.leads["V2"]).all()
    assert ReadWarning.PADDING_FOUND in found.warnings


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("01-23-2024", date(2024, 1, 23)),
        ("1/23/2024", date(2024, 1, 23)),
        ("23-Jan-2024", date(2024, 1, 23)),
        ("2024-01-23", date(2024, 1, 23)),
        ("23-01-2024", None),
        ("23-Foo-2024", None),
        ("02-30-2024", None),
    ],
)
def test_a_muse_date_is_month_first_or_unmistakable_or_none(written, day):
    when = f"<AcquisitionDate>{written}</AcquisitionDate><AcquisitionTime>10:35:17</AcquisitionTime>"
    found = read(made.muse_of(more=f"<TestDemographics>{when}</TestDemographics>")).acquired_at
    assert found == (day and datetime(day.year, day.month, day.day, 10, 35, 17, tzinfo=UTC))


def test_muse_leads_that_start_at_different_times_are_refused():
    leads = [made.muse_lead("I", made.counts(1)[0]), made.muse_lead("II", made.counts(1)[0], LeadTimeOffset=2500)]
    assert reason(made.muse(*leads)) is Reason.BAD_VALUE


def test_sierra_s_xli_gives_back_its_counts():
    rows = made.counts(12)
    stored = rows.copy()
    found = read(made.sierra_of(stored))
    np.testing.assert_allclose(found.leads["V3"], rows[8] * 0.005, atol=1e-9)
    np.testing.assert_allclose(found.leads["III"], (rows[1] - rows[0] - rows[2]) * 0.005, atol=1e-9)


@pytest.mark.parametrize("encoding", ["Base64", "Plain"])
def test_sierra_without_compression_is_read_as_it_stands(encoding):
    rows = made.counts(12)
    content = (
        base64.b64encode(rows.astype("<i2").tobytes()).decode()
        if encoding == "Base64"
        else " ".join(map(str, rows.ravel()))
    )
    found = read(made.sierra(rows, content, compression="", dataencoding=encoding, signaloffset="7"))
    np.testing.assert_allclose(found.leads["aVF"], (rows[5] - 7) * 0.005, atol=1e-9)


def test_sierra_1_03_names_its_leads_by_the_acquisition_alone():
    rows = made.counts(12)
    more = """<documentinfo><documentversion>1.03</documentversion></documentinfo><dataacquisition date="2008-12-23"
     time="19:44:46"><signalcharacteristics><acquisitiontype>STD-12</acquisitiontype>
     <signalresolution>5</signalresolution><samplingrate>500</samplingrate><numberchannelsallocated>12</numberchannelsallocated>
     </signalcharacteristics></dataacquisition>"""
    payload = made.sierra_of(rows, more=more)
    for gone in (b"leadlabels", b"resolution", b"numberofleads", b"samplespersecond"):
        payload = re.sub(rb" %s=\"[^\"]*\"" % gone, b"", payload, count=1)
    found = read(payload)
    assert (tuple(found.leads), found.rate_hz) == (LEADS, 500)
    assert found.acquired_at == datetime(2008, 12, 23, 19, 44, 46, tzinfo=UTC)
    np.testing.assert_allclose(found.leads["V1"], rows[6] * 0.005, atol=1e-9)


def test_xli_that_unpacks_to_more_than_is_declared_is_refused():
    """An LZW bomb: each code doubles what the one before it gave."""
    bits = "".join(f"{code:010b}" for code in [0, *range(256, 1022)])
    data = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    chunk = len(data).to_bytes(4, "little") + bytes(4) + data
    rows = made.counts(1, 100)
    payload = made.sierra(rows, base64.b64encode(chunk).decode(), names="I", rate=100)
    assert reason(payload) is Reason.UNDECODABLE


def test_cardiosoft_s_strip_is_read_with_all_that_came_along():
    rows = made.counts(12)
    found = read(made.cardiosoft(rows, median=made.counts(12, 300)))
    assert (tuple(found.leads), found.rate_hz, found.median_only, found.instance) == (LEADS, 500, False, "1.2.840.1")
    np.testing.assert_allclose(found.leads["V6"], rows[11] * 0.005)
    assert found.patient == Patient(
        identifiers=(Identifier(value="4711"),),
        family="Müller",
        given="Eva",
        birth_date=date(1950, 1, 9),
        sex=Sex.FEMALE,
    )
    assert found.acquired_at == datetime(2024, 2, 3, 9, 5, 7, tzinfo=UTC)
    assert found.order == Order(placer="77", location="ED")
    assert found.device == Device(model="CardioSoft", software="V6.73")
    assert found.statements == ("Normal", "Sinusrhythmus")
    assert found.reported == Measurements(
        heart_rate_bpm=61, p_ms=110, pr_ms=160, qrs_ms=92, qt_ms=400, qtc_ms=404, p_axis_deg=50, qrs_axis_deg=-20
    )


def test_cardiosoft_s_averaged_beat_alone_is_a_median():
    assert read(made.cardiosoft(median=made.counts(12, 300))).median_only


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (made.cardiosoft(made.counts(12), units="Lsb"), Reason.UNKNOWN_UNIT),
        (made.cardiosoft(made.counts(12), rate=0), Reason.UNKNOWN_RATE),
        (made.cardiosoft(made.counts(2), names=("I", "I")), Reason.UNKNOWN_LEAD),
        (made.cardiosoft(made.counts(2)).replace(b"Total>600", b"Total>601"), Reason.UNDECODABLE),
        (made.cardiosoft(made.counts(65), names=[f"L{n}" for n in range(65)]), Reason.TOO_LARGE),
        (made.cardiosoft(), Reason.NO_WAVEFORM),
    ],
)
def test_a_unit_a_rate_or_a_lead_that_cardiosoft_does_not_say_is_never_guessed(payload, expected):
    assert reason(payload) is expected


@pytest.mark.parametrize("suffix", [".xml", ".pdf", ""])
@pytest.mark.parametrize("write", [write_aecg, write_scp])
def test_a_file_is_known_by_its_content_whatever_its_name(tmp_path, write, suffix):
    path = tmp_path / f"ecg{suffix}"
    path.write_bytes(write(SIGNAL, 500, PATIENT, acquired_at=WHEN))
    (found,) = read_file(path, READING)
    assert found.patient.family == PATIENT.family
    assert np.abs(found.signal - SIGNAL).max() <= 0.00125 + 1e-6
