import shutil
import subprocess
from pathlib import Path

import pytest
import torch
import yaml

from domain.errors import Permanent
from domain.finding import Status
from domain.reason import Reason
from inference import bundle
from inference.bundle import STAND_INS, check, load, write_bundle
from inference.models import model_of


@pytest.fixture(params=STAND_INS, ids=lambda path: path.name)
def copy(request, tmp_path) -> Path:
    return Path(shutil.copytree(request.param, tmp_path / request.param.name))


@pytest.fixture
def ecg12net(tmp_path) -> Path:
    return Path(shutil.copytree(STAND_INS[1], tmp_path / "bundle"))


def change(path: Path, **facts: object) -> Path:
    named = yaml.safe_load((path / "bundle.yaml").read_text())
    (path / "bundle.yaml").write_text(yaml.safe_dump({**named, **facts}, sort_keys=False))
    return path


def refused(path: Path) -> str:
    mistakes = check(path)
    with pytest.raises(Permanent) as caught:
        load(path)
    assert caught.value.reason is Reason.BUNDLE_UNUSABLE
    assert mistakes
    assert all(mistake in caught.value.detail for mistake in mistakes)
    return caught.value.detail


def test_the_packaged_stand_ins_load_and_say_what_they_are(copy):
    assert check(copy) == []
    found = load(copy)
    assert found.facts.status is Status.STAND_IN
    card = (copy / "card.md").read_text()
    assert "stand-in" in card
    assert "simulated" in card
    assert "no clinical meaning" in card


def test_the_packaged_stand_ins_are_small():
    assert sum(file.stat().st_size for path in STAND_INS for file in path.iterdir()) < 10_000_000


def test_the_hash_is_the_one_that_coreutils_print(copy):
    listed = subprocess.run(
        ["sha256sum", "bundle.yaml", "card.md", "model.safetensors"], cwd=copy, capture_output=True, check=True
    )
    whole = subprocess.run(["sha256sum"], input=listed.stdout, capture_output=True, check=True)
    assert load(copy).sha256 == whole.stdout.decode().split()[0]


def test_the_hash_does_not_depend_on_where_the_folder_stands(copy, tmp_path):
    moved = shutil.copytree(copy, tmp_path / "elsewhere")
    assert load(moved).sha256 == load(copy).sha256


def test_any_change_of_the_weights_is_refused(copy):
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert "sha256 is not the one bundle.yaml names" in refused(copy)


@pytest.mark.parametrize("name", ["card.md", "bundle.yaml"])
def test_a_change_of_card_or_facts_changes_the_hash(copy, name):
    before = load(copy).sha256
    (copy / name).write_text((copy / name).read_text() + "\n")
    assert load(copy).sha256 != before


@pytest.mark.parametrize("name", ["card.md", "bundle.yaml", "model.safetensors"])
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    assert f"{name} is missing" in refused(copy)


def test_a_file_that_does_not_belong_is_named(copy):
    (copy / "notes.txt").write_text("")
    assert "notes.txt does not belong in a bundle" in refused(copy)


def test_a_folder_that_is_not_there_is_a_mistake_in_words(tmp_path):
    assert "No such file or directory" in refused(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"unknown": 1}, "unknown: Extra inputs are not permitted"),
        ({"status": "good"}, "status: Input should be 'stand-in' or 'site-validated'"),
        (
            {"status": "site-validated", "performance": []},
            "performance: a site-validated model states what was measured",
        ),
        ({"preprocessing": {"name": "crops", "version": 2}}, "preprocessing.version: 2, this program's is 1"),
        ({"preprocessing": {"name": "picture", "version": 1}}, "preprocessing.name: ecg12net takes crops"),
        ({"output": {"quantity": "arrest", "unit": "1"}}, "ecg12net estimates potassium in unit 'mmol/L'"),
        ({"output": {"quantity": "potassium", "unit": "mg/dL"}}, "output.unit: Input should be '1' or 'mmol/L'"),
        ({"calibration": {"kind": "platt", "slope": 1, "intercept": 0}}, "platt is for probabilities"),
        ({"calibration": {"kind": "isotonic", "points": [[0, 0], [1, 1]]}}, "isotonic is for probabilities"),
        ({"preprocessing": {"name": "signal", "version": 1}}, "preprocessing.name: ecg12net takes crops"),
        ({"calibration": {"kind": "platt", "slope": -1, "intercept": 0}}, "slope: Input should be greater than 0"),
        ({"residual_interval": {"lower": 1, "upper": 2}}, "lower: Input should be less than or equal to 0"),
        ({"architecture": {"kind": "vgg"}}, "'eianet', 'ecg12net'"),
        ({"name": "Has Blanks"}, "name: String should match pattern"),
        ({"intended_use": ""}, "intended_use: String should have at least 1 character"),
    ],
)
def test_a_mistake_in_the_facts_is_said_with_its_place(ecg12net, facts, said):
    assert said in refused(change(ecg12net, **facts))


def test_all_mistakes_in_the_facts_are_said_at_once(ecg12net):
    assert len(check(change(ecg12net, status="good", name="Has Blanks", intended_use=""))) == 3


@pytest.mark.parametrize("text", ["a: [", "\x00", "- list", ""])
def test_what_is_not_a_mapping_is_refused(ecg12net, text):
    (ecg12net / "bundle.yaml").write_text(text)
    assert refused(ecg12net)


def test_weights_of_another_width_are_refused(ecg12net):
    facts = yaml.safe_load((ecg12net / "bundle.yaml").read_text())
    detail = refused(change(ecg12net, architecture={**facts["architecture"], "width": 5}))
    assert "block.stem.0.weight has shape [6, 1, 7], not [5, 1, 7]" in detail or "has shape" in detail


def test_weights_that_are_missing_foreign_or_not_finite_are_named(ecg12net, tmp_path):
    found = load(ecg12net)
    weights = dict(found.weights)
    weights["head.bias"] = torch.full_like(weights["head.bias"], torch.nan)
    weights["stranger"] = weights.pop("attention.reduce")
    facts = found.facts.model_dump(mode="json", exclude={"weights_sha256"})
    with pytest.raises(Permanent) as caught:
        write_bundle(tmp_path / "other", facts, weights, "card")
    for said in ("head.bias is not finite", "attention.reduce is missing", "stranger is not part of the architecture"):
        assert said in caught.value.detail


def test_a_file_that_is_not_safetensors_is_refused_though_its_hash_fits(ecg12net):
    (ecg12net / "model.safetensors").write_bytes(b"\xff" * 64)
    digest = subprocess.run(["sha256sum", ecg12net / "model.safetensors"], capture_output=True, check=True)
    assert "not a safetensors file" in refused(change(ecg12net, weights_sha256=digest.stdout.decode().split()[0]))


def test_what_is_written_is_what_is_read(ecg12net, tmp_path):
    found = load(ecg12net)
    facts = found.facts.model_dump(mode="json", exclude={"weights_sha256"})
    again = write_bundle(tmp_path / "again", facts, found.weights, "card")
    assert again.facts == found.facts
    assert all(torch.equal(again.weights[name], tensor) for name, tensor in found.weights.items())


def test_the_network_is_in_evaluation_mode_and_wants_no_gradients(copy):
    network = load(copy).network()
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())


def test_every_architecture_names_a_preprocessing_this_program_has(copy):
    facts = load(copy).facts
    assert facts.preprocessing.version == bundle.VERSIONS[facts.preprocessing.name]
    assert model_of(facts.architecture).output is facts.output.quantity
