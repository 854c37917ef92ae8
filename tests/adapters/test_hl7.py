"""Each quirk is one seen in real messages; expected numbers are written by hand, not taken from the reader."""

import base64
import codecs
import time
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from adapters import hl7, pdf
from adapters.hl7_document import documents
from adapters.hl7_header import moment
from adapters.hl7_observation import row
from adapters.hl7_text import _CHARSETS, separators
from adapters.recording import Recording
from config.schema import Hl7Sender, Reading
from domain.arrival import Format
from domain.ecg import LEADS, Identifier, Measurements, Patient, ReadWarning, Sex
from domain.errors import Rejected
from domain.reason import Reason
from simulator.files import write_aecg, write_dicom, write_scp
from simulator.oru import Envelope, write_oru_na
from simulator.patient import SyntheticPatient

MSH = "MSH|^~\\&|MUSE|ED|ECGD|HOSP|20240102030405||ORU^R01^ORU_R01|M1|P|2.5.1"
UTF8 = MSH + "||||||UNICODE UTF-8"
PID = "PID|1||4711^^^HOSP&1.2.3&ISO^MR~99^^^SSA^SS||O\\T\\Neil^Ann||19500203|F"
PV1 = "PV1|1|E|ED^R1^B2|||||||||||||||" + "|V77^^^HOSP^VN"
ORC = "ORC|RE|P1^HIS|F1^ECG"
OBR = "OBR|1||F2^ECG|93000^ECG^C4|||20240102030405+0100"
RATE = "OBX|8|NM|0^MDC_ATTR_SAMP_RATE^MDC||500|264608^MDC_DIM_PER_SEC^MDC|||||F"
UV5 = "OBX|9|NM|2327^MDC_ATTR_NU_MSMT_RES^MDC||5|266419^MDC_DIM_MICRO_VOLT^MDC|||||F"
LEAD_I = "OBX|1|NA|131329^MDC_ECG_ELEC_POTL_I^MDC||100^200^-300||||||F"
BERLIN = ZoneInfo("Europe/Berlin")


def message(*lines: str, msh: str = MSH, head: tuple[str, ...] = (PID, PV1, ORC, OBR)) -> bytes:
    return "\r".join([msh, *head, *lines, ""]).encode()


def read(payload: bytes, *senders: Hl7Sender, source: str = "hl7:MUSE^ED") -> tuple[Recording, ...]:
    return hl7.read(payload, source, Reading(hl7_senders=senders))


def one(*lines: str, **kwargs: object) -> Recording:
    (recording,) = read(message(*lines, **kwargs))  # type: ignore[arg-type]
    return recording


def wave(*lines: str, **kwargs: object) -> Recording:
    return one(LEAD_I, RATE, UV5, *lines, **kwargs)


def reason(*lines: str, **kwargs: object) -> Reason:
    with pytest.raises(Rejected) as caught:
        one(*lines, **kwargs)
    return caught.value.reason


# the header


def test_patient_order_visit_and_time_come_from_the_message() -> None:
    recording = wave()
    assert recording.patient.identifiers == (
        Identifier(value="4711", authority="HOSP", type="MR"),
        Identifier(value="99", authority="SSA", type="SS"),
    )
    assert (recording.patient.family, recording.patient.given) == ("O&Neil", "Ann")
    assert (recording.patient.birth_date, recording.patient.sex) == (date(1950, 2, 3), Sex.FEMALE)
    assert (recording.order.placer, recording.order.filler, recording.order.location) == ("P1", "F2", "ED")
    assert recording.order.encounter == Identifier(value="V77", authority="HOSP", type="VN")
    assert recording.acquired_at == datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1)))
    assert (recording.format, recording.instance, recording.warnings) == (Format.HL7, "M1", ())


def test_patient_identifier_of_old_senders_stands_in_pid_2() -> None:
    recording = wave(head=("PID|1|0000001202220054|||A^B||19720220|M||U|^^^^^||||||||", OBR))
    assert recording.patient.identifiers == (Identifier(value="0000001202220054"),)


def test_an_authority_known_by_its_universal_identifier_only_has_that_name() -> None:
    recording = wave(head=("PID|1||1^^^&1.2.3&ISO^MR||A^B", OBR))
    assert recording.patient.identifiers[0].authority == "1.2.3"


