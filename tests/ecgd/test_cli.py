import json
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from ecgd.cli import app
from simulator.sample import real_dicom


def _ecgd(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "ecgd.yaml"
    path.write_text(
        f"state_dir: {tmp_path}\nhealth: {{listen_port: 0, work_port: 0, deliver_port: 0}}\n"
        "doors: {hl7: {port: 0}}\nstore: {free_disk_mib: 0}\n"
    )
    return path


def test_read_tells_what_is_in_a_file_and_writes_signal_and_picture(tmp_path: Path) -> None:
    done = _ecgd("read", real_dicom(), "--npz", tmp_path / "a.npz", "--png", tmp_path / "a.png")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["format"], said["seconds"], len(said["leads"])) == ("dicom", 10.0, 12)
    assert said["reported"]["qrs_ms"] == 75.0  # as the cart's annotation has it
    assert said["quality"] == {"fit": True, "defects": []}
    with np.load(tmp_path / "a.npz") as file:
        arrays = dict(file)
    assert arrays["signal_mv"].shape == (12, 5000)
    assert arrays["signal_mv"].dtype == np.float32
    assert float(arrays["rate_hz"]) == 500
    assert list(arrays["leads"][:3]) == ["I", "II", "III"]
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_score_prints_one_object_a_line_and_marks_stand_ins() -> None:
    done = _ecgd("score", real_dicom(), real_dicom())
    assert done.exit_code == 0, done.output
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["scores"] == second["scores"]
    assert {(score["output"], score["status"]) for score in first["scores"]} == {
        ("arrest", "stand-in"),
        ("potassium", "stand-in"),
    }


def test_a_refused_file_ends_with_3_and_the_reason_on_stderr_and_the_others_are_scored(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("not an ECG")
    done = _ecgd("score", tmp_path / "note.txt", real_dicom())
    assert done.exit_code == 3
    assert "unknown_format" in done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert _ecgd("read", tmp_path / "note.txt").exit_code == 3


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    assert _ecgd("read", tmp_path / "none.dcm").exit_code == 2


def test_check_reports_every_mistake_and_ends_with_4(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("doors: {hl7: {port: 99999}}\nstor: {}\n")
    done = _ecgd("check", "-c", tmp_path / "bad.yaml")
    assert done.exit_code == 4
    assert "doors.hl7.port" in done.stderr
    assert "did you mean store?" in done.stderr


def test_check_of_a_good_configuration_ends_with_0(config: Path) -> None:
    done = _ecgd("check", "-c", config)
    assert done.exit_code == 0, done.stderr


def test_status_reconcile_and_requeue_work_on_an_empty_store(config: Path) -> None:
    assert json.loads(_ecgd("status", "--json", "-c", config).stdout)["arrivals"] == 0
    assert _ecgd("reconcile", "-c", config).exit_code == 0
    assert _ecgd("requeue", "--arrival", 5, "-c", config).exit_code == 1
    assert _ecgd("requeue", "-c", config).exit_code == 2
    assert _ecgd("status", "--arrival", 5, "-c", config).exit_code == 1


def test_a_role_whose_port_is_taken_says_so_in_one_line_and_may_be_started_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        (tmp_path / "ecgd.yaml").write_text(
            f"state_dir: {tmp_path}\nhealth: {{listen_port: 0}}\nstore: {{free_disk_mib: 0}}\n"
            f"doors: {{hl7: {{port: {taken.getsockname()[1]}}}}}\n"
        )
        command = [sys.executable, "-m", "ecgd", "listen", "-c", str(tmp_path / "ecgd.yaml")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "Hl7Server cannot start: Address already in use" in done.stderr
    assert "Traceback" not in done.stderr
