"""How long after a settlement begins to be written the webhook of its alert is whole at the receiver.

    python -m benchmarks.decision_to_webhook [--rate 10] [--seconds 60] [--acknowledge SHARE]

`ecgd deliver` runs as its own process on SQLite; alerts are raised here as a settlement raises them, one person
each, at the rate given, and a server on loopback notes when each came. The storm breaker is set out of the way: it
would make summaries of them. Printed: p50, p99 and the longest, over all but the first second's.
"""

import argparse
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from config.schema import Settings
from domain.alert import Raised, Risk
from domain.finding import Severity
from store.alert_rows import raise_
from store.alerts import Alerts
from store.database import Database, migrate, open_database
from store.wake import PAGER

_SAID = {
    **dict.fromkeys(("verdict", "short", "note", "when", "doubts", "find"), "words as long as those of an alert"),
    **{"identified": True, "warnings": [], "result": {}, "acquired_at": None, "received_at": "", "decided_at": ""},
}


class Pager(ThreadingHTTPServer):
    """Takes every webhook and notes when it was whole."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.came: dict[str, float] = {}


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Pager

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for one in body["alerts"]:
            self.server.came.setdefault(one["finding"], time.perf_counter())
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rate", type=float, default=10)
    arguments.add_argument("--seconds", type=float, default=60)
    arguments.add_argument("--acknowledge", type=float, default=0.0, help="share acknowledged after 2 s")
    chosen = arguments.parse_args()
    pager = Pager()
    threading.Thread(target=pager.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = {
            "state_dir": name,
            "store": {"free_disk_mib": 0},
            "alerts": {
                "webhooks": [{"name": "pager", "url": f"http://127.0.0.1:{pager.server_port}/"}],
                "storm": {"most": 10**6},
            },
            "health": {"listen_port": 0, "work_port": 0, "deliver_port": 0},
        }
        (folder / "ecgd.yaml").write_text(yaml.safe_dump(config))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices, (folder / "log").open("wb") as log:
            notices.bind(str(folder / "notify"))
            notices.settimeout(120)
            command = [sys.executable, "-m", "ecgd", "deliver", "-c", str(folder / "ecgd.yaml")]
            running = subprocess.Popen(command, stderr=log, env={**os.environ, "NOTIFY_SOCKET": str(folder / "notify")})
            try:
                while b"READY=1" not in notices.recv(4096):
                    pass
                show(measure(Settings.model_validate(config), pager, chosen), chosen)
            finally:
                running.send_signal(signal.SIGTERM)
                running.wait(60)


def measure(settings: Settings, pager: Pager, chosen: argparse.Namespace) -> list[float]:
    database = open_database(settings.store, settings.state_dir)
    migrate(database)
    alerts = Alerts(database)
    began: dict[str, float] = {}
    start = time.perf_counter()
    for number in range(int(chosen.rate * chosen.seconds)):
        time.sleep(max(0.0, start + number / chosen.rate - time.perf_counter()))
        key = f"{number:032x}"
        began[key] = time.perf_counter()
        settle(database, key)
        if number >= chosen.rate * 2 and random.random() < chosen.acknowledge:
            alerts.acknowledge([number - int(chosen.rate * 2) + 1], "nurse")  # told two seconds ago
    until = time.perf_counter() + 60
    while len(pager.came) < len(began) and time.perf_counter() < until:
        time.sleep(0.05)
    if missing := began.keys() - pager.came.keys():
        raise SystemExit(f"{len(missing)} webhooks did not come")
    alerts.close()
    database.close()
    return [pager.came[key] - at for key, at in began.items()][int(chosen.rate) :]


def settle(database: Database, key: str) -> None:
    now = datetime.now(UTC)
    with database.write(PAGER) as connection:
        raised = Raised(
            finding=key,
            person=key,
            recording=key,
            risk=Risk.POTASSIUM_HIGH,
            severity=Severity.CRITICAL,
            level="severe_high",
            value=7.0,
            unit="ED",
            model="bench",
            stand_in=False,
            expires_at=now + timedelta(hours=4),
            said=_SAID,
        )
        raise_(connection, raised, now)


def show(took: list[float], chosen: argparse.Namespace) -> None:
    ordered = sorted(one * 1000 for one in took)
    p99 = ordered[int(0.99 * len(ordered))]
    print(f"{len(ordered)} alerts at {chosen.rate:g}/s, {chosen.acknowledge:.0%} acknowledged")
    print(
        f"decision to webhook: p50 {statistics.median(ordered):.1f} ms, p99 {p99:.1f} ms, longest {ordered[-1]:.1f} ms"
    )


if __name__ == "__main__":
    main()
