"""Who, when and which cart: section 1 of an SCP-ECG record (EN 1064 5.4)."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

from adapters.codes import clean
from adapters.moment import Doubts, calendar, moment
from adapters.scp_sections import Fields
from domain.ecg import Device, Identifier, Order, Patient, Sex
from domain.errors import Rejected

_SEXES = {1: Sex.MALE, 2: Sex.FEMALE}
_MAKERS = (
    "", "Burdick", "Cambridge", "Compumed", "Datamed", "Fukuda", "Hewlett-Packard", "Marquette Electronics",
    "Mortara Instruments", "Nihon Kohden", "Okin", "Quinton", "Siemens", "Spacelabs", "Telemed", "Hellige", "ESAOTE",
    "Schiller", "Picker-Schwarzer", "et medical devices", "Zwönitz",
)  # fmt: skip
_LANGUAGES = {  # tag 14, byte 17: 5.4.5.3
    0x00: "ascii", 0x01: "latin-1", 0x03: "iso8859-2", 0x0B: "iso8859-4", 0x13: "iso8859-5", 0x1B: "iso8859-6",
    0x23: "iso8859-7", 0x2B: "iso8859-8", 0x33: "iso8859-11", 0x3B: "iso8859-15", 0x07: "utf-16-le",
    0x0F: "shift_jis", 0x17: "euc_jp", 0x1F: "euc_jp", 0x27: "gb2312", 0x2F: "cp949", 0x37: "utf-8",
}  # fmt: skip
_END = 255
_LATEST_ZONE_MIN = 14 * 60


@dataclass(frozen=True, slots=True)
class Header:
    """Section 1's fields by tag, the first of each, and the encoding that texts of the record are in."""

    fields: dict[int, bytes]
    encoding: str

    def text(self, tag: int) -> str:
        """A field up to its NUL; what does not fit the encoding becomes U+FFFD."""
        return worded(self.fields.get(tag, b""), self.encoding)

    @property
    def garbled(self) -> bool:
        """Whether a name or identifier does not fit the encoding."""
        return any("�" in self.text(tag) for tag in (0, 1, 2))


def header(section: Fields) -> Header:
    """Split section 1; one that is damaged gives what stands before the damage."""
    fields: dict[int, bytes] = {}
    place = 0
    with suppress(Rejected):  # an ECG is not lost for its header
        while place < len(section) and (tag := section.u8(place)) != _END:
            value = section.part(place + 3, section.u16(place + 1))
            fields.setdefault(tag, value)
            place += 3 + len(value)
    language = fields.get(14, b"")[16:17] or b"\1"
    return Header(fields, _LANGUAGES.get(language[0], "latin-1"))


def worded(value: bytes, encoding: str) -> str:
    """Text up to its NUL."""
    if encoding == "utf-16-le":
        return clean(value[: len(value) // 2 * 2].decode(encoding, "replace").split("\0")[0])
    return clean(value.split(b"\0")[0].decode(encoding, "replace"))


def patient(known: Header) -> Patient:
    """Name the patient; an identifier that does not fit the encoding is none."""
    identifier = known.text(2)
    return Patient(
        identifiers=(Identifier(value=identifier),) if identifier and "�" not in identifier else (),
        family=known.text(0),
        given=known.text(1),
        birth_date=_day(known.fields.get(5, b"")),
        sex=_SEXES.get((known.fields.get(8, b"") or b"\0")[0], Sex.UNKNOWN),
    )


def order(known: Header) -> Order:
    """Name the place; SCP-ECG has no order number."""
    return Order(location=known.text(18) or known.text(23))


def device(known: Header) -> Device:
    """Tag 14: numbers, six bytes of model, then texts: analysis, serial number, software, SCP software, maker."""
    value = known.fields.get(14, b"")
    texts = [*(worded(part, known.encoding) for part in value[36:].split(b"\0")), "", "", "", "", ""]
    code = value[7] if len(value) > 7 else 0
    return Device(
        manufacturer=texts[4] or (_MAKERS[code] if code < len(_MAKERS) else ""),
        model=worded(value[8:14], known.encoding),
        serial=texts[1],
        software=texts[2],
    )


def acquired_at(known: Header, assumed_zone: str) -> tuple[datetime | None, Doubts]:
    """Tags 25 and 26, the zone from tag 34 (minutes east of UTC; 0x7FFF: not said)."""
    clock, zone = known.fields.get(26, b"")[:3], known.fields.get(34, b"")[:2]
    time = ":".join(f"{part:02d}" for part in clock) if len(clock) == 3 else ""
    minutes = int.from_bytes(zone, "little", signed=True) if len(zone) == 2 else 0x7FFF
    said = timezone(timedelta(minutes=minutes)) if abs(minutes) <= _LATEST_ZONE_MIN else None
    return moment(_day(known.fields.get(25, b"")), time, assumed_zone, said)


def _day(value: bytes) -> date | None:
    return calendar(int.from_bytes(value[:2], "little"), value[2], value[3]) if len(value) >= 4 else None
