"""Somebody edits the thresholds while the daemon runs: wrongly, rightly, and back; what the next ECGs get."""

import json
import urllib.request

import pytest
import yaml

from tests.flow import ecgs
from tests.flow.harness import installed, until

REACHED = {"severe_low": 1.5, "severe_high": 7.5}  # by none of these ECGs: whatever is critical is so by arrest
LOW = {"arrest": {"moderate": 0.0, "high": 0.0}, "potassium": REACHED}
HIGH = {
    "arrest": {"moderate": 0.99, "high": 1.0},
    "potassium": REACHED,
    "overrides": [{"name": "by-page", "when": {"door": "folder"}, "arrest": {"moderate": 0.0, "high": 0.0}}],
}


@pytest.fixture(scope="module")
def ecgd(tmp_path_factory):
    with installed(tmp_path_factory.mktemp("tuned"), "listen", "work", thresholds=LOW) as running:
        yield running


def _severity(ecgd, number):
    """Of one more ECG, once it is settled."""
    before = len(ecgd.events("settled"))
    ecgd.drop(ecgs.pdf(number))
    until(lambda: len(ecgd.events("settled")) > before, 120, "settled")
    (severity,) = ecgd.events("settled")[-1]["severity"]
    return severity


def _health(ecgd):
    with urllib.request.urlopen(f"http://127.0.0.1:{ecgd.ports['work']}/healthz", timeout=5) as answer:
        return json.load(answer)


def _metric(ecgd, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{ecgd.ports['work']}/metrics/", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def _write(ecgd, thresholds):
    ecgd.config.write_text(yaml.safe_dump(ecgd.settings | {"thresholds": thresholds}, sort_keys=False))


@pytest.mark.timeout(600)
def test_a_wrong_edit_changes_nothing_and_is_told_a_right_one_holds_for_the_next_ecg_and_is_undone(ecgd):
    assert _severity(ecgd, 8100) == "critical"

    _write(ecgd, {"arrest": {"moderate": 0.99, "high": 2}})
    until(lambda: _metric(ecgd, "ecgd_config_invalid"), 60, "the metric")
    (told,) = ecgd.events("configuration invalid")
    assert (told["level"], told["mistakes"][0].split(" ")[0]) == ("error", "thresholds.arrest.high")
    assert "last good thresholds stay in force" in _health(ecgd)["notes"]["configuration"]
    status = ecgd.run("status")
    assert (status.returncode, "stay in force" in status.stdout) == (0, True), status.stderr
    assert _severity(ecgd, 8101) == "critical"

    _write(ecgd, HIGH)
    until(lambda: ecgd.events("thresholds"), 60, "the new thresholds")
    assert _metric(ecgd, "ecgd_config_invalid") == 0
    (taken,) = ecgd.events("thresholds")
    assert "arrest.high: 0.0 -> 1.0" in taken["changes"]
    assert _severity(ecgd, 8102) == "critical"  # by the override

    _write(ecgd, HIGH | {"overrides": []})
    until(lambda: len(ecgd.events("thresholds")) == 2, 60, "the thresholds without override")
    assert _severity(ecgd, 8103) == "normal"

    undone = ecgd.run("thresholds", "undo")
    assert undone.returncode == 0, undone.stderr
    until(lambda: len(ecgd.events("thresholds")) == 3, 60, "the thresholds from before")
    assert _severity(ecgd, 8104) == "critical"
    history = json.loads(ecgd.run("thresholds", "history", "--json").stdout)
    assert [one["number"] for one in history] == [4, 3, 2, 1]
    assert history[0]["sha256"] == history[2]["sha256"] == taken["sha256"]