def test_explicit_nulls_and_a_month_as_birth_date_are_no_values() -> None:
    recording = wave(head=('PID|1||1||""^""||195002|""', OBR))
    assert (recording.patient.family, recording.patient.birth_date, recording.patient.sex) == ("", None, Sex.UNKNOWN)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20120222101743", (datetime(2012, 2, 22, 10, 17, 43, tzinfo=BERLIN), True)),
        ("20120222%2010%2017%2043", (datetime(2012, 2, 22, 10, 17, 43, tzinfo=BERLIN), True)),
        ("201202221017", (datetime(2012, 2, 22, 10, 17, tzinfo=BERLIN), True)),
        ("20120222101743.1234", (datetime(2012, 2, 22, 10, 17, 43, 123400, tzinfo=BERLIN), True)),
        ("20120222", (None, False)),
        ("", (None, False)),
        ("20121322101743", (None, False)),
        ("19000101000000", (None, False)),
    ],
)
def test_times_without_a_zone_are_local_and_say_so(text: str, expected: tuple[datetime | None, bool]) -> None:
    assert moment(text, "Europe/Berlin") == expected


def test_the_clock_in_a_second_component_of_obr_7_does_not_disturb() -> None:
    recording = wave(head=(PID, "OBR|1|123091||^^^^12 Lead ECG||20120222115059|20120222101743^10%2017%2043%200|||"))
    assert recording.acquired_at == datetime(2012, 2, 22, 10, 17, 43, tzinfo=UTC)
    assert recording.warnings == (ReadWarning.TIME_ZONE_ASSUMED,)


def test_a_message_with_its_own_separators_is_read() -> None:
    head = "MSH#*%@!#MUSE#ED#ECGD#HOSP#20240102##ORU*R01#M1#P#2.4\rPID#1##4711***HOSP!1.2*MR##Doe*A\rOBR#1#\r"
    body = "OBX#1#NA#131329*MDC_ECG_ELEC_POTL_I*MDC##1*2###\r" + RATE.replace("|", "#").replace("^", "*")
    body += "\r" + UV5.replace("|", "#").replace("^", "*") + "\r"
    (recording,) = read((head + body).encode())
    assert recording.patient.identifiers == (Identifier(value="4711", authority="HOSP", type="MR"),)
    np.testing.assert_allclose(recording.leads["I"], [0.005, 0.010])


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r\r"])
def test_segments_may_end_in_any_line_break(end: bytes) -> None:
    (recording,) = read(message(LEAD_I, RATE, UV5).replace(b"\r", end))
    assert recording.patient.family == "O&Neil"
    assert recording.samples == 3


# charsets

CHINESE = "柴^宏勋"


@pytest.mark.parametrize(
    ("name", "codec", "person"),
    [
        ("UNICODE UTF-8", "utf-8", CHINESE),
        ("GB 18030-2000", "gb18030", CHINESE),
        ("8859/1", "latin-1", "Müller^Jörg"),
        ("8859/15", "iso8859_15", "Œuvre^€"),
        ("~ISO IR87", "iso2022_jp", "山田^太郎"),
        ("BIG-5", "big5", "許^功蓋"),
        ("UNICODE", "utf-16", CHINESE),
        ("UNICODE UTF-16", "utf-16-le", CHINESE),
        ("utf-8", "utf-8", CHINESE),
    ],
)
def test_msh_18_decodes_names(name: str, codec: str, person: str) -> None:
    lines = [f"{MSH}||||||{name}", f"PID|1||4711||{person}||19720220|M", OBR, LEAD_I, RATE, UV5, ""]
    (recording,) = read("\r".join(lines).encode(codec))
    assert f"{recording.patient.family}^{recording.patient.given}" == person
    assert recording.patient.birth_date == date(1972, 2, 20)
    assert ReadWarning.CHARSET_ASSUMED not in recording.warnings


def unlabelled(codec: str, person: str) -> bytes:
    return "\r".join([MSH, f"PID|1||4711||{person}||19720220|M", OBR, LEAD_I, RATE, UV5, ""]).encode(codec)


def test_without_msh_18_the_sender_s_agreed_charset_counts() -> None:
    (recording,) = read(unlabelled("gb18030", CHINESE), Hl7Sender(application="MUSE", charset="gb18030"))
    assert (recording.patient.family, recording.patient.given) == ("柴", "宏勋")
    assert recording.warnings == ()


