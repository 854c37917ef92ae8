"""An HL7 v2 ORA^R41 (v2.8 chapter 7), observation report alert acknowledgement: who has acknowledged an alert.

MSH, MSA and PRT are read. A system that only confirms the receipt of an alert answers with the same message: a person
has acknowledged when MSA-1 is AA and a PRT of role AAP (alert acknowledging provider, table 0912) names them.
"""

from collections.abc import Iterable

from adapters.hl7_header import Segment, split
from adapters.hl7_text import decode, segments, separators
from config.schema import Reading
from domain.alert import Acknowledgement
from domain.arrival import Arrival
from domain.errors import Rejected
from domain.reason import Reason

_GONE = ("D", "DE", "X")  # table 0287: the participant is taken out
_LONGEST_NAME = 80


def acknowledged(arrival: Arrival, _: Reading) -> tuple[Acknowledgement, ...]:
    """Read which message is answered (MSA-2: its MSH-10) and by whom (PRT-5, MSH-3). Raises ``Rejected``."""
    text = decode(arrival.payload, None).text
    if not text.startswith("MSH"):
        raise Rejected(Reason.UNDECODABLE, "does not begin with MSH")
    signs = separators(text)
    found = [split(line, signs) for line in segments(text, signs.field) if line[:3] in ("MSH", "MSA", "PRT")]
    answer = next((one for name, one in found if name == "MSA"), Segment(signs))
    if not answer.part(2):
        raise Rejected(Reason.MISSING_FIELD, "MSA-2 names no message")
    who = _who(one for name, one in found if name == "PRT") if answer.part(1).upper() == "AA" else ""
    by = f"{who} via {_clean(found[0][1].part(3)) or 'HL7'}" if who else ""
    return (Acknowledgement(message=answer.part(2), by=by),)


def _who(participants: Iterable[Segment]) -> str:
    named = (_name(one) for one in participants if one.part(4).upper() == "AAP" and one.part(2).upper() not in _GONE)
    return next((name for name in named if name), "")


def _name(participant: Segment) -> str:
    """XCN: the person's number, family and given name, whichever there are."""
    number, family, given = (_clean(participant.part(5, place)) for place in (1, 2, 3))
    name = " ".join(part for part in (given, family) if part)
    return f"{name} ({number})" if name and number else name or number


def _clean(text: str) -> str:
    return "".join(mark for mark in text if mark.isprintable())[:_LONGEST_NAME]
