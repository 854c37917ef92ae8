"""pynetdicom's Upper Layer as a server needs it: woken, not polling, and bounded before memory or threads are spent.

pynetdicom negotiates, encodes and keeps the state machine of PS3.8 section 9.2. Four seams are replaced here:

- ``_Provider`` waits for the socket or for us; the library looks every millisecond, in two threads an association.
- ``_Socket`` reads whole PDUs up to ``MAX_PDU`` within a deadline; the library reads any length for any time.
- ``_Messages`` assembles messages with ``dicom_message`` and answers in the thread that reads: a message is served
  before the next is taken off the wire, and at most one data set an association is held.
- ``Server`` counts connections before they cost a thread and does the TLS handshake outside the accepting thread.

Associations end by A-ABORT where the peer breaks the protocol, is idle, or we stop between two objects.
"""

import queue
import select
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from pynetdicom import AE
from pynetdicom.acse import ACSE
from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.fsm import InvalidEventError
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.pdu_primitives import A_ASSOCIATE, A_RELEASE, P_DATA
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from domain.errors import Rejected
from listener.dicom_message import Assembler, Request, Status, answer
from listener.dicom_peers import Refusal, common_name

MAX_PDU = 262_144  # DCMTK sends 131,072 at most whatever is offered; others fill what they are given
SPARE_CONNECTIONS = 16  # beyond the associations: callers that have yet to be rejected
NO_DESCRIPTORS_S = 0.2  # accept(2) fails at once while the process is out of descriptors
LINGER_S = 2.0  # for the peer to close after the last PDU (PS3.8 state 13)

# What pynetdicom raises on PDUs it cannot make sense of. The texts may quote the peer: never logged.
_LIBRARY_FAULTS = (
    ArithmeticError,
    AttributeError,
    InvalidEventError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    queue.Empty,
    struct.error,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The other side of one association."""

    ae_title: str
    called: str
    address: str
    certificate_cn: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What the door decides; all called from the associations' threads.

    ``admit``: why this caller may not associate, or ``None``. ``serve``: status and comment for one request.
    ``leave``: the association ended. ``report``: how a connection ended that should not, and details, in fixed words.
    """

    admit: Callable[[object, Caller], Refusal | None]
    serve: Callable[[Caller, PresentationContext, Request], tuple[Status, str]]
    leave: Callable[[object], None]
    report: Callable[[str, str], None]
    max_object_bytes: int


class _Waker:
    """Wakes a thread that waits in ``poll``; harmless once closed."""

    def __init__(self) -> None:
        self.ours, self._theirs = socket.socketpair()
        self.ours.setblocking(False)
        self._theirs.setblocking(False)

    def wake(self) -> None:
        try:
            self._theirs.send(b"\0")
        except OSError:  # full: it will wake anyway; closed: nobody waits
            return

    def clear(self) -> None:
        try:
            self.ours.recv(4096)
        except OSError:
            return

    def close(self) -> None:
        self.ours.close()
        self._theirs.close()


class _WakingQueue(queue.Queue[Any]):
    def __init__(self, wake: Callable[[], None]) -> None:
        super().__init__()
        self._wake = wake

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        super().put(item, block, timeout)
        self._wake()


class _Socket(AssociationSocket):  # type: ignore[misc]
    deadline_s = 30.0

    def _shutdown_socket(self) -> None:
        """Close in any case; the library leaves a socket open whose peer has gone."""
        if self.socket is not None:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
            self.socket.close()

    _ahead = b""  # read to see whether there is anything to read

    def has_data(self) -> bool:
        """Tell whether a read can begin: a TLS record that is there may be incomplete, or hold none of the peer's data.

        Waiting for the rest in a read would make us deaf to everything else.
        """
        if self._ahead or not isinstance(self.socket, ssl.SSLSocket) or self.socket.pending():
            return True
        patience_s = self.socket.gettimeout()
        self.socket.settimeout(0)
        try:
            self._ahead = self.socket.recv(1)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError:  # the read will meet it again
            return True
        finally:
            self.socket.settimeout(patience_s)
        return True

    def skip(self) -> bool:
        """Throw away what has come; ``False`` at the end of the stream."""
        ahead, self._ahead = self._ahead, b""
        return bool(ahead or self.socket.recv(65_536))

    def recv(self, nr_bytes: int) -> bytearray:
        """Read exactly ``nr_bytes``, fewer only at the end of the stream. Raises ``OSError`` when too long or late."""
        if nr_bytes > MAX_PDU:
            raise OSError("longer than the PDU length we announced")
        buffer, got = bytearray(nr_bytes), len(self._ahead)
        buffer[:got], self._ahead = self._ahead, b""
        until = time.monotonic() + self.deadline_s
        with memoryview(buffer) as view:
            while got < nr_bytes:
                # Senders that leave Nagle's algorithm on (DCMTK as distributed) hold an object's last bytes back until
                # we acknowledge the ones before: 40 ms an object. Linux forgets the option at will, so every time.
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                count = self.socket.recv_into(view[got:])
                got += count
                if not count:
                    break
                if time.monotonic() > until:
                    raise TimeoutError("a PDU took too long")
        return buffer[:got] if got < nr_bytes else buffer


class _Messages:
    """Stands where pynetdicom has its DIMSE provider; ``receive_primitive`` runs in the provider's thread."""

    def __init__(self, association: "_Association", service: Service) -> None:
        self._association = association
        self._service = service
        self._assembler = Assembler(service.max_object_bytes)

    @property
    def busy(self) -> bool:
        return self._assembler.busy

    def receive_primitive(self, primitive: P_DATA) -> None:
        for context_id, value in primitive.presentation_data_value_list:
            try:
                request = self._assembler.feed(context_id, value)
            except Rejected as problem:
                self._service.report("protocol", problem.detail)
                self._association.dul.event_queue.put("Evt19")  # invalid PDU: A-ABORT
                return
            if request:
                self._answer(request)

    def _answer(self, request: Request) -> None:
        context = self._association.context(request.context_id)
        if context is None:
            self._service.report("protocol", "the presentation context was not accepted")
            self._association.dul.event_queue.put("Evt19")
            return
        status, comment = Status.PROCESSING_FAILURE, ""
        try:
            status, comment = self._service.serve(self._association.caller, context, request)
        finally:  # a fault of ours is answered before it ends the association
            primitive = P_DATA()
            primitive.presentation_data_value_list = [[request.context_id, b"\x03" + answer(request, status, comment)]]
            self._association.dul.send_now(P_DATA_TF(primitive))


class _Provider(DULServiceProvider):  # type: ignore[misc]
    def __init__(self, association: "_Association", service: Service) -> None:
        super().__init__(association)
        self._waker = _Waker()
        self._service = service
        self.to_provider_queue = _WakingQueue(self._waker.wake)
        self.draining = False
        self.daemon = True

    def drain(self) -> None:
        """End the association at the next moment that no message is under way."""
        self.draining = True
        self._waker.wake()

    def kill_dul(self) -> None:
        super().kill_dul()
        self._waker.wake()

    def stop_dul(self) -> bool:
        if self.state_machine.current_state == "Sta1":
            self.kill_dul()
            self.join()
            return True
        return False

    def send_now(self, pdu: P_DATA_TF) -> None:
        """Send from the provider's own thread."""
        self._send(pdu)
        self._idle_timer.restart()  # the peer was waiting for us

    def run_reactor(self) -> None:
        self._idle_timer.start()
        try:
            while not self._kill_thread:
                self._step()
        except _LIBRARY_FAULTS as fault:
            self._service.report("fault", _place(fault))
        finally:
            self.state_machine.current_state = "Sta1"
            self.socket._shutdown_socket()
            self.to_user_queue.put(None)  # nobody waits for us any longer
            self._waker.close()

    def _step(self) -> None:
        if self.event_queue.empty() and not self._process_recv_primitive():
            self._wait()
        if self.artim_timer.expired:
            self.event_queue.put("Evt18")
        try:
            event = self.event_queue.get(block=False)
        except queue.Empty:
            return
        self.state_machine.do_action(event)

    def _wait(self) -> None:
        """Wait for the peer, for us, or for a timer; then read at most one PDU."""
        state = self.state_machine.current_state
        if state == "Sta13":
            self._linger()
        elif state == "Sta6" and self.draining and not self.assoc.dimse.busy:
            self.draining = False
            self.assoc.acse.send_abort(0x00)
        elif state == "Sta6" and self._idle_timer.expired:
            self._service.report("idle", "")
            self.assoc.acse.send_abort(0x02)
        elif self._readable(max(0.01, min(self._idle_timer.remaining, self.artim_timer.remaining))):
            self._read_pdu_data()
            self._idle_timer.restart()

    def _readable(self, timeout_s: float) -> bool:
        sock = self.socket.socket
        if sock is None or sock.fileno() < 0:
            self.event_queue.put("Evt17")  # transport connection closed
            return False
        if isinstance(sock, ssl.SSLSocket) and sock.pending():
            return True
        poller = select.poll()
        poller.register(sock, select.POLLIN)
        poller.register(self._waker.ours, select.POLLIN)
        ready = {fd for fd, _ in poller.poll(timeout_s * 1000)}
        if self._waker.ours.fileno() in ready:
            self._waker.clear()
        return sock.fileno() in ready and self.socket.has_data()

    def _linger(self) -> None:
        """Let the peer close first: closing with bytes unread would reset the connection and lose our last PDU."""
        until = time.monotonic() + LINGER_S
        try:
            while (left := until - time.monotonic()) > 0 and not self._kill_thread:
                if self._readable(left) and not self.socket.skip():
                    break
        except OSError:
            pass
        self.socket.close()


class _Control(ACSE):  # type: ignore[misc]
    def _negotiate_as_acceptor(self) -> None:
        refusal = self.assoc.admit()
        if refusal is None:
            super()._negotiate_as_acceptor()
        else:
            self.send_reject(*refusal.value)


class _Association(Association):  # type: ignore[misc]
    caller: Caller

    def __init__(self, ae: AE, service: Service, certificate_cn: str | None) -> None:
        super().__init__(ae, "acceptor")
        self._service = service
        self._certificate_cn = certificate_cn
        self.ended = threading.Event()
        self.acse = _Control(self)
        self.dul = _Provider(self, service)
        self.dimse = _Messages(self, service)
        self.acse_timeout = ae.acse_timeout  # again: the setters arm the provider's timers
        self.network_timeout = ae.network_timeout

    def admit(self) -> Refusal | None:
        """Ask the door whether the caller, now known, may associate."""
        request = self.requestor.primitive
        self.caller = Caller(
            ae_title=request.calling_ae_title.strip(),
            called=request.called_ae_title.strip(),
            address=self.requestor.address,
            certificate_cn=self._certificate_cn,
        )
        return self._service.admit(self, self.caller)

    def cut(self) -> None:
        """Wake a thread that waits for the rest of a PDU, or for the peer to take ours."""
        wrapped = self.dul.socket
        if wrapped is not None and wrapped.socket is not None:
            with suppress(OSError):
                socket.socket.shutdown(wrapped.socket, socket.SHUT_RDWR)  # past the TLS layer, which others are using

    def context(self, context_id: int) -> PresentationContext | None:
        """Return the accepted presentation context of this number."""
        return self._accepted_cx.get(context_id)

    def run_reactor(self) -> None:
        try:
            self.dul.start()
            primitive = self.dul.receive_pdu(wait=True, timeout=self.acse_timeout)
            if isinstance(primitive, A_ASSOCIATE):
                self.requestor.primitive = primitive
                self.acse.negotiate_association()
                self._wait_for_the_end()
            else:
                self.dul.kill_dul()
        except _LIBRARY_FAULTS as fault:
            self._service.report("fault", _place(fault))
            self.dul.kill_dul()
        finally:
            self.dul.join()
            self.is_established = False
            self._service.leave(self)

    def _wait_for_the_end(self) -> None:
        while (primitive := self.dul.receive_pdu(wait=True)) is not None:
            if isinstance(primitive, A_RELEASE) and primitive.result is None:
                self.acse.send_release(is_response=True)
                self.is_released = True


def _place(fault: BaseException) -> str:
    """Say what went wrong and where, without the text of the exception."""
    trace = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}" if trace else "?"
    return f"{type(fault).__name__} at {where}"