def test_without_any_charset_names_are_dropped_and_the_ecg_is_kept() -> None:
    (recording,) = read(unlabelled("gb18030", CHINESE), Hl7Sender(application="OTHER", charset="gb18030"))
    assert (recording.patient.family, recording.patient.given) == ("", "")
    assert recording.patient.identifiers == (Identifier(value="4711"),)
    assert recording.warnings == (ReadWarning.CHARSET_ASSUMED,)
    assert recording.samples == 3


def test_half_a_character_that_looks_like_a_separator_does_not_shift_fields() -> None:
    trail = next(c for c in map(chr, range(0x4E00, 0x9FFF)) if c.encode("gb18030")[1:] == b"|")
    (recording,) = read(unlabelled("gb18030", trail + "^X"))
    assert (recording.patient.birth_date, recording.patient.sex) == (None, Sex.UNKNOWN)
    (recording,) = read(unlabelled("gb18030", trail + "^X"), Hl7Sender(charset="gb18030"))
    assert (recording.patient.family, recording.patient.birth_date) == (trail, date(1972, 2, 20))


def test_a_charset_that_does_not_fit_the_bytes_is_not_believed() -> None:
    lines = [f"{MSH}||||||ASCII", "PID|1||4711||Müller^J", OBR, LEAD_I, RATE, UV5, ""]
    (recording,) = read("\r".join(lines).encode("latin-1"))
    assert (recording.patient.family, recording.warnings) == ("", (ReadWarning.CHARSET_ASSUMED,))


@pytest.mark.parametrize("codec", sorted(set(_CHARSETS.values())))
def test_every_charset_of_the_table_is_one_that_python_has(codec: str) -> None:
    assert codecs.lookup(codec)._is_text_encoding


@pytest.mark.parametrize("name", ["CNS 11643-1992", "8859\0/1", "\0", "no such", "ÿ", "~" * 9])
def test_a_charset_nobody_knows_leaves_the_ecg_and_drops_the_names(name: str) -> None:
    lines = [f"{MSH}||||||{name}", "PID|1||4711||Müller^J", OBR, LEAD_I, RATE, UV5, ""]
    (recording,) = read("\r".join(lines).encode("latin-1"))
    assert (recording.patient.family, recording.warnings) == ("", (ReadWarning.CHARSET_ASSUMED,))


# waveforms


def test_rate_and_resolution_come_from_sibling_rows() -> None:
    recording = wave()
    assert recording.rate_hz == 500
    np.testing.assert_allclose(recording.leads["I"], [0.5, 1.0, -1.5])


def test_attributes_belong_to_the_lead_their_sub_id_begins_with() -> None:
    def lead(code: int, name: str, resolution: str) -> list[str]:
        place = f"1.7.6.{code}"
        return [
            f"OBX|1|NA|{code}^MDC_ECG_ELEC_POTL_{name}^MDC|{place}|80^88^32767||||||F",
            f"OBX|2|NM|0^MDC_ATTR_SAMP_RATE^MDC|{place}.1|500|264640^MDC_DIM_HZ^MDC|||||F",
            f"OBX|3|NM|2327^MDC_ATTR_NU_MSMT_RES^MDC|{place}.2|{resolution}|266418^MDC_DIM_MILLI_VOLT^MDC|||||F",
            f"OBX|4|NM|262196^MDC_EVT_INOP^MDC|{place}.3|32767||||||F",
        ]

    rows = lead(131329, "I", "0.001") + lead(131330, "II", "0.01")
    recording = one(*rows[:1], *rows[4:5], *rows[1:4], *rows[5:])
    np.testing.assert_allclose(recording.leads["I"], [0.080, 0.088, np.nan])
    np.testing.assert_allclose(recording.leads["II"], [0.80, 0.88, np.nan])
    assert ReadWarning.PADDING_FOUND in recording.warnings


