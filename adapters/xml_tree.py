"""Untrusted XML as a tree: no entities, bounded size, depth and number of elements, names without their namespaces."""

import base64
import binascii
import codecs
import math
import re
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from adapters.codes import clean
from adapters.recording import Samples
from domain.errors import Rejected
from domain.reason import Reason

_MOST_BYTES = 64 * 2**20
_MOST_ELEMENTS = 100_000  # an aECG with each of twelve beats annotated has 1,500
_DEEPEST = 100  # an aECG's lead annotations are 20 deep
_LONGEST_LEAD = 40 * 2**20  # characters: ten minutes at 8000 Hz
_FINEST_MV, _COARSEST_MV = 1e-7, 10.0
LARGEST = 2.0**31  # of a count
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
_UNMARKED = ((b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"))
_DECLARED = re.compile(rb"""\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_DECLARATION = re.compile(r"\s*<\?xml[^>]{0,400}\?>")
_WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "iso8859-1": "cp1252", "ascii": "utf-8"}  # what senders mean by them


def tree(payload: bytes) -> tuple[Element, bool]:
    """Parse an XML document; also whether its characters had to be guessed. Raises ``Rejected`` and nothing else."""
    if len(payload) > _MOST_BYTES:
        raise Rejected(Reason.TOO_LARGE, f"an XML document of more than {_MOST_BYTES >> 20} MiB")
    text, guessed = _decoded(payload)
    parser = DefusedXMLParser(target=_Bounded(), forbid_entities=True, forbid_external=True)
    try:
        parser.feed(_DECLARATION.sub("", text, count=1))
        root: Element = parser.close()
    except DefusedXmlException:
        raise Rejected(Reason.BAD_VALUE, "XML with entity declarations or external references") from None
    except (ParseError, ValueError):  # ValueError: a surrogate on its own
        raise Rejected(Reason.UNDECODABLE, "not well-formed XML, or cut short") from None
    return root, guessed


class _Bounded(TreeBuilder):
    """A tree builder that stops a document made to exhaust us."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = self._elements = 0

    def start(self, tag: str, attrs: dict[str, str]) -> Element:
        self._depth += 1
        self._elements += 1
        if self._depth > _DEEPEST or self._elements > _MOST_ELEMENTS:
            raise Rejected(Reason.TOO_LARGE, "XML deeper or with more elements than an ECG's")
        return super().start(_local(tag), {_local(name): value for name, value in attrs.items()})

    def end(self, tag: str) -> Element:
        self._depth -= 1
        return super().end(_local(tag))


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _decoded(payload: bytes) -> tuple[str, bool]:
    """The document as text: by byte order mark, by its zero bytes, then by its declaration.

    A declared UTF-16 on bytes that are not is what remains when a tool saved the file again: UTF-8 then.
    """
    for mark, codec in _MARKS:
        if payload.startswith(mark):
            return _by(codec, payload[len(mark) :])
    for start, codec in _UNMARKED:
        if payload.startswith(start):
            return _by(codec, payload)
    declared = _DECLARED.match(payload[:1024])
    name = declared[1].decode("ascii") if declared else "utf-8"
    try:
        codec = codecs.lookup(name).name
    except LookupError:
        raise Rejected(Reason.UNKNOWN_CHARSET, "the XML's declared encoding is unknown") from None
    if codec.startswith(("utf-16", "utf-32")):
        codec = "utf-8"
    return _by(_WIDER.get(codec, codec), payload)


def _by(codec: str, payload: bytes) -> tuple[str, bool]:
    """Decode; what does not fit the encoding becomes U+FFFD, and is told."""
    try:
        return payload.decode(codec), False
    except UnicodeDecodeError:
        return payload.decode(codec, "replace"), True
    except (UnicodeError, LookupError):  # codecs that are not for text, or have no "replace"
        raise Rejected(Reason.UNKNOWN_CHARSET, "the XML's declared encoding cannot be read") from None


def text(node: Element | None, *path: str) -> str:
    """The text at a path of child names, blanks collapsed; ``""`` when absent. The first child of a name counts."""
    for name in path:
        node = None if node is None else node.find(name)
    return "" if node is None else " ".join(clean("".join(node.itertext())).split())


def attribute(node: Element | None, name: str, *path: str) -> str:
    """The attribute of what is at a path of child names; ``""`` when absent."""
    for step in path:
        node = None if node is None else node.find(step)
    return "" if node is None else clean(node.get(name) or "")


def number(value: str) -> float | None:
    """A finite number, with a decimal point or comma, or ``None``."""
    try:
        found = float(value.replace(",", "."))
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def resolution(value: float | None, unit_mv: float | None) -> float:
    """Make mV a count of a stated number and its unit. Raises ``Rejected`` where either is not said or is no ECG's."""
    if value is None or unit_mv is None or not value > 0:
        raise Rejected(Reason.UNKNOWN_UNIT, "no resolution in uV, mV or V a count")
    if not _FINEST_MV <= value * unit_mv <= _COARSEST_MV:
        raise Rejected(Reason.BAD_VALUE, "a resolution that no ECG has")
    return value * unit_mv


def listed(values: str) -> Samples:
    """Samples written as decimal numbers, between blanks or commas. Raises ``Rejected``."""
    if len(values) > _LONGEST_LEAD:
        raise Rejected(Reason.TOO_LARGE, "a lead with more samples than an ECG has")
    try:
        samples = np.array(values.replace(",", " ").split(), dtype=np.float64)
    except ValueError:
        raise Rejected(Reason.BAD_VALUE, "a lead's samples are not numbers") from None
    if not (np.abs(samples) <= LARGEST).all():  # NaN as well
        raise Rejected(Reason.BAD_VALUE, "a lead's samples are not finite, or beyond 32 bits")
    return samples


def octets(values: str) -> bytes:
    """Bytes written as Base64. Raises ``Rejected``."""
    if len(values) > _LONGEST_LEAD:
        raise Rejected(Reason.TOO_LARGE, "a lead with more samples than an ECG has")
    try:
        return base64.b64decode("".join(values.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Rejected(Reason.UNDECODABLE, "a lead's samples are not Base64, or cut short") from None
