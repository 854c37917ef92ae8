"""Durable C-STORE rate of the DICOM door beside DCMTK's storescp and Orthanc, sender dcmsend, in the same run.

    python -m benchmarks.dicom [--objects 200] [--rounds 3] [--plain] [--burn 2 | --while-scoring "ecgd work ..."]

Every server gets the same 288 kB 12-lead objects (pydicom's waveform_ecg.dcm under distinct UIDs), over one association
and over four at once, in turn, in every round; printed are medians and their ratios as a Markdown table. A rate is the
objects' number over the time from the first dcmsend's start to the last one's end, start-up of dcmsend included.

What "stored" means differs: ecgd answers after a commit that reached the disk (SQLite, WAL, synchronous=FULL), Orthanc
syncs its storage area and keeps its index in its own SQLite (1.10: no fsync of the index on every object), storescp
writes a file without fsync. --plain adds pynetdicom as it comes in front of the same inbox.
"""

import argparse
import json
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from time import monotonic, sleep

from pydicom.data import get_testdata_file

ASSOCIATIONS = (1, 4)
CALLING = "BENCH"
_BURN = "while True:\n    sum(range(100000))"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes], timeout_s: float = 30) -> None:
    until = monotonic() + timeout_s
    while monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        sleep(0.05)
    raise SystemExit("a server did not start: is its program installed?")


def write_objects(folder: Path, first: int, count: int) -> None:
    """Write copies under UIDs of their own; of the same length, so that a replacement of bytes does it."""
    original = Path(str(get_testdata_file("waveform_ecg.dcm"))).read_bytes()
    for number in range(first, first + count):
        folder.mkdir(parents=True, exist_ok=True)
        copy = original.replace(b"20130125105919.5407.1.1", b"%023d" % (10**22 + number))
        (folder / f"{number}.dcm").write_bytes(copy)


def command(name: str, state: Path, port: int) -> list[str]:
    if name == "storescp":
        return ["storescp", "--fork", "-od", str(state), str(port)]
    if name == "Orthanc":
        (state / "orthanc.json").write_text(json.dumps(orthanc(state, port)))
        return ["Orthanc", str(state / "orthanc.json")]
    return [sys.executable, "-m", "benchmarks.dicom", "--serve", name, str(state), str(port)]


def orthanc(state: Path, port: int) -> dict[str, object]:
    return {
        "Name": "bench",
        "StorageDirectory": str(state / "storage"),
        "IndexDirectory": str(state / "index"),
        "HttpServerEnabled": False,
        "RemoteAccessAllowed": False,
        "DicomAet": "BENCHED",
        "DicomPort": port,
        "DicomAlwaysAllowStore": True,
        "Plugins": [],
    }


@contextmanager
def server(name: str, state: Path) -> Iterator[int]:
    state.mkdir()
    port = free_port()
    with (state / "log").open("wb") as log:
        process = subprocess.Popen(command(name, state, port), stdin=subprocess.PIPE, stdout=log, stderr=log)
        try:
            wait_for(port, process)
            yield port
        finally:
            process.terminate()
            process.wait(30)


def serve(name: str, state: Path, port: int) -> None:
    """Run the door, or pynetdicom as it comes, in front of the inbox, until stdin ends or we are terminated."""
    from config.schema import DicomDoor, DicomPeer, Store
    from listener.dicom import DicomServer
    from store.database import migrate, open_database
    from store.inbox import Inbox

    settings = Store()
    database = open_database(settings, state)
    migrate(database)
    inbox = Inbox(database, same_content=lambda *_: False, settings=settings)
    if name == "ecgd":
        peers = (DicomPeer(ae_title=CALLING, addresses=("127.0.0.1/32",)),)
        DicomServer(DicomDoor(port=port, ae_title="BENCHED", peers=peers), inbox.accept).start()
    else:
        serve_plain(inbox, port)
    sys.stdin.read()


