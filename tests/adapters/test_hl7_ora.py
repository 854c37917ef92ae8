"""ORA^R41 as alarm managers and interface engines send it, read as who has acknowledged which alert."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.hl7_ora import acknowledged
from config.schema import Reading
from domain.alert import Acknowledgement
from domain.arrival import Arrival, Format
from domain.errors import Rejected
from domain.reason import Reason

SENT = "0f3c9d2b7a6e51c48d90"
MSA = f"MSA|AA|{SENT}"
PRT = "PRT||UC||AAP^Alert Acknowledging Provider^HL70912|N4711^Byron^Ada^^^Dr."


def ora(*segments, head="||ORA^R41^ORA_R41|R1|P|2.8", sender="EHR^1.2^ISO", sep="\r", charset="", codec="ascii"):
    first = f"MSH|^~\\&|{sender}|HOSP|ECGD||20260302091500+0100{head}" + ("||||||" + charset if charset else "")
    return sep.join([first, *segments, ""]).encode(codec)


def read(payload):
    arrival = Arrival(
        key="hl7:EHR^HOSP:R1",
        format=Format.ORA,
        payload=payload,
        source="hl7:EHR^HOSP",
        received_at=datetime(2026, 3, 2, tzinfo=UTC),
    )
    (answer,) = acknowledged(arrival, Reading())
    return answer


def test_it_says_which_message_is_answered_and_which_person_has_acknowledged():
    assert read(ora(MSA, PRT)) == Acknowledgement(message=SENT, by="Ada Byron (N4711) via EHR")


def test_the_example_in_the_documents_is_one():
    page = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()
    lines = re.search(r"^ +MSH\S+\|ORA\^R41.*\n +MSA.*\n +PRT.*$", page, re.MULTILINE)[0].splitlines()
    answer = read("\r".join(line.strip() for line in lines).encode())
    assert answer.by == "Ada Byron (N4711) via EHR"
    assert f"||ORU^R01^ORU_R01|{answer.message}|" in page


def test_line_feeds_and_segments_in_between_are_read():
    assert read(ora("SFT|ACME|1|Engine", MSA, "ERR|||0", PRT, sep="\n")).by == "Ada Byron (N4711) via EHR"


@pytest.mark.parametrize(
    ("person", "by"),
    [
        ("N4711", "N4711 via EHR"),
        ("^Byron", "Byron via EHR"),
        ("^Byron^Ada", "Ada Byron via EHR"),
        ("^O\\T\\Neill^Ada\\.br\\\\X07\\", "Ada O&Neill via EHR"),
        ("N" * 300, f"{'N' * 80} via EHR"),
    ],
)
def test_whatever_names_the_person_is_taken_and_nothing_that_cannot_be_printed(person, by):
    assert read(ora(MSA, f"PRT||UC||AAP|{person}")).by == by


def test_a_name_is_read_in_the_charset_that_the_message_says():
    assert read(ora(MSA, "PRT||UC||AAP|7^Müller", charset="8859/1", codec="latin-1")).by == "Müller (7) via EHR"


def test_of_a_name_in_no_known_charset_the_number_is_left():
    assert read(ora(MSA, "PRT||UC||AAP|7^Müller", codec="latin-1")).by == "7 via EHR"


@pytest.mark.parametrize(
    "segments",
    [
        (MSA,),  # a system says that it has the alert
        (MSA, "PRT||UC||AAP|"),
        (MSA, "PRT||UC||EQUIP|||||^^Pager 7"),
        (MSA, "PRT||UC||RO|N4711^Byron^Ada"),  # somebody else who has to do with it
        (MSA, "PRT||DE||AAP|N4711^Byron^Ada"),  # not any more
        (f"MSA|AE|{SENT}", PRT),
        (f"MSA|AR|{SENT}", PRT),
        (f"MSA|CA|{SENT}", PRT),
    ],
)
def test_what_no_person_has_acknowledged_names_nobody(segments):
    assert read(ora(*segments)) == Acknowledgement(message=SENT, by="")


def test_the_one_who_acknowledged_is_found_among_several_participants():
    assert read(ora(MSA, "PRT||UC||EQUIP|||||^^Pager 7", "PRT||UC||AAP|", PRT)).by == "Ada Byron (N4711) via EHR"


@pytest.mark.parametrize("segments", [(PRT,), ("MSA|AA|", PRT), ('MSA|AA|""', PRT)])
def test_an_answer_to_no_message_is_rejected_and_names_nobody_in_the_error(segments):
    with pytest.raises(Rejected) as caught:
        read(ora(*segments))
    assert caught.value.reason is Reason.MISSING_FIELD
    assert "Byron" not in str(caught.value)


def test_what_is_no_message_is_rejected():
    with pytest.raises(Rejected) as caught:
        read(b"MSA|AA|1\r")
    assert caught.value.reason is Reason.UNDECODABLE
