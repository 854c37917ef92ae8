"""Other people's senders, as a hospital has them, and a patient one of our own."""

import socket
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pynetdicom import AE
from pynetdicom.sop_class import TwelveLeadECGWaveformStorage

from tests import peers
from tests.flow.certificates import Authority, Pair
from tests.flow.ecgs import Sent

START, END = b"\x0b", b"\x1c\r"
WAIT_S = 60


def _run(command: Sequence[str | Path], **more) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False, **more)


def write(folder: Path, sents: Iterable[Sent]) -> list[Path]:
    """The files a command-line sender takes."""
    folder.mkdir(exist_ok=True)
    paths = []
    for sent in sents:
        paths.append(folder / f"{sent.number}{sent.suffix}")
        paths[-1].write_bytes(sent.payload)
    return paths


def echoscu(port: int, *, calling: str = "CART1", tls: Sequence[str | Path] = ()) -> subprocess.CompletedProcess[str]:
    """DCMTK's C-ECHO."""
    return _run([peers.require("echoscu"), *tls, "-aet", calling, "-aec", "ECGD", "127.0.0.1", str(port)])


def storescu(
    port: int, paths: Iterable[Path], *, calling: str = "CART1", tls: Sequence[str | Path] = (), propose: str = "-x="
) -> subprocess.CompletedProcess[str]:
    """DCMTK's C-STORE; its exit code is 0 only when every object got status 0000."""
    head = [peers.require("storescu"), "-v", "-R", propose, *tls, "-aet", calling, "-aec", "ECGD"]
    return _run([*head, "127.0.0.1", str(port), *paths])


def dcmsend(port: int, paths: Iterable[Path], *, calling: str = "CART1") -> subprocess.CompletedProcess[str]:
    """DCMTK's other C-STORE, which looks into every file first."""
    return _run([peers.require("dcmsend"), "-v", "-aet", calling, "-aec", "ECGD", "127.0.0.1", str(port), *paths])


def store(port: int, sents: Iterable[Sent], *, damage: bool = False) -> list[int]:
    """C-STORE from our own process; the statuses. ``damage`` cuts each object's samples short on the way."""
    application = AE("CART1")
    application.add_requested_context(TwelveLeadECGWaveformStorage)
    association = application.associate("127.0.0.1", port, ae_title="ECGD")
    if not association.is_established:
        raise AssertionError("no association")
    statuses = []
    for sent in sents:
        dataset = dcmread(BytesIO(sent.payload))
        if damage:
            group = dataset.WaveformSequence[0]
            group.WaveformData = group.WaveformData[: len(group.WaveformData) // 2]
        statuses.append(association.send_c_store(dataset).Status)
    association.release()
    return statuses


def dcmtk_tls(client: Pair, authority: Authority) -> list[str | Path]:
    """DCMTK's options for TLS with a client certificate."""
    return ["+tls", client.key, client.certificate, "+cf", authority.certificate]


def mllp_send(port: int, path: Path) -> subprocess.CompletedProcess[str]:
    """python-hl7's command; ``path`` holds framed messages."""
    return _run(
        [peers.require("mllp_send", Path(sys.executable).parent), "--port", str(port), "--file", path, "127.0.0.1"]
    )


def s_client(
    port: int, messages: Iterable[bytes], *, client: Pair | None, authority: Authority
) -> tuple[list[bytes], subprocess.CompletedProcess[bytes]]:
    """Send framed messages with plain ``openssl s_client``; the answers it printed."""
    command: list[str | Path] = [peers.require("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-quiet"]
    command += ["-CAfile", authority.certificate, "-verify_return_error", "-verify_ip", "127.0.0.1"]
    if client:
        command += ["-cert", str(client.certificate), "-key", str(client.key)]
    messages = list(messages)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        try:
            process.stdin.write(b"".join(START + message + END for message in messages))
            process.stdin.flush()
            answers = read_frames(process.stdout.read1, len(messages))
        except BrokenPipeError:
            answers = []
        process.kill()
        with suppress(BrokenPipeError):  # what could not be written is still in the buffer
            process.stdin.close()
        return answers, subprocess.CompletedProcess(command, process.wait(), b"", process.stderr.read())


def read_frames(read, count: int) -> list[bytes]:
    """The next ``count`` MLLP frames of a stream, fewer when it ends before."""
    buffer = b""
    while buffer.count(END) < count and (chunk := read(65536)):
        buffer += chunk
    return [frame.lstrip(START) for frame in buffer.split(END)[:-1]]


def mllp(port: int, messages: Sequence[bytes], timeout_s: float = WAIT_S) -> list[bytes]:
    """Send messages pipelined over one connection of our own; the answers, fewer when the other side closes."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout_s)) as connection:
        connection.sendall(b"".join(START + message + END for message in messages))
        return read_frames(connection.recv, len(messages))


def answer(acknowledgement: bytes) -> tuple[str, str]:
    """MSA-1 and MSA-2 of an acknowledgement."""
    fields = next(line for line in acknowledgement.split(b"\r") if line.startswith(b"MSA")).split(b"|")
    return fields[1].decode(), fields[2].decode()
