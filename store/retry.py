"""When to try again: exponential waits with jitter, what the other side asked for, and an end. Pure."""

LONGEST_ASKED_S = 3600.0  # a Retry-After beyond an hour is taken for a mistake


def next_attempt(
    attempts: int,
    *,
    first_wait_s: float,
    longest_wait_s: float,
    give_up_s: float,
    age_s: float,
    retry_after_s: float | None = None,
    jitter: float,
) -> float | None:
    """Return the s to wait after ``attempts`` failures, or ``None`` to give up.

    ``jitter``: in [0, 1); waits spread over half to the whole of the exponential one, so that a destination that
    comes back is not met by everybody at once. The last attempt falls on ``give_up_s``.
    """
    if age_s >= give_up_s:
        return None
    whole = min(longest_wait_s, first_wait_s * 2.0 ** min(max(attempts - 1, 0), 60))
    wait = whole * (0.5 + 0.5 * jitter)
    if retry_after_s is not None:
        wait = max(wait, min(retry_after_s, LONGEST_ASKED_S) + whole * 0.5 * jitter)
    return min(wait, give_up_s - age_s)