@pytest.mark.parametrize(
    ("observation", "lead"),
    [
        ("131389^MDC_ECG_ELEC_POTL_III^MDC", "III"),
        ("131133^MDC_ECG_LEAD_III^MDC", "III"),
        ("2:61^^MDC", "III"),
        ("5.6.3-9-62^Lead aVR (Einthoven)^SCPECG", "aVR"),
        ("MDC_ECG_LEAD_AVF^^MDC", "aVF"),
        ("X7^Local^99L^131336^MDC_ECG_ELEC_POTL_V6^MDC", "V6"),
        ("131310^MDC_ECG_ELEC_POTL_I^MDC", "I"),
        ("W1^Lead AVL^L", "aVL"),
        ("V3", "V3"),
    ],
)
def test_a_lead_is_known_by_code_and_by_name_only_without_one(observation: str, lead: str) -> None:
    recording = one(f"OBX|1|NA|{observation}||1^2||||||F", RATE, UV5)
    assert tuple(recording.leads) == (lead,)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((LEAD_I, UV5), Reason.UNKNOWN_RATE),
        ((LEAD_I, RATE.replace("264608^MDC_DIM_PER_SEC^MDC", "ms"), UV5), Reason.UNKNOWN_RATE),
        ((LEAD_I, RATE), Reason.UNKNOWN_UNIT),
        ((LEAD_I, RATE, UV5.replace("266419^MDC_DIM_MICRO_VOLT^MDC", "mmHg")), Reason.UNKNOWN_UNIT),
        ((LEAD_I, RATE, UV5.replace("266419", "266418")), Reason.UNKNOWN_UNIT),
        ((LEAD_I.replace("_I^", "_II^"), RATE, UV5), Reason.UNKNOWN_LEAD),
        ((LEAD_I, RATE, UV5.replace("|5|", "|0|")), Reason.UNKNOWN_UNIT),
        ((LEAD_I, RATE, UV5.replace("|5|", "|nan|")), Reason.UNKNOWN_UNIT),
        ((LEAD_I, RATE.replace("|500|", "|1e9|"), UV5), Reason.UNKNOWN_RATE),
        (("OBX|1|NA|WAVE1^Waveform^L||1^2||||||F", RATE, UV5), Reason.UNKNOWN_LEAD),
        ((LEAD_I, LEAD_I, RATE, UV5), Reason.BAD_VALUE),
        ((LEAD_I.replace("200", "2OO"), RATE, UV5), Reason.BAD_VALUE),
    ],
)
def test_a_waveform_that_is_not_fully_known_is_not_guessed(rows: tuple[str, ...], expected: Reason) -> None:
    assert reason(*rows) is expected


def test_what_the_sender_never_says_may_be_agreed() -> None:
    sender = Hl7Sender(application="MUSE", facility="ED", waveform_rate_hz=240, waveform_uv_per_unit=4.88)
    (recording,) = read(message(LEAD_I), sender)
    assert recording.rate_hz == 240
    np.testing.assert_allclose(recording.leads["I"], [0.488, 0.976, -1.464])


def test_samples_in_a_unit_of_their_own_need_no_resolution() -> None:
    recording = one(LEAD_I.replace("300||", "300|uV|"), RATE)
    np.testing.assert_allclose(recording.leads["I"], [0.1, 0.2, -0.3])


def test_an_array_over_a_list_of_leads_has_a_repetition_a_lead_as_na_and_a_moment_as_ma() -> None:
    names = "^".join(LEADS).upper()
    table = np.arange(12 * 20).reshape(12, 20)
    by_lead = "~".join("^".join(map(str, line)) for line in table)
    by_moment = "~".join("^".join(map(str, line)) for line in table.T)
    for kind, values in (("NA", by_lead), ("MA", by_moment)):
        recording = one(f"OBX|1|{kind}|WAV^Rhythm^L|{names}|{values}||||||F", RATE, UV5)
        assert tuple(recording.leads) == LEADS
        np.testing.assert_allclose(recording.leads["V6"], table[11] * 0.005)


def test_a_missing_sample_is_not_recorded_rather_than_zero() -> None:
    recording = one(LEAD_I.replace("200", ""), RATE, UV5)
    np.testing.assert_allclose(recording.leads["I"], [0.5, np.nan, -1.5])


def test_other_signals_of_a_monitor_are_left_out() -> None:
    pleth = "OBX|7|NA|150452^MDC_PULS_OXIM_PLETH^MDC|1.7.6.150452|1^2^3||||||F"
    assert tuple(wave(pleth).leads) == ("I",)
    assert read(message(pleth, RATE, UV5)) == ()


