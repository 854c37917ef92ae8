import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.mllp import HEAD, MOST_NOISE, Event, Framer, Message, Stop, TooLarge, framed


def events(*chunks: bytes, max_message: int = 1000) -> list[Event]:
    """Everything a framer says, ``NEED_DATA`` left out."""
    framer, seen = Framer(max_message), []
    for chunk in chunks:
        framer.feed(chunk)
        while (event := framer.next_event()) is not Stop.NEED_DATA:
            seen.append(event)
            if event is Stop.NOISE:
                return seen
    return seen


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"\x0bMSH\x1c\r", [Message(b"MSH")]),
        (b"\x0bA\x1c\r\x0bB\x1c\r", [Message(b"A"), Message(b"B")]),
        (b"\x0bA\x1c\r\r\n\x0bB\x1c\r", [Message(b"A"), Message(b"B")]),
        (b"noise\x0bA\x1c\r", [Message(b"A")]),
        (b"\x0b\x1c\r", [Message(b"")]),
        (b"\x0bA\x1cB\x1c\r", [Message(b"A\x1cB")]),
        (b"\x0bA\x1c\n\x1c\r", [Message(b"A\x1c\n")]),
        (b"\x0bcut\x0bwhole\x1c\r", [Message(b"whole")]),
        (b"\x0bcut", []),
        (b"A\x1c\r", []),
    ],
)
def test_messages_are_what_stands_between_vt_and_fs_cr(stream: bytes, expected: list[Event]) -> None:
    assert events(stream) == expected
    assert events(*(stream[i : i + 1] for i in range(len(stream)))) == expected


@given(
    st.lists(st.binary(max_size=60).filter(lambda b: b"\x0b" not in b and b"\x1c" not in b), max_size=5),
    st.lists(st.integers(1, 40), max_size=30),
)
def test_chunks_do_not_matter(messages: list[bytes], sizes: list[int]) -> None:
    stream, chunks = b"".join(map(framed, messages)), []
    for size in sizes:
        chunks.append(stream[:size])
        stream = stream[size:]
    assert events(*chunks, stream) == [Message(message) for message in messages]


def test_a_message_of_the_largest_size_passes_and_one_octet_more_does_not() -> None:
    assert events(framed(b"x" * 1000)) == [Message(b"x" * 1000)]
    (event,) = events(framed(b"x" * 1001))
    assert isinstance(event, TooLarge)


def test_an_oversized_message_is_noticed_before_its_end_and_is_the_last_thing_said() -> None:
    stream = b"\x0bMSH" + b"x" * 20_000
    assert events(stream, framed(b"next"), max_message=9000) == [TooLarge(stream[1 : HEAD + 1])]


def test_nothing_is_kept_of_an_oversized_message() -> None:
    framer = Framer(10)
    framer.feed(b"\x0b" + b"x" * 20)
    assert isinstance(framer.next_event(), TooLarge)
    framer.feed(b"y" * 1000)
    assert (framer.buffered, framer.next_event()) == (0, Stop.NEED_DATA)


def test_noise_is_bounded_whether_or_not_a_message_follows() -> None:
    assert events(b"x" * MOST_NOISE + framed(b"A"), max_message=9) == [Message(b"A")]
    assert events(b"x" * (MOST_NOISE + 1) + framed(b"A"), max_message=9) == [Stop.NOISE]
    assert events(*[b"x" * 100] * 100) == [Stop.NOISE]


def test_megabytes_in_small_chunks_cost_no_more_than_their_length() -> None:
    def seconds(size: int) -> float:
        framer, chunk = Framer(1 << 30), b"x" * 1024
        started = time.perf_counter()
        framer.feed(b"\x0b")
        for _ in range(size // 1024):
            framer.feed(chunk)
            framer.next_event()
        framer.feed(b"\x1c\r")
        assert isinstance(framer.next_event(), Message)
        return time.perf_counter() - started

    small, large = min(seconds(1 << 20) for _ in range(3)), min(seconds(8 << 20) for _ in range(3))
    assert large < 8 * small * 4  # eight times the work; a quadratic framer takes sixty-four times as long


def test_a_long_message_in_large_and_in_tiny_chunks_is_the_same() -> None:
    body = bytes(range(32, 127)) * 4000 + b"\x1c\n" + b"x" * 200_000
    stream = framed(body) + framed(b"next")
    for size in (7, 1000, 65_536, 262_144):
        chunks = [stream[i : i + size] for i in range(0, len(stream), size)]
        assert events(*chunks, max_message=1 << 20) == [Message(body), Message(b"next")]


def test_an_end_cut_between_two_chunks_is_found_whatever_came_before_it() -> None:
    body = b"x" * 100_000
    assert events(b"\x0b" + body + b"\x1c", b"\r\x0bB\x1c", b"\r", max_message=1 << 20) == [
        Message(body),
        Message(b"B"),
    ]


def test_a_long_message_costs_no_second_buffer_that_grows() -> None:
    chunks = [b"\x0b" + b"x" * 262_144, *[b"x" * 262_144] * 40, b"\x1c\r"]
    framer = Framer(32 << 20)
    tracemalloc.start()
    try:
        for chunk in chunks[:-1]:
            framer.feed(chunk)
            framer.next_event()
        assert tracemalloc.get_traced_memory()[1] < 1 << 20  # the chunks themselves were there before
    finally:
        tracemalloc.stop()
    framer.feed(chunks[-1])
    assert isinstance(framer.next_event(), Message)