class _Handler(RequestHandler):  # type: ignore[misc]
    server: "Server"
    request: socket.socket

    def handle(self) -> None:
        """Run in a thread of its own: the handshake, then the association from first to last."""
        sock = self.server.secure(self.request)
        if sock is None:
            return
        self.request = sock
        association = self._create_association()
        try:
            association.run_reactor()  # in this thread: it owns the connection's slot
        finally:
            self.server.associations.discard(association)
            association.ended.set()

    def _create_association(self) -> _Association:
        peer = self.request.getpeercert() if isinstance(self.request, ssl.SSLSocket) else None
        association = _Association(self.ae, self.server.service, common_name(peer))
        association._server = self.server
        wrapped = _Socket(association, client_socket=self.request)
        wrapped.deadline_s = max(self.ae.network_timeout, self.ae.acse_timeout)
        association.set_socket(wrapped)
        association.acceptor.maximum_length = self.ae.maximum_pdu_size
        association.acceptor.ae_title = self.server.ae_title
        association.acceptor.address_info = self.local
        association.acceptor.implementation_class_uid = self.ae.implementation_class_uid
        association.acceptor.implementation_version_name = self.ae.implementation_version_name
        association.acceptor.supported_contexts = deepcopy(self.server.contexts)
        association.requestor.address_info = self.remote
        self.server.associations.add(association)
        return association


