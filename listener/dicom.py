"""The DICOM door: a storage SCP for ECGs (C-STORE, C-ECHO).

A data set is answered 0000 only after its commit. What else is answered, PS3.4 table B.2-1 and PS3.7 annex C:

    exact duplicate                                  0000   not scored again
    same SOP Instance UID, other content             0111   kept in quarantine
    larger than ``max_object_mib``                   A700   with a comment; dropped as it comes in, never held whole
    store down, disk low, queue full, commit late    A700   the sender tries again
    SOP Class or Instance UID not the data set's     A900
    cut short or not well formed                     C000
    SOP Instance UID not made as PS3.5 9.1 says      0117
    SOP class not that of the presentation context   0122
    anything but C-STORE and C-ECHO                  0211
    our own fault                                    0110

Size is answered A700 and not by an abort, so that the objects behind the large one still come through; a sender that
exceeds it 32 times over, or breaks the protocol, is aborted. Offered are Implicit and Explicit VR Little Endian and
Explicit VR Big Endian: Deflated, which could unfold to any size, and every compressed syntax are refused at
negotiation (a waveform has no use for them), and a sender then falls back to the default it must offer (PS3.5 10.1).
"""

import logging
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import CancelledError
from datetime import UTC, datetime
from time import monotonic

from pynetdicom import AE, _config
from pynetdicom.presentation import PresentationContext

from config.schema import DicomDoor
from domain.arrival import Arrival, Format, Receipt
from domain.errors import Problem, Rejected, Transient
from domain.reason import Reason
from listener.accept import Accept, OnEvent, harmless, unheard
from listener.dicom_message import Command, Request, Status
from listener.dicom_object import (
    IMPLEMENTATION_CLASS,
    IMPLEMENTATION_VERSION,
    TRANSFER_SYNTAXES,
    examine,
    part10_head,
    valid_uid,
)
from listener.dicom_peers import Refusal, refusal
from listener.dicom_upper import MAX_PDU, Caller, Server, Service
from listener.tls import server_context

VERIFICATION = "1.2.840.10008.1.1"
STORAGE = (
    "1.2.840.10008.5.1.4.1.1.9.1.1",  # 12-Lead ECG Waveform Storage
    "1.2.840.10008.5.1.4.1.1.9.1.2",  # General ECG Waveform Storage
    "1.2.840.10008.5.1.4.1.1.9.1.3",  # Ambulatory ECG Waveform Storage
    "1.2.840.10008.5.1.4.1.1.104.1",  # Encapsulated PDF Storage
)
COMMIT_WITHIN_S = 25.0  # senders give up at 30 s and more; a commit that comes later makes their next try a duplicate
ASSOCIATE_WITHIN_S = 30.0

_ANSWERS = {
    Receipt.NEW: (Status.SUCCESS, ""),
    Receipt.DUPLICATE: (Status.SUCCESS, ""),
    Receipt.CONFLICT: (Status.DUPLICATE_INSTANCE, "same SOP Instance UID, other content"),
}
_KEPT_OUT = {
    "calling_ae": Reason.UNAUTHORISED,
    "called_ae": Reason.UNAUTHORISED,
    "handshake": Reason.UNAUTHORISED,
    "congestion": Reason.QUEUE_FULL,
    "limit": Reason.QUEUE_FULL,
    "crowded": Reason.QUEUE_FULL,
    "protocol": Reason.UNDECODABLE,
    "fault": Reason.OUR_FAULT,
}
_LATER = (Status.OUT_OF_RESOURCES, "cannot store now, try again later")
_OUR_FAULT = (Status.PROCESSING_FAILURE, "failure of the receiver")


