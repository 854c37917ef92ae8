"""``ecgd demo``: the daemon on the embedded default, one real ECG through every door, and what came out."""

import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from simulator.ehr import Receiver

from config.load import parse

_PATIENCE_S = 90.0
_SENT = 4
_AUTHORITY_SYSTEM = "urn:ecgd:demo:patients"
_START, _END = b"\x0b", b"\x1c\x0d"

console = Console(width=150)


@dataclass(frozen=True, slots=True)
class Ports:
    """Free ones, so that a demo never meets a running service."""

    dicom: int
    hl7: int
    health: tuple[int, int, int]


def run(out: Path) -> int:
    """Show it; 0 only if every ECG arrived, was scored or abstained, delivered and alerted."""
    if out.exists():
        shutil.rmtree(out)
    for folder in ("state", "incoming", "bundles", "pictures"):
        (out / folder).mkdir(parents=True)
    ports = _free_ports()
    with Receiver(folder=out / "bundles") as ehr:
        config = _configure(out, ports, ehr.url)
        console.print(f"[bold]ecgd demo[/]: configuration in {config}, FHIR receiver on {ehr.url}")
        console.print(
            "Models: untrained stand-ins. The numbers below mean nothing clinically; thresholds are set to 0 "
        )
        console.print("so that the alert's way can be seen.\n")
        with _daemon(config, out / "daemon.log"):
            _send_everything(out, ports)
            settings = parse(config.read_text())
            trails = _await(settings, ehr)
        _show(trails)
        _show_files(out)
        faults = _faults(trails, ehr)
    for fault in faults:
        console.print(f"[red]not as it should be:[/] {fault}")
    console.print("[bold green]All arrived.[/]" if not faults else f"[bold red]Failed[/]; see {out / 'daemon.log'}")
    return 1 if faults else 0


def _free_ports() -> Ports:
    with [socket.socket() for _ in range(5)] as _:  # type: ignore[attr-defined]
        raise NotImplementedError


def _configure(out: Path, ports: Ports, ehr_url: str) -> Path:
    config = out / "ecgd.yaml"
    listen, work, deliver = ports.health
    content: dict[str, Any] = {
        "state_dir": str((out / "state").resolve()),
        "store": {"free_disk_mib": 50},
        "doors": {
            "dicom": {"port": ports.dicom, "peers": [{"ae_title": "CART1", "addresses": ["127.0.0.0/8"]}]},
            "hl7": {"port": ports.hl7},
            "folder": {"path": str((out / "incoming").resolve()), "settle_s": 0.5},
        },
        "models": {"allow_stand_in": True},
        "thresholds": {"arrest": {"moderate": 0.0, "high": 0.0}},
        "fhir": {
            "base_url": f"{ehr_url}/",
            "patient": {
                "systems": {"DEMO": _AUTHORITY_SYSTEM},
                "default_system": _AUTHORITY_SYSTEM,
                "unknown": "create",
            },
        },
        "alerts": {"webhooks": [{"name": "pager", "url": f"{ehr_url}/alert"}]},
        "health": {"listen_port": listen, "work_port": work, "deliver_port": deliver},
    }
    config.write_text(yaml.safe_dump(content, sort_keys=False))
    return config