class Server(ThreadedAssociationServer):  # type: ignore[misc]
    """Accepts connections and runs an association for each, ``SPARE_CONNECTIONS`` more at most than may associate."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, ae: AE, bind: tuple[str, int], service: Service, tls: ssl.SSLContext | None) -> None:
        self.service = service
        self.associations: set[_Association] = set()
        self._tls = tls
        self._draining = threading.Event()
        self._slots = threading.BoundedSemaphore(ae.maximum_associations + SPARE_CONNECTIONS)
        super().__init__(ae, bind, ae.ae_title, ae.supported_contexts, request_handler=_Handler)
        ae._servers.append(self)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept; where that fails wait a little, as the listening socket stays ready and would be tried at once."""
        try:
            found: tuple[socket.socket, Any] = self.socket.accept()
        except OSError:
            self._draining.wait(NO_DESCRIPTORS_S)
            raise
        return found

    def process_request(self, request: socket.socket, client_address: Any) -> None:
        """Serve the connection in a thread of its own; where there is none to be had, the slot is given back."""
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # can't start new thread
            self._slots.release()
            raise

    def handle_error(self, request: object, client_address: object) -> None:
        """Report a connection that failed; the library prints the text of the exception."""
        fault = sys.exception()
        self.service.report("fault", _place(fault) if fault else "")

    def verify_request(self, request: socket.socket, client_address: object) -> bool:
        """Drop connections beyond the bound before they cost a thread."""
        if self._slots.acquire(blocking=False):
            return True
        self.service.report("crowded", "too many connections")
        return False

    def process_request_thread(self, request: socket.socket, client_address: Any) -> None:
        """Serve one connection from its first byte to its last."""
        try:
            self.finish_request(request, client_address)
        finally:
            self.shutdown_request(request)
            self._slots.release()

    def secure(self, request: socket.socket) -> socket.socket | None:
        """Do the TLS handshake where it is configured; ``None`` when it fails."""
        try:
            request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            request.settimeout(self.ae.acse_timeout)
            secured = self._tls.wrap_socket(request, server_side=True) if self._tls else request
            secured.settimeout(self.ae.network_timeout)
        except OSError:  # ssl.SSLError is one
            self.service.report("handshake", "")
            return None
        return secured

    def service_actions(self) -> None:
        """Leave collecting garbage to Python; the library does it here, at every thirtieth second."""

    def drain(self, timeout_s: float) -> None:
        """Stop accepting, let messages under way be answered, then end every association."""
        until = time.monotonic() + timeout_s
        self._draining.set()
        closing = threading.Thread(target=self.shutdown, name="dicom-closing", daemon=True)
        closing.start()
        closing.join(timeout_s)
        for association in tuple(self.associations):
            association.dul.drain()
        for association in tuple(self.associations):
            association.ended.wait(max(0.0, until - time.monotonic()))
        for association in tuple(self.associations):
            association.dul.kill_dul()
            association.cut()
