"""HL7 v2 over MLLP: one connection, one message at a time, believed only after its acknowledgement.

| MSA-1 | ERR-3 | here |
|---|---|---|
| AA, CA | | delivered |
| AE, CE | 206, 207 | ``Transient``: locked, or their application failed |
| AE, CE | 204 | ``Transient(PATIENT_UNKNOWN)``: the key is not known there, yet |
| AE, CE | others, none | ``Rejected``: the message is at fault |
| AR, CR | 200 to 203 | ``Permanent``: type, event, version or processing id are not taken at all |
| AR, CR | others, none | ``Rejected`` |
| none in time, connection lost | | outcome unknown: ``Transient``, the same MSH-10 again |
"""

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

from config.schema import Hl7v2
from delivery.http import client_context
from domain.errors import Permanent, Problem, Rejected, Transient
from domain.outgoing import Outgoing
from domain.reason import Reason

VT, END = b"\x0b", b"\x1c\r"
LONGEST_ANSWER = 65_536
_TAKEN, _ERROR, _REJECT = {"AA", "CA"}, {"AE", "CE"}, {"AR", "CR"}
_NOT_TAKEN = {"200", "201", "202", "203"}


def answer(message: bytes, control_id: str) -> Problem | None:
    """What an acknowledgement means for the message of ``control_id``, ``None`` when delivered."""
    segments = {line[:3]: line for line in reversed(message.decode("utf-8", "replace").replace("\n", "\r").split("\r"))}
    head = segments.get("MSH", "")
    separator, component = head[3:4] or "|", head[4:5] or "^"
    said = segments.get("MSA", "").split(separator)
    if len(said) < 3 or said[2].strip() != control_id:
        return Transient(Reason.DESTINATION_UNAVAILABLE, "answer is not this message's")
    code = _code(segments.get("ERR", "").split(separator), component)
    return _meaning(said[1].strip().upper(), code)


def _code(error: list[str], component: str) -> str:
    """ERR-3's code (2.5), else ERR-1's (before)."""
    new = error[3].split(component)[0] if len(error) > 3 else ""
    old = (error[1].split(component) + [""] * 4)[3].split("&")[0] if len(error) > 1 else ""
    return next((code.strip() for code in (new, old) if code.strip().isdigit()), "")


def _meaning(said: str, code: str) -> Problem | None:
    words = f"{said if said in _ERROR | _REJECT else 'answer'} {code[:3]}".strip()
    if said in _TAKEN:
        return None
    if said in _ERROR and code in ("206", "207"):
        return Transient(Reason.DESTINATION_UNAVAILABLE, words)
    if said in _ERROR and code == "204":
        return Transient(Reason.PATIENT_UNKNOWN, words)
    if said in _REJECT and code in _NOT_TAKEN:
        return Permanent(Reason.DESTINATION_MISCONFIGURED, words)
    if said in _ERROR | _REJECT:
        return Rejected(Reason.DESTINATION_REFUSED, words)
    return Transient(Reason.DESTINATION_UNAVAILABLE, "answer without an acknowledgement code")


class MllpSender:
    """Sends ORU messages to one engine; safe between threads, which take turns on its one connection."""

    def __init__(self, settings: Hl7v2, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._monotonic = settings, monotonic
        self._turn = threading.Lock()
        self._open: socket.socket | None = None

    @property
    def longest_s(self) -> float:
        """The longest one ``send`` may take: its turn, connecting, the handshake, sending, the acknowledgement."""
        return 8 * self._settings.timeout_s

    def send(self, outgoing: Outgoing) -> None:
        """Deliver one message; returns only when it is acknowledged."""
        if not self._turn.acquire(timeout=4 * self._settings.timeout_s):
            raise Transient(Reason.DESTINATION_UNAVAILABLE, "another message is under way")
        try:
            found = answer(self._exchanged(outgoing.body), _control_id(outgoing.body))
        finally:
            self._turn.release()
        if found:
            raise found

    def _exchanged(self, body: bytes) -> bytes:
        """Send and read the answer; after any failure the connection is not used again: it might answer late."""
        try:
            connection = self._connection()
            connection.sendall(VT + body + END)
            return self._read(connection)
        except TimeoutError:
            self._drop()
            raise Transient(Reason.DESTINATION_UNAVAILABLE, "time-out") from None
        except (OSError, ssl.SSLError) as error:
            self._drop()
            raise Transient(Reason.DESTINATION_UNAVAILABLE, type(error).__name__) from None
        except Problem:
            self._drop()
            raise

    def _connection(self) -> socket.socket:
        if self._open is not None and select.select([self._open], [], [], 0)[0]:
            self._drop()  # closed there, or it says something nobody asked
        if self._open is None:
            settings = self._settings
            tls = client_context(settings.ca, settings.certificate, settings.key) if settings.tls else None
            plain = socket.create_connection((settings.host, settings.port), settings.timeout_s)
            with ExitStack() as undone:
                undone.callback(plain.close)
                self._open = tls.wrap_socket(plain, server_hostname=settings.host) if tls else plain
                undone.pop_all()
        return self._open

    def _read(self, connection: socket.socket) -> bytes:
        end, buffer = self._monotonic() + self._settings.timeout_s, b""
        while END not in buffer:
            if (left := end - self._monotonic()) <= 0:
                raise TimeoutError
            connection.settimeout(left)
            chunk = connection.recv(8192)
            buffer += chunk
            if not chunk or len(buffer) > LONGEST_ANSWER:
                raise Transient(Reason.DESTINATION_UNAVAILABLE, "connection closed before the answer's end")
        connection.settimeout(self._settings.timeout_s)
        return buffer[buffer.find(VT) + 1 : buffer.find(END)]

    def _drop(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def close(self) -> None:
        """Close the connection."""
        self._drop()


def _control_id(body: bytes) -> str:
    return body.split(b"\r", 1)[0].split(b"|")[9].decode("ascii", "replace")
