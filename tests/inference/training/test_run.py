import csv
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from adapters import formats
from config.schema import Models, Reading
from domain.errors import Permanent, Rejected
from domain.finding import Score
from inference.bundle import load
from inference.scorer import Scorer
from inference.training import recipe, run
from tests.inference.training.conftest import ARRESTNET, ECG12NET, EIANET


@pytest.fixture
def trained(cohort, cache, reader, reporter, tmp_path):
    def train(text: str, out: str = "out") -> run.Result:
        places = run.Places(
            manifest=cohort, test_manifest=None, out=tmp_path / out, cache=cache, threads=1, processes=1
        )
        return run.train(recipe.parse(text), places, reader, reporter)

    return train


QUICK = {"learning_rate": 0.01, "schedule": "cosine"}


@pytest.mark.parametrize(
    ("model", "how"),
    [
        (ECG12NET, QUICK | {"epochs": 4, "lead_loss": 0.5, "batch": 6}),
        (ARRESTNET, QUICK | {"epochs": 5, "batch": 8}),
        (EIANET, QUICK | {"epochs": 8, "batch": 8}),
    ],
    ids=lambda value: value.get("kind", "") if "kind" in value else "",
)
def test_what_is_plain_to_see_is_learned(trained, recipe_text, model, how):
    result = trained(recipe_text(model, training=how, calibration={}))
    name = "auroc_hyperkalemia" if model is ECG12NET else "auroc"
    assert result.figures["n"] >= 12
    assert result.figures[name] > 0.9


def test_the_bundle_says_of_a_file_what_predictions_csv_says(trained, recipe_text, cohort, tmp_path):
    for model, unit in ((ECG12NET, "mmol/L"), (ARRESTNET, "1")):
        calibration = {"calibration": {"method": "platt", "prevalence": 0.1}} if unit == "1" else {}
        result = trained(recipe_text(model, training={"epochs": 1}, **calibration), model["kind"])
        scorer = Scorer(Models(bundles=(result.bundle.path,), backend="torch", device="cpu", threads=1))
        with (tmp_path / model["kind"] / "predictions.csv").open() as file:
            row = next(csv.DictReader(file))
        (ecg,) = formats.read_file(cohort.parent / row["file"], Reading())
        (answer,) = scorer.score(ecg)
        assert isinstance(answer, Score)
        assert answer.unit == unit
        assert answer.value == pytest.approx(float(row["score"]), abs=0.011 if unit == "mmol/L" else 1e-4)


def test_the_same_recipe_gives_the_same_bundle_and_another_seed_another(trained, recipe_text):
    one = {"epochs": 1}
    first, again = (trained(recipe_text(ARRESTNET, training=one), out) for out in ("a", "b"))
    other = trained(recipe_text(ARRESTNET, training=one | {"seed": 1}), "c")
    assert first.bundle.sha256 == again.bundle.sha256
    assert first.bundle.sha256 != other.bundle.sha256


@pytest.mark.parametrize("model", [ARRESTNET, EIANET], ids=lambda model: model["kind"])
def test_killed_and_gone_on_gives_the_same_bundle(recipe_text, cohort, cache, run, tmp_path, model):
    text = recipe_text(
        model,
        training={"epochs": 3, "schedule": "cosine", "balance": 0.5, "epoch_cases": 24, "batch": 8},
        augmentation={
            "signal": {"gain": 0.1, "white_mv": 0.02, "emp_drop": 0.2},
            "picture": {"shift": 0.02, "specks": 5},
        },
    )
    (tmp_path / "recipe.yaml").write_text(text)
    program = [sys.executable, "-m", "ecgd", "train", str(tmp_path / "recipe.yaml"), "--threads", "1", "--workers", "0"]
    program += ["--manifest", str(cohort), "--cache", str(cache), "--out"]

    whole = run(*program, str(tmp_path / "whole"), stderr=subprocess.PIPE)
    killed = run(*program, str(tmp_path / "killed"), stderr=subprocess.PIPE)
    for line in killed.stdout:
        if line.startswith("epoch 1/3"):
            killed.send_signal(signal.SIGKILL)
            break
    assert killed.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / f"{model['kind']}-test").exists()
    said, wrong = run(*program, str(tmp_path / "killed"), stderr=subprocess.PIPE).communicate()
    assert "going on after epoch" in said, wrong
    assert "epoch 1/3" not in said
    whole.communicate()
    bundles = [load(tmp_path / out / f"{model['kind']}-test") for out in ("whole", "killed")]
    assert bundles[0].sha256 == bundles[1].sha256


def test_a_checkpoint_of_another_recipe_is_not_gone_on_with(trained, recipe_text):
    trained(recipe_text(ARRESTNET, training={"epochs": 1}))
    with pytest.raises(Permanent, match="another recipe"):
        trained(recipe_text(ARRESTNET, training={"epochs": 1, "learning_rate": 0.02}))


def test_a_second_run_reads_no_file_again(recipe_text, cohort, cache, reader, reporter, tmp_path):
    from dataclasses import replace

    def unread(path: Path):
        raise AssertionError(path)

    wanted = recipe.parse(recipe_text(ARRESTNET))
    places = run.Places(manifest=cohort, test_manifest=None, out=tmp_path, cache=cache, threads=1, processes=1)
    first = run.gathered(wanted, places, reader, reporter)
    second = run.gathered(wanted, places, replace(reader, read=unread), reporter)
    assert first.cohort.cases == second.cohort.cases
    assert np.array_equal(first.cohort.emps, second.cohort.emps, equal_nan=True)
    with pytest.raises(AssertionError):  # other adapters or settings might make something else of it
        run.gathered(wanted, places, replace(reader, read=unread, edition="2"), reporter)


def test_a_stand_in_s_card_says_so_and_names_what_nobody_stated(trained, recipe_text, tmp_path):
    result = trained(recipe_text(ARRESTNET, training={"epochs": 1}, card={"funding": "None."}))
    text = (result.bundle.path / "card.md").read_text()
    assert "no clinical meaning" in text
    assert "## Funding\n\nNone." in text
    assert "## Registration\n\nNot stated in the recipe." in text
    assert str(tmp_path) not in text


def test_a_part_that_holds_nobody_is_refused(trained, recipe_text):
    with pytest.raises(Rejected, match="train part holds 0"):
        trained(recipe_text(ARRESTNET, split={"by": "date", "train_before": "2020-01-01"}))


def test_a_site_s_model_is_not_trained_where_its_test_part_can_show_nothing(
    recipe_text, cohort, cache, reader, reporter, tmp_path
):
    lines = cohort.read_text().splitlines()
    (cohort.parent / "well.csv").write_text("\n".join([lines[0], *(line.replace(",P", ",Q") for line in lines[1::2])]))
    wanted = recipe.parse(recipe_text(ARRESTNET, status="site-validated", split={"by": "patient", "test": 0}))
    tested = cohort.parent / "well.csv"
    places = run.Places(manifest=cohort, test_manifest=tested, out=tmp_path, cache=cache, threads=1, processes=1)
    with pytest.raises(Rejected, match="test part holds one class only"):
        run.gathered(wanted, places, reader, reporter)
