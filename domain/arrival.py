"""What came in, as it came."""

import codecs
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Format(StrEnum):
    """The outside formats a door can hand on."""

    DICOM = "dicom"
    HL7 = "hl7"
    ADT = "adt"  # HL7 v2 too: where people are, and no ECG
    ORA = "ora"  # HL7 v2 too: who has acknowledged an alert
    PDF = "pdf"
    XML = "xml"
    SCP = "scp"
    IMAGE = "image"


_MAGIC = ((0, b"%PDF-", Format.PDF), (128, b"DICM", Format.DICOM), (0, b"MSH", Format.HL7))
_IMAGE = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")  # PNG, JPEG
_XML = (b"<?xml", b"<AnnotatedECG", b"<RestingECG", b"<restingecgdata", b"<CardiologyXML")
_WIDE = (  # HL7 and XML in more than one byte a character, with its byte order mark or without
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
)  # fmt: skip
_WIDE_MAGIC = tuple(mark + "MSH".encode(codec) for bom, codec in _WIDE for mark in (bom, b""))
_WIDE_XML = tuple(mark + "<".encode(codec) for bom, codec in _WIDE for mark in (bom, b""))


def sniff(head: bytes) -> Format | None:
    """Tell a payload's format from its first 1,024 bytes, or ``None``; a BOM or blank lines may precede PDF and HL7."""
    start = head[:1024]
    if start.startswith(_IMAGE):
        return Format.IMAGE
    if start.startswith(_WIDE_MAGIC):
        return Format.HL7
    if start.startswith(_WIDE_XML):
        return Format.XML
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip(b"\x0b\r\n\t ")
    for offset, magic, found in _MAGIC:
        if (start if offset else text)[offset : offset + len(magic)] == magic:
            return found
    if text.startswith(_XML):
        return Format.XML
    if _is_scp(start):
        return Format.SCP
    return Format.PDF if b"%PDF-" in start else None  # ISO 32000-1 annex H.3.4.1: within the first 1,024 bytes


def _is_scp(start: bytes) -> bool:
    """EN 1064: checksum, length, then section 0: its reserved bytes say SCPECG, or its first pointer is to itself."""
    section, length = int.from_bytes(start[8:10], "little"), start[10:14]
    named, pointed = start[16:22] == b"SCPECG", start[22:32] == b"\0\0" + length + b"\7\0\0\0"
    return len(start) >= 32 and section == 0 and (named or pointed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Bytes a sender handed over, with the key under which they are the same thing when sent again.

    ``key``: ``hl7:<application>^<facility>:<MSH-10>``, ``dicom:<SOP Instance UID>`` or ``file:<sha256>``.
    ``source``: the door and the sender, e.g. ``dicom:CART1``, ``hl7:MUSE^ED``, ``folder:incoming``; never a patient's.
    """

    key: str
    format: Format
    payload: bytes
    source: str
    received_at: datetime

    def __post_init__(self) -> None:
        if not self.key or not self.payload:
            raise ValueError("an arrival has a key and a payload")
        if self.received_at.tzinfo is None:
            raise ValueError("received_at has a time zone")


class Receipt(StrEnum):
    """What the store did with an arrival, once committed; the door turns it into its protocol's answer."""

    NEW = "new"
    DUPLICATE = "duplicate"  # same key, same content: answered as the first was, not scored again
    CONFLICT = "conflict"  # same key, other content: kept in quarantine, the sender is told
