"""The MLLP door: a TCP or TLS server on an event loop of its own thread.

At the bounds:

- ``max_connections``, or an address not in ``addresses``: closed before anything is read or negotiated.
- A TLS handshake that takes 10 s, or comes without the certificate asked for: closed.
- Memory: ``max_connections`` x 3 x ``max_message_mib``; what one connection may hold stands in ``hl7_connection``.
"""

import asyncio
import itertools
import secrets
import socket
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from ipaddress import IPv6Address, ip_address

from config.schema import Hl7Door
from domain.arrival import Receipt
from listener.accept import Accept, OnEvent, harmless, unheard
from listener.hl7_connection import Connection
from listener.tls import server_context

_HANDSHAKE_S = 10.0
_GOODBYE_S = 2.0
_CLOSING_S = 0.5  # of the time to stop: for closing what is left
_BACKLOG = 128
_NO_DESCRIPTORS_S = 0.2  # accept(2) fails at once while the process is out of descriptors


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Hl7Server:
    """Takes HL7 v2 messages over MLLP and acknowledges them after their commit."""

    def __init__(
        self,
        settings: Hl7Door,
        accept: Accept,
        *,
        clock: Callable[[], datetime] = _utc_now,
        on_event: OnEvent = unheard,
    ) -> None:
        self.settings, self.accept, self.clock, self.on_event = settings, accept, clock, harmless(on_event)
        self._tls = server_context(settings.tls) if settings.tls else None
        self._connections: set[Connection] = set()
        self._admitted = 0  # with those still shaking hands
        self._settled: deque[Connection] = deque()
        self._woken = False
        self._numbers = itertools.count(1)
        self._prefix = secrets.token_hex(4).upper()
        self._thread = threading.Thread(target=self._run, name="hl7", daemon=True)
        self._listening = threading.Event()
        self._accepting: asyncio.Task[None] | None = None
        self._stop_within_s = 0.0

    @property
    def port(self) -> int:
        """The port listened on."""
        return int(self._socket.getsockname()[1])

    @property
    def alive(self) -> bool:
        """Whether connections are being accepted and served."""
        accepting = self._accepting
        return self._thread.is_alive() and accepting is not None and not accepting.done()

    def start(self) -> None:
        """Listen; ``OSError`` when the address cannot be bound. Returns once peers can connect."""
        bind = self.settings.bind
        family = socket.AF_INET6 if ":" in bind else socket.AF_INET
        self._socket = socket.create_server((bind, self.settings.port), family=family, backlog=_BACKLOG)
        self._socket.setblocking(False)
        self._thread.start()
        self._listening.wait()

    def stop(self, timeout_s: float) -> None:
        """Take nothing new, acknowledge what is in flight, close; what is not committed by then goes unanswered."""
        if not self._thread.is_alive():
            return
        self._stop_within_s = timeout_s - min(_CLOSING_S, timeout_s / 4)
        with suppress(RuntimeError):  # the loop has just ended by itself
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(timeout_s)

    def control_ids(self) -> tuple[str, str]:
        """Two new values for MSH-10: unique over restarts, 20 characters at most (HL7 v2.5.1 2.15.9.10)."""
        return f"{self._prefix}{next(self._numbers)}", f"{self._prefix}{next(self._numbers)}"

    def watch(self, connection: Connection, future: Future[Receipt]) -> None:
        """Have the connection answer once the future is done, in whatever thread that happens."""
        future.add_done_callback(partial(self._on_settled, connection))

    def remember(self, connection: Connection) -> None:
        """Count a connection in."""
        self._connections.add(connection)

    def forget(self, connection: Connection) -> None:
        """Count a connection out."""
        self._connections.discard(connection)
        self._admitted -= 1
        if not self._connections:
            self._empty.set()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping, self._empty = asyncio.Event(), asyncio.Event()
        accepting = self._accepting = self._loop.create_task(self._accept_connections())
        self._listening.set()
        await self._stopping.wait()
        accepting.cancel()
        await asyncio.wait([accepting])
        self._socket.close()
        await self._wind_up()

    async def _wind_up(self) -> None:
        for connection in list(self._connections):
            connection.finish()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._stop_within_s):
                while self._connections:
                    self._empty.clear()
                    await self._empty.wait()
        for connection in list(self._connections):
            connection.abort()
        await asyncio.sleep(0)  # lets the transports close their sockets

    async def _accept_connections(self) -> None:
        handshakes: set[asyncio.Task[None]] = set()
        while True:
            try:
                peer, address = await self._loop.sock_accept(self._socket)
            except OSError:
                await asyncio.sleep(_NO_DESCRIPTORS_S)
                continue
            if refusal := self._refusal(str(address[0])):
                peer.close()
                self.on_event("connection", door="hl7", outcome=refusal)
                continue
            self._admitted += 1
            handshake = self._loop.create_task(self._admit(peer))
            handshakes.add(handshake)
            handshake.add_done_callback(handshakes.discard)

    def _refusal(self, address: str) -> str:
        if self._admitted >= self.settings.max_connections:
            return "too_many"
        peer = ip_address(address.split("%", 1)[0])
        if isinstance(peer, IPv6Address) and peer.ipv4_mapped:
            peer = peer.ipv4_mapped
        known = self.settings.addresses
        return "address" if known and not any(peer in network for network in known) else ""

    async def _admit(self, peer: socket.socket) -> None:
        secured = {"ssl_handshake_timeout": _HANDSHAKE_S, "ssl_shutdown_timeout": _GOODBYE_S} if self._tls else {}
        try:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            await self._loop.connect_accepted_socket(partial(Connection, self), peer, ssl=self._tls, **secured)
        except OSError:  # ssl.SSLError and a handshake's TimeoutError are ones
            self._admitted -= 1
            self.on_event("connection", door="hl7", outcome="handshake")

    def _on_settled(self, connection: Connection, _: Future[Receipt]) -> None:
        """Wake the loop once for a whole batch of commits: a wake-up is a system call."""
        self._settled.append(connection)
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # the loop is closed: stopped before this commit ended
                self._loop.call_soon_threadsafe(self._turn_settled)

    def _turn_settled(self) -> None:
        self._woken = False  # before looking: what settles from here on wakes again
        connections = set()
        while self._settled:
            connections.add(self._settled.popleft())
        for connection in connections:
            connection.turn()
