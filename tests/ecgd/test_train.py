"""``ecgd train`` as a user meets it; what it trains is tested in tests/inference/training."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ecgd.cli import app
from tests.inference.training.conftest import (  # noqa: F401  fixtures
    ARRESTNET,
    cohort,
    recipe_text,
    torch_as_it_was,
    write_wfdb,
)


@pytest.fixture
def train(tmp_path):
    def call(text: str, *more: str):
        (tmp_path / "recipe.yaml").write_text(text)
        command = ["train", str(tmp_path / "recipe.yaml"), "--out", str(tmp_path / "out"), "--workers", "0"]
        return CliRunner().invoke(app, [*command, "--threads", "1", *more])

    return call


def test_a_manifest_becomes_a_bundle_that_score_loads(train, recipe_text, cohort, tmp_path):  # noqa: F811
    done = train(recipe_text(ARRESTNET, training={"epochs": 1}), "--manifest", str(cohort))
    assert done.exit_code == 0, done.output
    assert "72 usable ECGs, 0 lines left out" in done.output
    assert "auroc" in done.output
    (tmp_path / "ecgd.yaml").write_text(f"models: {{bundles: [{tmp_path / 'out' / 'arrestnet-test'}], backend: torch}}")
    command = ["score", str(cohort.parent / "r0.hea"), "--config", str(tmp_path / "ecgd.yaml")]
    scored = CliRunner().invoke(app, command)
    assert [score["model"] for score in json.loads(scored.output)["scores"]] == ["arrestnet-test"]
    header = (tmp_path / "out" / "predictions.csv").read_text().splitlines()[0]
    assert header == "truth,score,patient,file,part,time,age,sex,device,door,raw"
    assert len((tmp_path / "out" / "history.csv").read_text().splitlines()) == 2


def test_a_run_that_ended_ends_again_without_training_and_fresh_starts_over(train, recipe_text, cohort):  # noqa: F811
    text = recipe_text(ARRESTNET, training={"epochs": 1})
    first, again = (train(text, "--manifest", str(cohort)) for _ in range(2))
    assert "epoch 1/1" in first.output
    assert "going on after epoch 1" in again.output
    assert "epoch 1/1" not in again.output
    other = recipe_text(ARRESTNET, training={"epochs": 1, "seed": 5})
    assert train(other, "--manifest", str(cohort)).exit_code == 3
    assert train(other, "--manifest", str(cohort), "--fresh").exit_code == 0


def test_every_mistake_of_a_recipe_is_one_line(train, recipe_text, cohort):  # noqa: F811
    done = train(recipe_text(ARRESTNET, training={"epochs": 0}, colour="red"), "--manifest", str(cohort))
    assert done.exit_code == 4
    assert "2 mistake(s)" in done.stderr
    assert "training.epochs: Input should be greater than or equal to 1" in done.stderr
    assert "Traceback" not in done.output


def test_unusable_lines_are_reported_with_their_number(train, recipe_text, cohort, tmp_path):  # noqa: F811
    lines = cohort.read_text().splitlines()
    lines[2] = lines[2].replace("r1.hea", "gone.hea")
    lines[3] = lines[3].replace(",0,", ",2,")
    (cohort.parent / "spoilt.csv").write_text("\n".join(lines) + "\n")
    done = train(recipe_text(ARRESTNET, training={"epochs": 1}), "--manifest", str(cohort.parent / "spoilt.csv"))
    assert done.exit_code == 0, done.output
    assert "70 usable ECGs, 2 lines left out" in done.output
    assert "(line 3)" in done.output
    assert "label is neither 0 nor 1 (line 4)" in done.output


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ((), "name a manifest"),
        (("--manifest", "nowhere.csv"), "no such file"),
        (("--manifest", "M", "--test-manifest", "M"), "two things to test on"),
    ],
)
def test_what_is_missing_is_said_in_a_line(train, recipe_text, cohort, more, complaint):  # noqa: F811
    done = train(recipe_text(ARRESTNET), *(str(cohort) if word == "M" else word for word in more))
    assert done.exit_code == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.output


def test_a_test_cohort_of_its_own_is_tested_on(train, recipe_text, cohort):  # noqa: F811
    folder = Path(cohort).parent
    lines = cohort.read_text().splitlines()
    half = (len(lines) - 1) // 2 + 1
    (folder / "older.csv").write_text("\n".join(lines[:half]) + "\n")
    (folder / "newer.csv").write_text("\n".join([lines[0], *lines[half:]]) + "\n")
    split = {"by": "patient", "validation": 0.3, "test": 0.0}
    text = recipe_text(ARRESTNET, training={"epochs": 1}, split=split)
    done = train(text, "--manifest", str(folder / "older.csv"), "--test-manifest", str(folder / "newer.csv"))
    assert done.exit_code == 0, done.output
    assert "36 to test on" in done.output
