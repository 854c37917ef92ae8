import logging
import subprocess
import sys

import numpy as np
import pytest
import torch

from domain.errors import Permanent
from domain.reason import Reason
from inference.arrestnet import ArrestNet
from inference.backend import (
    BOUND,
    OpenVinoBackend,
    TorchBackend,
    difference,
    first_that_agrees,
    openvino_available,
)
from inference.ecg12net import ECG12Net
from inference.eianet import EIANet

needs_openvino = pytest.mark.skipif(not openvino_available(), reason="OpenVINO has no build for this platform")

NETWORKS = {
    "eianet": (lambda: EIANet(width=2), ((1, 1, 128, 192),)),
    "ecg12net separate": (lambda: ECG12Net(width=1), ((2, 12, 1024),)),
    "ecg12net-2 shared ordinal": (
        lambda: ECG12Net(width=1, shared=True, ordinal=True, emps=True),
        ((2, 12, 1024), (2, 8)),
    ),
    "arrestnet": (lambda: ArrestNet(width=2), ((1, 12, 5000),)),
}


def example(shapes) -> tuple[np.ndarray, ...]:
    draw = np.random.default_rng(0)
    arrays = tuple(draw.normal(size=shape).astype(np.float32) for shape in shapes)
    if len(arrays) > 1:
        arrays[1][0, 1] = np.nan
    return arrays


@needs_openvino
@pytest.mark.parametrize("name", NETWORKS)
def test_openvino_agrees_with_torch_in_fp32(name):
    make, shapes = NETWORKS[name]
    torch.manual_seed(0)
    network = make().eval().requires_grad_(False)
    inputs = example(shapes)
    compiled = OpenVinoBackend(network, inputs, threads=1)
    examples = [tuple(array * np.float32(scale) for array in inputs) for scale in (0, 0.5, 1, 30)]
    assert difference(compiled, TorchBackend(network), examples) < BOUND / 10


@needs_openvino
def test_openvino_gives_the_same_bits_again():
    torch.manual_seed(0)
    make, shapes = NETWORKS["eianet"]
    inputs = example(shapes)
    compiled = OpenVinoBackend(make().eval().requires_grad_(False), inputs, threads=2)
    first = compiled(*inputs)
    compiled(*(array * 2 for array in inputs))
    assert all(np.array_equal(a, b) for a, b in zip(first, compiled(*inputs), strict=True))


class Off:
    name = "off"

    def __init__(self, by: float) -> None:
        self.by = by

    def __call__(self, x):
        return (x + np.float32(self.by), x)


ONE = ((np.zeros(3, np.float32),),)


@pytest.mark.parametrize("by", [2 * BOUND, -1.0, np.nan, np.inf])
def test_the_last_backend_that_is_off_is_refused(by):
    with pytest.raises(Permanent) as caught:
        first_that_agrees([lambda: Off(by)], Off(0), ONE)
    assert caught.value.reason is Reason.BACKEND_UNUSABLE
    assert "off differs from torch fp32" in caught.value.detail


def test_the_first_backend_within_the_bound_is_taken_and_the_rest_is_not_built():
    def never():
        raise AssertionError("built")

    near = Off(BOUND / 2)
    taken, apart = first_that_agrees([lambda: near, never], Off(0), ONE)
    assert taken is near
    assert apart == pytest.approx(BOUND / 2, rel=1e-3)


def test_a_faster_backend_that_is_off_is_passed_over_with_a_warning_that_says_how_far(caplog):
    slow = Off(0)
    assert first_that_agrees([lambda: Off(0.25), lambda: slow], Off(0), ONE) == (slow, 0)
    assert "off differs from torch fp32 by 0.25, bound 0.001" in caplog.text


def test_a_backend_that_cannot_be_built_is_passed_over(caplog):
    def unable():
        raise RuntimeError("operation not permitted when stream is capturing\nand much more")

    slow = Off(0)
    assert first_that_agrees([unable, lambda: slow], Off(0), ONE)[0] is slow
    assert "not permitted when stream is capturing" in caplog.text
    assert "much more" not in caplog.text


def test_a_backend_must_agree_on_every_example():
    class OffWhenLarge(Off):
        def __call__(self, x):
            return (x + np.float32(self.by) * (x > 1), x)

    examples = [(np.full(3, value, np.float32),) for value in (0, 1, 2)]
    assert difference(OffWhenLarge(0.5), Off(0), examples[:2]) == 0
    assert difference(OffWhenLarge(0.5), Off(0), examples) == pytest.approx(0.25)


def test_a_heat_map_is_held_to_half_a_step_of_what_is_drawn():
    class Heated(Off):
        def __call__(self, x):
            return (x, x + np.float32(self.by))

    assert first_that_agrees([lambda: Heated(0.04)], Off(0), ONE, heat=True)[1] == pytest.approx(0.8 * BOUND)
    for by, heat in ((0.06, True), (0.04, False), (np.nan, True)):
        with pytest.raises(Permanent):
            first_that_agrees([lambda by=by: Heated(by)], Off(0), ONE, heat=heat)
    faint = ((np.full(3, 0.01, np.float32),),)  # by its own greatest
    with pytest.raises(Permanent):
        first_that_agrees([lambda: Heated(0.001)], Off(0), faint, heat=True)
    with pytest.raises(Permanent):  # the answer beside it is held to its own
        first_that_agrees([lambda: Off(2 * BOUND)], Off(0), ONE, heat=True)


def test_above_one_the_bound_is_relative():
    x = np.full(3, 1000, np.float32)
    assert difference(Off(0.5), Off(0), ((x,),)) == pytest.approx(5e-4)


@needs_openvino
def test_converting_opens_no_connection_starts_no_process_and_leaves_the_home_alone(tmp_path):
    """The converter's telemetry would do all three: Google Analytics, from a child process, with an id in ~/intel."""
    code = """
import sys
seen = []
WATCHED = {"socket.connect", "socket.getaddrinfo", "socket.__new__", "os.fork", "subprocess.Popen", "os.posix_spawn"}
sys.addaudithook(lambda event, args: seen.append(event) if event in WATCHED else None)
import numpy as np
import torch
del seen[:]
from inference.backend import OpenVinoBackend
network = torch.nn.Sequential(torch.nn.Linear(4, 2)).eval().requires_grad_(False)
class Two(torch.nn.Module):
    def forward(self, x): return network(x), x
x = np.ones((1, 4), np.float32)
OpenVinoBackend(Two().eval(), (x,), 1)(x)
from openvino.tools.ovc import telemetry_utils
print(seen, telemetry_utils.tm.__name__)
"""
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}  # without CI, where the telemetry is off anyway
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split("\n")[-2] == "[] openvino.tools.ovc.telemetry_stub"
    assert list(tmp_path.iterdir()) == []


class _Strange(torch.nn.Module):
    def forward(self, x):
        return (torch.linalg.eigvals(x).real,)


@needs_openvino
def test_a_network_that_openvino_cannot_take_does_not_silence_the_service():
    root = logging.getLogger()
    level, filters, handlers = root.level, list(root.filters), list(root.handlers)
    with pytest.raises(RuntimeError, match=r"OpenVINO cannot take the network: .*eigvals"):
        OpenVinoBackend(_Strange().eval(), (np.eye(3, dtype=np.float32),), threads=1)
    assert (root.level, root.filters, root.handlers) == (level, filters, handlers)
