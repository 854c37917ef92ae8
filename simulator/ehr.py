"""A FHIR R4 server on loopback that also takes alerts: for the demo and the tests, with faults to switch on."""

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator.records import Records, Refusal, Resource

_FHIR_JSON = "application/fhir+json"
_TYPES = ("Patient", "Encounter", "Device", "DocumentReference", "Observation", "RiskAssessment", "Flag")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with the next requests.

    ``status``: answered instead; ``None`` leaves the answer alone (only ``delay_s``). ``applied``: after the work was
    done, so that the sender cannot know. ``cut``: the answer breaks off. ``times``: how often, ``None`` for ever.
    ``method``, ``path``: which requests, ``""`` for all.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    applied: bool = False
    cut: bool = False
    delay_s: float = 0
    times: int | None = None
    method: str = ""
    path: str = ""

    def concerns(self, request: Request) -> bool:
        """Whether this request is one of those that go wrong."""
        return self.method in ("", request.method) and self.path in ("", request.url.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One webhook as it came."""

    headers: dict[str, str]
    body: bytes


class Receiver:
    """``url`` takes transactions, ``url/alert`` webhooks. Keeps everything in memory, transactions also in ``folder``.

    ``token``: the bearer token asked for, ``None`` for none; may be changed while running. ``certificate``, ``key``:
    TLS; ``client_ca``: client certificates are compulsory.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        folder: Path | None = None,
        token: str | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
        client_ca: Path | None = None,
    ) -> None:
        self.token = token
        self.records = Records()
        self._folder = folder
        self._certificate, self._key, self._client_ca = certificate, key, client_ca
        self._port = port
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._used: dict[int, int] = {}
        self._alerts: list[Alert] = []
        self._requests: list[tuple[str, str, dict[str, str]]] = []
        self._bundles = 0
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen on loopback; when this returns, connections are taken."""
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)
        door = socket.create_server(("127.0.0.1", self._port))
        self._port = door.getsockname()[1]
        self._server = uvicorn.Server(self._config())
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [door]}, name="ehr", daemon=True)
        self._thread.start()

    def _config(self) -> uvicorn.Config:
        tls: dict[str, Any] = {}
        if self._certificate:
            tls = {"ssl_certfile": self._certificate, "ssl_keyfile": self._key}
        if self._client_ca:
            tls |= {"ssl_ca_certs": str(self._client_ca), "ssl_cert_reqs": ssl.CERT_REQUIRED}
        return uvicorn.Config(
            self._app(),
            http="h11",
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            log_level="critical",
            timeout_graceful_shutdown=1,
            **tls,
        )

    def stop(self) -> None:
        """Stop listening, close every connection; ``start`` takes the same port again with everything kept."""
        if self._server and self._thread:
            self._server.should_exit = True
            self._thread.join(timeout=10)
        self._server = self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The FHIR base URL, without a final slash."""
        return f"{'https' if self._certificate else 'http'}://127.0.0.1:{self._port}"

    @property
    def alerts(self) -> list[Alert]:
        """Webhooks taken so far, repeats included."""
        with self._lock:
            return list(self._alerts)

    @property
    def requests(self) -> list[tuple[str, str, dict[str, str]]]:
        """Method, path with query, and headers of every request so far, refused ones too."""
        with self._lock:
            return list(self._requests)

    def resources(self, kind: str | None = None) -> list[Resource]:
        """Everything stored, or one type of it."""
        return [one for one in self.records.all() if kind in (None, one["resourceType"])]

    def duplicates(self) -> list[tuple[str, str, str]]:
        """Type, system and value of identifiers that were stored twice; empty is right."""
        return self.records.duplicates()

    def fail(self, fault: Fault) -> None:
        """Let the next requests go wrong; several faults are used in the order they were given."""
        with self._lock:
            self._faults.append(fault)

    def recover(self) -> None:
        """Nothing goes wrong any more."""
        with self._lock:
            self._faults.clear()
            self._used.clear()

    def _fault(self, request: Request) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                used = self._used.get(id(fault), 0)
                if fault.concerns(request) and (fault.times is None or used < fault.times):
                    self._used[id(fault)] = used + 1
                    return fault
        return None

    def _app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/", self._around(self._transaction), methods=["POST"]),
                Route("/alert", self._around(self._alert), methods=["POST"]),
                Route("/metadata", self._around(self._metadata), methods=["GET"]),
                Route("/{kind}", self._around(self._search), methods=["GET"]),
                Route("/{kind}", self._around(self._create), methods=["POST"]),
                Route("/{kind}/{identity}", self._around(self._read), methods=["GET"]),
            ]
        )

    def _around(self, work: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Authorisation, faults and refusals around every kind of work."""

        async def answer(request: Request) -> Response:
            fault = self._fault(request) or Fault()
            self._note(request)
            await asyncio.sleep(fault.delay_s)
            done = None if fault.status and not fault.applied else await self._do(work, request)
            if fault.cut:
                return _Broken()
            if done is None or fault.status:
                return Response(fault.body, fault.status or 500, fault.headers)
            return done

        return answer

    async def _do(self, work: Callable[[Request], Awaitable[Response]], request: Request) -> Response:
        try:
            if self.token is not None and request.headers.get("Authorization") != f"Bearer {self.token}":
                raise Refusal(401, "login")
            return await work(request)
        except Refusal as refusal:
            return JSONResponse(refusal.outcome(), refusal.status, media_type=_FHIR_JSON)

    def _note(self, request: Request) -> None:
        target = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
        with self._lock:
            self._requests.append((request.method, target, dict(request.headers)))

    async def _transaction(self, request: Request) -> Response:
        bundle = await _json(request)
        answer = self.records.transaction(bundle)
        if self._folder:
            with self._lock:
                self._bundles += 1
                file = self._folder / f"{self._bundles:05d}.json"
            file.write_text(json.dumps(bundle, ensure_ascii=False, indent=1), encoding="utf-8")
        return JSONResponse(answer, media_type=_FHIR_JSON)

    async def _alert(self, request: Request) -> Response:
        alert = Alert(headers=dict(request.headers), body=await request.body())
        with self._lock:
            self._alerts.append(alert)
        return Response(status_code=204)

    async def _search(self, request: Request) -> Response:
        found = self.records.search(request.path_params["kind"], request.url.query)
        entries = [{"resource": one, "search": {"mode": "match"}} for one in found]
        bundle = {"resourceType": "Bundle", "type": "searchset", "total": len(found)}
        return JSONResponse({**bundle, "entry": entries} if entries else bundle, media_type=_FHIR_JSON)

    async def _create(self, request: Request) -> Response:
        kind = request.path_params["kind"]
        status, resource = self.records.create(kind, await _json(request), request.headers.get("If-None-Exist"))
        headers = {"Location": f"{self.url}/{kind}/{resource['id']}/_history/1"}
        return JSONResponse(resource, status, headers, media_type=_FHIR_JSON)

    async def _read(self, request: Request) -> Response:
        resource = self.records.read(request.path_params["kind"], request.path_params["identity"])
        return JSONResponse(resource, media_type=_FHIR_JSON)

    async def _metadata(self, _: Request) -> Response:
        interactions = [{"code": code} for code in ("read", "create", "search-type")]
        search = [{"name": "identifier", "type": "token"}]
        of_type = {"interaction": interactions, "conditionalCreate": True, "searchParam": search}
        rest = {
            "mode": "server",
            "resource": [{"type": kind, **of_type} for kind in _TYPES],
            "interaction": [{"code": "transaction"}],
        }
        statement = {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": "2026-01-01",
            "kind": "instance",
            "implementation": {"description": "Simulated receiver of ecgd", "url": self.url},
            "fhirVersion": "4.0.1",
            "format": ["json"],
            "rest": [rest],
        }
        return JSONResponse(statement, media_type=_FHIR_JSON)


class _Broken(Response):
    """An answer that promises more than it sends, so that the connection ends in the middle of it."""

    def __init__(self) -> None:
        super().__init__(b"{", 200, {"Content-Length": "1000"}, media_type=_FHIR_JSON)


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except ValueError:
        raise Refusal(400, "structure") from None
