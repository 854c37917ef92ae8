import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score
from typer.testing import CliRunner, Result

from ecgd.cli import app
from inference.bundle import PACKAGED
from simulator.sample import real_dicom

EIANET = PACKAGED / "eianet-stand-in"


def _ecgd(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", *(str(argument) for argument in arguments)])


@pytest.fixture
def arrest(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "arrest.csv"
    truth = rng.integers(0, 2, 200)
    score = np.clip(rng.normal(0.35 + 0.3 * truth, 0.15), 0.01, 0.99).round(4)
    path.write_text("truth,score\n" + "".join(f"{t},{s}\n" for t, s in zip(truth, score, strict=True)))
    return path


@pytest.fixture
def potassium(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    path = tmp_path / "potassium.csv"
    truth = rng.uniform(1.8, 8, 200).round(1)
    score = rng.normal(truth, 0.7).round(2)
    path.write_text("truth,score\n" + "".join(f"{t},{s}\n" for t, s in zip(truth, score, strict=True)))
    return path


def test_anybody_s_truth_and_score_give_json_and_nothing_else(arrest: Path) -> None:
    command = [sys.executable, "-m", "ecgd", "evaluate", "--predictions", str(arrest), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    truth, score = np.loadtxt(arrest, delimiter=",", skiprows=1).T
    assert found["auroc"] == pytest.approx(roc_auc_score(truth, score), abs=1e-12)
    assert found["auprc"] == pytest.approx(average_precision_score(truth, score), abs=1e-12)
    for name in ("auroc", "auprc"):
        low, high = found[f"{name}_ci"]
        assert low < found[name] < high
    assert found["bootstrap"]["resamples"] == 10_000


def test_other_commands_do_not_wait_for_numpy() -> None:
    code = "import sys, ecgd.cli; sys.exit(not {'numpy', 'torch', 'matplotlib', 'sqlalchemy'}.isdisjoint(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_several_files_become_the_rows_of_one_table(arrest: Path) -> None:
    done = _ecgd("--predictions", f"None={arrest}", "--predictions", f"SA only={arrest}", "--bootstrap", 20)
    assert done.exit_code == 0, done.output
    rows = [line.split(" | ")[0] for line in done.stdout.split("## Performance")[1].splitlines()[4:6]]
    assert rows == ["| None", "| SA only"]


def test_several_files_are_several_objects_in_json(arrest: Path) -> None:
    done = _ecgd("--predictions", f"a={arrest}", "--predictions", f"b={arrest}", "--bootstrap", 20, "--json")
    found = json.loads(done.stdout)["models"]
    assert found["a"] == found["b"]


def test_a_folder_gets_json_markdown_and_pictures_that_it_shows(potassium: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = _ecgd("--predictions", potassium, "--bootstrap", 20, "--out", out, "--json", "--note", "made-up numbers")
    assert done.exit_code == 0, done.output
    assert json.loads((out / "evaluation.json").read_text()) == json.loads(done.stdout)
    text = (out / "evaluation.md").read_text()
    assert "made-up numbers" in text.splitlines()[0]
    for name in ("potassium.png", "cuts.png"):
        assert f"({name})" in text
        assert (out / name).stat().st_size > 1000


def test_prevalences_and_thresholds_are_those_asked_for(arrest: Path) -> None:
    done = _ecgd("--predictions", arrest, "--prevalence", 0.0006, "--threshold", 0.5, "--bootstrap", 20, "--json")
    found = json.loads(done.stdout)
    assert (found["threshold"], found["threshold_rule"]) == (0.5, "given")
    ill, well = found["recall"] * 0.0006, (1 - found["specificity"]) * 0.9994
    assert found["ppv_at_0.0006"] == pytest.approx(ill / (ill + well))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "name --predictions FILE.csv"),
        (["--predictions", "none.csv"], 2, "none.csv: no such file"),
        (["--predictions", "{arrest}", "--threshold", "high"], 2, "--threshold: a threshold is a number"),
        (["--predictions", "{arrest}", "--prevalence", "1"], 2, "--prevalence: a share between 0 and 1"),
        (["--predictions", "{arrest}", "--predictions", "{arrest}"], 2, "two are called arrest"),
        (["--predictions", "{arrest}", "--predictions", "{potassium}"], 2, "no table in common"),
        (["--predictions", "{arrest}", "--bundle", str(EIANET)], 2, "--bundle and --manifest go together"),
        (["--bundle", str(EIANET), "--manifest", "{arrest}"], 2, "--out"),
        (["--bundle", str(EIANET), "--manifest", "{arrest}", "--out", "{out}"], 3, "no column"),
        (["--bundle", "{out}", "--manifest", "{arrest}", "--out", "{out}"], 4, "is missing"),
        (["--predictions", "{arrest}", "--readers", "{potassium}"], 3, "reader"),
        (["--predictions", "{wrong}"], 3, "line 3, score: not a number"),
    ],
)
def test_a_mistake_ends_in_its_line_and_code(
    arrest: Path, potassium: Path, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    wrong, out = tmp_path / "wrong.csv", tmp_path / "out"
    wrong.write_text("truth,score\n1,0.5\n0,low\n")
    out.mkdir()
    places = {"arrest": arrest, "potassium": potassium, "wrong": wrong, "out": out}
    done = _ecgd(*(argument.format(**places) for argument in arguments))
    assert done.exit_code == code, done.output
    assert said in done.stderr
    assert done.stdout == ""


def _manifest(tmp_path: Path, rows: list[str], header: str = "file,patient,time,label,sex") -> Path:
    path = tmp_path / "manifest.csv"
    path.write_text("\n".join([header, *rows]))
    return path


def test_a_bundle_scores_a_manifest_as_the_daemon_would_and_counts_what_it_left_out(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("not an ECG")
    rows = [f"{real_dicom()},a,2025-03-01T10:00:00+00:00,1,male", "note.txt,b,2025-03-01T10:00:00+00:00,0,male"]
    (tmp_path / "again.dcm").write_bytes(real_dicom().read_bytes())
    rows += ["again.dcm,c,2025-03-01T10:00:00+00:00,0,female", ",d,2025-03-01T10:00:00+00:00,0,female"]
    out = tmp_path / "out"
    done = _ecgd("--bundle", EIANET, "--manifest", _manifest(tmp_path, rows), "--out", out, "--bootstrap", 20, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["n"], found["patients"], found["auroc"]) == (2, 2, 0.5)  # the same ECG twice
    assert "stand-in" in found["note"]
    assert sum(found["left_out"].values()) == 2
    first, second = (out / "predictions.csv").read_text().splitlines()[1:]
    config = tmp_path / "ecgd.yaml"
    config.write_text(f"models: {{bundles: [{EIANET}], explain: false}}\n")
    scored = CliRunner().invoke(app, ["score", str(real_dicom()), "--config", str(config)])
    (daemon,) = json.loads(scored.stdout)["scores"]
    assert float(first.split(",")[1]) == float(second.split(",")[1]) == daemon["value"]
    assert (out / "left_out.csv").read_text().splitlines()[1].startswith("3,")


def test_a_potassium_measured_hours_later_is_no_truth_of_this_ecg(tmp_path: Path) -> None:
    rows = [f"{real_dicom()},a,2025-03-01T10:00:00+00:00,4.1,2025-03-01T12:00:00+00:00"]
    manifest = _manifest(tmp_path, rows, "file,patient,time,potassium,potassium_time")
    done = _ecgd("--bundle", PACKAGED / "ecg12net-stand-in", "--manifest", manifest, "--out", tmp_path / "out")
    assert done.exit_code == 3
    assert "more than 1 h" in done.stderr


@pytest.mark.skipif("ECGD_SAMPLES" not in os.environ, reason="ECGD_SAMPLES names no samples")
def test_real_records_are_read_in_processes_and_keep_their_order(tmp_path: Path) -> None:
    files = sorted(Path(os.environ["ECGD_SAMPLES"], "ptbxl", "records500").glob("*.hea"))[:9]
    rows = [f"{path},p{n},2025-03-01T10:00:00+00:00,{n % 2}," for n, path in enumerate(files)]
    done = _ecgd("--bundle", EIANET, "--manifest", _manifest(tmp_path, rows), "--out", tmp_path, "--bootstrap", 20)
    assert done.exit_code == 0, done.output
    patients = [line.split(",")[2] for line in (tmp_path / "predictions.csv").read_text().splitlines()[1:]]
    assert patients == sorted(patients, key=lambda name: int(name[1:]))
    assert len(patients) > 4


def test_a_place_that_cannot_be_written_ends_in_a_line(arrest: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "evaluation.md").mkdir(parents=True)
    done = _ecgd("--predictions", arrest, "--out", tmp_path / "out", "--bootstrap", 0)
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr
