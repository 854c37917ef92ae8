import torch

from inference.bundle import STAND_INS, load
from inference.stand_ins import write_stand_ins


def test_the_packaged_stand_ins_are_what_the_program_writes(tmp_path):
    for written, packaged in zip(write_stand_ins(tmp_path), map(load, STAND_INS), strict=True):
        assert written.facts.model_dump(exclude={"weights_sha256"}) == packaged.facts.model_dump(
            exclude={"weights_sha256"}
        )
        assert (written.path / "card.md").read_text() == (packaged.path / "card.md").read_text()
        assert written.weights.keys() == packaged.weights.keys()
        for name, tensor in packaged.weights.items():
            torch.testing.assert_close(written.weights[name], tensor, rtol=1e-3, atol=1e-3, msg=name)
