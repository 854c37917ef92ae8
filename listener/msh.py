"""Read an HL7 v2 message header, tolerantly: split, never parsed (HL7 v2.5.1 2.15.9).

Only the first segment is looked at, so the cost does not depend on the message's size. Octets become characters one to
one (ISO 8859-1) so that whatever is echoed has the sender's own bytes; UTF-16 messages are recognised by their zeros.
"""

from dataclasses import dataclass

_LONGEST_HEADER = 8192
_DEFAULT_ENCODING = "^~\\&"
_CONTROL_ID = {"MSH": 10, "FHS": 11, "BHS": 11}  # a batch names itself in FHS-11 or BHS-11


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What MSH says. ``fields[n]`` is MSH-n as sent, ``""`` where absent; ``fields[1]`` is the separator itself."""

    segment: str  # MSH, FHS or BHS
    separator: str
    encoding: str  # MSH-2 as sent
    fields: tuple[str, ...]
    codec: str  # how characters become octets again

    def __getitem__(self, number: int) -> str:
        """Return MSH-number as sent; HL7's explicit null (two quotation marks) counts as absent."""
        text = self.fields[number] if number < len(self.fields) else ""
        return "" if text == '""' else text

    def component(self, number: int, place: int) -> str:
        """Return component ``place``, from 1, of MSH-number's first repetition."""
        parts = self[number].split(self._character(1), 1)[0].split(self._character(0))
        return parts[place - 1].strip() if place <= len(parts) else ""

    @property
    def control_id(self) -> str:
        """MSH-10, or a batch's own identifier."""
        return self[_CONTROL_ID[self.segment]]

    @property
    def sender(self) -> str:
        """``application^facility``: the first components of MSH-3 and MSH-4."""
        return f"{self.component(3, 1)}^{self.component(4, 1)}"

    @property
    def key(self) -> str:
        """``MSH-3^MSH-4:MSH-10``, whole fields, their components joined by ``&`` whatever the sender separates by."""
        application, facility = (self[n].replace(self._character(0), "&") for n in (3, 4))
        return f"{application}^{facility}:{self.control_id}"

    @property
    def version(self) -> tuple[int, ...]:
        """MSH-12 as numbers; ``(2, 5, 1)``, as ours, where it is none."""
        digits = self.component(12, 1).split(".")
        known = all(d.isascii() and d.isdigit() and len(d) < 4 for d in digits)
        return tuple(map(int, digits)) if known else (2, 5, 1)

    @property
    def component_separator(self) -> str:
        """The first of MSH-2."""
        return self._character(0)

    @property
    def subcomponent_separator(self) -> str:
        """The fourth of MSH-2."""
        return self._character(3)

    def _character(self, place: int) -> str:
        return self.encoding[place] if place < len(self.encoding) else _DEFAULT_ENCODING[place]


def read_header(payload: bytes) -> Header | None:
    """Split the first segment; ``None`` when the message does not begin with MSH, FHS or BHS."""
    head = payload[:_LONGEST_HEADER]
    codec = _codec(head)
    text = head.decode(codec, "ignore").removeprefix("\ufeff").removeprefix("\xef\xbb\xbf").lstrip("\r\n\t ")
    line = text.replace("\n", "\r", 1).split("\r", 1)[0]
    segment, separator = line[:3], line[3:4]
    if segment not in _CONTROL_ID or not separator or separator.isalnum():
        return None
    encoding, *fields = line[4:].split(separator)
    return Header(
        segment=segment,
        separator=separator,
        encoding=encoding,
        fields=(segment, separator, encoding, *fields),
        codec=codec,
    )


def _codec(head: bytes) -> str:
    """UTF-16 shows in the zeros beside the letters of MSH; everything else HL7 allows keeps ASCII's octets."""
    start = head.lstrip(b"\r\n")[:4]
    if start.startswith(b"\xff\xfe") or start[1:2] == b"\x00":
        return "utf-16-le"
    if start.startswith(b"\xfe\xff") or start[:1] == b"\x00":
        return "utf-16-be"
    return "latin-1"
