"""Answer HL7 v2 messages: MSH in; AA, AE, AR or CA, CE, CR out. Pure (HL7 v2.5.1 2.9.2 and 2.9.3).

| event                                       | original mode | enhanced mode | ERR-3              |
|---------------------------------------------|---------------|---------------|--------------------|
| committed, or the same message again        | AA            | CA, then AA   |                    |
| no MSH, or a batch (send messages singly)   | AR            | CR            | 100, 200           |
| wrong type, event, version, processing id   | AR            | CR            | 200, 201, 203, 202 |
| MSH-9, 10, 11 or 12 missing, or unusable    | AE            | CE            | 101, 102           |
| same MSH-10, other content                  | AE            | CE            | 205                |
| store not available, message too large      | AE, AR        | CE, CR        | 207                |

Original mode is when MSH-15 and MSH-16 are both absent. In enhanced mode MSH-15 says whether the accept acknowledgement
is wanted and MSH-16 whether the application acknowledgement is: it follows at once on the same connection, since what
the sender may still be told is known at the commit; what becomes of the ECG goes to the EHR, not back to the cart. A
failure is told once, by the accept acknowledgement unless MSH-15 forbids it.

ERR has the form of the message's version: from 2.5 on ERR-2, 3, 4 and 8, before it ERR-1. Neither it nor MSA holds
anything of the message but MSH-10.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from listener.msh import Header

EVENTS: dict[str, Collection[str] | None] = {"ORU": ("R01", "W01", ""), "ADT": None, "ORA": ("R41",)}
"""Events taken of each message type, ``None``: all.

ORU events taken: R01, the withdrawn W01 (waveform result) of the same structure, and none, as 2.1 has it.

R30, R31 and R32 are refused: they ask the receiver to place or find an order. Of ADT every event is taken, also those
that say nothing of where people are: an interface that is answered AR stops, and the discharge behind it never comes.
ORA^R41 acknowledges an alert.
"""

_LONGEST = {3: 227, 4: 227, 10: 199}  # HL7 v2.7: HD 227, ST 199; they become a key of the store


class Verdict(StrEnum):
    """The second letter of the acknowledgement code."""

    ACCEPT = "A"
    ERROR = "E"
    REJECT = "R"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong: HL7 table 0357's code and text, and where (segment, field, component), if anywhere."""

    verdict: Verdict
    code: int
    text: str
    place: tuple[str, int, int] | None = None


NO_HEADER = Fault(Verdict.REJECT, 100, "Segment sequence error", ("MSH", 1, 0))
BATCH = Fault(Verdict.REJECT, 200, "Unsupported message type", None)
CONFLICT = Fault(Verdict.ERROR, 205, "Duplicate key identifier", ("MSH", 10, 0))
UNAVAILABLE = Fault(Verdict.ERROR, 207, "Application internal error")
TOO_LARGE = Fault(Verdict.REJECT, 207, "Application internal error: message too large")

_NO_FRAMES = {0x0B: None, 0x1C: None}  # echoed octets must not frame

_NOBODY = Header(
    segment="MSH", separator="|", encoding="^~\\&", fields=("MSH", "|", "^~\\&", *[""] * 9, "2.5.1"), codec="latin-1"
)


def check(header: Header | None, *, processing_ids: Collection[str], versions: Collection[str]) -> Fault | None:
    """Return what keeps a message from being taken, or ``None``."""
    if header is None:
        return NO_HEADER
    if header.segment != "MSH":
        return BATCH
    if missing := next((n for n in (9, 10, 11, 12) if not header.component(n, 1)), 0):
        return Fault(Verdict.ERROR, 101, "Required field missing", ("MSH", missing, 0))
    if unusable := next((n for n, longest in _LONGEST.items() if not _usable(header[n], longest)), 0):
        return Fault(Verdict.ERROR, 102, "Data type error", ("MSH", unusable, 0))
    return _supported(header, processing_ids, versions)


