import pytest
import torch

from config.schema import Models
from domain.errors import Permanent
from domain.reason import Reason
from inference import choice
from inference.backend import BOUND
from inference.bundle import STAND_INS, load
from inference.choice import choose
from inference.models import model_of


class Fake:
    """Stands where a CUDA backend would: torch on the CPU, and off by so much."""

    def __init__(self, network, name: str, off: float) -> None:
        self.name, self._network, self._off = name, network, off

    def __call__(self, *inputs):
        with torch.inference_mode():
            return tuple((output + self._off).numpy() for output in self._network(*map(torch.from_numpy, inputs)))


@pytest.fixture
def a_card(monkeypatch):
    """A machine with a card: how far off bf16, a graph and eager are."""

    def make(**off: float) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(choice, "CudaGraphBackend", lambda net, _, name: Fake(net, name, off[name]))
        eager, cpu = (lambda net: Fake(net, "eager", off["eager"])), choice.TorchBackend
        monkeypatch.setattr(choice, "TorchBackend", lambda net, *device: eager(net) if device else cpu(net))

    return make


def chosen(settings: Models) -> tuple[str, float]:
    bundle = load(STAND_INS[1])
    backend, apart = choose(bundle.network, model_of(bundle.facts.architecture), settings, 1, heat=False)
    return backend.name, apart


@pytest.mark.parametrize(
    ("bf16", "fp32", "name"), [(BOUND / 2, 0, "bf16"), (2 * BOUND, 0, "fp32"), (2 * BOUND, float("nan"), "eager")]
)
def test_on_a_card_bf16_is_taken_only_when_its_answers_are_equal_then_a_graph_then_eager(a_card, bf16, fp32, name):
    a_card(bf16=bf16, fp32=fp32, eager=0)
    assert chosen(Models())[0] == name


def test_a_card_that_never_agrees_stops_the_worker(a_card):
    a_card(bf16=1, fp32=1, eager=1)
    with pytest.raises(Permanent) as caught:
        chosen(Models())
    assert caught.value.reason is Reason.BACKEND_UNUSABLE


def test_a_card_is_left_alone_when_the_configuration_says_cpu(a_card):
    a_card(bf16=0, fp32=0, eager=0)
    assert chosen(Models(device="cpu", backend="torch")) == ("torch-cpu", 0)


def test_openvino_on_a_card_is_refused(a_card):
    a_card(bf16=0, fp32=0, eager=0)
    with pytest.raises(Permanent, match="runs on the CPU"):
        chosen(Models(device="cuda", backend="openvino"))
