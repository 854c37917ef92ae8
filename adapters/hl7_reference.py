"""References (OBX-2 RP, HL7 v2.5.1 2.A.68): where an ECG can be had that a message only points to.

``embedded`` puts what was fetched in the reference's place, as the ED it could have been, so that it is read under the
message's own patient, order and time, and compared with them, as any embedded document is.
"""

import base64
import re
from collections.abc import Iterator

from adapters.hl7_observation import Row, counts, row
from adapters.hl7_text import Separators, separators, wide
from domain.errors import Permanent
from domain.reason import Reason

MOST = 4
"""References of one message that are looked at."""

_LONGEST = 2048
_URL = re.compile(r"https?://[\x21-\x7e]+", re.IGNORECASE)
_ENDS = re.compile(r"([\r\n]+)")
_BEFORE = "\ufeff\xef\xbb\xbf\r\n\t "


def references(payload: bytes) -> tuple[str, ...]:
    """Read the URLs that a message points to by HTTP, each once; shares, files and what was withdrawn are none."""
    parts, signs, _ = _split(payload)
    found = (url for _, _, url in _pointers(parts, signs))
    return tuple(dict.fromkeys(found))[:MOST]


def embedded(payload: bytes, url: str, content: bytes) -> bytes:
    """Return the message with ``content`` in the place of ``url``. Raises ``Permanent`` when it is not there."""
    parts, signs, codec = _split(payload)
    data = signs.component.join(("", "application", "octet-stream", "Base64", base64.b64encode(content).decode()))
    places = [(place, obx) for place, obx, pointer in _pointers(parts, signs) if pointer == url]
    if not places:
        raise Permanent(Reason.OUR_FAULT, "a message does not hold the reference that was read from it")
    for place, obx in places:
        parts[place] = signs.field.join((*obx.fields[:2], "ED", *obx.fields[3:5], data, *obx.fields[6:]))
    return "".join(parts).encode(codec)


def _split(payload: bytes) -> tuple[list[str], Separators, str]:
    """Segments and what ends them in turn, octet for octet, so that what is not touched stays as it came."""
    codec = wide(payload) or "latin-1"
    text = payload.decode(codec, "replace")
    return _ENDS.split(text), separators(text[:80].lstrip(_BEFORE)), codec


def _pointers(parts: list[str], signs: Separators) -> Iterator[tuple[int, Row, str]]:
    for place, segment in enumerate(parts):
        if segment.startswith(f"OBX{signs.field}"):
            obx = row(segment, signs)
            url = _pointer(obx[5], signs) if obx.type == "RP" and counts(obx) else ""
            if url:
                yield place, obx, url


def _pointer(value: str, signs: Separators) -> str:
    """RP.1; a raw ``&`` belongs to it, for senders forget to escape that one."""
    text = signs.unescaped(value[: 2 * _LONGEST].split(signs.component)[0]).strip()
    return text if len(text) <= _LONGEST and _URL.fullmatch(text) else ""
