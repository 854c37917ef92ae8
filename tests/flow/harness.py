"""The real daemon as its own processes, started as systemd would start it, with a configuration file on disk."""

import contextlib
import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.flow.ecgs import Sent

ROLES = ("listen", "work", "deliver")
START_S = 120.0  # torch and its models on a loaded machine
STOP_S = 30.0  # TimeoutStopSec of the units
_numbers = itertools.count()


def free_port() -> int:
    """A TCP port on loopback that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def until(true: Callable[[], Any], timeout_s: float, what: str, every_s: float = 0.1) -> Any:
    """The first true answer; another process can only be watched by asking again."""
    end = time.monotonic() + timeout_s
    while not (answer := true()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout_s:g} s: {what}")
        time.sleep(every_s)
    return answer


class Process:
    """One ``ecgd`` command and the datagram socket on which it says READY=1 (sd_notify(3))."""

    def __init__(self, command: str, config: Path, log: Path) -> None:
        self.command, self.log, self.ready = command, log, False
        address = f"@ecgd-test-{os.getpid()}-{next(_numbers)}"  # abstract: no path, so no length limit
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notices.bind("\0" + address[1:])
        with log.open("ab") as stderr:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "ecgd", command, "--config", str(config)],
                env={**os.environ, "NOTIFY_SOCKET": address},
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
            )

    def await_ready(self, timeout_s: float = START_S) -> None:
        """Until READY=1; an AssertionError with the log's end when the process dies before."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if select.select([self._notices], [], [], 0.2)[0] and b"READY=1" in self._notices.recv(4096):
                self.ready = True
                return
            if self.popen.poll() is not None:
                raise AssertionError(f"{self.command} ended with {self.popen.returncode}:\n{tail(self.log)}")
        raise AssertionError(f"{self.command} not ready within {timeout_s:g} s:\n{tail(self.log)}")

    def stop(self, timeout_s: float = STOP_S) -> int:
        """SIGTERM as systemd does; the exit code. An AssertionError when it outlives the unit's time-out."""
        self.popen.send_signal(signal.SIGTERM)
        try:
            return self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise AssertionError(f"{self.command} did not stop within {timeout_s:g} s:\n{tail(self.log)}") from error
        finally:
            self._notices.close()

    def kill(self) -> None:
        """SIGKILL."""
        self.popen.kill()
        self.popen.wait()
        self._notices.close()


def tail(log: Path, lines: int = 40) -> str:
    """The log's last lines."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else "(no log)"


class Ecgd:
    """One installation: a folder with configuration, state, drop folder and logs, and whichever roles run."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.config = folder / "ecgd.yaml"
        self.incoming = folder / "incoming"
        self.incoming.mkdir()
        self.ports = {name: free_port() for name in ("dicom", "hl7", "listen", "work", "deliver")}
        self.processes: dict[str, Process] = {}
        self.settings = _merged(self._usual(), settings)
        self.config.write_text(yaml.safe_dump(self.settings))

    def _usual(self) -> dict[str, Any]:
        peers = [{"ae_title": name, "addresses": ["127.0.0.0/8"]} for name in ("CART1", "CART2", "STORESCU")]
        return {
            "state_dir": str(self.folder / "state"),
            "store": {"free_disk_mib": 0, "lease_s": 5},
            "doors": {
                "dicom": {"port": self.ports["dicom"], "peers": peers},
                "hl7": {"port": self.ports["hl7"]},
                "folder": {"path": str(self.incoming), "settle_s": 0.2, "sweep_s": 1},
            },
            "models": {"threads": 1},
            "delivery": {"first_wait_s": 0.1, "longest_wait_s": 1},
            "health": {f"{role}_port": self.ports[role] for role in ROLES},
        }

    def start(self, *commands: str) -> None:
        """Start commands side by side and wait until all are ready."""
        for command in commands:
            self.launch(command)
        for command in commands:
            self.processes[command].await_ready()

    def launch(self, name: str) -> Process:
        """Start one without waiting; its log is appended to. ``work#2`` is a second ``work``."""
        self.processes[name] = Process(name.partition("#")[0], self.config, self.log(name))
        return self.processes[name]

    def log(self, command: str) -> Path:
        """Where a command's output goes."""
        return self.folder / f"{command}.log"

    def logs(self) -> str:
        """Everything every process has written."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def events(self, name: str) -> list[dict[str, Any]]:
        """The structured log's lines of one event, over all processes."""
        rows = (json.loads(line) for line in self.logs().splitlines() if line.startswith("{"))
        return [row for row in rows if row.get("event") == name]

    def run(self, *arguments: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Another ``ecgd`` command beside the daemon."""
        return subprocess.run(
            [sys.executable, "-m", "ecgd", *arguments, "--config", str(self.config)],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def reconcile(self) -> tuple[int, dict[str, Any]]:
        """Exit code and facts of ``ecgd reconcile --json``."""
        done = self.run("reconcile", "--json")
        if done.returncode not in (0, 1):
            raise AssertionError(f"reconcile ended with {done.returncode}: {done.stderr}")
        return done.returncode, json.loads(done.stdout)

    def reconcile_but_for_waiting(self) -> int:
        """How many arrivals are not settled yet; fails on anything else amiss or an exit code that does not say so."""
        code, facts = self.reconcile()
        waiting = [line for line in facts["discrepancies"] if line.endswith("(not settled yet)")]
        amiss = [line for line in facts["discrepancies"] if line not in waiting]
        assert not amiss, amiss
        assert code == bool(waiting), (code, waiting)
        return len(waiting)

    def settled(self) -> tuple[int, dict[str, Any]] | None:
        """What ``reconcile`` says once nothing waits any more, ``None`` before."""
        code, facts = self.reconcile()
        rows = [facts["totals"][table].get(state, 0) for table in ("jobs", "outbox") for state in ("waiting", "leased")]
        told = not any(line.endswith("(not told yet)") for line in facts["discrepancies"])
        return (code, facts) if told and not any(rows) else None

    def drop(self, sent: Sent) -> None:
        """Write a file beside the drop folder and rename it in."""
        path = self.folder / f"{sent.number}{sent.suffix}"
        path.write_bytes(sent.payload)
        path.rename(self.incoming / path.name)

    def left_to_take(self) -> list[Path]:
        """Files that lie in the drop folder itself."""
        return [path for path in self.incoming.iterdir() if path.is_file()]

    def refused(self) -> list[str]:
        """Names in ``refused/``."""
        return sorted(path.name for path in (self.incoming / "refused").glob("*"))

    def stop(self) -> dict[str, int]:
        """Stop what runs; exit codes by command."""
        codes = {}
        while self.processes:
            command, process = self.processes.popitem()
            codes[command] = process.stop()
        return codes

    def kill(self) -> None:
        """End what still runs, at once."""
        while self.processes:
            self.processes.popitem()[1].kill()


@contextlib.contextmanager
def installed(folder: Path, *commands: str, **settings: Any) -> Iterator[Ecgd]:
    """An installation with these commands running; killed at the end if the test has not stopped it."""
    ecgd = Ecgd(folder, **settings)
    try:
        ecgd.start(*commands)
        yield ecgd
    finally:
        ecgd.kill()


def _merged(usual: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    both = dict(usual)
    for key, value in other.items():
        both[key] = _merged(both[key], value) if isinstance(value, dict) and isinstance(both.get(key), dict) else value
    return both
