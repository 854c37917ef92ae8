"""The signed link that acknowledges: bound to the alerts, to the channel it was sent to, and to a time.

``<what>.<signature>``, both base64url: what is ``numbers|channel|end`` (seconds since 1970), the signature its
HMAC-SHA256 (RFC 2104) under the site's key. It holds nothing of a patient. Used twice it does nothing the second time,
as an alert is acknowledged once.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

_PURPOSE = b"ecgd acknowledge 1|"
SHORTEST_KEY = 32
LONGEST = 4096
"""Bytes; a summary's link names each of its alerts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What a link says."""

    alerts: tuple[int, ...]
    channel: str
    ends: datetime


def key_of(text: str) -> bytes:
    """The key as its file has it, hexadecimal; raise ``ValueError`` when it is not, or too short to be one."""
    key = bytes.fromhex(text)
    if len(key) < SHORTEST_KEY:
        raise ValueError(f"the key is shorter than {SHORTEST_KEY} bytes")
    return key


def signed(alerts: Sequence[int], channel: str, ends: datetime, key: bytes) -> str:
    """Make a link's last part."""
    what = f"{' '.join(map(str, alerts))}|{channel}|{int(ends.timestamp())}".encode()
    return f"{_text(what)}.{_text(_signature(what, key))}"


def read(token: str, key: bytes, now: datetime) -> Ticket | None:
    """What a link says; ``None`` when it is not ours, was changed, or its time is over."""
    what, _, signature = token.partition(".")
    try:
        said, by = _bytes(what), _bytes(signature)
    except (ValueError, binascii.Error):
        return None
    if len(token) > LONGEST or not hmac.compare_digest(by, _signature(said, key)):
        return None
    numbers, channel, ends = said.decode().split("|")
    ticket = Ticket(
        alerts=tuple(map(int, numbers.split())), channel=channel, ends=datetime.fromtimestamp(int(ends), UTC)
    )
    return ticket if now < ticket.ends else None


def _signature(what: bytes, key: bytes) -> bytes:
    return hmac.new(key, _PURPOSE + what, hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
