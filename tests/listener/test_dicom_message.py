import struct

import pytest

from domain.errors import Rejected
from domain.reason import Reason
from listener.dicom_message import MOST_COMMAND_BYTES, MOST_DROPPED, Assembler, Command, Request, Status, answer

ECG = "1.2.840.10008.5.1.4.1.1.9.1.1"


def element(number, value):
    return struct.pack("<HHL", 0, number, len(value)) + value


def us(number, value):
    return element(number, struct.pack("<H", value))


def store_command(data_set=True, message_id=7):
    body = (
        element(0x0002, ECG.encode() + b"\0")
        + us(0x0100, Command.C_STORE_RQ)
        + us(0x0110, message_id)
        + us(0x0700, 0)
        + us(0x0800, 0x0001 if data_set else 0x0101)
        + element(0x1000, b"1.2.3\0")
    )
    return element(0x0000, struct.pack("<L", len(body))) + body


def feed_all(assembler, values):
    for context_id, value in values:
        assembler.feed(context_id, value)


def test_a_message_in_many_pieces_is_put_together():
    assembler, command = Assembler(100), store_command()
    assert assembler.feed(1, b"\x01" + command[:10]) is None
    assert assembler.busy
    assert assembler.feed(1, b"\x03" + command[10:]) is None
    assert assembler.feed(1, b"\x00abc") is None
    request = assembler.feed(1, b"\x02def")
    assert (request.context_id, request.command, request.message_id) == (1, Command.C_STORE_RQ, 7)
    assert (request.sop_class, request.sop_instance) == (ECG, "1.2.3")
    assert request.data == b"abcdef"
    assert not request.oversize
    assert not assembler.busy


def test_a_message_without_a_data_set_is_complete_with_its_command():
    request = Assembler(100).feed(3, b"\x03" + store_command(data_set=False))
    assert request.context_id == 3
    assert request.data == b""


def test_only_the_two_low_bits_of_the_control_header_count():
    assert Assembler(100).feed(1, b"\xff" + store_command(data_set=False)) is not None


def test_messages_follow_one_another():
    assembler = Assembler(100)
    for number in range(3):
        assembler.feed(1, b"\x03" + store_command(message_id=number))
        assert assembler.feed(1, b"\x02%d" % number).message_id == number


def test_a_data_set_of_exactly_the_bound_is_kept():
    assembler = Assembler(6)
    assembler.feed(1, b"\x03" + store_command())
    request = assembler.feed(1, b"\x02abcdef")
    assert request.data == b"abcdef"
    assert not request.oversize


def test_a_larger_data_set_is_dropped_as_it_comes_and_said_to_be_oversize():
    assembler = Assembler(6)
    assembler.feed(1, b"\x03" + store_command())
    for _ in range(10):
        assembler.feed(1, b"\x00abcd")
        assert len(assembler._data) <= 6
    request = assembler.feed(1, b"\x02abcd")
    assert request.oversize
    assert request.data == b""


def test_a_data_set_that_does_not_end_is_rejected():
    assembler = Assembler(6)
    assembler.feed(1, b"\x03" + store_command())
    with pytest.raises(Rejected) as caught:
        feed_all(assembler, [(1, b"\x00abcdef")] * (MOST_DROPPED + 1))
    assert caught.value.reason is Reason.TOO_LARGE


@pytest.mark.parametrize(
    "values",
    [
        [(1, b"")],
        [(1, b"\x02data")],
        [(1, b"\x03" + store_command()), (1, b"\x03" + store_command())],
        [(1, b"\x03" + store_command()), (3, b"\x02data")],
        [(1, b"\x01" + store_command()[:9]), (3, b"\x03" + store_command()[9:])],
        [(1, b"\x03" + store_command()[:-3])],
        [(1, b"\x03\x08\x00\x16\x00\x00\x00\x00\x00")],
        [(1, b"\x03" + us(0x0100, 1))],
        [(1, b"\x03" + us(0x0100, 1) + us(0x0800, 0x0101))],
        [(1, b"\x03" + us(0x0100, 0x8001) + us(0x0120, 1) + us(0x0800, 0x0101))],
        [(1, b"\x01" + bytes(MOST_COMMAND_BYTES + 1))],
    ],
    ids=[
        "an empty value",
        "a data set first",
        "a second command set",
        "another context's data set",
        "a command set over two contexts",
        "a cut command set",
        "an element of another group",
        "no data set type",
        "no message id",
        "an answer",
        "a long command set",
    ],
)
def test_what_breaks_the_protocol_is_rejected(values):
    with pytest.raises(Rejected):
        feed_all(Assembler(100), values)


def test_an_answer_has_the_elements_of_ps3_7_table_9_3_2_in_order():
    request = Request(context_id=1, command=1, message_id=7, sop_class=ECG, sop_instance="1.2.3")
    body = (
        element(0x0002, ECG.encode() + b"\0")
        + us(0x0100, 0x8001)
        + us(0x0120, 7)
        + us(0x0800, 0x0101)
        + us(0x0900, 0xA700)
        + element(0x0902, b"too large ")
        + element(0x1000, b"1.2.3\0")
    )
    expected = element(0x0000, struct.pack("<L", len(body))) + body
    assert answer(request, Status.OUT_OF_RESOURCES, "too large") == expected


def test_an_error_comment_is_cut_at_64_characters():
    request = Request(context_id=1, command=1, message_id=7, sop_class=ECG, sop_instance="1.2.3")
    assert element(0x0902, b"x" * 64) in answer(request, Status.CANNOT_UNDERSTAND, "x" * 99)
