"""What each kind of EHR can take: pure functions from a finding to the parts of one delivery."""

from collections.abc import Callable, Mapping

from delivery.part import Context, Part
from delivery.profiles import epic, oracle, r4

PROFILES: Mapping[str, Callable[[Context], list[Part]]] = {"r4": r4.parts, "oracle": oracle.parts, "epic": epic.parts}
"""Each gives what is referred to before what refers to it."""
