"""The page behind a message's link: it shows a button, and only pressing the button acknowledges.

A GET changes nothing: mail scanners and chat previews fetch links. What the page shows is what the message's channel
may carry anyway. No script, no cookie, nothing from elsewhere, and no place in a log for the link.
"""

import asyncio
import socket
import threading
from collections.abc import Callable
from datetime import datetime
from html import escape
from urllib.parse import parse_qs

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from config.alerts import Acknowledge
from config.schema import Settings
from delivery.alerting.link import Ticket, read
from delivery.alerting.words import TEST_ONLY
from domain.alert import Alert, Closing, Event, Happened
from ecgd.pager import key_in
from store.alerts import Alerts

log = structlog.get_logger()
_LONGEST_NAME = 80
_LARGEST_FORM = 4096
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>ECG alert</title>
<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">
<style>body{{font:1.2rem sans-serif;max-width:34rem;margin:2rem auto;padding:0 1rem}}
button,input{{font:inherit;padding:.6rem 1rem}}</style></head><body><h1>ECG alert</h1>{body}</body></html>"""
_FORM = """<form method="post"><p><label>Your name (it is kept with the alert)<br>
<input name="by" maxlength="80" autocomplete="name"></label></p>
<p><button>I have seen it and take care of the patient</button></p></form>"""
_INVALID = "<p>This link is not valid any more. If you were told of a patient, see the patient.</p>"


class AckPage:
    """Serves ``/ack/...`` from a thread of its own."""

    def __init__(self, page: Acknowledge, settings: Settings, alerts: Alerts, clock: Callable[[], datetime]) -> None:
        self._page, self._settings, self._alerts, self._clock = page, settings, alerts, clock
        app = Starlette(routes=[Route("/ack/{token}", self._show), Route("/ack/{token}", self._do, methods=["POST"])])
        tls = {"ssl_certfile": page.certificate, "ssl_keyfile": page.key} if page.certificate and page.key else {}
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                limit_concurrency=64,
                timeout_keep_alive=5,
                **tls,  # type: ignore[arg-type]
            )
        )
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to answer; raise ``OSError`` when the port is not to be had."""
        family = socket.AF_INET6 if ":" in self._page.bind else socket.AF_INET
        self._socket = socket.create_server((self._page.bind, self._page.port), family=family)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="ack", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._socket.getsockname()[1]) if self._socket else 0

    def stop(self) -> None:
        """Stop answering."""
        self._server.should_exit = True
        if self._thread:
            self._thread.join(5)
        if self._socket:
            self._socket.close()

    async def _show(self, request: Request) -> Response:
        ticket = self._ticket(request)
        if ticket is None:
            return _answer(_INVALID, 410)
        about = await asyncio.to_thread(self._alerts.show, ticket.alerts)
        channel = self._settings.alerts.channels.get(ticket.channel)
        told = channel is not None and channel.content != "none"
        lines = "".join(f"<p>{escape(_line(one, told=told))}</p>" for one in about)
        return _answer(lines + ("" if about and all(one.acknowledged for one in about) else _FORM))

    async def _do(self, request: Request) -> Response:
        ticket = self._ticket(request)
        if ticket is None:
            return _answer(_INVALID, 410)
        name = await _name(request)
        by = f"{name or 'somebody'} by the link sent to {ticket.channel}"
        first = await asyncio.to_thread(self._alerts.acknowledge, ticket.alerts, by)
        log.info("acknowledged", alerts=list(ticket.alerts), channel=ticket.channel)
        lines = "".join(f"<p>{escape(_done(number, event))}</p>" for number, event in sorted(first.items()))
        return _answer(lines or _INVALID)

    def _ticket(self, request: Request) -> Ticket | None:
        key = key_in(self._page.key_file)
        return read(request.path_params["token"], key, self._clock()) if key else None


def _answer(body: str, status: int = 200) -> Response:
    return HTMLResponse(_PAGE.format(body=body), status, _HEADERS)


async def _name(request: Request) -> str:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_FORM:
            return ""
    (name, *_) = parse_qs(body.decode("utf-8", "replace")).get("by", [""])
    return "".join(mark for mark in name if mark.isprintable()).strip()[:_LONGEST_NAME]


def _line(alert: Alert, *, told: bool) -> str:
    raised = alert.raised
    what = f": {raised.said['short']}, {raised.unit or 'place not known'}" if told else ""
    mark = TEST_ONLY if raised.stand_in else ""
    return f"{mark}Alert {alert.id}, raised {alert.raised_at:%Y-%m-%d %H:%M} UTC{what}. {_state(alert)}"


def _state(alert: Alert) -> str:
    if alert.closed is Closing.WORSE:
        return "A later, graver ECG of this patient has an alert of its own: acknowledge that one too."
    if alert.closed in (Closing.SUPERSEDED, Closing.RETRACTED):
        return "It was withdrawn: it does not stand any more."
    known = next((one for one in alert.events if one.what is Happened.ACKNOWLEDGED), None)
    if known:
        return _done(alert.id, known)
    return "Nobody has acknowledged it." if alert.closed is None else "It is over."


def _done(number: int, event: Event) -> str:
    return f"Alert {number} was acknowledged at {event.at:%Y-%m-%d %H:%M} UTC by {event.actor}."
