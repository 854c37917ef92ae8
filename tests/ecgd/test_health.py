import json
import logging
import socket
import threading
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest
import structlog

from config.schema import Logging
from ecgd.health import Health, HealthPage, set_up_logging


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _everything(notices: socket.socket) -> int:
    count = 0
    with suppress(TimeoutError):
        while notices.recv(100):
            count += 1
    return count


def test_a_loop_that_does_not_move_makes_the_role_unwell() -> None:
    now = [0.0]
    health = Health(stale_s=10, clock=lambda: now[0])
    health.beat("work")
    now[0] = 9
    assert health.stale() == []
    now[0] = 11
    assert health.stale() == ["work"]


def test_the_watchdog_is_fed_only_while_every_loop_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        now, stop = [0.0], threading.Event()
        health = Health(stale_s=10, clock=lambda: now[0])
        health.beat("work")
        watching = threading.Thread(target=health.watch, args=(stop, 0.01))
        watching.start()
        assert systemd.recv(100) == b"WATCHDOG=1"
        now[0] = 11
        systemd.settimeout(0.2)
        fed = _everything(systemd)
        assert fed <= 1  # one may have been on its way
        stop.set()
        watching.join()
        health.close()


def test_the_health_page_answers_and_tells_metrics() -> None:
    health = Health(stale_s=10)
    page = HealthPage(_free_port(), health)
    page.start()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{page.port}/healthz", timeout=5) as answer:
            assert json.load(answer) == {"status": "ok", "stale": [], "notes": {}}
        with urllib.request.urlopen(f"http://127.0.0.1:{page.port}/metrics/", timeout=5) as answer:
            assert b"ecgd_arrivals_total" in answer.read()
    finally:
        page.stop()


def test_a_taken_health_port_is_said_and_lived_with(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        page = HealthPage(taken.getsockname()[1], Health(stale_s=10))
        page.start()
        page.stop()
    assert "no health page" in capsys.readouterr().out


def test_lines_carry_their_priority_where_the_journal_reads_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:12345")
    set_up_logging(Logging(), "work")
    try:
        structlog.get_logger().error("buried")
        structlog.get_logger().info("sent")
    finally:
        structlog.reset_defaults()
    first, second = capsys.readouterr().err.splitlines()
    assert (first[:4], second[:4]) == ("<3>{", "<6>{")


def test_a_librarys_message_is_named_but_not_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    before = logging.getLogger().handlers
    try:
        set_up_logging(Logging(), "work")
        logging.getLogger("a_library").warning("bad PatientName 'Jane Doe'")
    finally:
        logging.getLogger().handlers = before
        structlog.reset_defaults()
    line = json.loads(capsys.readouterr().err)
    assert line["logger"] == "a_library"
    assert "Jane" not in json.dumps(line)


def test_a_reader_of_notices_that_sleeps_does_not_hold_the_service_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asleep:
        asleep.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        health = Health(stale_s=10)
        for _ in range(5000):
            health.alive()
        health.close()
