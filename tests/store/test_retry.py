import pytest

from store.retry import LONGEST_ASKED_S, next_attempt

USUAL = {"first_wait_s": 1.0, "longest_wait_s": 300.0, "give_up_s": 86400.0, "age_s": 0.0, "jitter": 0.0}


@pytest.mark.parametrize(
    ("attempts", "more", "expected"),
    [
        (1, {}, 0.5),
        (1, {"jitter": 0.5}, 0.75),
        (2, {}, 1.0),
        (3, {}, 2.0),
        (9, {}, 128.0),
        (10, {}, 150.0),  # half of the longest
        (0, {}, 0.5),
        (100_000, {"jitter": 0.5}, 225.0),  # no overflow
        (1, {"retry_after_s": 20.0}, 20.0),
        (1, {"retry_after_s": 20.0, "jitter": 0.5}, 20.25),
        (10, {"retry_after_s": 20.0}, 150.0),  # never sooner than our own wait
        (1, {"retry_after_s": 1e9}, LONGEST_ASKED_S),
        (1, {"retry_after_s": -5.0}, 0.5),
        (5, {"age_s": 86399.0}, 1.0),  # the last attempt falls on the end
        (5, {"age_s": 86400.0}, None),
        (5, {"age_s": 90000.0, "retry_after_s": 1.0}, None),
        (5, {"give_up_s": float("inf"), "age_s": 1e12}, 8.0),
    ],
)
def test_waits_grow_are_bounded_and_end(attempts, more, expected):
    assert next_attempt(attempts, **{**USUAL, **more}) == expected


def test_jitter_keeps_waits_between_half_and_the_whole():
    waits = [next_attempt(4, **{**USUAL, "jitter": step / 100}) for step in range(100)]
    assert min(waits) == 4.0
    assert 7.9 < max(waits) < 8.0
