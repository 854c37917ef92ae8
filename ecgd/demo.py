"""``ecgd demo``: the daemon on the embedded default, ECGs through every door, one of them alarming, what came out."""

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from adapters import formats
from config.schema import Reading, Settings
from domain.ecg import RATE_HZ
from ecgd import operate
from simulator.effects import of_potassium
from simulator.ehr import Receiver
from simulator.files import Envelope, write_oru_na, write_oru_pdf
from simulator.heart import Heart, ecg
from simulator.page import write_pdf
from simulator.patient import SyntheticPatient
from simulator.sample import real_dicom

_PATIENCE_S = 120.0
_SENT = {  # by arrival number: what went through which door
    1: "a real ECG (DICOM, C-STORE)",
    2: "a simulated severe hyperkalemia (HL7 ORU, embedded PDF)",
    3: "a simulated normal ECG (HL7 ORU, NA waveforms)",
    4: "the real ECG as a page (PDF, drop folder)",
}
_ALARMING = 2
_HYPERKALEMIA = 8.4  # mmol/L
_SYSTEM = "urn:ecgd:demo:patients"

console = Console(width=150)


@dataclass(frozen=True, slots=True)
class Ports:
    """Free ones, so that a demo never meets a running service."""

    dicom: int
    hl7: int
    listen: int
    work: int
    deliver: int


def run(out: Path) -> int:
    """Show it; 0 only if every ECG arrived, was scored or abstained, delivered and alerted."""
    _fresh(out)
    ports = _free_ports()
    with Receiver(folder=out / "bundles") as ehr:
        config = _configure(out, ports, ehr.url)
        console.print(f"[bold]ecgd demo[/]. Configuration: {config}. A small FHIR receiver listens on {ehr.url}.")
        console.print("The models are stand-ins trained on simulated ECGs: their scores mean nothing clinically.")
        console.print("The thresholds are the default ones; one of the ECGs sent is to pass them, and alert.\n")
        with _daemon(config, out / "daemon.log"):
            _send_everything(out, ports)
            trails = _await(config)
        alerts = len(ehr.alerts)
    _show(trails)
    pictures = _pictures(out)
    _show_files(out, pictures)
    faults = _faults(trails, alerts, pictures)
    for fault in faults:
        console.print(f"[red]not as it should be:[/] {fault}")
    console.print("[bold green]All arrived.[/]" if not faults else f"[bold red]Failed[/]; see {out / 'daemon.log'}")
    return 1 if faults else 0


def _fresh(out: Path) -> None:
    if (out / "ecgd.yaml").exists():  # only ever remove what an earlier demo made
        shutil.rmtree(out)
    for folder in ("state", "incoming", "bundles", "pictures"):
        (out / folder).mkdir(parents=True, exist_ok=True)


def _free_ports() -> Ports:
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(5)]
        return Ports(*(one.getsockname()[1] for one in held))


def _configure(out: Path, ports: Ports, ehr_url: str) -> Path:
    content: dict[str, Any] = {
        "state_dir": str((out / "state").resolve()),
        "store": {"free_disk_mib": 50},
        "doors": {
            "dicom": {"port": ports.dicom, "peers": [{"ae_title": "CART1", "addresses": ["127.0.0.0/8"]}]},
            "hl7": {"port": ports.hl7},
            "folder": {"path": str((out / "incoming").resolve()), "settle_s": 0.5},
        },
        "models": {"allow_stand_in": True},
        "destinations": [
            {
                "kind": "fhir",
                "base_url": ehr_url,
                "patient": {"systems": {"SIM": _SYSTEM}, "default_system": _SYSTEM, "unknown": "create"},
            }
        ],
        "alerts": {"webhooks": [{"name": "pager", "url": f"{ehr_url}/alert"}]},
        "health": {"listen_port": ports.listen, "work_port": ports.work, "deliver_port": ports.deliver},
    }
    config = out / "ecgd.yaml"
    config.write_text(yaml.safe_dump(content, sort_keys=False))
    return config


