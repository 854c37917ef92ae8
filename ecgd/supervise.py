"""``ecgd serve``: the three roles as three processes on one machine, restarted when they die or hang."""

import ctypes
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import structlog

from ecgd.health import Health

log = structlog.get_logger()

ROLES = ("listen", "work", "deliver")
_PR_SET_PDEATHSIG = 1
_HUNG_S = 180.0
_STOP_S = 60.0  # above what the slowest role takes: a read in hand is finished
_LONGEST_WAIT_S = 30.0
_INVALID = 4  # a role that ends so would end so again: the configuration must change first


class Role:
    """One child and the socket on which it says READY=1 and WATCHDOG=1, as to systemd."""

    def __init__(self, name: str, config: Path, folder: Path) -> None:
        self.name = name
        self._config = config
        self._path = folder / f"{name}.sock"
        self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notices.bind(str(self._path))
        self.ready = self.was_ready = False
        self.failures = 0
        self.restart_at = 0.0
        self.heard_at = time.monotonic()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the child; it is told to stop when we die."""
        self.ready, self.heard_at = False, time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ecgd", self.name, "--config", str(self._config)],
            env={**os.environ, "NOTIFY_SOCKET": str(self._path)},
            stdin=subprocess.DEVNULL,
            preexec_fn=_die_with_parent,
        )

    def hear(self) -> None:
        """Take one notice."""
        self.heard_at = time.monotonic()
        if b"READY=1" in self.notices.recv(4096):
            self.ready = self.was_ready = True
            self.failures = 0

    def look(self) -> int | None:
        """Restart a dead child after a growing wait, kill a hung one; the exit code of one that must stay down."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.restart_at:
                self.start()
            return None
        if (code := self.process.poll()) is not None:
            log.error("died", child=self.name, code=code)
            if code == _INVALID and not self.was_ready:
                return code
            self.process, self.failures = None, self.failures + 1
            self.restart_at = now + min(2.0 ** (self.failures - 1), _LONGEST_WAIT_S)
        elif now - self.heard_at > _HUNG_S:
            log.error("hung", child=self.name)
            self.process.kill()
        return None


def serve(config: Path, stop: threading.Event) -> int:
    """Run the three roles until ``stop``; returns the exit code."""
    health = Health(stale_s=_HUNG_S)
    with tempfile.TemporaryDirectory(prefix="ecgd-") as folder, selectors.DefaultSelector() as selector:
        roles = [Role(name, config, Path(folder)) for name in ROLES]
        for role in roles:
            selector.register(role.notices, selectors.EVENT_READ, role)
            role.start()
        code = _watch(roles, selector, health, stop)
        health.stopping()
        _stop(roles)
        for role in roles:
            role.notices.close()
    health.close()
    return code


def _watch(roles: list[Role], selector: selectors.BaseSelector, health: Health, stop: threading.Event) -> int:
    announced = False
    while not stop.is_set():
        for key, _ in selector.select(0.5):
            key.data.hear()
        for role in roles:
            if code := role.look():
                return code
        if all(role.ready for role in roles):
            (health.alive if announced else health.ready)()
            announced = True
    return 0


def _stop(roles: list[Role]) -> None:
    """Tell all, then wait for each: they meet in the database only and may end in any order."""
    until = time.monotonic() + _STOP_S
    for role in roles:
        if role.process:
            role.process.send_signal(signal.SIGTERM)
    for role in roles:
        if role.process:
            try:
                role.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.error("killed", child=role.name)
                role.process.kill()
                role.process.wait()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
