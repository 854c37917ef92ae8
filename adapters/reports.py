"""What a cart said of its ECG, from whatever the format calls it: measurements in their fields, statements as lines."""

from collections.abc import Iterable

from adapters import codes
from domain.ecg import Measurements

_MOST_STATEMENTS = 100
_LONGEST = 1000


def reported(values: Iterable[tuple[str, float | None, str]]) -> tuple[Measurements, bool]:
    """Take (field of ``Measurements`` or ``rr_ms``, value, unit), the first of each; also whether a unit was odd.

    What is out of range (0 and 29999 stand for "not measured") leaves its field open for the next.
    """
    found: dict[str, float] = {}
    odd = False
    for name, value, unit in values:
        if value is None or name in found:
            continue
        scaled, strange = codes.scaled(name, value, unit)
        odd = odd or strange
        if scaled is not None:
            found[name] = scaled
    return codes.measurements(found), odd


def statements(lines: Iterable[str]) -> tuple[str, ...]:
    """Keep each line once, bounded in number and length, in any language."""
    kept = (line.strip()[:_LONGEST] for line in lines)
    return tuple(dict.fromkeys(line for line in kept if line))[:_MOST_STATEMENTS]
