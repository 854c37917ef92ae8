"""`ecgd simulate` from the YAML to files that the adapters read."""

import csv
import hashlib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from adapters.formats import read_file
from config.schema import Reading
from ecgd.cli import app
from ecgd.terminal import REFUSED, USAGE
from simulator.files import write_wfdb

PLAN = """
name: few
kind: {kind}
ecgs: 54
patients: 40
seed: 5
noise: {{loose: 0, clipping: 0}}
"""


@pytest.fixture
def plan(tmp_path) -> Path:
    path = tmp_path / "few.yaml"
    path.write_text(PLAN.format(kind="potassium"))
    return path


def simulate(plan, out, *more):
    return CliRunner().invoke(app, ["simulate", str(plan), "--out", str(out), *map(str, more)])


def manifest(out):
    with (out / "manifest.csv").open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))


def digest(out):
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("form", ["wfdb", "dicom", "oru", "pdf"])
def test_every_format_is_read_back_with_what_the_manifest_says(plan, tmp_path, form):
    out = tmp_path / "out"
    told = simulate(plan, out, "--format", form, "--ecgs", 3)
    assert told.exit_code == 0, told.output
    rows = manifest(out)
    assert len(rows) == 3
    for row in rows:
        (ecg,) = read_file(out / row["file"], Reading())
        assert not ecg.unfit
        taken = datetime.fromisoformat(row["time"])
        assert ecg.acquired_at.replace(tzinfo=None) == taken.replace(tzinfo=None)
        assert 1.5 <= float(row["potassium"]) <= 9
        assert abs((datetime.fromisoformat(row["potassium_time"]) - taken).total_seconds()) <= 3600
        if form != "wfdb":  # a WFDB header identifies nobody
            assert ecg.patient.identifiers[0].value == row["patient"]
            assert ecg.patient.sex == row["sex"]
            born = ecg.patient.birth_date
            assert (taken.date() - born).days // 365.25 == float(row["age"])


def test_what_is_written_is_the_same_for_a_seed_and_for_any_number_of_workers(plan, tmp_path):
    for name, more in {"one": (), "two": ("--workers", 2), "other": ("--seed", 6)}.items():
        assert simulate(plan, tmp_path / name, "--truth", *more).exit_code == 0
    assert digest(tmp_path / "one") == digest(tmp_path / "two")
    assert digest(tmp_path / "one") != digest(tmp_path / "other")


def test_an_arrest_cohort_has_labels_and_says_how_many(plan, tmp_path):
    plan.write_text(PLAN.format(kind="arrest"))
    told = simulate(plan, tmp_path / "out", "--ecgs", 30)
    rows = manifest(tmp_path / "out")
    arrests = [row["patient"] for row in rows if row["label"] == "1"]
    assert {row["label"] for row in rows} == {"0", "1"}
    assert f"arrest: {len(arrests)}" in told.output
    assert not set(arrests) & {row["patient"] for row in rows if row["label"] == "0"}
    assert "potassium" not in rows[0]


def test_the_truth_of_each_beat_lies_beside_its_record(plan, tmp_path):
    simulate(plan, tmp_path / "out", "--ecgs", 2, "--truth")
    for row in manifest(tmp_path / "out"):
        with np.load((tmp_path / "out" / row["file"]).with_suffix(".npz")) as waves:
            assert waves["r"].size >= 4
            assert waves["st"].shape == waves["t"].shape == (waves["r"].size, 2)


def test_real_recordings_are_bent_where_the_plan_says_so_and_missed_where_there_are_none(plan, tmp_path):
    simulate(plan, tmp_path / "made", "--ecgs", 4)
    plan.write_text(PLAN.format(kind="potassium") + "backgrounds: {share: 1.0}\n")
    assert simulate(plan, tmp_path / "out").exit_code == USAGE
    told = simulate(plan, tmp_path / "out", "--ecgs", 3, "--backgrounds", tmp_path / "made" / "records")
    assert told.exit_code == 0, told.output
    rows = manifest(tmp_path / "out")
    assert "from real recordings: 3" in told.output
    assert all(row["patient"] == f"B-{row['background']}" for row in rows)
    assert not read_file(tmp_path / "out" / rows[0]["file"], Reading())[0].unfit


def test_recordings_without_beats_and_folders_that_cannot_be_written_end_in_one_line(plan, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for name in ("a", "b"):
        write_wfdb(flat, name, np.zeros((12, 5000)), 500, taken_at=datetime(2024, 1, 1, tzinfo=UTC))
    plan.write_text(PLAN.format(kind="potassium") + "backgrounds: {share: 1.0}\n")
    told = simulate(plan, tmp_path / "out", "--ecgs", 60, "--backgrounds", flat, "--workers", 2)
    assert told.exit_code == REFUSED
    assert "beats that can be bent" in told.output
    plan.write_text(PLAN.format(kind="potassium"))
    assert simulate(plan, plan).exit_code == REFUSED


def test_a_plan_with_mistakes_ends_in_one_line(plan, tmp_path):
    plan.write_text("name: few\nkind: potassium\necgs: 0\npatients: 1\nseed: 1\n")
    told = simulate(plan, tmp_path / "out")
    assert told.exit_code == REFUSED
    assert "ecgs: " in told.output
    assert "Traceback" not in told.output
