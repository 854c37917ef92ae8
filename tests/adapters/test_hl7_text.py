"""Characters, separators and escapes as senders use them; what is expected is written by hand."""

import codecs
import time

import numpy as np
import pytest

from adapters import hl7
from adapters.hl7_text import decode, segments, separators
from config.schema import Reading
from domain.ecg import ReadWarning

SIGNS = separators("MSH|^~\\&|")
BODY = (
    "OBR|1||F2|93000^ECG|||20240102030405+0100",
    "OBX|1|NA|131329^MDC_ECG_ELEC_POTL_I^MDC||100^200^-300||||||F",
    "OBX|2|NM|0^MDC_ATTR_SAMP_RATE^MDC||500|264608^MDC_DIM_PER_SEC^MDC|||||F",
    "OBX|3|NM|2327^MDC_ATTR_NU_MSMT_RES^MDC||5|266419^MDC_DIM_MICRO_VOLT^MDC|||||F",
)


def message(charset: str, family: str) -> str:
    head = f"MSH|^~\\&|CART|ED|||20240102030405||ORU^R01|M1|P|2.5.1||||||{charset}"
    return "\r".join([head, f"PID|1||4711||{family}^X", *BODY, ""])


def family(payload: bytes) -> tuple[str, bool]:
    """The name as read, and whether its characters had to be left open."""
    (recording,) = hl7.read(payload, "hl7:CART^ED", Reading())
    np.testing.assert_allclose(recording.leads["I"], [0.5, 1.0, -1.5])  # whatever the characters, the ECG is there
    return recording.patient.family, ReadWarning.CHARSET_ASSUMED in recording.warnings


@pytest.mark.parametrize(
    ("charset", "codec", "name"),
    [
        ("8859/1", "latin-1", "Müller"),
        ("8859/2", "iso8859_2", "Łoś"),
        ("8859/3", "iso8859_3", "Ħaż"),
        ("8859/4", "iso8859_4", "Āķis"),
        ("8859/5", "iso8859_5", "Иванов"),
        ("8859/6", "iso8859_6", "محمد"),
        ("8859/7", "iso8859_7", "Νίκος"),
        ("8859/8", "iso8859_8", "כהן"),
        ("8859/9", "iso8859_9", "Şahin"),
        ("8859/10", "iso8859_10", "Ķaŋ"),
        ("8859/11", "iso8859_11", "สมชาย"),
        ("8859/13", "iso8859_13", "Žąsis"),
        ("8859/14", "iso8859_14", "Ŵynŷ"),
        ("8859/15", "iso8859_15", "Œuvré"),
        ("8859/16", "iso8859_16", "Șerban"),
        ("ISO-8859-1", "latin-1", "Müller"),
        ("ISO8859/1", "latin-1", "Müller"),
        ("WINDOWS-1252", "cp1252", "Müller"),
        ("UTF8", "utf-8", "Łoś"),
        ("unicode utf-8", "utf-8", "Łoś"),
        (" UNICODE UTF-8 ", "utf-8", "Łoś"),
        ("UNICODE UTF-8^^", "utf-8", "Łoś"),
        ("GB18030", "gb18030", "柴"),
        ("KS X 1001", "euc_kr", "김"),
        ("~8859/1", "latin-1", "Müller"),
        ("ASCII~8859/1", "latin-1", "Müller"),
        ("ASCII~UNICODE UTF-8", "utf-8", "Łoś"),
        ("8859/1~UNICODE UTF-8", "latin-1", "Müller"),
        ("UNICODE UTF-8~8859/1", "latin-1", "Müller"),  # the first does not fit
    ],
)
def test_a_name_is_read_in_the_charset_that_its_message_names(charset: str, codec: str, name: str) -> None:
    assert family(message(charset, name).encode(codec)) == (name, False)


@pytest.mark.parametrize("charset", ["", "ASCII", "~", "ANSI", "nonsense", "8859/99", "CNS 11643-1992"])
def test_a_name_in_a_charset_that_is_not_said_is_left_open_and_never_guessed(charset: str) -> None:
    assert family(message(charset, "Müller").encode("latin-1")) == ("", True)
    assert family(message(charset, "Miller").encode("latin-1")) == ("Miller", False)


def test_a_byte_order_mark_says_utf_8() -> None:
    assert family(codecs.BOM_UTF8 + message("", "Łoś").encode()) == ("Łoś", False)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"a\F\b", "a|b"),
        (r"a\S\b", "a^b"),
        (r"a\T\b", "a&b"),
        (r"a\R\b", "a~b"),
        (r"a\E\b", "a\\b"),
        (r"\E\F\E\ ", "\\F\\ "),
        (r"a\X0D\b", "a\nb"),
        (r"a\x0A\b", "a\nb"),
        (r"a\X4142\b", "aABb"),
        (r"a\.br\b", "a\nb"),
        (r"a\.BR\b", "a\nb"),
        (r"a\.sp2\b", "a\nb"),
        (r"a\.ce\b", "a\nb"),
        (r"\H\a\N\b", "ab"),
        (r"a\.in5\b", "ab"),
        (r"a\Z12\b", "ab"),
        (r"a\C2842\b", "ab"),
        (r"a\b", r"a\b"),
        ("no escapes", "no escapes"),
    ],
)
def test_an_escape_sequence_stands_for_its_character_and_formatting_for_none(written: str, meant: str) -> None:
    assert SIGNS.unescaped(written) == meant


@pytest.mark.parametrize(
    ("header", "signs"),
    [
        ("MSH|^~\\&|A", "|^~\\&"),
        ("MSH|^~\\&#|A", "|^~\\&"),  # 2.7 adds a truncation character
        ("MSH$%*!?$A", "$%*!?"),
        ("MSH|^~|A", "|^~\\&"),
        ("MSH||A", "|^~\\&"),
        ("MSH", "|^~\\&"),
    ],
)
def test_separators_are_those_the_header_says_and_hl7_s_own_where_it_does_not(header: str, signs: str) -> None:
    found = separators(header)
    assert (found.field + found.component + found.repetition + found.escape + found.subcomponent) == signs


def test_an_escape_character_of_its_own_is_understood() -> None:
    assert separators("MSH$%*!?$").unescaped("a!F!b!S!c!E!d") == "a$b%c!d"


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r", "\n\r"])
def test_segments_end_as_the_sender_ends_them_and_a_broken_value_goes_on(end: str) -> None:
    text = end.join(["MSH|^~\\&|A", "OBX|1|ED|||^^^Base64^JVBE", "Ri0xLjQ=", "NTE|1", ""])
    assert [one.replace("\n", "") for one in segments(text, "|")] == [
        "MSH|^~\\&|A",
        "OBX|1|ED|||^^^Base64^JVBERi0xLjQ=",
        "NTE|1",
    ]


def test_octets_that_nothing_explains_stay_out_of_words_and_do_not_shift_fields() -> None:
    decoded = decode("MSH|^~\\&|A\rPID|1||42||Mü|X".encode("latin-1"), None)
    assert decoded.assumed
    assert decoded.text.split("\r")[1].startswith("PID|1||42||M")


def test_one_octet_that_nothing_explains_does_not_make_a_long_document_slow() -> None:
    long = "OBX|1|ED|||^^^Base64^" + "A" * 2_000_000
    started = time.process_time()
    decoded = decode(f"MSH|^~\\&|A\rPID|1||42||Mü|X\r{long}".encode("latin-1"), None)
    assert time.process_time() - started < 1
    assert decoded.text.split("\r")[2] == long
