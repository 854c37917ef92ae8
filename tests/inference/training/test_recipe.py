from pathlib import Path

import pytest
import yaml

from config.load import InvalidConfiguration
from inference.training import recipe

EXAMPLES = sorted((Path(__file__).parents[3] / "config" / "recipes").glob("*.yaml"))
GOOD = """
name: k
version: "1"
status: stand-in
intended_use: None.
training_data: Simulated.
model: {kind: ecg12net, width: 2, trunks: shared, head: ordinal, emps: false, crops: 2}
split: {by: patient}
training: {epochs: 2, batch: 8, optimizer: adam, learning_rate: 0.001, loss: ordinal}
"""


def mistakes(text: str) -> dict[str, str]:
    with pytest.raises(InvalidConfiguration) as caught:
        recipe.parse(text)
    return {mistake.where: str(mistake) for mistake in caught.value.mistakes}


def changed(**parts: object) -> str:
    return yaml.safe_dump({**yaml.safe_load(GOOD), **parts})


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_a_recipe(path):
    recipe.load(path)


def test_there_is_an_example_of_every_kind():
    assert {recipe.load(path).model.kind for path in EXAMPLES} >= {"eianet", "ecg12net", "arrestnet"}


def test_the_examples_hold_the_papers_values():
    folder = EXAMPLES[0].parent
    eianet, ecg12net = recipe.load(folder / "eianet.yaml"), recipe.load(folder / "ecg12net.yaml")
    how = eianet.training
    assert (how.optimizer, how.learning_rate, how.epochs, how.loss) == ("adamw", 2e-5, 200, "brloss")
    assert (eianet.model.width, eianet.model.attention) == (64, True)
    how = ecg12net.training
    assert (how.optimizer, how.learning_rate, how.batch) == ("adam", 1e-3, 36)
    assert (ecg12net.data.window_h, ecg12net.model.width, ecg12net.model.trunks) == (1.0, 32, "separate")


def test_every_malformed_value_is_reported_at_once_with_its_path():
    training = {"epochs": 0, "batch": 8, "optimizer": "sgd", "learning_rate": 0.1, "loss": "ordinal", "epoch": 3}
    found = mistakes(changed(training=training, split={"by": "moon"}, nmae="x"))
    assert set(found) == {"training.epochs", "training.optimizer", "training.epoch", "split", "nmae"}
    assert "unknown key" in found["training.epoch"]


def test_everything_that_does_not_go_together_is_reported_at_once():
    training = {"epochs": 2, "batch": 8, "optimizer": "adam", "learning_rate": 0.1, "loss": "brloss", "metric": "auprc"}
    found = mistakes(
        changed(
            training=training,
            split={"by": "patient", "validation": 0.5, "test": 0.5},
            calibration={"method": "platt"},
            data={"variants": 2},
        )
    )
    assert set(found) == {"training.loss", "training.metric", "split", "calibration", "data.variants"}


@pytest.mark.parametrize(("head", "loss"), [("ordinal", "mse"), ("linear", "ordinal")])
def test_the_loss_has_to_fit_the_head(head, loss):
    model = {"kind": "ecg12net", "width": 2, "trunks": "shared", "head": head, "emps": False, "crops": 2}
    training = {"epochs": 2, "batch": 8, "optimizer": "adam", "learning_rate": 0.1, "loss": loss}
    assert set(mistakes(changed(model=model, training=training))) == {"training.loss"}


def test_dates_have_to_follow_one_another():
    split = {"by": "date", "train_before": "2016-05-01", "validation_before": "2016-04-01"}
    assert set(mistakes(changed(split=split))) == {"split.validation_before"}


def test_what_is_not_yaml_is_said_to_be_so():
    (what,) = mistakes("a: [1").values()
    assert "not YAML" in what


def test_a_file_that_is_not_there_is_a_mistake(tmp_path):
    with pytest.raises(InvalidConfiguration, match="cannot be read"):
        recipe.load(tmp_path / "none.yaml")


def test_paths_count_from_where_the_recipe_lies(tmp_path):
    (tmp_path / "r.yaml").write_text(changed(data={"manifest": "cohort/manifest.csv"}))
    assert recipe.load(tmp_path / "r.yaml").data.manifest == tmp_path / "cohort" / "manifest.csv"
