import pytest
import torch

from domain.errors import Permanent
from inference.training import checkpoint


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04 half a file"])
def test_a_damaged_checkpoint_says_so(tmp_path, content):
    (tmp_path / checkpoint.FILE).write_bytes(content)
    with pytest.raises(Permanent, match="start over with --fresh"):
        checkpoint.load(tmp_path, "mine")


@pytest.mark.parametrize("content", [{"weights": 1}, [1]])
def test_so_does_one_of_another_program(tmp_path, content):
    torch.save(content, tmp_path / checkpoint.FILE)
    with pytest.raises(Permanent, match="start over with --fresh"):
        checkpoint.load(tmp_path, "mine")


def test_what_is_saved_is_loaded_by_the_same_training_only(tmp_path):
    assert checkpoint.load(tmp_path, "mine") is None
    checkpoint.save(tmp_path, {"identity": "mine", "epoch": 3})
    assert checkpoint.load(tmp_path, "mine") == {"identity": "mine", "epoch": 3}
    with pytest.raises(Permanent, match="another recipe"):
        checkpoint.load(tmp_path, "yours")
