"""How much longer an ECG takes from its last byte to the FHIR server than the computing inside that time.

    python -m benchmarks.arrival_to_fhir [--ecgs 40] [--bundles FOLDER...]

The daemon (`ecgd serve`, SQLite, three processes) gets the real ECG in pydicom's wheel, one after the other under new
UIDs by C-STORE; a server on loopback notes when the Bundle's last byte came. The computing is what the same functions
take on the same bytes, warm, in one process without pipes, database or sockets: read, score, decide, make the Bundle.
Both are taken in turn in the same run; the ratio of the medians is printed.
"""

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml
from pydicom import dcmread
from pydicom.uid import generate_uid
from pynetdicom import AE
from pynetdicom.sop_class import TwelveLeadECGWaveformStorage

import ecgd  # noqa: F401  # threads as in the program, before numpy is imported
from adapters import formats
from config.schema import Settings
from domain.arrival import Arrival, Format
from ecgd.pipeline import process
from simulator.sample import real_dicom

CREATED = "201 Created"


class Clock(ThreadingHTTPServer):
    """Answers every transaction with 'created' and notes when it was whole."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.came: list[float] = []
        self.more = threading.Condition()

    def wait_for(self, count: int) -> float:
        with self.more:
            if not self.more.wait_for(lambda: len(self.came) >= count, 60):
                raise SystemExit("the Bundle did not come")
            return self.came[count - 1]


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Clock

    def do_POST(self) -> None:
        bundle = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.more:
            self.server.came.append(time.perf_counter())
            self.server.more.notify_all()
        entries = [{"response": {"status": CREATED, "location": f"X/{n}"}} for n, _ in enumerate(bundle["entry"])]
        body = json.dumps({"resourceType": "Bundle", "type": "transaction-response", "entry": entries}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def settings_for(folder: Path, ehr: Clock, port: int, bundles: list[str]) -> dict[str, Any]:
    return {
        "state_dir": str(folder),
        "store": {"free_disk_mib": 0},
        "doors": {"dicom": {"port": port, "peers": [{"ae_title": "BENCH", "addresses": ["127.0.0.0/8"]}]}},
        "models": {"bundles": bundles},
        "destinations": [{"base_url": f"http://127.0.0.1:{ehr.server_port}/", "patient": {"unknown": "create"}}],
        "health": {"listen_port": 0, "work_port": 0, "deliver_port": 0},
    }


@contextmanager
def daemon(folder: Path, config: dict[str, Any]) -> Iterator[None]:
    (folder / "ecgd.yaml").write_text(yaml.safe_dump(config))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices, (folder / "log").open("wb") as log:
        notices.bind(str(folder / "notify"))
        notices.settimeout(120)
        command = [sys.executable, "-m", "ecgd", "serve", "-c", str(folder / "ecgd.yaml")]
        running = subprocess.Popen(command, stderr=log, env={**os.environ, "NOTIFY_SOCKET": str(folder / "notify")})
        try:
            while b"READY=1" not in notices.recv(4096):
                pass
            yield
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(60)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--ecgs", type=int, default=40)
    arguments.add_argument("--bundles", nargs="*", default=[])
    chosen = arguments.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    ehr = Clock()
    threading.Thread(target=ehr.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as name:
        config = settings_for(Path(name), ehr, port, chosen.bundles)
        with daemon(Path(name), config):
            ways, computing = measure(Settings.model_validate(config), ehr, port, chosen.ecgs)
    ehr.shutdown()
    show(ways, computing)


def measure(settings: Settings, ehr: Clock, port: int, count: int) -> tuple[list[float], dict[str, list[float]]]:
    from inference.scorer import Scorer

    scorer = Scorer(settings.models)
    dataset = dcmread(real_dicom())
    sender = AE("BENCH")
    sender.add_requested_context(TwelveLeadECGWaveformStorage, dataset.file_meta.TransferSyntaxUID)
    association = sender.associate("127.0.0.1", port, ae_title="ECGD")
    ways, computing = [], {}
    payload = real_dicom().read_bytes()
    for number in range(count + 5):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.PatientID = f"BENCH{number}"  # else it is the same ECG again, and not scored
        with _noted(sender) as sent:
            status = association.send_c_store(dataset)
        if status.Status != 0:
            raise SystemExit(f"C-STORE: {status.Status:04x}")
        way = ehr.wait_for(number + 1) - sent[-1]
        arrival = Arrival(
            key=f"dicom:{dataset.SOPInstanceUID}",
            format=Format.DICOM,
            payload=payload,
            source="dicom:BENCH",
            received_at=datetime.now(UTC),
        )
        settled = process(
            number,
            arrival,
            read=lambda one: formats.read(one, settings.reading),
            score=scorer.score,
            settings=settings,
            clock=lambda: datetime.now(UTC),
        )
        if number >= 5:  # the first ones find cold caches
            ways.append(way)
            for stage, seconds in settled.timings.items():
                computing.setdefault(stage, []).append(seconds)
    association.release()
    return ways, computing


@contextmanager
def _noted(sender: AE) -> Iterator[list[float]]:
    """The moments at which the sender wrote a PDU: the last of them is the object's last byte."""
    written: list[float] = []
    real = socket.socket.send

    def send(self: socket.socket, data: Any, *rest: Any) -> int:
        count = real(self, data, *rest)
        written.append(time.perf_counter())
        return count

    socket.socket.send = send  # type: ignore[method-assign]
    try:
        yield written
    finally:
        socket.socket.send = real  # type: ignore[method-assign]


def show(ways: list[float], computing: dict[str, list[float]]) -> None:
    medians = {stage: statistics.median(values) * 1000 for stage, values in computing.items()}
    compute, way = sum(medians.values()), statistics.median(ways) * 1000
    p90 = sorted(ways)[int(0.9 * len(ways))] * 1000
    print("| what | median, ms |\n| --- | --- |")
    for stage, value in medians.items():
        print(f"| {stage} | {value:.1f} |")
    print(f"| the computing together | {compute:.1f} |")
    print(f"| last byte in to Bundle at the FHIR server | {way:.1f} (p90 {p90:.1f}) |")
    print(f"| **ratio** | **{way / compute:.2f}** |")


if __name__ == "__main__":
    main()
