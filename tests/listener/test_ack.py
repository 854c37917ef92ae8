from datetime import UTC, datetime

import pytest

from config.schema import Hl7Door
from listener import ack
from listener.msh import Header, read_header

NOW = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
DOOR = Hl7Door()


def msh(
    *, kind: str = "ORU^R01^ORU_R01", control: str = "M1", processing: str = "P", version: str = "2.5.1", tail: str = ""
) -> bytes:
    return f"MSH|^~\\&|MUSE|ED|ECGD|HOSP|20240101||{kind}|{control}|{processing}|{version}{tail}\rPID|1\r".encode()


def header(payload: bytes) -> Header:
    found = read_header(payload)
    assert found is not None
    return found


def fault(payload: bytes) -> ack.Fault | None:
    return ack.check(read_header(payload), processing_ids=DOOR.processing_ids, versions=DOOR.versions)


def replies(payload: bytes, problem: ack.Fault | None = None) -> list[list[str]]:
    """Each acknowledgement's segments; ``problem`` defaults to what ``check`` finds."""
    sent = ack.answers(read_header(payload), problem or fault(payload), control_ids=("X1", "X2"), now=NOW)
    return [text.decode("latin-1").rstrip("\r").split("\r") for text in sent]


def codes(payload: bytes, problem: ack.Fault | None = None) -> list[str]:
    return [segments[1].split("|")[1] for segments in replies(payload, problem)]


def test_a_good_message_is_accepted_back_to_its_sender() -> None:
    assert replies(msh()) == [["MSH|^~\\&|ECGD|HOSP|MUSE|ED|20240102030405+0000||ACK^R01^ACK|X1|P|2.5.1", "MSA|AA|M1"]]


@pytest.mark.parametrize(
    ("payload", "code", "number", "place"),
    [
        (msh(kind="ORM^O01"), "AR", 200, "MSH^1^9^1^1"),
        (msh(kind="ORU^R30"), "AR", 201, "MSH^1^9^1^2"),
        (msh(version="2.9"), "AR", 203, "MSH^1^12^1^1"),
        (msh(version="3"), "AR", 203, "MSH^1^12^1^1"),
        (msh(processing="T"), "AR", 202, "MSH^1^11^1^1"),
        (msh(processing="D^A"), "AR", 202, "MSH^1^11^1^1"),
        (msh(control=""), "AE", 101, "MSH^1^10"),
        (msh(control='""'), "AE", 101, "MSH^1^10"),
        (msh(kind=""), "AE", 101, "MSH^1^9"),
        (msh(processing=""), "AE", 101, "MSH^1^11"),
        (msh(version=""), "AE", 101, "MSH^1^12"),
        (msh(control="x" * 200), "AE", 102, "MSH^1^10"),
        (msh(control="a\0b"), "AE", 102, "MSH^1^10"),
    ],
)
def test_a_message_that_cannot_be_taken_is_told_why_and_where(
    payload: bytes, code: str, number: int, place: str
) -> None:
    ((_, msa, err),) = replies(payload)
    fields = err.split("|")
    assert msa.split("|")[1] == code
    assert (fields[2], fields[4]) == (place, "E")
    assert (fields[3].split("^")[0], fields[3].split("^")[2]) == (str(number), "HL70357")


@pytest.mark.parametrize("kind", ["ORU^R01", "ORU^R01^ORU_R01", "ORU^W01", "ORU"])
@pytest.mark.parametrize("version", ["2.1", "2.3", "2.3.1", "2.5", "2.5^DEU", "2.8"])
def test_results_of_every_supported_version_are_taken(kind: str, version: str) -> None:
    assert fault(msh(kind=kind, version=version)) is None


@pytest.mark.parametrize(
    ("version", "kind", "msa", "err"),
    [
        ("2.2", "ACK", "MSA|AR|M1|Unsupported processing id", "ERR|MSH^1^11^202"),
        (
            "2.3", "ACK^R01",
            "MSA|AR|M1|Unsupported processing id|||202^Unsupported processing id^HL70357",
            "ERR|MSH^1^11^202&Unsupported processing id&HL70357",
        ),
        (
            "2.4", "ACK^R01^ACK",
            "MSA|AR|M1|Unsupported processing id|||202^Unsupported processing id^HL70357",
            "ERR|MSH^1^11^202&Unsupported processing id&HL70357",
        ),
        (
            "2.5", "ACK^R01^ACK", "MSA|AR|M1",
            "ERR||MSH^1^11^1^1|202^Unsupported processing id^HL70357|E||||Unsupported processing id",
        ),
    ],
)  # fmt: skip
def test_the_answer_has_the_form_of_the_message_s_version(version: str, kind: str, msa: str, err: str) -> None:
    ((head, *rest),) = replies(msh(version=version, processing="T"))
    assert (head.split("|")[8], head.split("|")[11]) == (kind, version)
    assert rest == [msa, err]


GOOD, BAD = None, ack.UNAVAILABLE


@pytest.mark.parametrize(
    ("accept", "application", "problem", "expected"),
    [
        ("", "", GOOD, ["AA"]),
        ("", "", BAD, ["AE"]),
        ("AL", "NE", GOOD, ["CA"]),
        ("AL", "NE", BAD, ["CE"]),
        ("AL", "AL", GOOD, ["CA", "AA"]),
        ("AL", "AL", BAD, ["CE"]),
        ("AL", "SU", GOOD, ["CA", "AA"]),
        ("AL", "ER", GOOD, ["CA"]),
        ("NE", "AL", GOOD, ["AA"]),
        ("NE", "AL", BAD, ["AE"]),
        ("NE", "NE", BAD, []),
        ("ER", "NE", GOOD, []),
        ("ER", "NE", BAD, ["CE"]),
        ("SU", "ER", GOOD, ["CA"]),
        ("SU", "ER", BAD, ["AE"]),
        ("AL", "", GOOD, ["CA"]),
        ("", "AL", GOOD, ["AA"]),
        ("??", "NE", GOOD, ["CA"]),
    ],
)
def test_msh_15_and_16_say_which_acknowledgements_are_wanted(
    accept: str, application: str, problem: ack.Fault | None, expected: list[str]
) -> None:
    assert codes(msh(tail=f"|||{accept}|{application}"), problem) == expected