class DicomServer:
    """Listens, and hands every object on as a DICOM file (PS3.10) under its SOP Instance UID.

    Memory is bounded by ``max_associations`` times twice ``max_object_mib``.
    """

    def __init__(
        self,
        settings: DicomDoor,
        accept: Accept,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_event: OnEvent = unheard,
    ) -> None:
        self._settings = settings
        self._accept = accept
        self._clock = clock
        self._on_event = harmless(on_event)
        self._admitted: set[object] = set()
        self._lock = threading.Lock()
        self._stopping = False
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen. Raises ``OSError`` when the address cannot be bound or the certificate cannot be read."""
        _silence()
        service = Service(
            admit=self._admit,
            serve=self._serve,
            leave=self._leave,
            report=lambda outcome, detail: self._connection(outcome, detail=detail),
            max_object_bytes=self._settings.max_object_mib * 2**20,
        )
        tls = server_context(self._settings.tls) if self._settings.tls else None
        self._server = Server(self._entity(), (self._settings.bind, self._settings.port), service, tls)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="dicom-door", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on, once started."""
        if self._server is None:
            raise RuntimeError("not started")
        return int(self._server.server_address[1])

    @property
    def alive(self) -> bool:
        """Whether associations are being accepted."""
        return self._thread is not None and self._thread.is_alive() and not self._stopping

    def stop(self, timeout_s: float) -> None:
        """Refuse new associations, answer what is being received or committed, then abort the associations left."""
        if self._server is None or self._thread is None:
            return
        self._stopping = True
        self._server.drain(timeout_s)
        self._server = None

    def _entity(self) -> AE:
        entity = AE(self._settings.ae_title)
        entity.implementation_class_uid = IMPLEMENTATION_CLASS
        entity.implementation_version_name = IMPLEMENTATION_VERSION
        entity.maximum_pdu_size = MAX_PDU
        entity.maximum_associations = self._settings.max_associations
        entity.network_timeout = self._settings.idle_s
        entity.acse_timeout = min(self._settings.idle_s, ASSOCIATE_WITHIN_S)
        for sop_class in (VERIFICATION, *STORAGE):
            entity.add_supported_context(sop_class, list(TRANSFER_SYNTAXES))
        return entity

    def _admit(self, association: object, caller: Caller) -> Refusal | None:
        refused = refusal(
            self._settings,
            calling=caller.ae_title,
            called=caller.called,
            address=caller.address,
            certificate_cn=caller.certificate_cn,
        )
        if refused is None:
            refused = self._take_seat(association)
        outcome = refused.name.lower() if refused else "opened"
        self._connection(outcome, source=caller.ae_title, address=caller.address)
        return refused

    def _take_seat(self, association: object) -> Refusal | None:
        with self._lock:
            if self._stopping:
                return Refusal.CONGESTION
            if len(self._admitted) >= self._settings.max_associations:
                return Refusal.LIMIT
            self._admitted.add(association)
        return None

    def _leave(self, association: object) -> None:
        with self._lock:
            self._admitted.discard(association)

    def _connection(self, outcome: str, **fields: str) -> None:
        """Report how a connection began or failed; what keeps a sender out is also a refusal, which people look at."""
        self._on_event("connection", door="dicom", outcome=outcome, **fields)
        if outcome in _KEPT_OUT:
            self._refused(_KEPT_OUT[outcome], outcome=outcome, **fields)

    def _refused(self, reason: Reason, **fields: str) -> None:
        self._on_event("refused", door="dicom", reason=reason, **fields)

    def _serve(self, caller: Caller, context: PresentationContext, request: Request) -> tuple[Status, str]:
        if request.command == Command.C_ECHO_RQ:
            return Status.SUCCESS, ""
        if request.command != Command.C_STORE_RQ:
            return Status.UNRECOGNISED_OPERATION, ""
        try:
            return self._store(caller, context, request)
        except Transient as problem:
            self._refused(problem.reason, source=caller.ae_title, detail=problem.detail)
            return _LATER
        except Rejected as problem:
            self._refused(problem.reason, source=caller.ae_title, detail=problem.detail)
            return Status.CANNOT_UNDERSTAND, problem.detail
        except Problem as problem:
            self._refused(problem.reason, source=caller.ae_title, detail=problem.detail)
            return _OUR_FAULT

    def _store(self, caller: Caller, context: PresentationContext, request: Request) -> tuple[Status, str]:
        began = monotonic()
        syntax = str(context.transfer_syntax[0])
        if answer := self._unfit(caller, context, request):
            return answer
        head = part10_head(request.sop_class, request.sop_instance, syntax)
        payload = head + request.data
        if examine(payload, syntax, len(head)) != (request.sop_class, request.sop_instance):
            self._refused(Reason.BAD_VALUE, source=caller.ae_title, detail="request and data set differ")
            return Status.CLASS_MISMATCH, "SOP class or instance not that of the data set"
        receipt = self._commit(caller, request, payload)
        self._on_event(
            "arrival",
            door="dicom",
            source=caller.ae_title,
            receipt=receipt,
            bytes=len(payload),
            seconds=monotonic() - began,
        )
        return _ANSWERS[receipt]

    def _unfit(self, caller: Caller, context: PresentationContext, request: Request) -> tuple[Status, str] | None:
        """Judge the request by itself, before its data set."""
        if request.sop_class not in STORAGE or request.sop_class != context.abstract_syntax:
            self._refused(Reason.UNSUPPORTED_OBJECT, source=caller.ae_title)
            return Status.CLASS_NOT_SUPPORTED, ""
        if not valid_uid(request.sop_instance):
            self._refused(Reason.BAD_VALUE, source=caller.ae_title, detail="SOP Instance UID")
            return Status.INVALID_INSTANCE, ""
        if request.oversize:
            self._refused(Reason.TOO_LARGE, source=caller.ae_title)
            return Status.OUT_OF_RESOURCES, f"larger than {self._settings.max_object_mib} MiB"
        return None

    def _commit(self, caller: Caller, request: Request, payload: bytes) -> Receipt:
        """Wait for the store. Raises what the future has, and ``Transient`` when it does not come in time."""
        arrival = Arrival(
            key=f"dicom:{request.sop_instance}",
            format=Format.DICOM,
            payload=payload,
            source=f"dicom:{caller.ae_title}",
            received_at=self._clock(),
        )
        try:
            return self._accept(arrival).result(COMMIT_WITHIN_S)
        except (TimeoutError, CancelledError) as error:
            raise Transient(Reason.STORE_UNAVAILABLE, "the commit did not come in time") from error


def _silence() -> None:
    """Keep pynetdicom and pydicom from logging and warning: their texts quote values and identifiers.

    What has to be known of an association is reported by ``on_event``.
    """
    _config.LOG_HANDLER_LEVEL = "none"
    for name in ("pynetdicom", "pydicom"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL + 1)
        logger.propagate = False
        warnings.filterwarnings("ignore", module=name)
