"""``ecgd explain``, and the drawings that the daemon makes."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner, Result

from adapters import formats, overlay
from config.schema import Models, Reading, Thresholds
from domain.ecg import LEADS, Ecg
from domain.explanation import Direction, LeadHeat
from domain.finding import Abstention, Assessment, Finding, Output, Score, Severity, Status
from domain.reason import Reason
from ecgd import drawings, pipeline
from ecgd.cli import app
from inference.bundle import STAND_INS
from inference.decide import decide
from inference.scorer import Scorer
from simulator.sample import real_dicom

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


@pytest.fixture(scope="module")
def ecg() -> Ecg:
    return formats.read_file(real_dicom(), Reading())[0]


@pytest.fixture(scope="module")
def finding(ecg: Ecg) -> Finding:
    answers = Scorer(Models(device="cpu", threads=1)).score(ecg)
    return decide(ecg, answers, Thresholds(), arrival_id=1, arrival_key="k", part=1, received_at=NOW, now=NOW)


def _explain(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["explain", *map(str, arguments)])


def _pixels(path: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def test_a_real_ecg_is_drawn_and_its_score_printed(tmp_path: Path, finding: Finding) -> None:
    done = _explain(real_dicom(), "--model", "ecg12net-stand-in", "--png", tmp_path / "a.png")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    (assessment,) = (one for one in finding.assessments if one.score.output is Output.POTASSIUM)
    assert (said["value"], said["unit"], said["level"]) == (assessment.score.value, "mmol/L", assessment.level)
    assert (said["model"], said["status"], said["part"], said["parts"]) == ("ecg12net-stand-in", "stand-in", 1, 1)
    assert list(said["attention"]) == list(LEADS)
    assert sum(said["attention"].values()) == pytest.approx(1, abs=1e-3)
    drawn = drawings.with_drawings(finding).assessments[finding.assessments.index(assessment)].drawing
    np.testing.assert_array_equal(_pixels(tmp_path / "a.png"), drawn)


def test_a_model_may_be_named_by_its_folder(tmp_path: Path) -> None:
    copy = shutil.copytree(STAND_INS[0], tmp_path / "mine")
    done = _explain(real_dicom(), "--model", copy, "--png", tmp_path / "a.png")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["output"] == "arrest"


def test_an_abstention_says_why_ends_with_3_and_draws_nothing(tmp_path: Path) -> None:
    short = pydicom.dcmread(real_dicom())
    rhythm = short.WaveformSequence[0]
    rhythm.NumberOfWaveformSamples = samples = round(5 * rhythm.SamplingFrequency)
    rhythm.WaveformData = rhythm.WaveformData[: 2 * rhythm.NumberOfWaveformChannels * samples]
    short.save_as(tmp_path / "short.dcm")
    done = _explain(tmp_path / "short.dcm", "--model", "eianet-stand-in", "--png", tmp_path / "a.png")
    assert done.exit_code == 3
    assert "eianet-stand-in abstains: too_short (II)" in done.stderr
    assert not done.stdout
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    ("file", "options", "code", "why"),
    [
        (None, ["--model", "nobody"], 2, "no model nobody: name one of eianet-stand-in, ecg12net-stand-in"),
        (None, ["--model", "eianet-stand-in", "--part", "2"], 3, "holds 1 ECG(s), not 2"),
        (None, ["--model", "."], 4, "bundle.yaml is missing"),
        ("note.txt", ["--model", "eianet-stand-in"], 3, "unknown_format"),
    ],
)
def test_mistakes_end_in_a_line(
    file: str | None, options: list[str], code: int, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "note.txt").write_text("not an ECG")
    done = _explain(file or real_dicom(), *options, "--png", tmp_path / "a.png")
    assert done.exit_code == code
    assert why in done.stderr
    assert "Traceback" not in done.output
    assert not (tmp_path / "a.png").exists()


def test_a_place_that_cannot_be_written_ends_in_a_line(tmp_path: Path) -> None:
    done = _explain(real_dicom(), "--model", "eianet-stand-in", "--png", tmp_path / "none" / "a.png")
    assert done.exit_code == 2
    assert "cannot be written (No such file or directory)" in done.stderr


def test_the_same_finding_is_drawn_alike_and_every_model_on_its_own(finding: Finding) -> None:
    first, again = (drawings.with_drawings(finding).assessments for _ in range(2))
    assert len(first) == 2
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.drawing, other.drawing)
    assert not np.array_equal(first[0].drawing, first[1].drawing)


@pytest.mark.parametrize("status", Status)
def test_the_words_say_what_the_model_and_the_score_are_worth(ecg: Ecg, status: Status) -> None:
    heat = LeadHeat(cells=np.zeros((12, 625), np.float32), step=8, resolution=64, direction=Direction.HIGH)
    score = Score(
        model="m", version="1", bundle_sha256="ab" * 32, status=status, output=Output.POTASSIUM, value=7.5,
        unit="mmol/L", censored=">", explanation=heat,
    )  # fmt: skip
    assessment = Assessment(score=score, level="severe_high", severity=Severity.CRITICAL)
    caption = drawings.caption(ecg, assessment, heat)
    words = " ".join([caption.title, caption.warning, *caption.lines, *caption.legend])
    assert "Not a diagnosis" in words
    assert "above 7.50 mmol/L, severely high" in words
    assert "towards high potassium" in words
    assert "m 1" in words
    assert ("NO CLINICAL MEANING" in words) == (status is Status.STAND_IN)
    assert words.isascii()  # the fonts have no more
    assert not any(name and name in words for name in (ecg.patient.family, ecg.patient.given))


def test_no_line_is_wider_than_the_paper(finding: Finding) -> None:
    long = replace(
        finding.assessments[0].score, model="ecg12net-of-some-site-" * 2 + "20-characters-longer", version="9" * 32
    )
    for level in ("normal", "moderate", "high"):
        assessment = Assessment(score=long, level=level, severity=Severity.NORMAL)
        drawn = drawings.drawing(finding.ecg, assessment)
        words = np.concatenate((drawn[: overlay.HEAD_MM * 4, -8:], drawn[-overlay.FOOT_MM * 4 :, -8:]))
        assert (words == 255).all()


def test_a_drawing_that_fails_does_not_hold_up_the_result(finding: Finding) -> None:
    broken = replace(finding, ecg=replace(finding.ecg, picture=np.zeros((5, 5, 3), np.uint8)))
    assert pipeline._drawn(broken) is broken
    assert pipeline._drawn(finding) is not finding


def test_an_abstention_has_no_drawing(finding: Finding) -> None:
    abstained = Abstention(
        model="m",
        version="1",
        bundle_sha256="0" * 64,
        status=Status.STAND_IN,
        output=Output.ARREST,
        reason=Reason.TOO_SHORT,
    )
    only = replace(finding, assessments=(), abstentions=(abstained,))
    assert drawings.with_drawings(only).assessments == ()