def test_what_the_simulator_writes_is_read_back() -> None:
    rng = np.random.default_rng(1)
    signal = np.round(rng.normal(0, 0.5, (12, 5000)) / 0.0025) * 0.0025
    person = SyntheticPatient.seeded(7)
    at = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    payload = write_oru_na(signal, 500, person, acquired_at=at, envelope=Envelope(control_id="S1"), statements=("a~b",))
    (recording,) = read(payload, source="hl7:SIMMUSE^ED")
    for lead, samples in zip(LEADS, signal, strict=True):
        np.testing.assert_allclose(recording.leads[lead], samples, atol=1e-9)
    assert recording.patient.family == person.family
    assert (recording.acquired_at, recording.statements) == (at, ("a~b",))


# measurements and statements

MUSE = (
    "OBX|1|ST|903^Acquisition Device||MAC80||||||F",
    "OBX|2|ST|550^Systolic BP|||mmHg|||||F",
    "OBX|4|ST|552^Ventricular Rate||79|BPM|||||F",
    "OBX|5|ST|553^Atrial Rate||80|BPM|||||F",
    "OBX|6|ST|554^P-R Interval||150|ms|||||F",
    "OBX|7|ST|555^QRS Duration||86|ms|||||F",
    "OBX|8|ST|556^Q-T Interval||394|ms|||||F",
    "OBX|9|ST|557^QTC Calculation(Bezet)||451|ms|||||F",
    "OBX|10|ST|558^P Axis||65|degrees|||||F",
    "OBX|12|ST|559^R Axis||13|degrees|||||F",
    "OBX|14|ST|560^T Axis||34|degrees|||||F",
    "OBX|30|ST|15603^PD^P Duration|I^II^V1|102^102^54|msec|||||F|",
)
MUSE_SAYS = Measurements(
    heart_rate_bpm=79, pr_ms=150, qrs_ms=86, qt_ms=394, qtc_ms=451, p_axis_deg=65, qrs_axis_deg=13, t_axis_deg=34
)


def test_measurements_with_local_codes_are_known_by_name_and_lead_lists_are_none() -> None:
    recording = wave(*MUSE)
    assert recording.reported == MUSE_SAYS
    assert recording.device.model == "MAC80"


def test_measurements_by_loinc_even_with_a_colon_before_it() -> None:
    rows = (
        "OBX|2|ST|:8625-6^PR INTERVAL|3|141||||||F",
        "OBX|6|ST|:8626-4^FRONTAL AXIS P|7|-1||||||F",
        "OBX|7|ST|:99003^FRONTAL AXIS INITIAL 40 MS|8|41||||||F",
        "OBX|8|NM|8632-2^FRONTAL AXIS MEAN QRS^LN|9|66||||||F",
        "OBX|9|NM|8867-4^Heart rate^LN||72|/min^^UCUM|||||F",
    )
    expected = Measurements(heart_rate_bpm=72, pr_ms=141, p_axis_deg=-1, qrs_axis_deg=66)
    assert wave(*rows).reported == expected


def test_measurements_by_mdc() -> None:
    rows = (
        "OBX|2|NM|147842^MDC_ECG_HEART_RATE^MDC|1.5.1.1|80|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||R",
        "OBX|3|NM|147232^^MDC||0.4|264320^MDC_DIM_SEC^MDC|||||F",
        "OBX|4|NM|MDC_ECG_TIME_PD_QRS^^MDC||0.09|s|||||F",
    )
    assert wave(*rows).reported == Measurements(heart_rate_bpm=80, qt_ms=400, qrs_ms=90)


@pytest.mark.parametrize("value", ["0", "--", "", "<10", "***", "29999", "150-160"])
def test_a_value_that_is_no_measurement_is_none(value: str) -> None:
    assert wave(f"OBX|6|ST|554^P-R Interval||{value}|ms|||||F").reported.pr_ms is None


def test_a_unit_after_the_number_counts_and_an_odd_one_warns() -> None:
    assert wave("OBX|1|ST|552^Ventricular Rate||79 bpm||||||F").reported.heart_rate_bpm == 79
    recording = wave("OBX|1|ST|559^R Axis||13|ms|||||F")
    assert (recording.reported.qrs_axis_deg, recording.warnings) == (13, (ReadWarning.MEASUREMENT_UNIT_ODD,))


@pytest.mark.parametrize("status", ["D", "X", "W"])
def test_deleted_unobtainable_and_wrong_rows_do_not_count(status: str) -> None:
    assert wave(f"OBX|4|ST|552^Ventricular Rate||79|BPM|||||{status}").reported == Measurements()
    assert read(message(LEAD_I[:-1] + status, RATE, UV5)) == ()


