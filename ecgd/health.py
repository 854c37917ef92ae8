"""Is it alive, what is it doing: systemd notification, logs without patient data, metrics and a health page."""

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import sdnotify
import structlog
import uvicorn
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, make_asgi_app
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from config.schema import Logging

log = structlog.get_logger()

STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}
REGISTRY = CollectorRegistry()
ARRIVALS = Counter("ecgd_arrivals", "Arrivals committed and acknowledged", ["door", "receipt"], registry=REGISTRY)
REFUSED = Counter("ecgd_refused", "Input refused at a door", ["door", "reason"], registry=REGISTRY)
ACCEPT_SECONDS = Histogram("ecgd_accept_seconds", "Bytes complete to acknowledged", ["door"], registry=REGISTRY)
OUTCOMES = Counter("ecgd_outcomes", "Settled arrivals", ["outcome", "reason"], registry=REGISTRY)
STAGE_SECONDS = Histogram("ecgd_stage_seconds", "Time in each stage of the worker", ["stage"], registry=REGISTRY)
RETRIES = Counter("ecgd_retries", "Jobs put back", ["reason"], registry=REGISTRY)
SENT = Counter("ecgd_sent", "Messages delivered", ["channel"], registry=REGISTRY)
ALERTS = Counter("ecgd_alert_events", "What happened to alerts", ["what", "why"], registry=REGISTRY)
NOT_SENT = Counter("ecgd_not_sent", "Delivery attempts that failed", ["channel", "reason", "buried"], registry=REGISTRY)
CONFIG_INVALID = Gauge("ecgd_config_invalid", "Mistakes in the configuration file as it is now", registry=REGISTRY)
RESTART_NEEDED = Gauge("ecgd_restart_needed", "Sections of it that count after a restart", registry=REGISTRY)
SHADOW_MISSED = Counter("ecgd_shadow_missed", "ECGs without the shadow models' answers", ["reason"], registry=REGISTRY)


def set_up_logging(settings: Logging, role: str) -> None:
    """Structured lines on stderr. Libraries' own loggers are cut to errors without their text: it may quote input."""
    level = getattr(logging, settings.level.upper())
    render: Any = structlog.processors.JSONRenderer() if settings.format == "json" else structlog.dev.ConsoleRenderer()
    last = _for_the_journal(render) if os.environ.get("JOURNAL_STREAM") else render
    structlog.configure(
        processors=[
            lambda _logger, _method, event: {"role": role, **event},
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Lines(),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [_Muted()]
    root.setLevel(logging.WARNING)


_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}  # sd-daemon(3)


def _for_the_journal(render: Any) -> Any:
    """Prefix each line with its priority, so that ``journalctl -p warning`` finds it."""
    return lambda logger, method, event: f"<{_PRIORITY.get(method, 6)}>{render(logger, method, event)}"


class _Lines:
    """Lines on stderr; one that cannot be written (a full disk) must not stop what it tells of."""

    def msg(self, line: str) -> None:
        """Write one."""
        with suppress(OSError):
            print(line, file=sys.stderr, flush=True)

    debug = info = warning = error = critical = msg


class _Muted(logging.Handler):
    """A library's warning or error: where it came from, not what it said."""

    def emit(self, record: logging.LogRecord) -> None:
        log.warning("library", logger=record.name, line=f"{record.filename}:{record.lineno}")


def door_event(name: str, /, **fields: Any) -> None:
    """What a door reports: counted and logged."""
    if name == "arrival":
        ARRIVALS.labels(fields["door"], fields["receipt"]).inc()
        ACCEPT_SECONDS.labels(fields["door"]).observe(fields.get("seconds", 0.0))
    elif name == "refused":
        REFUSED.labels(fields["door"], fields["reason"]).inc()
    (log.debug if name == "connection" else log.info)(name, **fields)


class Health:
    """Heartbeats of a role's loops, told to systemd and to ``/healthz``."""

    def __init__(self, *, stale_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._stale_s = stale_s
        self._clock = clock
        self._beats: dict[str, float] = {}
        self._notes: dict[str, str] = {}
        # made only where somebody listens: without NOTIFY_SOCKET it would leak a socket
        self._notifier = sdnotify.SystemdNotifier() if os.environ.get("NOTIFY_SOCKET") else None
        if self._notifier and self._notifier.socket:
            self._notifier.socket.setblocking(False)  # a reader that sleeps must not hold us up

    def allow(self, longest_s: float) -> None:
        """One round of some loop may take this long without being stale."""
        self._stale_s = max(self._stale_s, longest_s + 60)

    def beat(self, loop: str) -> None:
        """``loop`` has just proved that it moves."""
        self._beats[loop] = self._clock()

    def note(self, about: str, words: str) -> None:
        """What a person should know though every loop moves; no words: nothing any more."""
        self._notes = {name: said for name, said in {**self._notes, about: words}.items() if said}

    @property
    def notes(self) -> dict[str, str]:
        """What there is to know, by what it is about."""
        return self._notes

    def stale(self) -> list[str]:
        """The loops that have not moved for too long."""
        now = self._clock()
        return [loop for loop, at in self._beats.items() if now - at > self._stale_s]

    def ready(self) -> None:
        """Type=notify: start-up is complete."""
        self._notify("READY=1")
        log.info("ready")

    def stopping(self) -> None:
        """A clean stop has begun."""
        self._notify("STOPPING=1")
        log.info("stopping")

    def watch(self, stop: threading.Event, every_s: float = 5.0) -> None:
        """Feed the watchdog, as long as every loop moves, until ``stop`` or a signal to stop; then ``stop`` is set.

        The signals are blocked and fetched here: a handler that sets an event may meet the lock it needs held by the
        very thread it interrupts.
        """
        while not stop.is_set():
            if signal.sigtimedwait(STOP_SIGNALS, every_s):
                stop.set()
            elif stale := self.stale():
                log.error("stale", loops=stale)
            else:
                self.alive()

    def alive(self) -> None:
        """Feed the watchdog."""
        self._notify("WATCHDOG=1")

    def close(self) -> None:
        """Stop talking to systemd."""
        if self._notifier and self._notifier.socket:
            self._notifier.socket.close()

    def _notify(self, state: str) -> None:
        if self._notifier:
            self._notifier.notify(state)


class Gauges(Collector):
    """Numbers read from the store when somebody asks."""

    def __init__(self, read: Callable[[], dict[str, float]]) -> None:
        self._read = read

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """One gauge a number; a store that is away gives none."""
        for name, value in self._read().items():
            yield GaugeMetricFamily(f"ecgd_{name}", name.replace("_", " "), value=value)


class HealthPage:
    """``/healthz`` and ``/metrics`` on loopback; port 0 is off."""

    def __init__(self, port: int, health: Health) -> None:
        self.port, self._health = port, health
        routes = [Route("/healthz", self._healthz), Mount("/metrics", make_asgi_app(REGISTRY))]
        app = Starlette(routes=routes)
        self._server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to answer. A taken port is said and lived with: a second worker of one machine has no page."""
        if not self.port:
            return
        try:
            self._socket = socket.create_server(("127.0.0.1", self.port))
        except OSError:
            log.warning("no health page", port=self.port)
            return
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="health", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop answering."""
        self._server.should_exit = True
        if self._thread:
            self._thread.join(5)
        if self._socket:
            self._socket.close()

    async def _healthz(self, _request: Request) -> Response:
        stale = self._health.stale()
        facts = {"status": "stale" if stale else "ok", "stale": stale, "notes": self._health.notes}
        return JSONResponse(facts, status_code=503 if stale else 200)