@contextmanager
def _daemon(config: Path, log: Path) -> Iterator[None]:
    """``ecgd serve``, ready; told to stop at the end."""
    with ExitStack() as stack:
        notices = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        notices.bind(address := str((config.parent / "state" / "demo.sock").resolve()))
        output = stack.enter_context(log.open("wb"))
        began = time.monotonic()
        daemon = subprocess.Popen(
            [sys.executable, "-m", "ecgd", "serve", "--config", str(config)],
            stderr=output,
            env={**os.environ, "NOTIFY_SOCKET": address},
        )
        stack.callback(daemon.wait, 60)
        stack.callback(daemon.send_signal, signal.SIGTERM)
        notices.settimeout(_PATIENCE_S)
        while b"READY=1" not in notices.recv(4096):
            pass
        notices.close()
        console.print(f"The daemon is ready after {time.monotonic() - began:.1f} s (models loaded, checked, warmed).")
        yield


def _send_everything(out: Path, ports: Ports) -> None:
    """The real ECG as the cart's DICOM object and as a page; two simulated ones of made-up patients as messages."""
    now = datetime.now(UTC).replace(microsecond=0)
    (real,) = formats.read_file(real_dicom(), Reading())
    people = [SyntheticPatient.seeded(seed) for seed in (1, 2, 3)]
    sick = ecg(Heart(rate_bpm=66, effects=of_potassium(_HYPERKALEMIA)), seed=1)
    well = ecg(Heart(), seed=2)

    _c_store(real_dicom(), ports.dicom)
    page = write_pdf(sick, RATE_HZ, patient=people[0], acquired_at=now)
    _mllp(ports.hl7, write_oru_pdf(page, people[0], acquired_at=now, envelope=Envelope(control_id="DEMO0001")))
    later, envelope = now + timedelta(seconds=1), Envelope(control_id="DEMO0002")
    _mllp(ports.hl7, write_oru_na(well, RATE_HZ, people[1], acquired_at=later, envelope=envelope))
    part = out / "incoming" / "demo.pdf.part"
    part.write_bytes(write_pdf(real.signal, real.rate_hz, patient=people[2], acquired_at=now, reported=real.reported))
    part.rename(out / "incoming" / "demo.pdf")
    console.print("Sent: " + "; ".join(f"{number}: {what}" for number, what in _SENT.items()) + ".\n")


def _c_store(file: Path, port: int) -> None:
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pynetdicom",
            "storescu",
            "127.0.0.1",
            str(port),
            str(file),
            "-aet",
            "CART1",
            "-aec",
            "ECGD",
            "-q",
        ],
        check=True,
        timeout=60,
    )


def _mllp(port: int, message: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"\x0b" + message + b"\x1c\r")
        answer = b""
        while not answer.endswith(b"\x1c\r"):
            answer += connection.recv(65536) or b"\x1c\r"
    if b"MSA|AA" not in answer:
        raise SystemExit(f"the message was not accepted: {answer!r}")


def _await(config: Path) -> list[dict[str, Any]]:
    """Wait until everything is settled and sent; then tell each arrival's way."""
    settings = Settings.model_validate(yaml.safe_load(config.read_text()))
    until = time.monotonic() + _PATIENCE_S
    with operate.opened(settings) as database:
        while time.monotonic() < until:
            untold = [line for line in operate.reconciliation(database)["discrepancies"] if "told yet" in line]
            found = operate.overview(database, config)
            open_work = [found[kind].get(state, 0) for kind in ("jobs", "outbox") for state in operate.UNSETTLED]
            if found["arrivals"] >= len(_SENT) and not any([*open_work, untold]):
                break
            time.sleep(0.2)
        trails = [operate.trail(database, number) for number in range(1, found["arrivals"] + 1)]
    return [one for one in trails if one]