def test_corrected_rows_count() -> None:
    assert wave("OBX|4|ST|552^Ventricular Rate||79|BPM|||||C").reported.heart_rate_bpm == 79


def test_statements_are_lines_however_broken() -> None:
    recording = wave(
        "OBX|1|FT|DIAG^Diagnosis||Sinus rhythm~Left \\T\\ right\\.br\\Borderline ECG||||||F",
        "OBX|2|ST|18844-1^EKG impression^LN||Normal~ECG||||||F",
        "OBX|3|ST|X^Room temperature||21||||||F",
        "OBX|4|CE|99^Interpretation||N^Normal variant^L||||||F",
        "ZEX|1|Sinus rhythm",
    )
    assert recording.statements == (
        "Sinus rhythm", "Left & right", "Borderline ECG", "Normal", "ECG", "Normal variant",
    )  # fmt: skip


def test_measurements_of_another_group_count_when_the_ecg_is_the_only_one() -> None:
    recording = one(*MUSE, "OBR|2|||WAVE^Waveform|||20240102030405+0100", LEAD_I, RATE, UV5)
    assert recording.reported == MUSE_SAYS


LAB = ("OBR|2|||CMP^Panel^L|||20240101220000+0100", "OBX|1|NM|8867-4^Heart rate^LN||122|/min|||||F",
       "OBX|2|TX|NOTE^Comment^L||Sample haemolysed||||||F")  # fmt: skip
UNTIMED = ("OBR|3|||CMP^Panel^L", "OBX|1|NM|8625-6^PR^LN||141|ms|||||F")


def test_another_order_s_measurements_and_comments_are_not_the_ecg_s() -> None:
    recording = wave(*LAB)
    assert (recording.reported, recording.statements) == (Measurements(), ())
    first, second = read(message(LEAD_I, RATE, UV5, *LAB, OBR.replace("0405", "0905"), LEAD_I, RATE, UV5, *UNTIMED))
    assert (first.reported, second.reported) == (Measurements(), Measurements())


def test_what_is_said_without_a_time_or_at_the_ecg_s_time_is_the_ecg_s() -> None:
    assert wave(*UNTIMED).reported == Measurements(pr_ms=141)
    first, second = read(message(LEAD_I, RATE, UV5, OBR, *MUSE, OBR.replace("0405", "0905"), LEAD_I, RATE, UV5))
    assert (first.reported, second.reported) == (MUSE_SAYS, Measurements())


def test_two_observation_groups_are_two_ecgs() -> None:
    later = (OBR.replace("0405", "0905"), LEAD_I.replace("100", "7"), RATE, UV5)
    first, second = read(message(LEAD_I, RATE, UV5, *later))
    assert first.acquired_at != second.acquired_at
    assert (first.leads["I"][0], second.leads["I"][0]) == (0.5, 0.035)


# documents

