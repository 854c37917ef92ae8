import threading
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from domain.errors import Transient
from domain.reason import Reason
from ecgd import loop


class Items:
    """A queue of numbers that ends the loop when it is empty."""

    def __init__(self, *items: int, stop: threading.Event) -> None:
        self.items, self.stop = list(items), stop
        self.put_back_with: list[tuple[int, str]] = []

    def claim(self) -> int | None:
        return self.items.pop(0) if self.items else None

    def wait(self, timeout_s: float) -> None:
        self.stop.set()

    def named(self, item: int) -> dict[str, object]:
        return {"arrival": item}

    def put_back(self, item: int, error: Exception) -> None:
        self.put_back_with.append((item, type(error).__name__))


def _run(*items: int, handle: Callable[[int], None]) -> Items:
    stop = threading.Event()
    queue = Items(*items, stop=stop)
    loop.run(queue, handle, stop=stop, beat=lambda: None, pause_s=0)
    return queue


def test_items_are_handled_in_order_and_waiting_begins_when_there_are_none() -> None:
    handled: list[int] = []
    _run(1, 2, 3, handle=handled.append)
    assert handled == [1, 2, 3]


def test_an_item_that_fails_is_put_back_and_the_next_one_is_handled() -> None:
    handled: list[int] = []

    def handle(item: int) -> None:
        if item == 2:
            raise Transient(Reason.DESTINATION_UNAVAILABLE)
        handled.append(item)

    queue = _run(1, 2, 3, handle=handle)
    assert handled == [1, 3]
    assert queue.put_back_with == [(2, "Transient")]


def test_an_unexpected_error_is_put_back_and_its_text_is_not_logged(capsys: object) -> None:
    def handle(item: int) -> None:
        raise ValueError("Jane Doe, born 1970")

    queue = _run(7, handle=handle)
    assert queue.put_back_with == [(7, "ValueError")]
    assert "Jane" not in "".join(capsys.readouterr())  # type: ignore[attr-defined]


@pytest.mark.parametrize("error", [Transient(Reason.DESTINATION_UNAVAILABLE), ValueError()])
def test_the_log_says_which_item_failed(error: Exception) -> None:
    def handle(_item: int) -> None:
        raise error

    with capture_logs() as lines:
        _run(7, handle=handle)
    assert [line["arrival"] for line in lines] == [7]


def test_a_queue_out_of_reach_does_not_end_the_loop() -> None:
    stop = threading.Event()

    class Broken(Items):
        tries = 0

        def claim(self) -> int | None:
            self.tries += 1
            if self.tries < 3:
                raise Transient(Reason.STORE_UNAVAILABLE)
            return super().claim()

    queue = Broken(5, stop=stop)
    handled: list[int] = []
    loop.run(queue, handled.append, stop=stop, beat=lambda: None, pause_s=0)
    assert handled == [5]


def test_the_item_in_hand_is_finished_when_a_stop_comes() -> None:
    stop = threading.Event()
    queue = Items(1, 2, stop=stop)
    handled: list[int] = []

    def handle(item: int) -> None:
        stop.set()
        handled.append(item)

    loop.run(queue, handle, stop=stop, beat=lambda: None)
    assert handled == [1]
    assert queue.items == [2]


def test_a_lease_is_extended_while_the_work_goes_on() -> None:
    extended = threading.Event()
    with loop.kept_alive(extended.set, every_s=0.001):
        assert extended.wait(5)