def _show(trails: list[dict[str, Any]]) -> None:
    table = Table(title="Each ECG's way, ms")
    names = (
        "arrival",
        "door and sender",
        "waited",
        "read",
        "scored",
        "decided",
        "drawn",
        "Bundle made",
        "outcome",
        "delivered",
        "alerted",
    )
    for name in names:
        table.add_column(name, justify="left" if name in {"door and sender", "outcome"} else "right")
    for one in trails:
        stages = {name: seconds * 1000 for name, seconds in one["timings"].items()}
        spent = (one["settled_at"] - one["received_at"]).total_seconds() * 1000 if one["settled_at"] else 0.0
        table.add_row(
            str(one["arrival_id"]),
            f"{one['source']} ({one['size'] / 1024:.0f} kB)",
            f"{max(0.0, spent - sum(stages.values())):.0f}",
            *(
                f"{stages[name]:.1f}" if name in stages else "-"
                for name in ("read", "score", "decide", "explain", "report")
            ),
            "\n".join([f"{one['state']} {one['reason'] or ''}".strip(), *map(_answer, one["answers"])]),
            _after(one, "fhir:"),
            _after(one, "webhook:"),
        )
    console.print(table)
    console.print("waited: last byte to settled commit, less the stages; delivered, alerted: ms after the last byte.\n")


def _answer(answer: dict[str, Any]) -> str:
    """One model's answer in a line, with the model's status: a stand-in's number must not stand alone."""
    if answer["reason"]:
        said = f"no estimate, {answer['reason']}"
    else:
        unit = "" if answer["unit"] == "1" else f" {answer['unit']}"
        said = f"{answer['comparator'] or ''}{answer['value']:.4g}{unit} {answer['level']}"
    return f"{answer['output']}: {said} ({answer['status']})"


def _after(one: dict[str, Any], kind: str) -> str:
    sent = [m["sent_at"] for m in one["messages"] if m["channel"].startswith(kind) and m["sent_at"]]
    return f"{(max(sent) - one['received_at']).total_seconds() * 1000:.0f}" if sent else "-"


def _pictures(out: Path) -> list[Path]:
    """The pictures as the EHR got them."""
    made = []
    for file in sorted((out / "bundles").glob("*.json")):
        for entry in json.loads(file.read_text()).get("entry", ()):
            resource = entry["resource"]
            if resource["resourceType"] == "DocumentReference":
                for number, content in enumerate(resource["content"]):
                    picture = out / "pictures" / f"{file.stem}{f'-explained-{number}' if number else ''}.png"
                    picture.write_bytes(base64.b64decode(content["attachment"]["data"]))
                    made.append(picture)
    return made


def _show_files(out: Path, pictures: list[Path]) -> None:
    for what, files in (("FHIR Bundles", sorted((out / "bundles").glob("*.json"))), ("Pictures", pictures)):
        console.print(f"{what}: " + (", ".join(map(str, files)) or "none"))
    console.print(f"Daemon's log: {out / 'daemon.log'}\n")


def _faults(trails: list[dict[str, Any]], alerts: int, pictures: list[Path]) -> list[str]:
    """What did not arrive."""
    faults = []
    if len(trails) != len(_SENT):
        faults.append(f"{len(_SENT)} sent, {len(trails)} arrived")
    for one in trails:
        if one["state"] not in {"scored", "abstained"}:
            faults.append(f"arrival {one['arrival_id']} is {one['state']} {one['reason'] or ''}")
        unsent = [message["channel"] for message in one["messages"] if message["state"] != "sent"]
        faults += [f"arrival {one['arrival_id']}: {channel} was not delivered" for channel in unsent]
    alarmed = [one["arrival_id"] for one in trails if any(m["channel"].startswith("webhook:") for m in one["messages"])]
    if alarmed != [_ALARMING] or alerts != 1:
        faults.append(f"arrival {_ALARMING} alone was to alert; {alarmed} did, {alerts} alerts were received")
    explained = sum(answer["reason"] is None for one in trails for answer in one["answers"])
    if len(pictures) != len(trails) + explained:
        faults.append(f"{len(trails)} arrived, {explained} scores explained, {len(pictures)} pictures were delivered")
    return faults