DOCUMENT = b"%PDF-1.4\n" + bytes(range(256)) * 3 + b"\n%%EOF\n"
BASE64 = base64.b64encode(DOCUMENT).decode()
LINES = [BASE64[i : i + 76] for i in range(0, len(BASE64), 76)]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("ED", f"^application^pdf^Base64^{BASE64}"),
        ("ED", f"^^PDF^Base64^{BASE64}"),
        ("ED", f"CUH^IM^PDF^Base64^{BASE64}"),
        ("ED", f"^^^^{BASE64}"),
        ("ED", f"MUSE^Application^PDF^BASE64^{BASE64}^"),
        ("ED", BASE64),
        ("TX", BASE64),
        ("ED", "^application^pdf^Base64^" + "\\.br\\".join(LINES)),
        ("ED", "^application^pdf^Base64^" + "\\X0D0A\\".join(LINES)),
        ("ED", "^application^pdf^Base64^" + "\\X0D\\\\X0A\\".join(LINES)),
        ("ED", "^application^pdf^Base64^" + "~".join(LINES)),
        ("ED", "^application^pdf^Base64^" + " ".join(LINES)),
        ("ED", "^application^pdf^Base64^" + BASE64.rstrip("=")),
        ("ED", "^application^pdf^Base64^data:application/pdf;base64," + BASE64),
        ("ED", "^application^pdf^Hex^" + DOCUMENT.hex().upper()),
        ("ED", "^application^pdf^^" + DOCUMENT.hex()),
    ],
)
def test_a_document_is_found_however_it_is_spelt(kind: str, value: str) -> None:
    assert documents([row(f"OBX|1|{kind}|PDF^Report||{value}||||||F", separators(MSH))]) == (DOCUMENT,)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_base64_broken_by_the_segment_separator_is_one_value(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    seen: list[bytes] = []

    def remember(payload: bytes, source: str, settings: Reading) -> tuple[Recording, ...]:
        seen.append(payload)
        return ()

    monkeypatch.setattr(pdf, "read", remember)
    read(message("OBX|1|ED|PDF^Report||^application^pdf^Base64^" + end.join(LINES) + "||||||F"))
    assert seen == [DOCUMENT]


def test_a_damaged_document_is_said_to_be_one() -> None:
    assert reason("OBX|1|ED|PDF^Report||^application^pdf^Base64^JVBERi0xLj!||||||F") is Reason.UNDECODABLE


def test_a_document_of_a_kind_that_is_not_read_is_set_aside_for_a_person_unless_there_is_a_waveform() -> None:
    picture = "OBX|1|ED|IMG^Report||^IM^TIFF^Base64^" + "SUkqAAgA" * 500 + "||||||F"
    assert reason(picture) is Reason.UNSUPPORTED_OBJECT
    assert wave(picture).samples == 3
    assert read(message("OBX|1|ED|IMG^Logo||^IM^GIF^Base64^R0lG||||||F")) == ()


def embedded(content: bytes, kind: str) -> str:
    return f"OBX|1|ED|ECG^Report||^AP^{kind}^Base64^{base64.b64encode(content).decode()}||||||F"


def test_where_there_is_no_pdf_another_format_that_is_read_is_told_by_its_bytes() -> None:
    signal = np.sin(np.arange(600) / 20) * np.ones((12, 1))
    person = SyntheticPatient.seeded(3)
    for write in (write_aecg, write_scp, write_dicom):
        content = write(signal, 500, person, acquired_at=datetime(2024, 1, 2, tzinfo=UTC))
        recording = one(embedded(content, "octet-stream"), head=(f"PID|1||{person.id}||O^A", OBR))
        assert (recording.format, recording.patient.family, recording.instance) == (Format.HL7, "O", "M1")
        np.testing.assert_allclose(recording.leads["II"], signal[1], atol=0.003)


def test_a_logo_beside_a_pdf_is_not_taken_for_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "read", page_of)
    assert one(embedded(b"\x89PNG\r\n\x1a\n" + bytes(3000), "png"), PAGE).rate_hz == 100


def page_of(payload: bytes, source: str, settings: Reading) -> tuple[Recording, ...]:
    shown = Measurements(heart_rate_bpm=61)
    return (Recording(leads={"II": np.zeros(500)}, rate_hz=100, format=Format.PDF, digitised=True, reported=shown),)


PAGE = f"OBX|9|ED|PDF^Report||^application^pdf^Base64^{BASE64}||||||F"


def test_the_message_wins_over_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "read", page_of)
    recording = one(PAGE, *MUSE)
    assert recording.digitised
    assert (recording.format, recording.reported, recording.instance) == (Format.HL7, MUSE_SAYS, "M1")
    assert recording.patient.family == "O&Neil"
    assert one(PAGE).reported.heart_rate_bpm == 61


def test_a_page_beside_a_waveform_is_the_same_ecg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "read", page_of)
    assert not wave(PAGE).digitised
    assert not wave("OBR|2|||PDF", PAGE).digitised


def test_a_waveform_that_cannot_be_read_gives_way_to_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "read", page_of)
    assert one(LEAD_I, PAGE).digitised


OTHER_TIME = OBR.replace("0405", "0905")


def test_a_waveform_that_cannot_be_read_does_not_vanish_behind_another_ecg_s_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pdf, "read", page_of)
    assert reason(LEAD_I, OTHER_TIME, PAGE) is Reason.UNKNOWN_UNIT
    assert one(LEAD_I, OBR, PAGE).digitised
    assert one(LEAD_I, "OBR|2|||PDF", PAGE).digitised


@pytest.mark.parametrize("paged", [OBR, "OBR|2|||PDF"])
def test_a_page_that_stands_in_is_read_beside_another_ecg_s_waveform(
    monkeypatch: pytest.MonkeyPatch, paged: str
) -> None:
    monkeypatch.setattr(pdf, "read", page_of)
    native, page = read(message(LEAD_I, OTHER_TIME, LEAD_I, RATE, UV5, paged, PAGE))
    assert (native.digitised, page.digitised) == (False, True)


