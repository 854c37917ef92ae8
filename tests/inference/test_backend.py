import subprocess
import sys

import numpy as np
import pytest
import torch

from domain.errors import Permanent
from domain.reason import Reason
from inference.backend import BOUND, OpenVinoBackend, TorchBackend, openvino_available, require_agreement
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
    assert require_agreement(compiled, TorchBackend(network), inputs) < BOUND / 10
    other = tuple(array * np.float32(0.5) for array in inputs)
    assert require_agreement(compiled, TorchBackend(network), other) < BOUND / 10


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


@pytest.mark.parametrize("by", [2 * BOUND, -1.0, np.nan, np.inf])
def test_a_backend_that_is_off_is_refused(by):
    with pytest.raises(Permanent) as caught:
        require_agreement(Off(by), Off(0), (np.zeros(3, np.float32),))
    assert caught.value.reason is Reason.BACKEND_UNUSABLE


def test_above_one_the_bound_is_relative():
    x = np.full(3, 1000, np.float32)
    assert require_agreement(Off(0.5), Off(0), (x,)) == pytest.approx(5e-4)


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