def test_the_two_acknowledgements_are_messages_of_their_own() -> None:
    first, then = replies(msh(tail="|||AL|AL"))
    assert (first[0].split("|")[9], then[0].split("|")[9]) == ("X1", "X2")


def test_a_wrong_type_is_a_commit_reject_in_enhanced_mode() -> None:
    assert codes(msh(kind="ORM^O01", tail="|||AL|NE")) == ["CR"]


@pytest.mark.parametrize("event", ["A01", "A02", "A03", "A04", "A08", "A40", "A11", "A60", ""])
def test_every_admission_event_is_accepted(event: str) -> None:
    assert codes(msh(kind=f"ADT^{event}")) == ["AA"]


def test_an_acknowledged_alert_is_accepted_and_other_answers_are_not() -> None:
    assert codes(msh(kind="ORA^R41^ORA_R41")) == ["AA"]
    assert codes(msh(kind="ORA^R33^ORA_R33")) == ["AR"]
    assert codes(msh(kind="ACK^R41^ACK")) == ["AR"]


@pytest.mark.parametrize(("problem", "number"), [(ack.CONFLICT, "205"), (ack.UNAVAILABLE, "207")])
def test_the_store_s_refusals_are_errors(problem: ack.Fault, number: str) -> None:
    ((_, msa, err),) = replies(msh(), problem)
    assert (msa, err.split("|")[3].split("^")[0]) == ("MSA|AE|M1", number)


def test_the_sender_s_separators_are_used() -> None:
    sent = b"MSH#*%@!#MUSE*1.2*ISO#ED#ECGD#HOSP#2024##ORU*R01#M|1#T#2.4\r"
    ((head, msa, err),) = replies(sent)
    assert head == "MSH#*%@!#ECGD#HOSP#MUSE*1.2*ISO#ED#20240102030405+0000##ACK*R01*ACK#X1#T#2.4"
    assert (msa.split("#")[2], err) == ("M|1", "ERR#MSH*1*11*202!Unsupported processing id!HL70357")


def test_the_charset_is_repeated_and_octets_beyond_ascii_come_back_unchanged() -> None:
    sent = "MSH|^~\\&|心电|ED|||2024||ORU^R01|编号|P|2.5||||||GB 18030-2000\r".encode("gb18030")
    (reply,) = ack.answers(read_header(sent), None, control_ids=("X1", "X2"), now=NOW)
    head, msa, _ = reply.decode("gb18030").split("\r")
    assert (head.split("|")[4], head.split("|")[17], msa) == ("心电", "GB 18030-2000", "MSA|AA|编号")


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_a_utf_16_message_is_answered_in_utf_16(codec: str) -> None:
    (reply,) = ack.answers(read_header(msh().decode().encode(codec)), None, control_ids=("X1", "X2"), now=NOW)
    assert reply.decode(codec).split("\r")[1] == "MSA|AA|M1"


@pytest.mark.parametrize("payload", [b"", b"PID|1\r", b"MSH", b"hello", b"\xff\xfe", b"\x00" * 50])
def test_what_is_no_message_is_rejected_without_an_identifier(payload: bytes) -> None:
    ((_, msa, err),) = replies(payload)
    assert msa == "MSA|AR"
    assert "100^Segment sequence error" in err


@pytest.mark.parametrize("segment", ["FHS", "BHS"])
def test_a_batch_is_rejected_under_its_own_identifier(segment: str) -> None:
    ((_, msa, err),) = replies(f"{segment}|^~\\&|MUSE|ED|ECGD|HOSP|2024||name||B7\rMSH|\r".encode())
    assert msa.split("|")[:3] == ["MSA", "AR", "B7"]
    assert "200" in err


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
@pytest.mark.parametrize("before", [b"", b"\r\n", b"\xef\xbb\xbf"])
def test_the_header_is_found_whatever_ends_it_and_stands_before_it(before: bytes, end: bytes) -> None:
    found = header(before + msh().replace(b"\r", end))
    assert (found.control_id, found.component(12, 1)) == ("M1", "2.5.1")


def test_key_and_sender_are_the_fields_and_their_first_components() -> None:
    found = header(b"MSH#*~\\&#MUSE*1.2*ISO#ED#ECGD#HOSP#2024##ORU*R01#M1#P#2.4\r")
    assert (found.key, found.sender) == ("MUSE&1.2&ISO^ED:M1", "MUSE^ED")


def test_echoed_octets_do_not_frame() -> None:
    (reply,) = ack.answers(
        read_header(b"MSH|^~\\&|A|B|C\x1c|D\x0b|2024||ORU^R01|1|P|2.5||||||X\x1c\rPID|\r"),
        None,
        control_ids=("X1", "X2"),
        now=NOW,
    )
    assert b"\x1c" not in reply
    assert b"\x0b" not in reply


def test_nothing_of_the_patient_is_in_an_answer() -> None:
    sent = b"MSH|^~\\&|A|B|C|D|2024||ORM^O01|1|P|2.5\rPID|1||4711||Doe^John\r"
    assert not any(word in str(replies(sent)) for word in ("4711", "Doe", "John"))
