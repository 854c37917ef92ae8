"""An HL7 v2 message's characters and segments: charset, separators, escapes (HL7 v2.5.1 2.5 to 2.7, 2.15.9.18)."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

_CHARSETS = {  # HL7 table 0211 -> Python codec; it has none for CNS 11643-1992
    "": "ascii", "ASCII": "ascii",
    **{f"8859/{part}": f"iso8859_{part}" for part in (*range(1, 12), *range(13, 17))},
    "ISO IR6": "ascii", "ISO IR14": "iso2022_jp_ext", "ISO IR13": "iso2022_jp_ext",
    "ISO IR87": "iso2022_jp_ext", "ISO IR159": "iso2022_jp_ext",
    "GB 18030-2000": "gb18030", "KS X 1001": "euc_kr", "BIG-5": "big5",
    "GB 18030": "gb18030", "ISO IR149": "euc_kr", "ISO IR100": "iso8859_1", "ISO_IR 192": "utf-8",
    "UNICODE": "utf-8", "UNICODE UTF-8": "utf-8", "UNICODE UTF-16": "utf-16", "UNICODE UTF-32": "utf-32",
}  # fmt: skip
_ESCAPE = re.compile(r"\\([^\\]{0,80})\\")
_ESC = b"\x1b"  # ISO 2022 hides other characters in ASCII's octets
_SEPARATOR_AFTER_HIGH = re.compile(r"[\udc80-\udcff][|^~\\&]")
_MOST_SEGMENTS = 100_000
_MOST_CHARSETS = 8


@dataclass(frozen=True, slots=True)
class Decoded:
    """A message as characters. ``assumed``: octets beyond ASCII without a charset that fits were met.

    Then each such octet is a lone surrogate: numbers and base64 are still right, words are not known and read as "".
    """

    text: str
    assumed: bool = False


def decode(payload: bytes, agreed: str | None) -> Decoded:
    """Decode by MSH-18, else by the charset ``agreed`` with the sender, else as ASCII; never by guessing.

    Of several in MSH-18 the first that is not plain ASCII and fits counts: senders name ASCII first by habit.
    """
    if (codec := wide(payload)) is not None:
        return Decoded(payload.decode(codec, "replace").lstrip("\ufeff"))
    marked = ("utf-8",) if payload.startswith(codecs.BOM_UTF8) else ()
    payload = payload.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n\t ")
    if payload.isascii() and _ESC not in payload:
        return Decoded(payload.decode("ascii"))
    for codec in (*marked, *map(_codec, declared(payload)), _codec(agreed or "")):
        try:
            if codec and codec != "ascii":
                return Decoded(payload.decode(codec))
        except UnicodeError:
            continue
    return Decoded(_cautious(payload), assumed=True)


def declared(payload: bytes) -> tuple[str, ...]:
    """MSH-18's repetitions as they stand (2.15.9.18), each without what a sender puts behind a component separator."""
    header = re.split(rb"[\r\n]", payload[:8192], maxsplit=1)[0].decode("latin-1")
    signs = separators(header)
    fields = header.split(signs.field)
    names = fields[17].split(signs.repetition) if len(fields) > 17 else []
    return tuple(name.split(signs.component)[0] for name in names if name.strip())[:_MOST_CHARSETS]


def _codec(name: str) -> str | None:
    """Python's name of a charset, by HL7's name or by its own."""
    name = name.strip()
    if name.upper() in _CHARSETS:
        return _CHARSETS[name.upper()]
    try:
        found = codecs.lookup(name.removeprefix("UNICODE").strip() or "ascii")
    except (LookupError, ValueError):  # a NUL in the name
        return None
    return found.name if found._is_text_encoding else None


def wide(payload: bytes) -> str | None:
    """UTF-16 and UTF-32 show in their byte order mark or in the zeros beside ``M`` of MSH."""
    start = payload[:8].lstrip(b"\r\n")[:4]
    for mark, codec in (
        (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
        (b"M\0\0\0", "utf-32-le"), (b"\0\0\0M", "utf-32-be"),
        (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"), (b"M\0", "utf-16-le"), (b"\0M", "utf-16-be"),
    ):  # fmt: skip
        if start.startswith(mark):
            return codec
    return None


def _cautious(payload: bytes) -> str:
    """Keep unknown octets as surrogates; in a charset that is not UTF-8 a separator after one may be half a character.

    In GB 18030 and Big5 the second octet of a character may be ``|``, ``^``, ``~`` or a backslash. What follows such a
    place in its segment would be read one field off, a birth date out of an address, so it is dropped.
    """
    text = payload.decode("ascii", "surrogateescape")
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(map(_cut, re.split(r"([\r\n]+)", text)))
    return text


def _cut(line: str) -> str:
    doubtful = _SEPARATOR_AFTER_HIGH.search(line)
    return line[: doubtful.end() - 1] if doubtful else line


def words(text: str) -> str:
    """Return text for people: as it is when its characters are known, ``""`` when they are not."""
    return "" if any("\ud800" <= c <= "\udfff" or c == "\x1b" for c in text) else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Separators:
    """MSH-1 and MSH-2; what is missing is HL7's suggestion."""

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str

    def unescaped(self, text: str) -> str:
        """Resolve escape sequences; formatting and unknown ones vanish, line breaks stay (2.7)."""
        if self.escape not in text:
            return text
        pattern = _ESCAPE if self.escape == "\\" else re.compile(_ESCAPE.pattern.replace(r"\\", re.escape(self.escape)))
        return pattern.sub(self._resolve, text)

    def _resolve(self, found: re.Match[str]) -> str:
        code = found[1]
        plain = {"F": self.field, "S": self.component, "R": self.repetition, "E": self.escape, "T": self.subcomponent}
        if code in plain:
            return plain[code]
        if re.fullmatch(r"[Xx](?:[0-9A-Fa-f]{2})+", code):
            return bytes.fromhex(code[1:]).decode("ascii", "replace").replace("\r", "\n").replace("\ufffd", "")
        return "\n" if code.lower().startswith((".br", ".sp", ".ce")) else ""


def separators(text: str) -> Separators:
    """Read them off MSH, with which ``text`` begins."""
    field = text[3:4] or "|"
    encoding = text[4:9].split(field, 1)[0]
    given = encoding + "^~\\&"[len(encoding) :]
    return Separators(field=field, component=given[0], repetition=given[1], escape=given[2], subcomponent=given[3])


def segments(text: str, separator: str) -> Iterator[str]:
    """Split at CR, LF or both. A line that begins no segment goes on with the one before: base64 comes broken."""
    start = re.compile(rf"[A-Z][A-Z0-9]{{2}}(?:{re.escape(separator)}|$)")
    parts: list[str] = []
    count = 0
    for line in text.replace("\n", "\r").split("\r"):
        if parts and start.match(line):
            yield "\n".join(parts)
            parts, count = [], count + 1
            if count >= _MOST_SEGMENTS:
                return
        if line:
            parts.append(line)
    if parts:
        yield "\n".join(parts)
