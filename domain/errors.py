"""Whose fault it is, and so what happens next.

Problem
├── Rejected    theirs: the bytes or the request are wrong; set aside, do not try again
├── Transient   nobody's: try again later
└── Permanent   ours: stop, and tell a person
"""

from domain.reason import Reason


class Problem(Exception):
    """A failure with a closed ``reason`` and a ``detail`` in fixed words that never hold a patient's data."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


class Rejected(Problem):
    """The sender's input cannot be used, now or later."""


class Transient(Problem):
    """The same thing may succeed later; ``retry_after_s`` is what the other side asked for, if it did."""

    def __init__(self, reason: Reason, detail: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(reason, detail)
        self.retry_after_s = retry_after_s


class Permanent(Problem):
    """Our own configuration, code or machine is wrong; trying again does not help."""