def test_a_page_of_another_patient_is_not_filed_under_the_message_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "read", lambda *given: pages_of(("815", None)))
    assert reason(PAGE) is Reason.BAD_VALUE
    monkeypatch.setattr(pdf, "read", lambda *given: pages_of(("0099", None)))
    assert [i.value for i in one(PAGE).patient.identifiers] == ["4711", "99"]
    assert one(PAGE, head=(OBR,)).patient.identifiers == (Identifier(value="0099"),)


def pages_of(*pages: tuple[str, datetime | None]) -> tuple[Recording, ...]:
    return tuple(
        Recording(
            leads={"II": np.zeros(500)}, rate_hz=100, format=Format.PDF, acquired_at=at,
            patient=Patient(identifiers=(Identifier(value=value),)),
            reported=Measurements(heart_rate_bpm=60 + number), statements=(f"page {number}",),
        )
        for number, (value, at) in enumerate(pages)
    )  # fmt: skip


def test_several_pages_keep_their_own_times_measurements_and_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = datetime(2019, 5, 6, 7, 8, tzinfo=BERLIN)
    monkeypatch.setattr(pdf, "read", lambda *given: pages_of(("4711", earlier), ("4711", None)))
    first, second = read(message(PAGE, *MUSE, "OBX|1|TX|DIAG^Diagnosis||Of one of them||||||F"))
    assert first.acquired_at == earlier
    assert second.acquired_at == datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1)))
    assert [r.reported.heart_rate_bpm for r in (first, second)] == [60, 61]
    assert [r.statements for r in (first, second)] == [("page 0",), ("page 1",)]


@pytest.mark.parametrize(
    ("printed", "warned"),
    [
        (datetime(2024, 1, 2, 3, 1, tzinfo=BERLIN), False),
        (datetime(2024, 1, 2, 3, 1, tzinfo=UTC), False),  # the same clock, another zone assumed
        (datetime(2024, 1, 2, 2, 4, tzinfo=UTC), False),  # the same moment
        (datetime(2024, 1, 2, 3, 24, tzinfo=BERLIN), True),
        (datetime(2019, 1, 2, 3, 4, tzinfo=BERLIN), True),
    ],
)
def test_a_single_page_has_the_message_s_time_and_says_when_it_prints_another(
    monkeypatch: pytest.MonkeyPatch, printed: datetime, warned: bool
) -> None:
    monkeypatch.setattr(pdf, "read", lambda *given: pages_of(("4711", printed)))
    recording = one(PAGE)
    assert recording.acquired_at == datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1)))
    assert (ReadWarning.TIMES_DISAGREE in recording.warnings) == warned


# no ECG, no message, much message


def test_a_reference_alone_is_no_ecg_and_a_message_without_an_ecg_holds_none() -> None:
    link = "OBX|27|RP|MUSEWebURL||http://muse/museweb.dll?ID=1\\T\\OutputType=PDF\\T\\Ext=PDF||||||F"
    assert read(message(*MUSE, link)) == ()


def test_bytes_that_are_no_message_are_rejected() -> None:
    with pytest.raises(Rejected) as caught:
        read(b"PID|1||4711\r")
    assert caught.value.reason is Reason.UNDECODABLE


def test_six_hundred_observations_do_not_take_a_second() -> None:
    rows = [f"OBX|{n}|ST|{15000 + n}^Some^Amplitude|I^II^V1|1^2^3|uV|||||F|" for n in range(600)]
    payload = message(LEAD_I, RATE, UV5, *rows)
    read(payload)
    started = time.perf_counter()
    read(payload)
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize("seed", range(40))
def test_damaged_messages_raise_nothing_but_rejected(seed: int) -> None:
    rng = np.random.default_rng(seed)
    payload = bytearray(message(LEAD_I, RATE, UV5, *MUSE, "OBX|1|ED|PDF||^application^pdf^Base64^JVBERi0x||||||F"))
    for place in rng.integers(0, len(payload), 30):
        payload[place] = int(rng.integers(0, 256)) if seed % 2 else ord(rng.choice(list("|^~\\&\r.")))
    with suppress(Rejected):
        read(bytes(payload))
