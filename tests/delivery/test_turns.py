"""Who waits for whom."""

import threading

import pytest

from delivery.turns import Turns
from domain.errors import Transient
from domain.reason import Reason

WAIT_S = 20.0


def of(*urls):
    return frozenset(urls)


def test_what_shares_nothing_goes_side_by_side():
    turns = Turns(0.05)
    with turns.of(lasting=of(), passing=of("a")), turns.of(lasting=of(), passing=of("b")):
        pass


def test_what_shares_something_waits_no_longer_than_told():
    turns = Turns(0.05)
    first, second = turns.of(lasting=of("device"), passing=of()), turns.of(lasting=of("device"), passing=of("b"))
    with first, pytest.raises(Transient) as caught, second:
        raise AssertionError
    assert caught.value.reason is Reason.DESTINATION_UNAVAILABLE
    assert caught.value.detail == "another first delivery is under way"


def test_the_next_one_begins_when_the_first_has_ended():
    turns, ended = Turns(WAIT_S), threading.Event()

    def second():
        with turns.of(lasting=of("device"), passing=of()):
            ended.set()

    with turns.of(lasting=of("device"), passing=of()):
        thread = threading.Thread(target=second)
        thread.start()
        assert not ended.is_set()
    assert ended.wait(WAIT_S)
    thread.join()


def test_a_lasting_thing_is_waited_for_only_until_it_is_there():
    turns = Turns(0.05)
    with turns.of(lasting=of("device"), passing=of("a")):
        pass
    with turns.of(lasting=of("device"), passing=of("a")), turns.of(lasting=of("device"), passing=of("b")):
        pass


def test_a_failed_delivery_leaves_nothing_behind():
    turns = Turns(0.05)
    with pytest.raises(ValueError, match="no"), turns.of(lasting=of("device"), passing=of("a")):
        raise ValueError("no")
    second, third = turns.of(lasting=of("device"), passing=of("a")), turns.of(lasting=of("device"), passing=of("b"))
    with second, pytest.raises(Transient), third:
        raise AssertionError