def _supported(header: Header, processing_ids: Collection[str], versions: Collection[str]) -> Fault | None:
    if header.component(9, 1) not in EVENTS:
        return Fault(Verdict.REJECT, 200, "Unsupported message type", ("MSH", 9, 1))
    events = EVENTS[header.component(9, 1)]
    if events is not None and header.component(9, 2) not in events:
        return Fault(Verdict.REJECT, 201, "Unsupported event code", ("MSH", 9, 2))
    if header.component(12, 1) not in versions:
        return Fault(Verdict.REJECT, 203, "Unsupported version id", ("MSH", 12, 1))
    if header.component(11, 1) not in processing_ids:
        return Fault(Verdict.REJECT, 202, "Unsupported processing id", ("MSH", 11, 1))
    return None


def _usable(text: str, longest: int) -> bool:
    return len(text) <= longest and not any(c < " " and c != "\x1b" for c in text)  # ESC: ISO 2022


def answers(header: Header | None, fault: Fault | None, *, control_ids: tuple[str, str], now: datetime) -> list[bytes]:
    """Return the acknowledgements to send, in order: none, one, or the accept and the application acknowledgement.

    ``control_ids``: MSH-10 of the one and of the other. ``header`` is ``None`` when there was no MSH to answer to.
    """
    header = header or _NOBODY
    good, verdict = fault is None, fault.verdict if fault else Verdict.ACCEPT
    accept, application = header[15], header[16]
    if not accept and not application:
        return [_acknowledgement(header, f"A{verdict}", fault, control_ids[0], now)]
    first = bool(accept) and _wanted(accept, good=good)
    then = bool(application) and _wanted(application, good=good) and (good or not first)
    codes = [f"C{verdict}"] * first + [f"A{verdict}"] * then
    return [_acknowledgement(header, code, fault, own, now) for code, own in zip(codes, control_ids, strict=False)]


def _wanted(condition: str, *, good: bool) -> bool:
    """HL7 table 0155; an unknown condition counts as always."""
    return {"NE": False, "ER": not good, "SU": good}.get(condition, True)


def _acknowledgement(header: Header, code: str, fault: Fault | None, control_id: str, now: datetime) -> bytes:
    rows = [_msh(header, control_id, now), _msa(header, code, fault)]
    if fault:
        rows.append(_err(header, fault))
    text = "".join(header.separator.join(row).rstrip(header.separator) + "\r" for row in rows)
    return text.translate(_NO_FRAMES).encode(header.codec)


def _msh(header: Header, control_id: str, now: datetime) -> list[str]:
    """MSH-9 is ACK up to 2.2, with the event in 2.3, with the structure from 2.3.1 on."""
    event = header.component(9, 2)
    kind = ["ACK", event if event.isalnum() and len(event) == 3 else "R01", "ACK"]
    parts = 1 if header.version < (2, 3) else 2 if header.version < (2, 3, 1) else 3
    names = [header[5], header[6], header[3], header[4]]
    sent = [now.strftime("%Y%m%d%H%M%S%z"), "", header.component_separator.join(kind[:parts]), control_id]
    return ["MSH", header.encoding or "^~\\&", *names, *sent, header[11] or "P", header[12], *[""] * 5, header[18]]


def _msa(header: Header, code: str, fault: Fault | None) -> list[str]:
    """MSA-3 and MSA-6 carried the error until ERR did, in 2.5."""
    if fault is None or header.version >= (2, 5):
        return ["MSA", code, header.control_id]
    return ["MSA", code, header.control_id, fault.text, "", "", *[_coded(header, fault)] * (header.version >= (2, 3))]


def _coded(header: Header, fault: Fault) -> str:
    return header.component_separator.join((str(fault.code), fault.text, "HL70357"))


def _err(header: Header, fault: Fault) -> list[str]:
    segment, field, component = fault.place or ("", 0, 0)
    if header.version >= (2, 5):
        place = [segment, "1", str(field), *(["1", str(component)] if component else [])] if segment else []
        where = header.component_separator.join(place)
        return ["ERR", "", where, _coded(header, fault), "E", "", "", "", fault.text]
    plain = header.version < (2, 3)  # 2.2: the code alone; 2.3 and 2.4: a coded element as subcomponents
    code = str(fault.code) if plain else header.subcomponent_separator.join((str(fault.code), fault.text, "HL70357"))
    place = [segment, "1", str(field)] if segment else ["", "", ""]
    return ["ERR", header.component_separator.join([*place, code])]
