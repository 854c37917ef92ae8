import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil
import pytest

from adapters import formats
from config.schema import Reading
from domain.alert import Acknowledgement
from domain.arrival import Arrival, Format
from domain.errors import Rejected
from domain.reason import Reason
from ecgd import facts
from ecgd.reader import Reader
from simulator.sample import real_dicom

DICOM = Arrival(
    key="dicom:1.2.3",
    format=Format.DICOM,
    payload=real_dicom().read_bytes(),
    source="dicom:CART1",
    received_at=datetime(2026, 1, 2, tzinfo=UTC),
)
GARBAGE = Arrival(
    key="dicom:4", format=Format.DICOM, payload=b"x" * 500, source="dicom:A", received_at=DICOM.received_at
)


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    made = Reader(Reading())
    yield made
    made.close()


def test_what_the_child_reads_is_what_the_adapters_read(reader: Reader) -> None:
    (there,), (here,) = reader.read(DICOM), formats.read(DICOM, Reading())
    np.testing.assert_array_equal(there.signal, here.signal)
    np.testing.assert_array_equal(there.picture, here.picture)
    assert facts.dump(there) == facts.dump(here)


def test_a_refusal_comes_back_with_its_reason(reader: Reader) -> None:
    with pytest.raises(Rejected) as caught:
        reader.read(GARBAGE)
    assert caught.value.reason is Reason.UNDECODABLE


def test_a_child_killed_from_outside_is_replaced_and_the_file_is_read(reader: Reader) -> None:
    reader.read(DICOM)
    for child in psutil.Process().children():
        if "ecgd.reader" in child.cmdline():
            child.kill()
            child.wait()
    assert len(reader.read(DICOM)) == 1


def test_a_file_that_takes_too_long_is_refused_and_the_next_one_is_read() -> None:
    hasty = Reader(Reading.model_construct(**{**Reading().model_dump(), "timeout_s": 1e-4}))
    try:
        with pytest.raises(Rejected) as caught:
            hasty.read(DICOM)
        assert caught.value.reason is Reason.READER_TIMEOUT
    finally:
        hasty.close()


def test_the_child_dies_with_its_parent(tmp_path: Path) -> None:
    script = "\n".join(
        [
            "import os, psutil, signal",
            "from config.schema import Reading",
            "from ecgd.reader import Reader",
            "from tests.ecgd.test_reader import DICOM",
            "reader = Reader(Reading()); reader.read(DICOM)",
            "print([c.pid for c in psutil.Process().children()][0], flush=True)",
            "os.kill(os.getpid(), signal.SIGKILL)",
        ]
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert not psutil.pid_exists(json.loads(done.stdout)) or _gone(json.loads(done.stdout))


def _gone(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        process.wait(5)
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        pass
    return not psutil.pid_exists(pid)


def test_who_has_acknowledged_an_alert_comes_through_as_well(reader: Reader) -> None:
    lines = ("MSH|^~\\&|EHR|H|ECGD|H|20260105080100||ORA^R41|R1|P|2.8", "MSA|AA|M1", "PRT||UC||AAP|7^Byron")
    arrival = replace(DICOM, format=Format.ORA, payload="\r".join(lines).encode(), source="hl7:EHR^H")
    assert reader.acknowledged(arrival) == (Acknowledgement(message="M1", by="Byron (7) via EHR"),)


def test_what_is_said_of_an_ecg_without_one_comes_through_as_well(reader: Reader) -> None:
    lines = (
        "MSH|^~\\&|MUSE|ED|ECGD|H|20260105080100||ORU^R01|M1|P|2.5.1",
        "PID|1||42^^^SIM^MR",
        "OBR|1|P1|F1|93000^ECG|||20260105080007+0000",
        "OBX|1|NM|8633-0^QRS duration^LN||96|ms|||||F",
    )
    arrival = replace(DICOM, format=Format.HL7, payload="\r".join(lines).encode(), source="hl7:MUSE^ED")
    assert reader.read(arrival) == ()
    (report,) = reader.said(arrival)
    assert (report.reported.qrs_ms, report.order.filler) == (96, "F1")
    assert report.acquired_at == datetime(2026, 1, 5, 8, 0, 7, tzinfo=UTC)
    assert report.patient.identifiers[0].value == "42"
    assert reader.said(DICOM) == ()
