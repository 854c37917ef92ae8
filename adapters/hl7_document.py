"""Documents in OBX: type ED as the standard has it, and as senders spell it (HL7 v2.5.1 2.A.24).

``^application^pdf^Base64^JVBER...``, ``^^PDF^Base64^...``, ``CUH^IM^PDF^Base64^...``, ``^^^^JVBER...``; base64 broken
into lines, by escapes or as repetitions; hexadecimal. What counts is the document: it says itself what it is. Where a
group has no PDF, another format that is read counts: an ECG's XML, a picture of a page. A logo beside a PDF does not.
"""

import base64
import binascii
import re
from collections.abc import Sequence

from adapters.hl7_observation import Row
from domain.arrival import Format, sniff
from domain.errors import Rejected
from domain.reason import Reason

_BLANKS = str.maketrans("", "", " \t\r\n")
_BREAK = re.compile(r"\\(?:\.[a-z]{2}[^\\]{0,8}|X(?:0D|0A|20|09|0d|0a)+)\\")
_HEX_PDF = "25504446"
_OTHERS = {Format.DICOM, Format.XML, Format.SCP, Format.IMAGE}
_MOST_DOCUMENTS = 8
_SMALLEST = 1000  # characters; less is a placeholder, not a page


def documents(rows: Sequence[Row]) -> tuple[bytes, ...]:
    """Return a group's PDFs, each once, or where it has none its documents in another format that is read.

    Raises ``Rejected`` when a PDF is announced and cannot be decoded.
    """
    found = dict.fromkeys(document for row in rows if (document := _document(row)) is not None)
    pages = [document for document in found if sniff(document) is Format.PDF]
    return tuple(pages or found)[:_MOST_DOCUMENTS]


def holds_other(rows: Sequence[Row]) -> bool:
    """Whether there is an embedded document of a kind that is not read: somebody should look."""
    return any(row.type == "ED" and len(row[5]) > _SMALLEST for row in rows)


def _document(row: Row) -> bytes | None:
    if row.type not in ("ED", "TX", "ST", "FT", ""):
        return None
    value = row[5]
    if row.type != "ED" and "JVBERi0" not in value[:256]:
        return None
    parts = value.split(row.separators.component)
    data = _bare(max(parts, key=len), row)
    announced = any(row.separators.unescaped(part).strip().casefold().endswith("pdf") for part in parts[:4])
    hexadecimal = any(part.strip().casefold() == "hex" for part in parts[:4]) or data.startswith(_HEX_PDF)
    content = _decoded(data, hexadecimal=hexadecimal)
    kind = sniff(content) if content else None
    if kind is Format.PDF or (kind in _OTHERS and len(value) > _SMALLEST):
        return content
    if announced:
        raise Rejected(Reason.UNDECODABLE, "an embedded PDF cannot be decoded")
    return None


def _bare(text: str, row: Row) -> str:
    """Base64 alone: without breaks, escapes, repetition signs and a data URI's head."""
    text = text.replace(row.separators.repetition, "")
    if row.separators.escape in text:
        text = row.separators.unescaped(_BREAK.sub("", text))
    return text.partition("base64,")[2].translate(_BLANKS) if text[:5] == "data:" else text.translate(_BLANKS)


def _decoded(text: str, *, hexadecimal: bool) -> bytes | None:
    try:
        if hexadecimal:
            return bytes.fromhex(text)
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (ValueError, binascii.Error):
        return None