def serve_plain(inbox: object, port: int) -> None:
    from datetime import UTC, datetime

    from pynetdicom import AE, _config, evt

    from domain.arrival import Arrival, Format
    from listener.dicom import STORAGE
    from listener.dicom_object import TRANSFER_SYNTAXES

    def store(event: evt.Event) -> int:
        arrival = Arrival(
            key=f"dicom:{event.request.AffectedSOPInstanceUID}",
            format=Format.DICOM,
            payload=event.encoded_dataset(),
            source=CALLING,
            received_at=datetime.now(UTC),
        )
        inbox.accept(arrival).result()
        return 0

    _config.LOG_HANDLER_LEVEL = "none"
    entity = AE("BENCHED")
    entity.maximum_pdu_size = 131_072
    for sop_class in STORAGE:
        entity.add_supported_context(sop_class, list(TRANSFER_SYNTAXES))
    entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])


def send(port: int, folders: list[Path]) -> float:
    """Send each folder over an association of its own, all at once; s until the last was answered."""
    started = monotonic()
    senders = [
        subprocess.Popen(
            ["dcmsend", "-aet", CALLING, "-aec", "BENCHED", "127.0.0.1", str(port), "+sd", str(folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for folder in folders
    ]
    problems = [sender.communicate()[1] for sender in senders]
    if any(sender.returncode for sender in senders) or any(problems):
        raise SystemExit(f"dcmsend failed: {problems}")
    return monotonic() - started


@contextmanager
def load(arguments: argparse.Namespace) -> Iterator[None]:
    """Run something else at the same time, at normal priority."""
    commands = [[sys.executable, "-c", _BURN]] * arguments.burn
    commands += [shlex.split(arguments.while_scoring)] if arguments.while_scoring else []
    others = [subprocess.Popen(words, stdout=subprocess.DEVNULL) for words in commands]
    try:
        yield
        if any(other.poll() is not None for other in others):
            raise SystemExit("the other process ended before the measurement did")
    finally:
        for other in others:
            other.terminate()
            other.wait()


def measure(arguments: argparse.Namespace, names: list[str]) -> dict[tuple[str, int], list[float]]:
    rates: dict[tuple[str, int], list[float]] = {(name, lanes): [] for name in names for lanes in ASSOCIATIONS}
    made = 0
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        for turn in range(arguments.rounds):
            for lanes in ASSOCIATIONS:
                objects = Path(scratch) / "objects"
                folders = [objects / str(lane) for lane in range(lanes)]
                for folder in folders:
                    write_objects(folder, made, arguments.objects // lanes)
                    made += arguments.objects // lanes
                for name in names[turn % len(names) :] + names[: turn % len(names)]:
                    state = Path(scratch) / name.replace(" ", "-")
                    with server(name, state) as port, load(arguments):
                        rates[name, lanes].append(arguments.objects / send(port, folders))
                    shutil.rmtree(state)
                shutil.rmtree(objects)
    return rates


def table(rates: dict[tuple[str, int], list[float]], names: list[str]) -> str:
    middle = {key: median(values) for key, values in rates.items()}
    lines = ["| associations | " + " | ".join(f"{name}, objects/s" for name in names)]
    lines[0] += " | " + " | ".join(f"ecgd / {name}" for name in names if name != "ecgd") + " |"
    lines.append("|---" * (2 * len(names)) + "|")
    for lanes in ASSOCIATIONS:
        ours = middle["ecgd", lanes]
        cells = [str(lanes)]
        cells += [
            f"{middle[name, lanes]:.0f} ({min(rates[name, lanes]):.0f}-{max(rates[name, lanes]):.0f})" for name in names
        ]
        cells += [f"{ours / middle[name, lanes]:.1f}" for name in names if name != "ecgd"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=200, help="a measurement; a multiple of four")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=["ecgd", "storescp", "Orthanc"])
    parser.add_argument("--plain", action="store_true", help="also pynetdicom as it comes")
    parser.add_argument("--burn", type=int, default=0, help="processes that keep a core busy meanwhile")
    parser.add_argument("--while-scoring", help="a command that runs meanwhile")
    parser.add_argument("--scratch", type=Path, help="a folder on the disk to be measured")
    parser.add_argument("--serve", nargs=3, metavar=("NAME", "STATE", "PORT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve[0], Path(arguments.serve[1]), int(arguments.serve[2]))
        return
    names = [*arguments.only, *(["pynetdicom"] if arguments.plain else [])]
    with ExitStack():
        print(table(measure(arguments, names), names))


if __name__ == "__main__":
    main()
